"""Fit the scores that have seen depth: a few hundred numbers beside the code, from rendered scenes with sensor noise.

    uois-sam generate --out scenes --scenes 200 --seed 19 --height 384 --width 512
    python experiments/depth_scores.py scenes --out src/uois_sam/depth/rescoring.json

Scenes must be none that the model was trained on: it is surer of those. They are seen by a structured-light, a stereo
and a time-of-flight camera in turn. Prints the mean squared error of scores, as predictions of a mask's IoU, before and
after, on the scenes fitted on and on every fifth, which is held out of a first fit; the numbers written are of a second
one, on all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from uois_sam import UOISSAM
from uois_sam.arrays import to_numpy
from uois_sam.datasets import open_dataset
from uois_sam.depth.clues import CLUES, measure
from uois_sam.depth.rescoring import LEAST_SCORE, Rescoring
from uois_sam.errors import UOISError
from uois_sam.geometry import cut_padding, look_up
from uois_sam.models.decoding import make_scorer
from uois_sam.models.zoom import Crop
from uois_sam.synth.dataset.reader import read_annotations
from uois_sam.synth.rendering.depth_sensor import SENSORS, sense_depth, surface_maps
from uois_sam.synth.scene import Scene
from uois_sam.types import BoolArray, LabelMap, Sample

Array = npt.NDArray[np.float32]
DECAY = 0.02
"""Weight of the squared weights beside the mean squared error: some dozens of scenes say little."""


@dataclass(frozen=True)
class Rows:
    """Masks of one scene."""

    scores: Array
    """(K,) the model's own."""
    clues: Array
    """(K, C) by depth."""
    iou: Array
    """(K,) with the true object that is most like it."""


def rows_of_scene(model: UOISSAM, sample: Sample, scene: Scene, index: int) -> Rows | None:
    """Draw all masks of a scene with sensor noise and measure them; None without depth that can be used."""
    assert sample.depth_m is not None and sample.camera is not None
    rng = np.random.default_rng([index, 7])
    kind = list(SENSORS)[index % len(SENSORS)]
    depth = sense_depth(sample.depth_m, sample.image, *surface_maps(scene, sample.labels), kind, rng)
    whole = model.encode_image(sample.image).with_depth(depth, sample.camera)
    crop, view = whole.zoomed or (Crop(0, 0, *whole.image_hw), whole)
    understood, points = whole.scene, view.points_in_mask_frame
    if understood is None or len(points) == 0:
        return None
    with view.networks.computing():
        logits, scores = make_scorer(view.networks, view.in_effect).every(
            view.features.mask_features, view.maps, points
        )
    masks = to_numpy(cut_padding(logits.reshape(-1, *logits.shape[2:]), view.features.mask_frame) > 0)
    grid_hw = (masks.shape[1], masks.shape[2])
    relief = understood.relief(crop.top, crop.left, crop.height, crop.width, grid_hw)
    labels = crop.cut(sample.labels)
    return worth_fitting(to_numpy(scores).ravel(), masks, measure(masks, relief), labels)


def worth_fitting(scores: Array, masks: BoolArray, clues: Array, labels: LabelMap) -> Rows:
    """Rows of the masks whose scores depth may change.

    Args:
        scores: (K,) of masks.
        masks: (K, h, w) on a grid over a view.
        clues: (K, C).
        labels: (H, W), of the same view.
    """
    kept = scores > LEAST_SCORE
    rows = masks[kept].reshape(np.count_nonzero(kept), masks.shape[1] * masks.shape[2]).astype(np.float32)
    ids = [label for label in np.unique(labels) if label]
    columns = [np.ravel(look_up(labels == label, (masks.shape[1], masks.shape[2]))) for label in ids]
    true = np.stack([np.zeros(rows.shape[1]), *columns], axis=1).astype(np.float32)
    shared = rows @ true
    joined = rows.sum(axis=1)[:, None] + true.sum(axis=0) - shared
    return Rows(scores[kept], clues[kept], (shared / np.maximum(joined, 1)).max(axis=1))


def fit(scenes: Sequence[Rows], decay: float = DECAY) -> Rescoring:
    """Fit by least squares on IoU (ridge), each scene counting alike."""
    scores, iou = (np.concatenate([getattr(one, name) for one in scenes]) for name in ("scores", "iou"))
    clues = np.concatenate([one.clues for one in scenes])
    counts = np.concatenate([np.full(len(one.iou), 1 / len(one.iou)) for one in scenes if len(one.iou)])
    raw = np.column_stack([scores, clues])
    unfitted = Rescoring(raw.mean(axis=0), raw.std(axis=0) + 1e-3, np.zeros(raw.shape[1], dtype=np.float32), 0)
    inputs = clues[:, :1] * np.column_stack([unfitted.inputs(scores, clues), np.ones(len(scores))])
    weighted = inputs * (counts / counts.sum())[:, None]
    found = np.linalg.solve(weighted.T @ inputs + decay * np.eye(inputs.shape[1]), weighted.T @ (iou - scores))
    return replace(unfitted, weights=found[:-1].astype(np.float32), bias=float(found[-1]))


def errors(rescoring: Rescoring, scenes: Sequence[Rows]) -> tuple[float, float]:
    """Mean squared error of the model's scores and of the fitted ones."""
    before = [float(((one.scores - one.iou) ** 2).mean()) for one in scenes if len(one.iou)]
    after = [float(((rescoring(one.scores, one.clues) - one.iou) ** 2).mean()) for one in scenes if len(one.iou)]
    return float(np.mean(before)), float(np.mean(after))


def to_json(rescoring: Rescoring, fitted: str) -> str:
    """Return the file's text, numbers with five digits."""
    numbers = {
        name: [float(f"{value:.5g}") for value in getattr(rescoring, name)] for name in ("mean", "scale", "weights")
    }
    numbers_and_bias = {**numbers, "bias": float(f"{rescoring.bias:.5g}")}
    return json.dumps({"fitted": fitted, "clues": list(CLUES), **numbers_and_bias}, indent=1) + "\n"


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", type=Path, help="folder that uois-sam generate wrote")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, help="only the first N scenes")
    parser.add_argument("--out", type=Path, required=True, help="file to write, rescoring.json")
    arguments = parser.parse_args()
    try:
        data = open_dataset("folder", arguments.scenes, depth=True, partial=True)
        scenes = {f"{one.index:06d}": one.scene for one in read_annotations(arguments.scenes)}
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")
        numbers = range(len(data))[: arguments.limit]
        samples = ((index, data[index]) for index in numbers)
        found = [rows_of_scene(model, sample, scenes[sample.name], index) for index, sample in samples]
    except UOISError as error:
        print(f"depth_scores: {error}", file=sys.stderr)
        return 2
    rows = [one for one in found if one is not None]
    held = rows[::5]
    first = fit([one for number, one in enumerate(rows) if number % 5])
    print("held out: {:.4f} -> {:.4f}".format(*errors(first, held)))
    final = fit(rows)
    print("fitted on: {:.4f} -> {:.4f}".format(*errors(final, rows)))
    arguments.out.write_text(to_json(final, f"{model.name}, {len(rows)} scenes"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
