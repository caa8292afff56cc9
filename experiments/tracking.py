"""Ids that stay, measured: the tracker beside a library's, on rendered videos with truth.

    uois-sam generate --out videos --scenes 8 --video 24 --height 240 --width 320 --samples 4 --seed 11 \\
        --variety.split val --variety.most-objects 10 --variety.surroundings 0 --variety.camouflage-share 0 \\
        --variety.no-distractors --variety.no-clear --variety.no-cloths
    python experiments/tracking.py videos [--model compact] [--out results.json]

Two sources of instances: the model's, and the truth's own masks of which one in ten is missing and edges are rough,
which leaves the tracker alone to blame. Two trackers: ours, and those of the package ``trackers`` (ByteTrack, OC-SORT),
where it is installed (``pip install --no-deps trackers supervision``). Flicker is 1 - IoU of a still object's masks in
two frames in a row. "F1 without ids" is what IDF1 could be at most with the masks that are reported; a last line says
what it could be at most if always the right ones were chosen of all masks that the model offers. Every object with a
label counts: all from 1/5000 of the frame on (15 pixels here); another line says how many objects are found by size.
Times are medians of a frame, of the processor. ``--soak SECONDS`` instead goes around the videos for so long and prints
the process's memory.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from tracking_cost import soak, twenty
from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import DatasetError, UOISError
from uois_sam.geometry import mask_bounds
from uois_sam.instances import Instances
from uois_sam.pipeline import EncodedImage
from uois_sam.runtime.provenance import summary
from uois_sam.synth.dataset.reader import StoredScene, read_scenes
from uois_sam.synth.motion import motion_of
from uois_sam.tracking import Tracker, TrackerConfig
from uois_sam.tracking.scores import MATCHED_IOU, FrameMatch, TrackingScores, flicker, match_frame, score
from uois_sam.types import BoolArray

ROUGH = "truth, 1 in 10 missing"
MISSING = 0.1
"""Share of true masks that are left out."""

OFFERED_SCORE, OFFERED_IOU = 0.15, 0.9
"""Of the masks that the model could choose from: least score, and overlap from which on two are the same."""
SIZES = (0, 100, 300, 1000)
"""Least visible pixels of the classes that found objects are counted in."""

Step = Callable[["Frame", str], Instances]


@dataclass(frozen=True)
class Frame:
    """A frame with what is true and what was found."""

    encoded: EncodedImage
    offered: BoolArray
    """All masks from a low score on, those too that overlap better ones."""
    model_s: float
    true_masks: BoolArray
    true_ids: npt.NDArray[np.int64]
    found: dict[str, Instances]
    """Source to instances."""


def frames_of(folder: Path, model: UOISSAM) -> Iterator[Frame]:
    """Read and segment the frames of a video."""
    rng = np.random.default_rng(0)
    for scene in read_scenes(folder):
        image = scene.image()
        begun = time.perf_counter()
        encoded = model.encode_image(image)
        found = encoded.predict()
        seconds = time.perf_counter() - begun
        masks, ids = truth(scene)
        offered = encoded.with_settings(nms_iou=OFFERED_IOU).predict(min_score=OFFERED_SCORE).masks
        yield Frame(
            encoded,
            offered,
            seconds,
            masks,
            ids,
            {"model": found, ROUGH: replace(roughened(masks, rng), image=scene.image())},
        )


def truth(scene: StoredScene) -> tuple[BoolArray, npt.NDArray[np.int64]]:
    """(G, H, W) masks and (G,) ids of a frame."""
    labels = scene.labels()
    ids: npt.NDArray[np.int64] = np.unique(labels[labels > 0]).astype(np.int64)
    return np.asarray(labels[None] == ids[:, None, None], dtype=np.bool_), ids


def roughened(masks: BoolArray, rng: np.random.Generator) -> Instances:
    """True masks as a detector without ids would give them: shuffled, some missing, each grown or shrunk a pixel."""
    order = rng.permutation(np.flatnonzero(rng.random(len(masks)) >= MISSING))
    kernel = np.ones((3, 3), np.uint8)
    rough = []
    for mask in masks[order].astype(np.uint8):
        changed = (cv2.dilate if rng.random() < 0.5 else cv2.erode)(mask, kernel)
        rough.append(changed if changed.any() else mask)
    kept = np.array(rough, dtype=np.bool_).reshape(-1, *masks.shape[1:])
    boxes = np.array([mask_bounds(mask) for mask in kept], dtype=np.float32).reshape(-1, 4)
    scores = np.sort(rng.uniform(0.7, 1, len(kept)))[::-1].astype(np.float32)
    return Instances(kept, scores, boxes, ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32))


def ours(config: TrackerConfig, looks: bool = True) -> Step:
    """Our tracker."""
    tracker = Tracker(config)
    return lambda frame, source: tracker.update(frame.found[source], frame.encoded if looks else None)


def library(name: str) -> Step:
    """A tracker of the package ``trackers``, which sees boxes and scores; masks go with the boxes."""
    import supervision
    import trackers

    kind: Any = getattr(trackers, name)
    tracker = kind(lost_track_buffer=60, frame_rate=15)

    def step(frame: Frame, source: str) -> Instances:
        found = frame.found[source]
        numbers, kinds = np.arange(len(found)), np.zeros(len(found), int)
        boxes = supervision.Detections(xyxy=found.boxes, confidence=found.scores, class_id=kinds, data={"row": numbers})
        out = tracker.update(boxes)
        ids = np.full(len(found), -1) if out.tracker_id is None else np.asarray(out.tracker_id)
        named = ids >= 0
        rows = np.asarray(out.data.get("row", np.arange(len(ids))), dtype=int)[named]
        return replace(found[rows], ids=ids[named].astype(np.int64) + 1)

    return step


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    source: str
    tracker: str
    videos: str
    scores: TrackingScores
    flicker: float | None
    milliseconds: float


@dataclass(frozen=True)
class Run:
    """One tracker over one video."""

    motion: str
    matches: list[FrameMatch]
    flickers: list[float]
    seconds: list[float]


def follow(motion: str, frames: Sequence[Frame], source: str, step: Step) -> Run:
    """Run a tracker over a video."""
    run = Run(motion, [], [], [])
    before: dict[int, BoolArray] = {}
    for frame in frames:
        begun = time.process_time()
        out = step(frame, source)
        run.seconds.append(time.process_time() - begun)
        assert out.ids is not None
        run.matches.append(match_frame(frame.true_masks, frame.true_ids, out.masks, out.ids))
        now = {int(number): mask for number, mask in zip(out.ids, out.masks, strict=True)}
        if motion == "still":
            run.flickers.extend(flicker(before[number], mask) for number, mask in now.items() if number in before)
        before = now
    return run


def rows_of(source: str, name: str, runs: Sequence[Run]) -> list[Row]:
    """A row for each motion and one for all videos."""
    flickers = [value for run in runs for value in run.flickers]
    shaking = float(np.mean(flickers)) if flickers else None
    middle = 1000 * float(np.median([value for run in runs for value in run.seconds]))
    motions = list(dict.fromkeys(run.motion for run in runs))
    groups = {motion: [run.matches for run in runs if run.motion == motion] for motion in motions}
    groups["all"] = [run.matches for run in runs]
    return [Row(source, name, motion, score(group), shaking, middle) for motion, group in groups.items()]


@dataclass
class Losses:
    """What becomes of true objects and of the model's masks, frame by frame, with no regard to ids."""

    objects: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SIZES), dtype=np.int64))
    found: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(SIZES), dtype=np.int64))
    offered: int = 0
    """Objects that some mask on offer would be."""
    wrong: dict[str, int] = field(default_factory=lambda: {"background": 0, "part": 0, "several": 0})

    def add(self, frame: Frame) -> None:
        """Count a frame."""
        areas = frame.true_masks.sum(axis=(1, 2))
        kinds = np.searchsorted(SIZES, areas, side="right") - 1
        best = [match_frame(frame.true_masks, frame.true_ids, masks, np.arange(len(masks))).iou
                for masks in (frame.found["model"].masks, frame.offered)]  # fmt: skip
        hits, offered = (iou.max(axis=1, initial=0) >= MATCHED_IOU for iou in best)
        np.add.at(self.objects, kinds, 1)
        np.add.at(self.found, kinds, hits)
        self.offered += int(np.count_nonzero(offered))
        for mask, right in zip(frame.found["model"].masks, best[0].max(axis=0, initial=0) >= MATCHED_IOU, strict=True):
            if not right:
                inside = (frame.true_masks & mask).sum(axis=(1, 2))
                half = np.count_nonzero(mask) / 2
                kind = "background" if inside.sum() < half else "part" if inside.max() >= half else "several"
                self.wrong[kind] += 1

    def __str__(self) -> str:
        sizes = ", ".join(f"{found} of {objects} from {size} pixels on"
                          for size, found, objects in zip(SIZES, self.found, self.objects, strict=True))  # fmt: skip
        wrong = ", ".join(f"{number} {kind}" for kind, number in self.wrong.items())
        recall = self.offered / max(1, self.objects.sum())
        return (f"the model's masks by themselves: found {sizes}; wrong ones: {wrong}; with the right ones of all "
                f"that are offered F1 would be {200 * recall / (1 + recall):.1f}")  # fmt: skip


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    head = "| instances | tracker | videos | IDF1 | F1 without ids | HOTA | DetA | AssA | switches | flicker | ms |"
    lines = [head, "|" + "---|" * 11]
    for row in rows:
        s = row.scores
        bound = 2 * s.recall * s.precision / max(s.recall + s.precision, 1e-9)
        numbers = " | ".join(f"{100 * value:.1f}" for value in (s.idf1, bound, s.hota, s.deta, s.assa))
        rest = f"{s.switches}"
        shaking = "" if row.flicker is None else f"{100 * row.flicker:.2f}"
        own = f"{shaking} | {row.milliseconds:.1f}" if row.videos == "all" else " | "
        lines.append(f"| {row.source} | {row.tracker} | {row.videos} | {numbers} | {rest} | {own} |")
    return "\n".join(lines)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", type=Path, help="folder that `uois-sam generate --video` wrote")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--soak", type=float, help="seconds to go around the videos, instead of the table")
    parser.add_argument("--out", type=Path, help="JSON file for the rows")
    arguments = parser.parse_args()
    try:
        folders = sorted(path.parent for path in arguments.videos.glob("video_*/contact_sheet.jpg"))
        if not folders:
            raise DatasetError(f"{arguments.videos}: expected videos of `uois-sam generate --video`, found none")
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")
        if arguments.soak is not None:
            for line in soak(folders, model, arguments.soak):
                print(line, flush=True)
            return 0
        makes = steps()
        runs: dict[tuple[str, str], list[Run]] = {}
        model_s: list[float] = []
        losses = Losses()
        for folder in folders:  # one video in memory at a time
            motion, frames = motion_of(int(folder.name[-6:])), list(frames_of(folder, model))
            for frame in frames:
                losses.add(frame)
            model_s += [frame.model_s for frame in frames]
            for source in frames[0].found:
                for name, make in makes.items():
                    runs.setdefault((source, name), []).append(follow(motion, frames, source, make()))
        rows = [row for (source, name), each in runs.items() for row in rows_of(source, name, each)]
        print(table(rows))
        print(losses)
        cost = f"the model, in the same run: {1000 * np.median(model_s):.1f} ms a frame; {twenty()}"
        print(cost)
        said = {"videos": len(folders), "model": model.name, "rows": [asdict(row) for row in rows]}
        record = make_record("tracking", {**said, "masks": str(losses), "cost": cost})
        print(summary(record["machine"]))
        if arguments.out is not None:
            write_record(arguments.out, record)
    except UOISError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def steps() -> dict[str, Callable[[], Step]]:
    """Trackers by name; a new one is made for each video."""
    before = TrackerConfig(camera=False, show_standing=0.0)
    plain = replace(before, vote=1.0, hold_frames=0)
    makes: dict[str, Callable[[], Step]] = {"ours": lambda: ours(TrackerConfig())}
    makes["· and all shown, camera not followed"] = lambda: ours(before)
    makes["· and no votes, nothing held"] = lambda: ours(plain)
    makes["· and by place alone"] = lambda: ours(plain, looks=False)
    try:
        import trackers  # noqa: F401

        makes["ByteTrack (trackers)"] = lambda: library("ByteTrackTracker")
        makes["OC-SORT (trackers)"] = lambda: library("OCSORTTracker")
    except ImportError:
        print("the package trackers is not installed: ours alone", file=sys.stderr)
    return makes


if __name__ == "__main__":
    sys.exit(main())
