"""Time and memory of a COCO file of very many annotations: written photo by photo, opened and read again.

    python benchmarks/exchange_coco.py [--photos 10000] [--objects 10] [--against] [--out results.json]

Photos are 640x480 with ellipses as objects. The writing side holds one photo at a time, the reading side the offsets of
annotations; ``--against`` also lets ``pycocotools.COCO`` load the file. Each step runs in a process of its own, whose
peak resident memory is that of the step and of the libraries it imports.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.runtime.provenance import peak_memory_mib

HEIGHT, WIDTH = 480, 640


def write(folder: Path, photos: int, objects: int) -> dict[str, float]:
    """Write the file; the masks are drawn beforehand, and encoded anew for every photo."""
    from uois_sam.exchange.photo import LabelledPhoto
    from uois_sam.exchange.registry import open_formats
    from uois_sam.exchange.writing import FormatWriter

    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    rng = np.random.default_rng(0)
    centres = rng.uniform((60, 60), (HEIGHT - 60, WIDTH - 60), (objects, 2))
    radii = rng.uniform(15, 55, (objects, 2))
    masks = np.array(
        [((rows - y) / b) ** 2 + ((columns - x) / a) ** 2 <= 1 for (y, x), (b, a) in zip(centres, radii, strict=True)]
    )
    one = LabelledPhoto("0.jpg", masks, rng.uniform(0.5, 1, objects).astype(np.float32))
    started = time.perf_counter()
    with FormatWriter(folder, open_formats(["coco"])) as writer:
        for index in range(photos):
            writer.add(replace(one, file_name=f"{index:06d}.jpg"))
    return {"seconds": time.perf_counter() - started}


def read(folder: Path, photos: int, objects: int) -> dict[str, float]:
    """Open the file and read the labels of a hundred photos."""
    from PIL import Image

    from uois_sam.datasets import open_dataset

    place = folder / "coco/images"
    place.mkdir()
    Image.new("RGB", (WIDTH, HEIGHT), (90, 90, 90)).save(place / "000000.jpg")
    for index in range(1, photos):
        os.link(place / "000000.jpg", place / f"{index:06d}.jpg")
    started = time.perf_counter()
    dataset = open_dataset("coco", folder / "coco")
    opened = time.perf_counter() - started
    chosen = range(0, photos, max(1, photos // 100))
    values = [int(dataset[index].labels.max()) for index in chosen]
    assert set(values) == {objects}
    a_photo = (time.perf_counter() - started - opened) / len(chosen)
    return {"seconds": opened, "seconds_a_photo": a_photo}


def load(folder: Path, photos: int, objects: int) -> dict[str, float]:
    """Load the file with pycocotools."""
    from pycocotools.coco import COCO

    started = time.perf_counter()
    coco = COCO(folder / "coco/annotations/instances_default.json")
    assert len(coco.anns) == photos * objects
    return {"seconds": time.perf_counter() - started}


def _measured(step: Callable[[Path, int, int], dict[str, float]], *arguments: Any) -> dict[str, Any]:
    return {**step(*arguments), "peak_memory_mib": peak_memory_mib()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=10_000, help="photos in the file (default: %(default)s)")
    parser.add_argument("--objects", type=int, default=10, help="annotations of each (default: %(default)s)")
    parser.add_argument("--against", action="store_true", help="also load the file with pycocotools")
    parser.add_argument("--out", type=Path, help="write a record here")
    options = parser.parse_args()
    steps = {"write": write, "open": read, **({"pycocotools": load} if options.against else {})}
    payload: dict[str, Any] = {"annotations": options.photos * options.objects}
    with tempfile.TemporaryDirectory() as folder:
        for name, step in steps.items():
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                payload[name] = pool.apply(_measured, (step, Path(folder), options.photos, options.objects))
        file = Path(folder) / "coco/annotations/instances_default.json"
        payload["megabytes"] = round(file.stat().st_size / 1e6, 1)
    print(f"{payload['annotations']} annotations, {payload['megabytes']} MB\n\n| step | s | peak MiB |\n|---|---|---|")
    for name in steps:
        print(f"| {name} | {payload[name]['seconds']:.1f} | {payload[name]['peak_memory_mib']} |")
    if options.out is not None:
        write_record(options.out, make_record("exchange_coco", payload))


if __name__ == "__main__":
    main()
