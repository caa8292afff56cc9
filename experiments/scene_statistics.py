"""Statistics of rendered scenes and photos, to compare their content and sharpness.

    python experiments/scene_statistics.py FOLDER... [--limit N] [--out results.json]

Prints a line for every folder of labelled pictures (see FolderDataset): medians over its objects, at 240x320.

- objects: a picture's, on average
- area: an object's, in percent of the frame
- touching: share of an object's rim beyond which another object lies
- pieces: percent of the objects that something in front cuts into several
- contrast: colour difference between an object's rim and what is right outside it (CIELAB)
- detail: mean residual of a Gaussian blur of 1 pixel inside an object, in grey levels
- edge: the same, on its rim
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.training.augmentation import View, plain_view
from uois_sam.training.splits import first_images

SIZE_HW = (240, 320)
RIM = 3
"""Width in pixels of an object's rim, and of the band outside it."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ObjectStatistics:
    """Statistics of one object; the columns of the table."""

    area: float
    touching: float
    pieces: float
    contrast: float
    detail: float
    edge: float


def object_statistics(view: View) -> Iterator[ObjectStatistics]:
    """Measure every object of a view, in ascending label order."""
    lab = cv2.cvtColor(view.image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    grey = cv2.cvtColor(view.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    crispness = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.0))
    for value in np.unique(view.labels[view.labels > 0]):
        mask = np.asarray(view.labels == value)
        inner, outer = _moved(mask, -RIM), _moved(mask, RIM) & ~_moved(mask, 1)
        rim = mask & ~inner
        if not outer.any():
            continue
        count, _ = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        yield ObjectStatistics(
            area=100 * float(mask.mean()),
            touching=float((view.labels[outer] > 0).mean()),
            pieces=100 * float(count > 2),
            contrast=float(np.linalg.norm(lab[rim].mean(axis=0) - lab[outer].mean(axis=0))),
            detail=float(crispness[inner].mean()) if inner.any() else float("nan"),
            edge=float(crispness[rim].mean()),
        )


def folder_statistics(data: Dataset) -> dict[str, float]:
    """Return a folder's line: medians over all objects, but means of counts."""
    found: list[ObjectStatistics] = []
    for index in range(len(data)):
        found.extend(object_statistics(plain_view(data[index], SIZE_HW)))
    line = {"pictures": float(len(data)), "objects": len(found) / len(data)}
    for field in fields(ObjectStatistics):
        values = [getattr(item, field.name) for item in found] or [float("nan")]
        line[field.name] = float(np.mean(values) if field.name == "pieces" else np.nanmedian(values))
    return line


def markdown(lines: dict[str, dict[str, float]]) -> str:
    """Format a markdown table with one line per folder."""
    columns = list(next(iter(lines.values())))
    rows = [f"| folder | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, line in lines.items():
        rows.append(f"| {name} | " + " | ".join(f"{line[column]:.3g}" for column in columns) + " |")
    return "\n".join(rows)


def _moved(mask: Mask, pixels: int) -> Mask:
    """Return the mask with its edge moved outwards, or inwards if negative."""
    square = np.ones((2 * abs(pixels) + 1,) * 2, dtype=np.uint8)
    move = cv2.dilate if pixels > 0 else cv2.erode
    return np.asarray(move(mask.astype(np.uint8), square) > 0)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="folders of labelled pictures")
    parser.add_argument("--limit", type=int, help="only the first N pictures of each")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        lines = {
            root.resolve().name: folder_statistics(first_images(FolderDataset(root), arguments.limit))
            for root in arguments.folders
        }
    except UOISError as error:
        print(f"scene_statistics: {error}", file=sys.stderr)
        return 2
    print(markdown(lines))
    if arguments.out:
        write_record(arguments.out, make_record("scene_statistics", {"size_hw": SIZE_HW, "folders": lines}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
