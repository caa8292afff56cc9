"""What a learned branch for depth is worth: it corrects foreground and heatmap of the frozen prompt generator.

    python experiments/depth_branch.py SCENES... --test DATA... [--scenes 120] [--epochs 8] [--limit N] [--out FILE]

SCENES were written by ``uois-sam generate``; their depth is seen by two simulated cameras a scene. Five maps (height,
normal, steps, curvature, validity) and the prompt generator's own logits go through a few convolutions to a residual on
these logits, which starts at zero and is zero where depth is unknown; half of the views lose depth on objects or on a
patch. Only the branch is fitted. DATA are folders with depth: that of scenes is seen by the cameras in turn. Rows are
the photo without depth, depth as it is used, and the branch besides: in whole, in part, only where it makes an object
likelier, and with no depth on clear objects.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth import Tally, clear_labels, count_unlabelled, figures, found
from uois_sam import UOISSAM, EncodedImage
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import open_dataset
from uois_sam.datasets.base import Dataset
from uois_sam.depth import DepthScene
from uois_sam.depth.planes import Array, tolerance
from uois_sam.depth.scene import points_of
from uois_sam.errors import DatasetError, UOISError
from uois_sam.evaluation.frame_scores import score_frame
from uois_sam.evaluation.predictors import as_prediction
from uois_sam.evaluation.run import evenly_spaced
from uois_sam.instances import Instances
from uois_sam.models.zoom import Crop
from uois_sam.pipeline.view import View
from uois_sam.runtime.provenance import summary
from uois_sam.synth.dataset.reader import read_annotations
from uois_sam.synth.rendering.depth_sensor import SENSORS, sense_depth, surface_maps
from uois_sam.synth.scene import Scene
from uois_sam.training.losses import foreground_loss, heatmap_loss
from uois_sam.training.targets import COMPACT_TARGET, foreground_target, heatmap_target
from uois_sam.types import FloatArray, PromptMaps, Sample

COLOUR, DEPTH, WHOLE, ERASED = "colour", "depth as it is used", "with the branch", "none on clear objects"
ROWS = (COLOUR, DEPTH, WHOLE, "half of it", "its foreground only", "where it raises", ERASED)
STRIDE = 4
"""Rows and columns of the prompt frame for each of the grid that the branch works on."""
PEAK_WEIGHT, HEATMAP_WEIGHT, FOREGROUND_WEIGHT = 20.0, 10.0, 0.5
"""As in the training of the compact network."""
VIEWS = 4
"""A step."""


class Branch(nn.Module):
    """Logits and depth maps on one grid to a residual on the logits; 40 k parameters."""

    def __init__(self, fine: int = 16, coarse: int = 32) -> None:
        super().__init__()
        self.enter = nn.Conv2d(7, fine, 3, padding=1)
        self.down = nn.Conv2d(fine, coarse, 3, stride=2, padding=1)
        self.around = nn.ModuleList(nn.Conv2d(coarse, coarse, 3, padding=wide, dilation=wide) for wide in (1, 2, 4))
        self.join = nn.Conv2d(fine + coarse, fine, 3, padding=1)
        self.out = nn.Conv2d(fine, 2, 1)
        nn.init.zeros_(self.out.weight)
        assert self.out.bias is not None
        nn.init.zeros_(self.out.bias)

    def forward(self, logits: Tensor, maps: Tensor) -> Tensor:
        """(B, 3, h, w) logits of background and foreground and heatmap, and (B, 5, h, w) maps, to (B, 3, h, w)."""
        likely = (logits[:, 1:2] - logits[:, :1]).clamp(-10, 10) / 4
        fine = F.relu(self.enter(torch.cat([likely, logits[:, 2:], maps], 1)))
        coarse = F.relu(self.down(fine))
        for convolution in self.around:
            coarse = coarse + F.relu(convolution(coarse))
        coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        known = F.avg_pool2d(maps[:, 4:5], 5, 1, 2)
        foreground, heat = (self.out(F.relu(self.join(torch.cat([fine, coarse], 1)))) * known).unbind(1)
        return torch.stack([-2 * foreground, 2 * foreground, heat], 1)


def five_maps(scene: DepthScene, points: Array) -> Array:
    """(5, h, w) float32 over a photo: height, normal along the support's, steps, curvature, validity."""
    z, known = points[..., 2], scene.cells.known.astype(np.float32)
    limits = tolerance(z)
    around = np.maximum(cv2.blur(known, (5, 5)), 1e-6)
    smooth = cv2.blur(points * known[..., None], (5, 5)) / around[..., None]
    across, along = np.zeros((2, *points.shape), dtype=np.float32)
    across[:, 2:-2], along[2:-2] = smooth[:, 4:] - smooth[:, :-4], smooth[4:] - smooth[:-4]
    normals = np.cross(across, along)
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    up = np.array([0, 0, -1], np.float32) if scene.support is None else scene.support.plane.normal
    side = np.ones((3, 3), np.uint8)
    far = cv2.dilate(np.where(known > 0, z, np.float32(-1e3)), side)
    near = cv2.erode(np.where(known > 0, z, np.float32(1e3)), side)
    wide = cv2.blur(z * known, (9, 9)) / np.maximum(cv2.blur(known, (9, 9)), 1e-6)
    height = scene.heights.clip(-0.1, 0.4)
    height = np.sign(height) * np.sqrt(np.abs(height) / 0.1)
    steps, curved = np.tanh((far - near).clip(0) / (4 * limits)), np.tanh((z - wide) / (2 * limits))
    return np.stack([height * known, np.abs(normals @ up) * known, steps * known, curved * known, known])


def in_view(maps: Array, photo_hw: tuple[int, int], crop: Crop, grid_hw: tuple[int, int]) -> Array:
    """(C, h, w) maps over a photo on a grid over a part of it, the mean of four look-ups a cell."""
    places = [
        ((start + (np.arange(2 * cells) + 0.5) * (pixels / (2 * cells))) * (size / whole) - 0.5).astype(np.float32)
        for start, pixels, cells, size, whole in zip(
            (crop.top, crop.left), (crop.height, crop.width), grid_hw, maps.shape[1:], photo_hw, strict=True
        )
    ]
    x, y = np.meshgrid(places[1], places[0])
    fine = np.stack([cv2.remap(each, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for each in maps])
    return fine.reshape(len(maps), grid_hw[0], 2, grid_hw[1], 2).mean(axis=(2, 4)).astype(np.float32)


def on_grid(maps: PromptMaps) -> Tensor:
    """(3, h, w) logits of background and foreground and heatmap on the branch's grid."""
    return F.avg_pool2d(torch.cat([maps.foreground_logits, maps.heatmap])[None], STRIDE)[0]


def added(residual: Tensor, row: str) -> Tensor:
    """What a row adds to (3, h, w) logits of background and foreground and heatmap."""
    if row == "half of it":
        return residual / 2
    if row == "its foreground only":
        return torch.cat([residual[:2], torch.zeros_like(residual[2:])])
    if row == "where it raises":
        return torch.cat([residual[:1].clamp(max=0), residual[1:].clamp(min=0)])
    return residual


@dataclass(frozen=True)
class Fitted:
    """One view to fit the branch on."""

    logits: Tensor
    maps: list[Tensor]
    """By camera."""
    heat: Tensor
    things: Tensor
    """(h, w) int64: labels, 0 where less than half of a cell is covered."""


def measured(sample: Sample, scene: Scene, kind: int, rng: np.random.Generator) -> FloatArray:
    """Depth of a scene as a camera sees it."""
    if sample.depth_m is None:
        raise DatasetError(f"{sample.name}: expected depth and intrinsics, found none")
    sensor = list(SENSORS)[kind % len(SENSORS)]
    return sense_depth(sample.depth_m, sample.image, *surface_maps(scene, sample.labels), sensor, rng)


def scenes_of(root: Path) -> dict[str, Scene]:
    """Descriptions of rendered scenes by name; none of photos."""
    return (
        {f"{one.index:06d}": one.scene for one in read_annotations(root)} if (root / "scenes.jsonl").is_file() else {}
    )


def views_of(model: UOISSAM, sample: Sample, scene: Scene, rng: np.random.Generator) -> Iterator[Fitted]:
    """The whole photo, the closer look at it, and a part at random, as the frozen networks see them."""
    photo_hw = sample.image.shape[0], sample.image.shape[1]
    encoded, first = model.encode_image(sample.image), int(rng.integers(len(SENSORS)))
    told = []
    for kind in (first, first + 1):
        depth = measured(sample, scene, kind, rng)
        understood = encoded.with_depth(depth, sample.camera or ()).scene
        if understood is not None and sample.camera is not None:
            told.append(five_maps(understood, points_of(depth, sample.camera)))
    views: list[tuple[Crop, View]] = [(Crop(0, 0, *photo_hw), encoded)]
    if encoded.zoomed is not None:
        views.append(encoded.zoomed)
    if encoded.zoomed is None or rng.random() < 0.3:
        height, width = (int(rng.uniform(0.35, 0.9) * side) for side in photo_hw)
        top, left = rng.integers(photo_hw[0] - height + 1), rng.integers(photo_hw[1] - width + 1)
        crop = Crop(int(top), int(left), height, width)
        views.append((crop, encoded.cut(crop)))
    for crop, view in views if told else ():
        logits = on_grid(view.maps)
        grid_hw = logits.shape[1], logits.shape[2]
        size = STRIDE * grid_hw[1], STRIDE * grid_hw[0]
        cut = np.ascontiguousarray(crop.cut(sample.labels)).astype(np.uint16)
        labels = cv2.resize(cut, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(np.int32)
        covered = cv2.resize(cut, grid_hw[::-1], interpolation=cv2.INTER_NEAREST_EXACT).astype(np.int64)
        things = np.where(foreground_target(labels, grid_hw), np.maximum(covered, 1), 0)
        heat = torch.from_numpy(heatmap_target(labels, COMPACT_TARGET, grid_hw))[None]
        maps = [torch.from_numpy(in_view(each, photo_hw, crop, grid_hw)) for each in told]
        yield Fitted(logits, maps, heat, torch.from_numpy(things))


def without_some(maps: Tensor, things: Tensor, rng: np.random.Generator) -> Tensor:
    """Half of the time maps that have lost depth, on some objects or on a patch."""
    if rng.random() < 0.5:
        return maps
    lost = torch.zeros_like(things, dtype=torch.bool)
    labels = torch.unique(things[things > 0])
    if rng.random() < 0.6 and len(labels):
        chosen = labels[torch.from_numpy(rng.random(len(labels)) < rng.uniform(0.1, 0.6))]
        lost = F.max_pool2d(torch.isin(things, chosen)[None].float(), 3, 1, 1)[0] > 0
    else:
        row, column = (int(rng.integers(side)) for side in things.shape)
        high, wide = (side // 4 for side in things.shape)
        lost[max(0, row - high) : row + high, max(0, column - wide) : column + wide] = True
    return torch.where(lost, 0, maps)


def loss_of(branch: Branch | None, views: Sequence[Fitted], maps: Sequence[Tensor]) -> Tensor:
    """Mean loss over views; that of the frozen prompt generator without a branch."""
    logits = torch.stack([view.logits for view in views])
    changed = logits if branch is None else logits + branch(logits, torch.stack(list(maps)))
    heat, things = torch.stack([view.heat for view in views]), torch.stack([view.things for view in views])
    wrong = foreground_loss(changed[:, :2], things > 0)
    return HEATMAP_WEIGHT * heatmap_loss(changed[:, 2:], heat, PEAK_WEIGHT) + FOREGROUND_WEIGHT * wrong


def fit(views: Sequence[Fitted], held_out: Sequence[Fitted], epochs: int) -> tuple[Branch, dict[str, float]]:
    """Fit a branch; returns it and the loss of views that it has not seen, without and with it."""
    torch.manual_seed(0)
    branch, rng = Branch(), np.random.default_rng(0)
    optimiser = torch.optim.AdamW(branch.parameters(), 2e-3, weight_decay=1e-3)
    steps = epochs * (len(views) // VIEWS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=max(2, steps), pct_start=0.1)
    for _ in range(epochs):
        order = rng.permutation(len(views))
        for start in range(0, len(order) - VIEWS + 1, VIEWS):
            drawn = [views[index] for index in order[start : start + VIEWS]]
            maps = [without_some(one.maps[int(rng.integers(len(one.maps)))], one.things, rng) for one in drawn]
            for index in np.flatnonzero(rng.random(VIEWS) < 0.5):
                one = drawn[index]
                drawn[index] = Fitted(one.logits.flip(-1), [], one.heat.flip(-1), one.things.flip(-1))
                maps[index] = maps[index].flip(-1)
            loss = loss_of(branch, drawn, maps)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(branch.parameters(), 1.0)
            optimiser.step()
            schedule.step()
    with torch.no_grad():
        losses = [[float(loss_of(each, [one], one.maps[:1])) for one in held_out] for each in (None, branch)]
    return branch.eval(), {name: float(np.mean(each)) for name, each in zip(("without", "with"), losses, strict=True)}


def corrected(encoded: EncodedImage, branch: Branch, row: str = WHOLE) -> EncodedImage:
    """The same photo, its foreground and heatmap corrected by what the branch makes of its depth."""
    scene, depth = encoded.scene, encoded.depth
    if scene is None or depth is None or depth.metres is None:
        return encoded
    told, photo_hw = five_maps(scene, points_of(depth.metres, depth.camera)), scene.photo_hw

    class Corrected(EncodedImage):
        """The photo, and parts cut out of it."""

        @cached_property
        def maps(self) -> PromptMaps:
            plain: PromptMaps = View.__dict__["maps"].func(self)  # of colour alone
            logits = on_grid(plain)
            maps = in_view(told, photo_hw, self._crop, (logits.shape[1], logits.shape[2]))
            with torch.no_grad():
                residual = branch(logits[None], torch.from_numpy(maps)[None])
            residual = F.interpolate(residual, plain.heatmap.shape[-2:], mode="bilinear", align_corners=False)[0]
            residual = added(residual, row)
            return PromptMaps(plain.foreground_logits + residual[:2], plain.heatmap + residual[2:])

    other = Corrected(
        encoded.networks, encoded.features, encoded.image, encoded.settings, encoded.model, encoded.request, None, depth
    )
    other.__dict__["scene"] = scene  # found with the foreground of colour
    return other


def rows_of(model: UOISSAM, branch: Branch, sample: Sample, scene: Scene | None, index: int) -> dict[str, Instances]:
    """Predict a photo in each row's way."""
    if sample.depth_m is None or sample.camera is None:
        raise DatasetError(f"{sample.name}: expected depth and intrinsics, found none")
    encoded, depth = model.encode_image(sample.image), sample.depth_m
    if scene is not None:
        depth = measured(sample, scene, index, np.random.default_rng([index, 7]))
    seen = encoded.with_depth(depth, sample.camera)
    done = {COLOUR: encoded.predict(), DEPTH: seen.predict()}
    done |= {row: corrected(seen, branch, row).predict() for row in ROWS[2:-1]}
    done[ERASED] = done[WHOLE]
    if clear := clear_labels(scene):
        erased = np.where(np.isin(sample.labels, clear), np.float32(0), depth)
        done[ERASED] = corrected(encoded.with_depth(erased, sample.camera), branch).predict()
    return done


def measure(model: UOISSAM, branch: Branch, root: Path, limit: int | None) -> dict[str, dict[str, float]]:
    """Score all rows on the photos of a folder that have depth."""
    data, scenes = open_dataset("folder", root, depth=True, partial=True), scenes_of(root)
    tallies = {row: Tally([], [], [], []) for row in ROWS if scenes or row != ERASED}
    for index in evenly_spaced(len(data), limit):
        sample = data[index]
        if sample.depth_m is None:
            continue
        scene = scenes.get(sample.name)
        masks = [sample.labels == label for label in clear_labels(scene)]
        done = rows_of(model, branch, sample, scene, index)
        for row, tally in tallies.items():
            tally.frames.append(score_frame(sample, as_prediction(done[row])))
            tally.unlabelled.append(count_unlabelled(sample, done[row]))
            tally.clear += [found(mask, done[row]) for mask in masks if mask.any()]
            tally.seconds.append(0.0)
    if not tallies[COLOUR].frames:
        raise DatasetError(f"{root}: expected photos with depth, found none{'' if limit is None else ' (--limit)'}")
    return {row: figures(tally) for row, tally in tallies.items()}


def gather(model: UOISSAM, roots: Sequence[Path], number: int) -> list[list[Fitted]]:
    """Views of scenes out of all folders, by scene."""
    data: list[tuple[Dataset, dict[str, Scene]]] = [
        (open_dataset("folder", root, depth=True, partial=True), scenes_of(root)) for root in roots
    ]
    items = [(place, index) for place, (scenes, _) in enumerate(data) for index in range(len(scenes))]
    gathered = []
    for item in np.random.default_rng(1).permutation(len(items))[:number]:
        place, index = items[item]
        sample = data[place][0][index]
        if sample.name not in data[place][1]:
            raise DatasetError(f"{roots[place]}: expected scenes made by 'uois-sam generate', found no description")
        rng = np.random.default_rng([5, int(item)])
        gathered.append(list(views_of(model, sample, data[place][1][sample.name], rng)))
    return gathered


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes_roots", metavar="SCENES", type=Path, nargs="+", help="folders of scenes to fit on")
    parser.add_argument("--test", type=Path, nargs="+", required=True, help="folders with depth to score on")
    parser.add_argument("--scenes", type=int, default=120, help="number of scenes to fit on (default: 120)")
    parser.add_argument("--epochs", type=int, default=8, help="passes over their views (default: 8)")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, help="score only N photos from all over each folder")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")
        gathered = gather(model, arguments.scenes_roots, arguments.scenes)
        held_out = [view for scene in gathered[::10] for view in scene]
        others = [view for number, scene in enumerate(gathered) if number % 10 for view in scene]
        branch, losses = fit(others, held_out, arguments.epochs)
        tables = {root.resolve().name: measure(model, branch, root, arguments.limit) for root in arguments.test}
    except UOISError as error:
        print(f"depth_branch: {error}", file=sys.stderr)
        return 2
    payload: dict[str, Any] = {"model": model.name, "views": len(others), "loss": losses, "data": tables}
    record = make_record("depth_branch", payload)
    print(f"{model.name}, fitted on {len(others)} views; loss of {len(held_out)} others, without and with it: "
          f"{losses['without']:.3f}, {losses['with']:.3f}\n")  # fmt: skip
    columns = [name for name in next(iter(next(iter(tables.values())).values())) if name != "processor seconds"]
    print(f"| images | input | {' | '.join(columns)} |\n|---|---|{'---|' * len(columns)}")
    for name, rows in tables.items():
        for row, values in rows.items():
            print(f"| {name} | {row} | {' | '.join(f'{values[column]:.1f}' for column in columns)} |")
    print(f"\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
