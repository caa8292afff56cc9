"""What clicks and boxes are worth: mean IoU with the true mask of the object that is pointed at.

    python experiments/pointing.py DATA_ROOT [--model compact] [--limit N] [--every N] [--half A|B] [--out results.json]

The first click on an object is at its deepest pixel. Each further one is where the mask so far is most wrong, as
annotators click: at the deepest pixel of its largest error, labelled 1 where the object is missing and 0 where the mask
has something else. Boxes are exact; after a box, clicks correct its mask in the same way. The last rows are about the
second click alone, apart by its label. Half A has the photos with even numbers, B the others.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from uois_sam import UOISSAM, EncodedImage
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import FolderDataset
from uois_sam.errors import UOISError
from uois_sam.runtime.provenance import summary
from uois_sam.training.splits import first_images
from uois_sam.types import BoolArray

MOST_CLICKS = 5
NUMBERS = ("no", "one", "two", "three", "four", "five")
Click = tuple[float, float, int]
Box = tuple[int, int, int, int]


def deepest(mask: BoolArray, label: int) -> tuple[float, Click] | None:
    """Return the pixel of a mask farthest from its edge, after its distance; None for an empty mask."""
    if not mask.any():
        return None
    padded = np.pad(mask.astype(np.uint8), 1)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(distance.max()), (float(column), float(row), label)


def correction(true: BoolArray, found: BoolArray) -> Click | None:
    """Return the next click: in the largest error of the mask so far."""
    errors = [each for each in (deepest(true & ~found, 1), deepest(found & ~true, 0)) if each is not None]
    return max(errors)[1] if errors else None


def iou(first: BoolArray, second: BoolArray) -> float:
    """Intersection over union."""
    return int(np.count_nonzero(first & second)) / max(1, int(np.count_nonzero(first | second)))


def ask(photo: EncodedImage, clicks: list[Click], box: Box | None) -> BoolArray:
    """Return the mask of one object."""
    points = [[(x, y) for x, y, _ in clicks]] if clicks else None
    labels = [[label for _, _, label in clicks]] if clicks else None
    mask: BoolArray = photo.predict(points, labels=labels, boxes=None if box is None else [box]).masks[0]
    return mask


def corrected(photo: EncodedImage, true: BoolArray, clicks: list[Click], box: Box | None) -> list[tuple[float, int]]:
    """Return the IoU of the mask so far, and the label of the click that corrects it, up to the most clicks."""
    rows: list[tuple[float, int]] = []
    while True:
        found = ask(photo, clicks, box)
        click = correction(true, found)
        rows.append((iou(found, true), -1 if click is None else click[2]))
        if click is None or len(clicks) == MOST_CLICKS:
            return rows
        clicks = [*clicks, click]


def rows_of(photo: EncodedImage, true: BoolArray) -> dict[str, float]:
    """Return the IoU of each way to point at one object."""
    rows, columns = np.nonzero(true)
    box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    first = deepest(true, 1)
    assert first is not None
    alone, boxed = corrected(photo, true, [first[1]], None), corrected(photo, true, [], box)
    values = {}
    for number in range(1, MOST_CLICKS + 1):
        values[f"{NUMBERS[number]} click{'s' * (number > 1)}"] = alone[min(number, len(alone)) - 1][0]
    for number in range(4):
        more = f" and {NUMBERS[number]} click{'s' * (number > 1)}" if number else ""
        values[f"a box{more}"] = boxed[min(number, len(boxed) - 1)][0]
    if len(alone) > 1:
        kind = "beside the object" if alone[0][1] == 0 else "on a missing part"
        values |= {f"before a second click {kind}": alone[0][0], f"after a second click {kind}": alone[1][0]}
    return values


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, help="only the first N photos")
    parser.add_argument("--every", type=int, default=1, help="take every n-th object of a photo")
    parser.add_argument("--half", choices=("A", "B"), help="only the photos with even (A) or odd (B) numbers")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    values: dict[str, list[float]] = defaultdict(list)
    try:
        data = first_images(FolderDataset(arguments.data_root), arguments.limit)
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")
        numbers = range(arguments.half == "B", len(data), 1 if arguments.half is None else 2)
        for index in numbers:
            sample = data[index]
            photo = model.encode_image(sample.image)
            for label in [label for label in np.unique(sample.labels) if label][:: arguments.every]:
                for name, value in rows_of(photo, sample.labels == label).items():
                    values[name].append(value)
    except UOISError as error:
        print(f"pointing: {error}", file=sys.stderr)
        return 2
    name, objects = arguments.data_root.resolve().name, len(values["a box"])
    means = {row: float(np.mean(column)) for row, column in values.items()}
    counts = {row: len(column) for row, column in values.items()}
    half = "" if arguments.half is None else f", half {arguments.half}"
    payload = {"model": model.name, "dataset": name, "half": arguments.half, "frames": len(numbers), "objects": objects,
               "mean_iou": means, "counts": counts}  # fmt: skip
    record = make_record("pointing", payload)
    table = "\n".join(f"| {row} | {counts[row]} | {100 * mean:.1f} |" for row, mean in means.items())
    print(f"{model.name} on {objects} objects in {len(numbers)} photos of {name}{half}\n")
    print(f"| pointed at by | objects | mean IoU, percent |\n|---|---|---|\n{table}\n\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
