"""Compare backends on one exported model: masks with torch's on rendered scenes, and times of processes in turn.

uois-sam generate --out scenes --scenes 100
uois-sam export compact --to onnx --out exported
python benchmarks/backends.py --folder exported --photos scenes/rgb --out backends.json

Times are those of the two example photos at 640x480, each backend in processes of its own (``in_turn.py``).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from in_turn import PHOTOS, in_turn
from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import UOISError
from uois_sam.instances import Instances
from uois_sam.io.images import read_image
from uois_sam.runtime.provenance import summary

BACKENDS = ("onnxruntime", "openvino")


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="exported model")
    parser.add_argument("--model", default="compact", help="the model in torch that it was made from")
    parser.add_argument("--photos", type=Path, help="folder of photos whose masks are compared")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each photo and backend")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        models = {"torch": UOISSAM.from_pretrained(options.model, device="cpu")}
        models |= {name: UOISSAM.from_pretrained(options.folder, backend=name) for name in BACKENDS}
        paths = sorted(options.photos.rglob("*.png")) + sorted(options.photos.rglob("*.jpg")) if options.photos else []
        masks, seconds = compare(models, paths), time_all(options.model, str(options.folder), options.repeats)
    except UOISError as error:
        print(f"backends: {error}", file=sys.stderr)
        return 2
    for name, row in masks.items():
        print(f"{name}: mean IoU with torch {row['mean_iou']:.6f} over {row['masks']} masks of {len(paths)} photos")
    for photo, rows in seconds.items():
        for name, row in rows.items():
            print(f"{photo} {name}: {row['wall']:.3f} s, processor {row['cpu']:.3f} s, ratio {row['cpu_ratio']:.2f}")
    record = make_record("backends", {"masks": masks, "seconds": seconds})
    print(summary(record["machine"]))
    if options.out:
        write_record(options.out, record)
    return 0


def compare(models: dict[str, UOISSAM], paths: list[Path]) -> dict[str, dict[str, float]]:
    """Return the mean IoU of torch's masks with the most similar ones of each backend."""
    ious: dict[str, list[float]] = {name: [] for name in BACKENDS}
    for path in paths:
        photo = read_image(path)
        expected = models["torch"].predict(photo)
        for name in BACKENDS:
            ious[name] += counterparts(expected, models[name].predict(photo))
    return {name: {"mean_iou": float(np.mean(found)), "masks": len(found)} for name, found in ious.items() if found}


def counterparts(plain: Instances, other: Instances) -> list[float]:
    """Return the IoU of every mask with the most similar other one; 0 if there is none, and for those beyond."""
    best = [
        max((np.count_nonzero(a & b) / np.count_nonzero(a | b) for b in other.masks), default=0.0) for a in plain.masks
    ]
    return [float(value) for value in best] + [0.0] * max(0, len(other) - len(plain))


def time_all(model: str, folder: str, repeats: int) -> dict[str, dict[str, dict[str, float]]]:
    """Return medians of wall-clock and processor seconds a photo, and ratios to torch."""
    found = in_turn({"torch": model} | dict.fromkeys(BACKENDS, folder), repeats)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for name in PHOTOS:
        taken = {
            each: {clock: float(np.median(seconds)) for clock, seconds in found[each][name].items()} for each in found
        }
        for row in taken.values():
            row |= {f"{clock}_ratio": row[clock] / taken["torch"][clock] for clock in ("wall", "cpu")}
        rows[name] = taken
    return rows


if __name__ == "__main__":
    sys.exit(main())
