"""What limits a model: its scores when one part after the other is replaced by the truth.

    python benchmarks/oracles.py DATA_ROOT [--model compact] [--limit N] [--out results.json]

Every row feeds the same decoder and the same selection, without a closer look. What a row gains over the first is what
its part costs today: prompts on background (true foreground), prompts missing or misplaced (true points), masks ranked
or kept wrongly (true scores), both together, and the last row is what the mask grid itself can draw. Printed besides:
how many objects get a prompt, and how many of the final errors are of which kind.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from table4 import COLUMNS, percentages
from uois_sam import UOISSAM
from uois_sam.config import MASKS_PER_PROMPT
from uois_sam.datasets import FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import ScoreAccumulator, score_image
from uois_sam.evaluation.error_kinds import ERROR_KINDS, diagnose
from uois_sam.evaluation.overlaps import compare
from uois_sam.geometry import Frame, map_points, resize_logits
from uois_sam.io.files import write_atomically
from uois_sam.models.decoding import choose_drawn
from uois_sam.pipeline import EncodedImage
from uois_sam.runtime.provenance import describe_machine, summary
from uois_sam.types import Candidates, PointPrompts, Sample

ROWS = ("as it is", "true foreground", "true points", "true scores", "true points and scores", "mask grid")
CHUNK = 16
"""Prompts decoded at once, all four masks each."""


def main() -> int:
    """Run the script; 2 on bad input, told in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="folder of photos and label PNGs (see FolderDataset)")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, help="only the first N photos")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        data = FolderDataset(arguments.data_root)
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")  # where the truth is
        frames = range(len(data) if arguments.limit is None else min(arguments.limit, len(data)))
        result = study(model, (data[index] for index in frames))
    except UOISError as error:
        print(f"oracles: {error}", file=sys.stderr)
        return 2
    print(f"| {model.name} on {arguments.data_root.resolve().name} | {' | '.join(COLUMNS)} |\n{'|---' * 8}|")
    for row, values in result["rows"].items():
        print(f"| {row} | " + " | ".join(f"{values[column]:.1f}" for column in COLUMNS) + " |")
    told = ", ".join(f"{kind} {count}" for kind, count in result["errors"].items())
    print(f"\n{result['objects']} objects, {100 * result['prompted']:.0f} % with a prompt on them; errors: {told}.")
    machine = describe_machine()
    print(summary(machine))
    if arguments.out:
        kept = {"benchmark": "oracles", "model": model.name, "dataset": arguments.data_root.resolve().name}
        write_atomically(arguments.out, (json.dumps({**kept, **result, "machine": machine}, indent=1) + "\n").encode())
    return 0


def study(model: UOISSAM, samples: Any) -> dict[str, Any]:
    """All rows over all samples: percentages by row, error counts of the first, share of objects with a prompt."""
    scores = {row: ScoreAccumulator() for row in ROWS}
    errors: Counter[str] = Counter()
    objects = prompted = 0
    for sample in samples:
        truth = true_masks(sample)
        encoded = model.encode_image(sample.image).with_settings(zoom=False)
        maps = {row: predict(encoded, truth) for row, predict in PREDICTORS.items()}
        for row, labels in maps.items():
            scores[row].update(score_image(labels, sample.labels, ignore=sample.ignore))
        counts = diagnose(compare(maps[ROWS[0]], sample.labels, sample.ignore).overlaps).counts()
        errors.update({kind: counts.of(kind) for kind in ERROR_KINDS})
        points = own_points(encoded).round().astype(int)
        objects += len(truth)
        prompted += sum(bool(mask[points[:, 1], points[:, 0]].any()) for mask in truth)
    rows = {row: percentages(kept.compute().all_frames) for row, kept in scores.items()}
    return {"rows": rows, "errors": dict(errors), "objects": objects, "prompted": prompted / max(1, objects)}


def true_masks(sample: Sample) -> npt.NDArray[np.bool_]:
    """(N, H, W) bool, ascending labels."""
    ids = np.unique(sample.labels[sample.labels > 0])
    return np.asarray(sample.labels[None] == ids[:, None, None])


def own_points(encoded: EncodedImage) -> npt.NDArray[np.float32]:
    """(M, 2) float32 xy in the photo: the prompt generator's."""
    height, width = encoded.maps.heatmap.shape[-2:]
    points = map_points(encoded.prompts.points_xy, (height, width), encoded.image_hw).numpy()
    limit = np.array(encoded.image_hw)[::-1] - 1
    return np.clip(points, 0, limit).astype(np.float32)


def interior_points(truth: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """(N, 2) float32 xy: of every mask the pixel that is farthest from its edge."""
    points = np.zeros((len(truth), 2), dtype=np.float32)
    for row, mask in enumerate(truth):
        depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        points[row] = np.unravel_index(int(depth.argmax()), mask.shape)[::-1]
    return points


def predict(
    encoded: EncodedImage, truth: npt.NDArray[np.bool_], points: npt.NDArray[np.float32], true_scores: bool
) -> npt.NDArray[np.uint16]:
    """The label map from the given points, the masks ranked by the model or by their true IoU."""
    prompted = with_prompts(encoded, points)
    if not true_scores:
        return prompted.predict().label_map()
    with encoded.networks.computing():
        in_frame = map_points(torch.from_numpy(points), encoded.image_hw, encoded.features.mask_frame.content_hw)
        return prompted.select(_candidates(encoded, truth, points, in_frame)).label_map()


def with_prompts(encoded: EncodedImage, points: npt.NDArray[np.float32]) -> EncodedImage:
    """The same encoded photo, prompted by (M, 2) xy points in the photo."""
    other = encoded.with_settings()
    height, width = encoded.maps.heatmap.shape[-2:]
    in_frame = map_points(torch.from_numpy(points), encoded.image_hw, (height, width))
    vars(other).update(maps=encoded.maps, prompts=PointPrompts(in_frame, torch.ones(len(points))))  # both are cached
    return other


def _candidates(
    encoded: EncodedImage,
    truth: npt.NDArray[np.bool_],
    points: npt.NDArray[np.float32],
    in_frame: Tensor,
) -> Candidates:
    decoder, features, selection = encoded.networks.decoder, encoded.features.mask_features, encoded.settings
    if not len(points):
        return choose_drawn(torch.zeros(0, MASKS_PER_PROMPT, 1, 1), torch.zeros(0, MASKS_PER_PROMPT), selection)
    drawn, ious = [], []
    for start in range(0, len(points), CHUNK):
        chunk = in_frame[start : start + CHUNK]
        predictions = decoder.decode_tokens(features, chunk)
        every = torch.arange(MASKS_PER_PROMPT).expand(len(chunk), -1)
        masks = decoder.upscale(features, predictions, chunk, every)
        under = [truth[:, round(y), round(x)] for x, y in points[start : start + CHUNK].tolist()]
        ious += [_true_iou(mask, truth[hit], encoded) for mask, hit in zip(masks, under, strict=True)]
        drawn.append(masks)
    return choose_drawn(torch.cat(drawn), torch.stack(ious), selection)


def _true_iou(masks: Tensor, under: npt.NDArray[np.bool_], encoded: EncodedImage) -> Tensor:
    """(4,) IoU of one prompt's masks with the object under its point; 0 on background."""
    if not len(under):
        return torch.zeros(len(masks))
    drawn = resize_logits(masks, encoded.features.mask_frame, encoded.image_hw) > 0
    true = torch.from_numpy(under[0])
    return (drawn & true).sum((1, 2)) / (drawn | true).sum((1, 2)).clamp(min=1)


def mask_grid(encoded: EncodedImage, truth: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint16]:
    """The true masks, drawn as well as the decoder's grid can: averaged over its cells and brought back."""
    labels = np.zeros(encoded.image_hw, dtype=np.uint16)
    frame: Frame = encoded.features.mask_frame
    for row, mask in enumerate(truth):
        share = torch.nn.functional.interpolate(
            torch.from_numpy(mask)[None, None].float(), [side // 4 for side in frame.content_hw],
            mode="bilinear", antialias=True,
        )[0]  # fmt: skip
        flat = Frame.stretched((share.shape[1], share.shape[2]))
        labels[(resize_logits(share - 0.5, flat, encoded.image_hw)[0] > 0).numpy()] = row + 1
    return labels


def _on_objects(encoded: EncodedImage, truth: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    points = own_points(encoded)
    at = points.round().astype(int)
    return points[truth[:, at[:, 1], at[:, 0]].any(axis=0)]


PREDICTORS: dict[str, Callable[[EncodedImage, npt.NDArray[np.bool_]], npt.NDArray[np.uint16]]] = {
    ROWS[0]: lambda encoded, truth: predict(encoded, truth, own_points(encoded), False),
    ROWS[1]: lambda encoded, truth: predict(encoded, truth, _on_objects(encoded, truth), False),
    ROWS[2]: lambda encoded, truth: predict(encoded, truth, interior_points(truth), False),
    ROWS[3]: lambda encoded, truth: predict(encoded, truth, own_points(encoded), True),
    ROWS[4]: lambda encoded, truth: predict(encoded, truth, interior_points(truth), True),
    ROWS[5]: mask_grid,
}

if __name__ == "__main__":
    sys.exit(main())
