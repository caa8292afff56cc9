"""What depth is worth: the standing table of a model on colour, with depth, and with depth erased on clear objects.

    python experiments/depth.py folder DATA_ROOT [--noise] [--limit N] [--out results.json]
    python experiments/depth.py osd OSD-0.2-depth --limit 20

DATA_ROOT has depth and intrinsics: photos with NAME_depth.png and NAME_camera.json, or scenes of
``uois-sam generate``, whose depth is exact; with --noise they are seen by a structured-light, a stereo and a
time-of-flight camera in turn. The third row, of such scenes only, has no depth at all on clear objects: as glass often
looks to a sensor. "clear found" is the share of clear objects whose best mask has an IoU above 0.5; an object is clear
if a part of it is.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import open_dataset
from uois_sam.datasets.base import Dataset
from uois_sam.errors import DatasetError, UOISError
from uois_sam.evaluation.error_kinds import diagnose, sum_counts
from uois_sam.evaluation.frame_scores import FrameResult, score_frame
from uois_sam.evaluation.overlaps import compare
from uois_sam.evaluation.predictors import as_prediction
from uois_sam.evaluation.run import evenly_spaced
from uois_sam.instances import Instances
from uois_sam.runtime.provenance import summary
from uois_sam.synth.dataset.reader import read_annotations
from uois_sam.synth.rendering.depth_sensor import SENSORS, sense_depth, surface_maps
from uois_sam.synth.scene import Scene
from uois_sam.types import BoolArray, Sample

ROWS = ("colour", "with depth", "depth erased on clear objects")
CLEAR = 0.5
"""Share of light through a part from which its object is clear."""


@dataclass
class Tally:
    """What one row has found so far."""

    frames: list[FrameResult]
    unlabelled: list[int]
    """Background masks of each frame of which most lies in areas that are left out of the score: objects, for all that
    is known; the rest of them counts as background."""
    clear: list[bool]
    seconds: list[float]


def clear_labels(scene: Scene | None) -> list[int]:
    """Return the labels of a scene's clear objects."""
    if scene is None:
        return []
    return [k for k, one in enumerate(scene.objects, 1) if max(surface.clear for surface in one.surfaces) > CLEAR]


def count_unlabelled(sample: Sample, instances: Instances) -> int:
    """Return how many background masks lie by half or more in areas that are left out of the score."""
    if sample.ignore is None:
        return 0
    labels = instances.label_map()
    comparison = compare(labels, sample.labels, sample.ignore)
    background = [comparison.predicted_labels[index] for index in diagnose(comparison.overlaps).background]
    return sum(float(sample.ignore[labels == label].mean()) >= 0.5 for label in background)


def found(true: BoolArray, instances: Instances) -> bool:
    """Return whether a mask has an IoU above 0.5 with an object."""
    shared = (instances.masks & true).sum(axis=(1, 2))
    joined = (instances.masks | true).sum(axis=(1, 2))
    return bool((shared > 0.5 * joined).any())


def rows_of(model: UOISSAM, sample: Sample, scene: Scene | None, noise: int | None) -> Iterator[tuple[str, Instances]]:
    """Predict a photo in each row's way."""
    encoded = model.encode_image(sample.image)
    yield ROWS[0], encoded.predict()
    if sample.depth_m is None or sample.camera is None:
        raise DatasetError(f"{sample.name}: expected depth and intrinsics, found none")
    depth = sample.depth_m
    if noise is not None and scene is not None:
        rng = np.random.default_rng([noise, 7])
        kind = list(SENSORS)[noise % len(SENSORS)]
        depth = sense_depth(depth, sample.image, *surface_maps(scene, sample.labels), kind, rng)
    yield ROWS[1], encoded.with_depth(depth, sample.camera).predict()
    if clear := clear_labels(scene):
        erased = np.where(np.isin(sample.labels, clear), np.float32(0), depth)
        yield ROWS[2], encoded.with_depth(erased, sample.camera).predict()


def measure(
    model: UOISSAM, data: Dataset, indices: list[int], scenes: dict[str, Scene], noise: bool
) -> dict[str, Tally]:
    """Score all rows on the same frames."""
    tallies: dict[str, Tally] = defaultdict(lambda: Tally([], [], [], []))
    for index in indices:
        sample = data[index]
        scene = scenes.get(sample.name)
        start, done = time.process_time(), dict[str, Instances]()
        for row, instances in rows_of(model, sample, scene, index if noise else None):
            tallies[row].seconds.append(time.process_time() - start)
            done[row] = instances
            start = time.process_time()
        for row in ROWS:  # frames without clear objects are the same with and without depth on them
            instances = done.get(row, done[ROWS[1]])
            tallies[row].frames.append(score_frame(sample, as_prediction(instances)))
            tallies[row].unlabelled.append(count_unlabelled(sample, instances))
            masks = [sample.labels == label for label in clear_labels(scene)]
            tallies[row].clear += [found(mask, instances) for mask in masks if mask.any()]
    return tallies


def figures(tally: Tally) -> dict[str, float]:
    """Return the columns of a row."""
    scores = [frame.scores for frame in tally.frames]
    errors = sum_counts(frame.errors for frame in tally.frames)
    return {
        "F": 100 * float(np.mean([each.overlap.f_measure for each in scores])),
        "bF": 100 * float(np.mean([each.boundary.f_measure for each in scores])),
        "%75": 100 * float(np.mean([each.over_75 for each in scores])),
        "background masks": errors.background_masks,
        "of them mostly unlabelled": sum(tally.unlabelled),
        "missed": errors.missed,
        "clear found": 100 * float(np.mean(tally.clear)) if tally.clear else float("nan"),
        "processor seconds": float(np.median(tally.seconds)),
    }


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("folder", "osd", "bop", "tod", "phocal", "housecat6d"))
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--noise", action="store_true", help="of rendered scenes: see depth as cameras do")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, help="only N photos from all over the data set")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        data = open_dataset(arguments.kind, arguments.data_root, depth=True, partial=True)
        rendered = (arguments.data_root / "scenes.jsonl").is_file()
        annotations = read_annotations(arguments.data_root) if rendered else []
        scenes = {f"{one.index:06d}": one.scene for one in annotations}
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")
        having = [index for index in evenly_spaced(len(data), arguments.limit) if data[index].depth_m is not None]
        tallies = measure(model, data, having, scenes, arguments.noise)
    except UOISError as error:
        print(f"depth: {error}", file=sys.stderr)
        return 2
    rows = {row: figures(tallies[row]) for row in ROWS if rendered or row != ROWS[2]}
    name = arguments.data_root.resolve().name
    per_frame = {row: {f.name: f.scores.overlap.f_measure for f in tallies[row].frames} for row in rows}
    payload = {"model": model.name, "dataset": name, "frames": len(having), "noise": arguments.noise, "rows": rows}
    record = make_record("depth", {**payload, "overlap_f": per_frame})
    print(f"{model.name} on {len(having)} photos of {name}{', sensor noise' if arguments.noise else ''}\n")
    print(f"| input | {' | '.join(rows[ROWS[0]])} |\n|---|{'---|' * len(rows[ROWS[0]])}")
    for row, values in rows.items():
        print(f"| {row} | {' | '.join(f'{value:.1f}' if value < 1e3 else '' for value in values.values())} |")
    print(f"\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
