"""Coverage-guided fuzzing of the readers of RLE, polygons and JSON, by atheris (``pip install atheris``, Linux).

python -m tests.fuzz.coverage_guided -max_total_time=600

Masks that decode are compared with pycocotools'; whatever is refused is refused in one line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import atheris
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1])]

with atheris.instrument_imports(include=["uois_sam.io.masks", "uois_sam.io.json_files", "uois_sam.validation"]):
    from pycocotools import mask as coco_mask

    from uois_sam.errors import UOISError
    from uois_sam.io.json_files import parse_json
    from uois_sam.io.masks import decode_mask, decode_segmentation


def compressed(data: Any) -> None:
    """RLE as text."""
    height, width = data.ConsumeIntInRange(1, 40), data.ConsumeIntInRange(1, 40)
    segmentation = {"size": [height, width], "counts": data.ConsumeBytes(60)}
    found = decode_mask(segmentation)
    assert np.array_equal(found, coco_mask.decode(segmentation).astype(np.bool_))


def run_lengths(data: Any) -> None:
    """RLE as numbers."""
    size = [data.ConsumeInt(2), data.ConsumeInt(2)]
    found = decode_mask({"size": size, "counts": data.ConsumeIntList(data.ConsumeIntInRange(0, 9), 3)})
    assert list(found.shape) == size


def polygons(data: Any) -> None:
    """Polygons, their points often near the frame and at times anywhere."""
    pieces = [
        [data.ConsumeFloat() if data.ConsumeBool() else float(data.ConsumeInt(1)) for _ in range(count)]
        for count in data.ConsumeIntList(data.ConsumeIntInRange(0, 3), 1)
        if 0 <= count < 12
    ]
    size = data.ConsumeIntInRange(1, 60), data.ConsumeIntInRange(1, 60)
    assert decode_segmentation(pieces, size).mask.shape == size


def texts(data: Any) -> None:
    """JSON."""
    json.dumps(parse_json(data.ConsumeBytes(400), where="a file"))


READERS = (compressed, run_lengths, polygons, texts)


def one(content: bytes) -> None:
    """Read one input."""
    data = atheris.FuzzedDataProvider(content)
    try:
        READERS[data.ConsumeIntInRange(0, len(READERS) - 1)](data)
    except UOISError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error!r}") from error


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
