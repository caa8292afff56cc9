"""What clicks and boxes are worth: mean IoU with the true mask of the object that is pointed at.

    python experiments/pointing.py DATA_ROOT [--model compact] [--limit N] [--every N] [--out results.json]

A click on an object is at its deepest pixel. Each further click is where the mask so far is most wrong, at the deepest
pixel of its largest error, labelled 1 where pixels of the object are missing and 0 where it has others. The negative
click of the third row is at the deepest of the pixels that the first mask has beside the object. Boxes are exact.
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

ROWS = ("one click", "a click and one beside", "two clicks", "three clicks", "a box", "a box and a click",
        "a box and two clicks")  # fmt: skip
Click = tuple[float, float, int]


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


def ask(photo: EncodedImage, clicks: list[Click], box: tuple[int, int, int, int] | None) -> BoolArray:
    """Return the mask of one object."""
    points = [[(x, y) for x, y, _ in clicks]] if clicks else None
    labels = [[label for _, _, label in clicks]] if clicks else None
    mask: BoolArray = photo.predict(points, labels=labels, boxes=None if box is None else [box]).masks[0]
    return mask


def rows_of(photo: EncodedImage, true: BoolArray) -> dict[str, float]:
    """Return the IoU of each way to point at one object."""
    rows, columns = np.nonzero(true)
    box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
    first = deepest(true, 1)
    assert first is not None
    clicks = [first[1]]
    masks = {"one click": ask(photo, clicks, None)}
    masks |= {"a box": ask(photo, [], box), "a box and a click": ask(photo, clicks, box)}
    beside = deepest(masks["one click"] & ~true, 0)
    masks["a click and one beside"] = masks["one click"] if beside is None else ask(photo, [*clicks, beside[1]], None)
    more = correction(true, masks["a box and a click"])
    masks["a box and two clicks"] = masks["a box and a click"] if more is None else ask(photo, [*clicks, more], box)
    found = masks["one click"]
    for name in ("two clicks", "three clicks"):
        more = correction(true, found)
        if more is not None:
            clicks = [*clicks, more]
            found = ask(photo, clicks, None)
        masks[name] = found
    return {name: iou(masks[name], true) for name in ROWS}


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, help="only the first N photos")
    parser.add_argument("--every", type=int, default=1, help="take every n-th object of a photo")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    values: dict[str, list[float]] = defaultdict(list)
    try:
        data = first_images(FolderDataset(arguments.data_root), arguments.limit)
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")
        for index in range(len(data)):
            sample = data[index]
            photo = model.encode_image(sample.image)
            for label in [label for label in np.unique(sample.labels) if label][:: arguments.every]:
                for name, value in rows_of(photo, sample.labels == label).items():
                    values[name].append(value)
    except UOISError as error:
        print(f"pointing: {error}", file=sys.stderr)
        return 2
    name, objects = arguments.data_root.resolve().name, len(values[ROWS[0]])
    means = {row: float(np.mean(values[row])) for row in ROWS}
    payload = {"model": model.name, "dataset": name, "frames": len(data), "objects": objects, "mean_iou": means}
    record = make_record("pointing", payload)
    table = "\n".join(f"| {row} | {100 * mean:.1f} |" for row, mean in means.items())
    print(f"{model.name} on {objects} objects in {len(data)} photos of {name}\n")
    print(f"| pointed at by | mean IoU, percent |\n|---|---|\n{table}\n\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
