"""Pictures of what each way to say what you want found does to an example photo.

    python experiments/knobs.py [--out docs/images]

Each picture shows the photo without and with the words of its row. The table has the number of objects and, as they do
not depend on what else the machine does, seconds of processor time on one core, encoding included.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from uois_sam import UOISSAM, Instances
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.files import write_atomically
from uois_sam.runtime.provenance import describe_machine, summary
from uois_sam.types import ImageArray

EXAMPLES = Path(__file__).parents[1] / "examples"
CROWDED, COFFEE, BIN = "scene_crowded", "coffee", "scene_bin"
KNOBS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "min_score": (CROWDED, {}, {"min_score": 0.9}),
    "min_area": (CROWDED, {}, {"min_area": "1%"}),
    "max_objects": (CROWDED, {}, {"max_objects": 5}),
    "region": (CROWDED, {}, {"region": (0.0, 0.0, 0.5, 1.0)}),
    "exclude": (CROWDED, {}, {"exclude": [(0.0, 0.0, 1.0, 0.45)]}),
    "pieces": (COFFEE, {"points": [(152, 231)]}, {"points": [(152, 231), (440, 237)], "labels": [1, 1]}),
    "box": (CROWDED, {"points": [(508, 302)]}, {"boxes": [(433, 262, 614, 356)]}),
    "beside": (CROWDED, {"points": [(425, 238)]}, {"points": [(425, 238), (408, 278)], "labels": [1, 0]}),
    "tiles": ("mosaic", {}, {"tiles": "auto"}),
}
"""Name of the picture to photo, words of the left half, and words of the right."""
WIDTH = 420
"""Of each half, pixels."""


def photo_of(name: str) -> ImageArray:
    """Return an example; the mosaic is 3x3 of the rendered ones."""
    if name != "mosaic":
        return np.asarray(Image.open(EXAMPLES / f"{name}.jpg").convert("RGB"))
    tiles = [photo_of(each) for each in (CROWDED, "scene_bowl", BIN)]
    rows = [np.concatenate(tiles[shift:] + tiles[:shift], axis=1) for shift in range(3)]
    return np.concatenate(rows, axis=0)


def run(model: UOISSAM, photo: ImageArray, words: dict[str, Any]) -> tuple[Instances, float]:
    """Return what is found, and seconds of processor time."""
    started = time.process_time()
    found = model.predict(photo, **words)
    return found, time.process_time() - started


def half(found: Instances) -> ImageArray:
    """Return an overlay at the width of half a picture."""
    picture = Image.fromarray(found.overlay(show_points=False))
    height = round(WIDTH * picture.height / picture.width)
    return np.asarray(picture.resize((WIDTH, height), Image.Resampling.LANCZOS))


def main() -> int:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder of the pictures")
    parser.add_argument("--only", nargs="+", choices=tuple(KNOBS), default=tuple(KNOBS), help="rows to make")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    model = UOISSAM.from_pretrained("compact", device="cpu")
    print("| words | objects without | with | s without | with |\n|---|---|---|---|---|")
    for name in arguments.only:
        example, before, after = KNOBS[name]
        photo = photo_of(example)
        run(model, photo, before)  # to warm up
        (left, first), (right, second) = (run(model, photo, words) for words in (before, after))
        said = ", ".join(f"{word}={value!r}" for word, value in after.items())
        print(f"| `{said}` | {len(left)} | {len(right)} | {first:.2f} | {second:.2f} |", flush=True)
        for note in right.notes:
            print(f"  {name}: {note}", file=sys.stderr)
        gap = np.full((half(left).shape[0], 6, 3), 255, dtype=np.uint8)
        pair = np.concatenate([half(left), gap, half(right)], axis=1)
        write_atomically(arguments.out / f"knob_{name}.jpg", encode_jpeg(pair, quality=54))
    print(f"\n{summary(describe_machine())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
