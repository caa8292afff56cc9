"""What tiles bring on a wide shot of many things: a mosaic of real photos, looked at as a whole and in tiles.

    python experiments/mosaic.py DATA_ROOT [--model compact] [--side 3] [--tiles auto 3 4] [--out results.json]

The first side x side labelled photos, each brought to 640x480, make one picture. An object is met where a mask
overlaps it by an IoU above 0.5; one by one, the photos are looked at each by itself. Times are of this machine's
processor in seconds, encoding included.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import FolderDataset
from uois_sam.errors import UOISError, count
from uois_sam.evaluation.frame_scores import resize_sample
from uois_sam.runtime.provenance import summary
from uois_sam.training.splits import first_images
from uois_sam.types import BoolArray, ImageArray, LabelMap, Sample

SIZE_HW = (480, 640)
Row = dict[str, Any]


def met(labels: LabelMap, masks: BoolArray) -> int:
    """Return the number of objects of a label map that a mask overlaps by an IoU above 0.5."""
    areas = np.bincount(labels.ravel())
    best = np.zeros(len(areas))
    for mask in masks:
        shared = np.bincount(labels[mask], minlength=len(areas))
        best = np.maximum(best, shared / np.maximum(1, areas + np.count_nonzero(mask) - shared))
    return int(np.count_nonzero(best[1:] > 0.5))


def look(model: UOISSAM, name: str, samples: list[Sample], words: dict[str, Any]) -> Row:
    """Return what a model finds in some pictures."""
    began, masks, objects = time.process_time(), 0, 0
    for sample in samples:
        found = model.predict(sample.image, **words)
        masks, objects = masks + len(found), objects + met(sample.labels, found.masks)
    return {"look": name, "masks": masks, "objects_met": objects, "cpu_seconds": time.process_time() - began}


def mosaic_of(samples: list[Sample], side: int) -> Sample:
    """Return side x side samples as one."""
    above = 0
    rows: list[ImageArray] = []
    label_rows: list[LabelMap] = []
    for start in range(0, len(samples), side):
        labels: list[LabelMap] = []
        for sample in samples[start : start + side]:
            labels.append(np.where(sample.labels > 0, sample.labels + above, 0).astype(np.uint16))
            above = max(above, int(labels[-1].max()))
        rows.append(np.concatenate([sample.image for sample in samples[start : start + side]], axis=1))
        label_rows.append(np.concatenate(labels, axis=1))
    return Sample("mosaic", np.concatenate(rows), np.concatenate(label_rows))


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path)
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--side", type=int, default=3, help="photos along each side of the mosaic")
    parser.add_argument("--tiles", nargs="+", default=["auto", "3", "4"], help="values of tiles to try")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        data = first_images(FolderDataset(arguments.data_root), arguments.side**2)
        if len(data) < arguments.side**2:
            raise UOISError(f"expected {count(arguments.side**2, 'labelled photo')} or more, found {len(data)}")
        samples = [resize_sample(data[index], SIZE_HW) for index in range(len(data))]
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")
        whole = mosaic_of(samples, arguments.side)
        rows = [look(model, "one by one", samples, {}), look(model, "the mosaic as a whole", [whole], {})]
        rows += [look(model, f"tiles={value}", [whole], {"tiles": value}) for value in arguments.tiles]
    except UOISError as error:
        print(f"mosaic: {error}", file=sys.stderr)
        return 2
    objects = int(len(np.unique(whole.labels)) - 1)
    record = make_record("mosaic", {"model": model.name, "side": arguments.side, "objects": objects, "rows": rows})
    print(f"{model.name}, {objects} objects in {whole.image.shape[1]}x{whole.image.shape[0]} pixels\n")
    print("| look | masks | objects met | s |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['look']} | {row['masks']} | {row['objects_met']} | {row['cpu_seconds']:.1f} |")
    print(f"\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
