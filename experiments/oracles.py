"""Scores of a model when one part after the other is replaced by the truth, to find what limits it.

    python experiments/oracles.py DATA_ROOT [--model compact] [--limit N] [--out results.json]

Every row feeds the same decoder and the same selection, without a closer look. What a row gains over the first is what
its part costs today: prompts on background (true foreground), prompts missing or misplaced (true points), masks ranked
or kept wrongly (true scores), both together, and the last row is what the mask grid itself can draw. Printed besides:
how many objects get a prompt, and how many of the final errors are of which kind.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from rows import by_column, score_rows, scores_table, summarise
from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.config import MASKS_PER_PROMPT
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation.error_kinds import ERROR_KINDS, sum_counts
from uois_sam.geometry import Frame, map_points, resize_logits
from uois_sam.models.decoding import choose_drawn
from uois_sam.pipeline import EncodedImage
from uois_sam.runtime.provenance import summary
from uois_sam.training.splits import first_images
from uois_sam.types import Candidates, LabelMap, PointPrompts, Sample

ROWS = ("unchanged", "true foreground", "true points", "true scores", "true points and scores", "mask grid")
CHUNK = 16
"""Prompts per batch, with four masks each."""


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="folder of photos and label PNGs (see FolderDataset)")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, help="only the first N photos")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        data = first_images(FolderDataset(arguments.data_root), arguments.limit)
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")  # where the truth is
        result = study(model, data)
    except UOISError as error:
        print(f"oracles: {error}", file=sys.stderr)
        return 2
    name = arguments.data_root.resolve().name
    rows = [([row], values.values()) for row, values in result["rows"].items()]
    print(scores_table([f"{model.name} on {name}"], rows))
    told = ", ".join(f"{kind} {count}" for kind, count in result["errors"].items())
    print(f"\n{result['objects']} objects, {100 * result['prompted']:.0f} % with a prompt on them; errors: {told}.")
    record = make_record("oracles", {"model": model.name, "dataset": name, **result})
    print(summary(record["machine"]))
    if arguments.out:
        write_record(arguments.out, record)
    return 0


def study(model: UOISSAM, data: Dataset) -> dict[str, Any]:
    """Return percentages by row, errors of the first row, number of objects, and the share of them with a prompt."""
    prompted: list[bool] = []

    def predict_all(sample: Sample) -> dict[str, LabelMap]:
        truth = true_masks(sample)
        encoded = model.encode_image(sample.image).with_settings(zoom=False)
        points = own_points(encoded).round().astype(int)
        prompted.extend(bool(mask[points[:, 1], points[:, 0]].any()) for mask in truth)
        return {row: predict(encoded, truth) for row, predict in PREDICTORS.items()}

    results = score_rows(data, predict_all)
    counts = sum_counts(result.errors for result in results[ROWS[0]])
    return {
        "rows": {row: by_column(summarise(each).all_frames.percentages()) for row, each in results.items()},
        "errors": {kind: counts.of(kind) for kind in ERROR_KINDS},
        "objects": len(prompted),
        "prompted": sum(prompted) / max(1, len(prompted)),
    }


def true_masks(sample: Sample) -> npt.NDArray[np.bool_]:
    """Return the masks of all objects: (N, H, W) bool in ascending order of labels."""
    ids = np.unique(sample.labels[sample.labels > 0])
    return np.asarray(sample.labels[None] == ids[:, None, None])


def own_points(encoded: EncodedImage) -> npt.NDArray[np.float32]:
    """Return the prompt generator's points: (M, 2) float32 xy in the photo."""
    height, width = encoded.maps.heatmap.shape[-2:]
    points = map_points(encoded.prompts.points_xy, (height, width), encoded.image_hw).numpy()
    limit = np.array(encoded.image_hw)[::-1] - 1
    return np.clip(points, 0, limit).astype(np.float32)


def interior_points(truth: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Return the pixel of every mask that is farthest from its edge: (N, 2) float32 xy."""
    points = np.zeros((len(truth), 2), dtype=np.float32)
    for row, mask in enumerate(truth):
        depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
        points[row] = np.unravel_index(int(depth.argmax()), mask.shape)[::-1]
    return points


def predict(
    encoded: EncodedImage, truth: npt.NDArray[np.bool_], points: npt.NDArray[np.float32], true_scores: bool
) -> npt.NDArray[np.uint16]:
    """Return the label map from given points, with masks ranked by the model or by their true IoU."""
    prompted = with_prompts(encoded, points)
    if not true_scores:
        return prompted.predict().label_map()
    with encoded.networks.computing():
        in_frame = map_points(torch.from_numpy(points), encoded.image_hw, encoded.features.mask_frame.content_hw)
        return prompted.select(_candidates(encoded, truth, points, in_frame)).label_map()


def with_prompts(encoded: EncodedImage, points: npt.NDArray[np.float32]) -> EncodedImage:
    """Return the encoded photo with other prompts: (M, 2) xy points in the photo."""
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
    """Return the true masks at the resolution of the decoder's grid: averaged over its cells and resized back."""
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
