"""Seconds of the two example photos by backend, each backend in processes of its own that take turns.

    python benchmarks/in_turn.py compact onnxruntime --repeats 5

prints one process's, as JSON; ``photo.py`` and ``backends.py`` ask for many. In one process the threads of a backend
still look for work while the next one computes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from uois_sam import UOISSAM
from uois_sam.benchmark.sweeps import resized
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.runtime.timing import WARM_UP
from uois_sam.types import ImageArray

EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTOS = {"coffee": "coffee.jpg", "crowded scene": "scene_crowded.jpg"}
SIZE_WH = (640, 480)
ROUNDS = 3
"""Processes of each backend."""

Seconds: TypeAlias = dict[str, dict[str, list[float]]]
"""Seconds of every run by photo, then by clock: ``wall``, or ``cpu`` for all threads of the process."""


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name or folder")
    parser.add_argument("backend")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each photo")
    options = parser.parse_args()
    try:
        model = UOISSAM.from_pretrained(options.model, device="cpu", backend=options.backend)
        print(json.dumps({name: seconds_of(model, photo, options.repeats) for name, photo in photos().items()}))
    except UOISError as error:
        print(f"in_turn: {error}", file=sys.stderr)
        return 2
    return 0


def photos() -> dict[str, ImageArray]:
    """Both photos, 640x480."""
    return {name: resized(read_image(EXAMPLES / file), SIZE_WH) for name, file in PHOTOS.items()}


def seconds_of(model: UOISSAM, photo: ImageArray, repeats: int) -> dict[str, list[float]]:
    """Seconds of every run of a photo on both clocks, after those that warm up."""
    taken: dict[str, list[float]] = {"wall": [], "cpu": []}
    for run in range(WARM_UP + repeats):
        began = time.perf_counter(), time.process_time()
        model.predict(photo)
        if run >= WARM_UP:
            taken["wall"].append(time.perf_counter() - began[0])
            taken["cpu"].append(time.process_time() - began[1])
    return taken


def in_turn(models: Mapping[str, str], repeats: int) -> dict[str, Seconds]:
    """Seconds by backend, of processes that follow each other.

    Args:
        models: model of each backend.
        repeats: timed runs of each photo and backend, at least; processes share them.

    Raises:
        UOISError: a process fails; the message ends with its last line.
    """
    found: dict[str, Seconds] = {each: {name: {"wall": [], "cpu": []} for name in PHOTOS} for each in models}
    for _ in range(ROUNDS):
        for each, model in models.items():
            command = [sys.executable, __file__, model, each, "--repeats", str(-(-repeats // ROUNDS))]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode:
                last = (ran.stderr.strip().splitlines() or ["nothing said"])[-1]
                raise UOISError(f"expected a process with {each} to exit with 0, found {ran.returncode}: {last}")
            for name, clocks in json.loads(ran.stdout).items():
                for clock, seconds in clocks.items():
                    found[each][name][clock] += seconds
    return found


if __name__ == "__main__":
    sys.exit(main())
