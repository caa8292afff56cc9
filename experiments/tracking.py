"""Ids that stay, measured: the tracker beside a library's, on rendered videos with truth.

    uois-sam generate --out videos --scenes 8 --video 24 --height 240 --width 320 --samples 4 --seed 11 \\
        --variety.split val --variety.most-objects 10 --variety.surroundings 0 --variety.camouflage-share 0 \\
        --variety.no-distractors --variety.no-clear --variety.no-cloths
    python experiments/tracking.py videos [--model compact] [--out results.json]

Two sources of instances: the model's, and the truth's own masks of which one in ten is missing and edges are rough,
which leaves the tracker alone to blame. Two trackers: ours, and those of the package ``trackers`` (ByteTrack, OC-SORT),
where it is installed (``pip install --no-deps trackers supervision``). Flicker is 1 - IoU of a still object's masks in
two frames in a row. "F1 without ids" is what IDF1 could be at most with the masks that are reported. Times are medians
of a frame, of the processor. ``--soak SECONDS`` instead goes around the videos for so long and prints the process's
memory.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam import UOISSAM
from uois_sam.errors import DatasetError, UOISError
from uois_sam.instances import Instances
from uois_sam.io.files import write_atomically
from uois_sam.pipeline import EncodedImage
from uois_sam.synth.dataset.reader import StoredScene, read_scenes
from uois_sam.synth.motion import motion_of
from uois_sam.tracking import Tracker, TrackerConfig
from uois_sam.tracking.scores import FrameMatch, TrackingScores, flicker, match_frame, score
from uois_sam.types import BoolArray

MISSING = 0.1
"""Share of true masks that are left out."""

Step = Callable[[Instances, EncodedImage], Instances]


@dataclass(frozen=True)
class Frame:
    """A frame with what is true and what was found."""

    encoded: EncodedImage
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
        found = replace(encoded.predict(), image=None)
        seconds = time.perf_counter() - begun
        masks, ids = truth(scene)
        yield Frame(encoded, seconds, masks, ids, {"model": found, "truth, 1 in 10 missing": roughened(masks, rng)})


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
    boxes = np.array([_box(mask) for mask in kept], dtype=np.float32).reshape(-1, 4)
    scores = np.sort(rng.uniform(0.7, 1, len(kept)))[::-1].astype(np.float32)
    return Instances(kept, scores, boxes, ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32))


def _box(mask: BoolArray) -> list[int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def ours(config: TrackerConfig) -> Step:
    """Our tracker."""
    tracker = Tracker(config)
    return lambda found, encoded: tracker.update(found, encoded)


def library(name: str) -> Step:
    """A tracker of the package ``trackers``, which sees boxes and scores; masks go with the boxes."""
    import supervision
    import trackers

    kind: Any = getattr(trackers, name)
    tracker = kind(lost_track_buffer=60, frame_rate=15)

    def step(found: Instances, encoded: EncodedImage) -> Instances:
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
    flicker: float
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
        out = step(frame.found[source], frame.encoded)
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
    shaking = float(np.mean(flickers)) if flickers else float("nan")
    middle = 1000 * float(np.median([value for run in runs for value in run.seconds]))
    motions = list(dict.fromkeys(run.motion for run in runs))
    groups = {motion: [run.matches for run in runs if run.motion == motion] for motion in motions}
    groups["all"] = [run.matches for run in runs]
    return [Row(source, name, motion, score(group), shaking, middle) for motion, group in groups.items()]


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    head = "| instances | tracker | videos | IDF1 | F1 without ids | HOTA | DetA | AssA | switches | flicker | ms |"
    lines = [head, "|" + "---|" * 11]
    for row in rows:
        s = row.scores
        bound = 2 * s.recall * s.precision / max(s.recall + s.precision, 1e-9)
        numbers = " | ".join(f"{100 * value:.1f}" for value in (s.idf1, bound, s.hota, s.deta, s.assa))
        rest = f"{s.switches}"
        own = f"{100 * row.flicker:.2f} | {row.milliseconds:.1f}" if row.videos == "all" else " | "
        lines.append(f"| {row.source} | {row.tracker} | {row.videos} | {numbers} | {rest} | {own} |")
    return "\n".join(lines)


def twenty(seconds: float = 5.0) -> str:
    """Time of our tracker for a frame with 20 objects of 640x480, each with an embedding of the model."""
    model = UOISSAM.from_pretrained("compact", device="cpu")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (480, 640, 3)).astype(np.uint8)
    begun = time.perf_counter()
    encoded = model.encode_image(image)
    encoded.predict()
    of_model = time.perf_counter() - begun
    tracker, taken = Tracker(), list[float]()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until and len(taken) < 400:
        masks = np.zeros((20, 480, 640), dtype=np.bool_)
        for number, mask in enumerate(masks):
            x, y = 20 + 120 * (number % 5), 15 + 115 * (number // 5)
            dx, dy = rng.integers(-2, 3, 2)
            cv2.ellipse(view := mask.view(np.uint8), (x + 50 + int(dx), y + 50 + int(dy)), (50, 42), 0, 0, 360, 1, -1)
            del view
        boxes = np.array([_box(mask) for mask in masks], dtype=np.float32)
        middles = ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32)
        found = Instances(masks, np.linspace(0.9, 0.5, 20, dtype=np.float32), boxes, middles)
        begun = time.process_time()
        tracker.update(found, encoded)
        taken.append(time.process_time() - begun)
    middle, high = (1000 * float(np.percentile(taken[1:], share)) for share in (50, 90))
    return (f"20 objects, 640x480, {len(taken)} frames: {middle:.1f} ms of processor time a frame (90 %: {high:.1f}); "
            f"the model in the same run, one photo by the clock: {1000 * of_model:.0f} ms")  # fmt: skip


def soak(folders: Sequence[Path], model: UOISSAM, seconds: float) -> Iterator[str]:
    """Go around the videos with one tracker and say what memory the process has."""
    tracker, frames, begun = Tracker(), 0, time.monotonic()
    next_line = 0.0
    while (passed := time.monotonic() - begun) < seconds:
        for folder in folders:
            for scene in read_scenes(folder):
                encoded = model.encode_image(scene.image())
                tracker.update(encoded.predict(), encoded)
                frames += 1
                if (passed := time.monotonic() - begun) >= next_line:
                    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
                    used = f"{pages * 4096 / 2**20:.0f} MiB"
                    yield f"{passed:5.0f} s, {frames:5d} frames, {len(tracker):3d} objects known, {used}"
                    next_line = passed + seconds / 10
                if passed >= seconds:
                    return


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
        for folder in folders:  # one video in memory at a time
            motion, frames = motion_of(int(folder.name[-6:])), list(frames_of(folder, model))
            model_s += [frame.model_s for frame in frames]
            for source in frames[0].found:
                for name, make in makes.items():
                    runs.setdefault((source, name), []).append(follow(motion, frames, source, make()))
        rows = [row for (source, name), each in runs.items() for row in rows_of(source, name, each)]
        print(table(rows))
        of_model = np.median(model_s)
        print(f"the model, in the same run: {1000 * of_model:.1f} ms a frame; {twenty()}")
        if arguments.out is not None:
            write_atomically(arguments.out, json.dumps([asdict(row) for row in rows], indent=1).encode())
    except UOISError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def steps() -> dict[str, Callable[[], Step]]:
    """Trackers by name; a new one is made for each video."""
    plain = TrackerConfig(vote=1.0, hold_frames=0)
    makes: dict[str, Callable[[], Step]] = {"ours": lambda: ours(TrackerConfig())}
    makes["ours, no votes, nothing held"] = lambda: ours(plain)
    makes["ours, by place alone"] = lambda: _blind(ours(TrackerConfig()))
    try:
        import trackers  # noqa: F401

        makes["ByteTrack (trackers)"] = lambda: library("ByteTrackTracker")
        makes["OC-SORT (trackers)"] = lambda: library("OCSORTTracker")
    except ImportError:
        print("the package trackers is not installed: ours alone", file=sys.stderr)
    return makes


def _blind(step: Step) -> Step:
    return lambda found, encoded: step(found, None)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
