"""Which of a foundation model's masks is the object? Choosing by the compact model's mask, by SAM's score, by HDNet's.

    uois-sam generate --variety.split val --seed 20260101 --scenes 70 --height 480 --width 640 --out SCENES
    python experiments/mask_choice.py SCENES [--skip N] [--limit N] [--out results.json]

No foundation model is needed: a double (hierarchy_double.py) draws the true part, object and group under every prompt,
with wavering outlines, as the scenes' descriptions know them (objects of one part: regions of like colour), and
scores them as wrongly as SAM does. In a folder without scenes.jsonl (rgb/ and label/ of your own photos) all parts are
regions of like colour.

For every object that the compact model finds: the same candidates, chosen in each way. Right is a mask with at least
0.75 IoU with the object that most of the compact mask lies on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from hierarchy_double import Hierarchy, HierarchyDouble
from uois_sam import UOISSAM, Instances
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.config import MASK_AGREEMENT, MASKS_PER_PROMPT
from uois_sam.datasets import FolderDataset
from uois_sam.errors import UOISError
from uois_sam.geometry import Frame, onto_grid
from uois_sam.models.postprocess import vote
from uois_sam.models.redrawing import VOTE_IOU, KnownObjects, agreements, draw_candidates, merits
from uois_sam.pipeline.redrawing import ask
from uois_sam.pipeline.view import View
from uois_sam.synth.assets.collection import BUILT_IN
from uois_sam.synth.dataset.annotations import SceneAnnotation
from uois_sam.synth.dataset.reader import read_scenes
from uois_sam.synth.rendering.mitsuba_scene import _load_mesh
from uois_sam.synth.rendering.ray_casting import Window, cast_rays
from uois_sam.synth.rendering.variants import choose_variant
from uois_sam.types import BoolArray, ImageArray

RIGHT = 0.75
"""IoU with the true object from which a mask is right."""
HDNET_ERRORS = (0.1, 0.2)
"""Deviation of a score like HDNet's from the true IoU: a good one, and that of the bundled HDNet (root of the loss in
its card, 0.039)."""
MOST_PARTS = 64
"""Of a mesh; to number parts through a scene."""
COLOURS = 3
"""Colours that a photo's object is divided into."""


@dataclass(frozen=True)
class Case:
    """One object that the compact model found."""

    before: float
    """IoU of the compact mask with the true object."""
    by: dict[str, float]
    """Way of choosing to the IoU of what it chooses."""


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="folder of uois-sam generate, or of photos and label PNGs")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--skip", type=int, default=0, help="not the first N photos")
    parser.add_argument("--limit", type=int, help="no more than N photos")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        model = UOISSAM.from_pretrained(arguments.model, device="cpu").with_settings(zoom=False)
        cases = [
            case
            for photo in _photos(arguments.data_root, arguments.skip, arguments.limit)
            for case in study(model, *photo)
        ]
    except UOISError as error:
        print(f"mask_choice: {error}", file=sys.stderr)
        return 2
    table = summarise(cases)
    print(f"{len(cases)} objects of {arguments.data_root.resolve().name}, {model.name}\n\n{_printed(table)}")
    if arguments.out:
        write_record(
            arguments.out, make_record("mask_choice", {"cases": len(cases), "rows": table, "model": model.name})
        )
    return 0


def study(model: UOISSAM, image: ImageArray, hierarchy: Hierarchy, seed: int) -> Iterator[Case]:
    """Choose for every object of a photo in every way."""
    double = HierarchyDouble(hierarchy, seed)
    found = model.predict(image)
    if len(found) == 0:
        return
    redrawing = UOISSAM(replace(model.networks, redrawer=double.as_redrawer()), model.card, model.settings)
    yield from choices(redrawing.encode_image(image), found, double)


def choices(photo: View, found: Instances, double: HierarchyDouble) -> Iterator[Case]:
    """Choose for every object that was found in a photo, whose networks have the double, in every way."""
    hierarchy, seed = double.hierarchy, double.seed
    prompts, known = ask(photo, found)
    features, frame = photo.redrawing_features
    logits, _ = draw_candidates(double, features, prompts)
    scores = torch.cat([double.decode_prompts(features, each).scores for each in prompts], dim=1)
    draw = torch.Generator().manual_seed(seed)
    for row, mask in enumerate(found.masks):
        labels, sizes = np.unique(hierarchy.objects[mask], return_counts=True)
        label = labels[sizes.argmax()]
        if label == 0:
            continue  # background that was taken for an object: nothing that is chosen is right
        truth = _on_grid(hierarchy.objects == label, frame, known)
        yield _case(logits[row], scores[row], known, row, truth > 0.5, draw)


def _case(logits: Tensor, scores: Tensor, known: KnownObjects, row: int, truth: Tensor, draw: torch.Generator) -> Case:
    inside = (logits > 0) & known.content
    ious = _iou(inside, truth)
    agree = agreements(inside, known, row)
    overlap = _iou(inside, known.masks[row])
    before = float(_iou(known.masks[row][None], truth))
    few = slice(0, MASKS_PER_PROMPT)  # of the one point
    chosen = {
        "best of all, by the truth": float(ious.max()),
        "SAM's score, one point": float(ious[few][scores[few].argmax()]),
        "SAM's score, all prompts": float(ious[scores.argmax()]),
    }
    for error in HDNET_ERRORS:
        like = ious + error * torch.randn(len(ious), generator=draw)
        chosen[f"like HDNet's, error {error}, one point"] = float(ious[few][like[few].argmax()])
        chosen[f"like HDNet's, error {error}, all prompts"] = float(ious[like.argmax()])
        best = merits(agree, like).argmax()
        both = float(_iou(vote(logits, best[None], VOTE_IOU) > 0, truth))
        chosen[f"agreement and like HDNet's, error {error}"] = both
        merit = float(merits(agree, like)[best])
        kept = both if merit >= MASK_AGREEMENT else before
        chosen[f"agreement and like HDNet's, error {error}, compact mask below {MASK_AGREEMENT}"] = kept
    chosen["IoU with the compact mask"] = float(ious[overlap.argmax()])
    best = agree.argmax()
    chosen["agreement, without vote"] = float(ious[best])
    voted = float(_iou(vote(logits, best[None], VOTE_IOU) > 0, truth))
    chosen["agreement"] = voted
    for threshold in sorted({0.4, MASK_AGREEMENT, 0.6, 0.7}):
        chosen[f"agreement, compact mask below {threshold}"] = voted if agree[best] >= threshold else before
    return Case(before, chosen)


def _on_grid(mask: BoolArray, frame: Frame, known: KnownObjects) -> Tensor:
    height, width = known.content.shape
    return onto_grid(torch.from_numpy(mask)[None].float(), frame, (height, width))[0]


def _iou(masks: Tensor, mask: Tensor) -> Tensor:
    shared = (masks & mask).flatten(1).sum(dim=1).float()
    return shared / (masks | mask).flatten(1).sum(dim=1).clamp(min=1)


def summarise(cases: list[Case]) -> dict[str, dict[str, float]]:
    """Share right and mean IoU of every way, over all objects and over those whose compact mask is wrong."""
    ways = {"compact mask": [case.before for case in cases]}
    ways |= {name: [case.by[name] for case in cases] for name in cases[0].by} if cases else {}
    wrong = np.array([case.before < RIGHT for case in cases])
    table = {}
    for name, values in ways.items():
        ious = np.array(values)
        table[name] = {
            "right": round(100 * float((ious >= RIGHT).mean()), 1),
            "mean IoU": round(100 * float(ious.mean()), 1),
            "right where compact is not": round(100 * float((ious[wrong] >= RIGHT).mean()), 1) if wrong.any() else 0.0,
        }
    return table


def _printed(table: dict[str, dict[str, float]]) -> str:
    columns = list(next(iter(table.values())))
    lines = [f"| chosen by | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
    lines += [f"| {name} | {' | '.join(f'{row[column]:.1f}' for column in columns)} |" for name, row in table.items()]
    return "\n".join(lines)


def _photos(root: Path, skip: int, limit: int | None) -> Iterator[tuple[ImageArray, Hierarchy, int]]:
    """Photos with their hierarchy, and a seed of each."""
    if not (root / "scenes.jsonl").is_file():
        data = FolderDataset(root)
        for index in range(len(data))[skip:][:limit]:
            sample = data[index]
            labels = sample.labels.astype(np.int64)
            yield sample.image, Hierarchy(labels, parts_by_colour(sample.image, labels)), index
        return
    choose_variant("auto")
    for stored in read_scenes(root)[skip:][:limit]:
        image, labels = stored.image(), stored.labels().astype(np.int64)
        by_mesh = parts_by_mesh(stored.annotation, labels)
        parts = np.where(by_mesh > 0, by_mesh, -parts_by_colour(image, labels))
        yield image, Hierarchy(labels, parts), stored.annotation.index


def parts_by_colour(image: ImageArray, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(H, W): every object divided into regions of like colour."""
    smooth = cv2.cvtColor(cv2.medianBlur(np.ascontiguousarray(image), 7), cv2.COLOR_RGB2LAB).astype(np.float32)
    parts = np.zeros_like(labels)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    for label in np.unique(labels[labels > 0]):
        inside = labels == label
        pixels = smooth[inside]
        cv2.setRNGSeed(int(label))
        _, nearest, _ = cv2.kmeans(pixels, min(COLOURS, len(pixels)), None, criteria, 1, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
        parts[inside] = (COLOURS + 1) * label + nearest[:, 0]
    return parts


def parts_by_mesh(annotation: SceneAnnotation, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(H, W): which part of its mesh shows at every pixel of an object, 0 where there is one part only; numbered
    through the scene."""
    import mitsuba as mi

    size_hw = labels.shape[0], labels.shape[1]
    parts = np.zeros_like(labels)
    for label in np.unique(labels[labels > 0]):
        spec = annotation.scene.objects[label - 1]
        meshes = [part.mesh for part in BUILT_IN.parts(spec.family, spec.seed)]
        if len(meshes) < 2:
            continue
        rotation = Rotation.from_quat(spec.pose.quaternion, scalar_first=True).as_matrix()
        rows, columns = np.nonzero(labels == label)
        window = Window(int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
        placed = [mesh.transformed(rotation, spec.pose.position) for mesh in meshes]
        shapes = [_load_mesh(f"part{number}", mesh, mi.Properties()) for number, mesh in enumerate(placed)]
        depths = np.stack([cast_rays([shape], annotation.scene.camera, size_hw, window) for shape in shapes])
        front = MOST_PARTS * label + 1 + depths.argmin(axis=0)
        parts[window.slices] = np.where(labels[window.slices] == label, front, parts[window.slices])
    return parts


if __name__ == "__main__":
    sys.exit(main())
