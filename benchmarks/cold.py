"""Time and memory of `uois-sam segment` in a fresh process, and the time of its imports.

    python benchmarks/cold.py PHOTO [--model compact] [--runs 5] [--out results.json]

The photo is resized to 640x480 first. Stages of a warm model: `uois-sam benchmark`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.runtime.provenance import summary
from uois_sam.runtime.timing import Quartiles

SIZE_WH = (640, 480)
SLOWEST = 8
"""Number of imports listed."""


def time_command(photo: Path, model: str, device: str, runs: int) -> list[dict[str, float]]:
    """Measure wall seconds and peak resident MiB of ``uois-sam segment`` in a fresh process per run.

    Raises:
        UOISError: if the command fails; the message ends with its last line of output.
    """
    script = shutil.which("uois-sam", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    command = [script] if script else [sys.executable, "-m", "uois_sam"]
    measurer = [sys.executable, "-I", "-S", str(Path(__file__).with_name("run_measured.py"))]
    measured = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as out:
            arguments = [*command, "segment", str(photo), "--out", out, "--model", model, "--device", device]
            ran = subprocess.run([*measurer, *arguments], capture_output=True, text=True, errors="replace", check=True)
        result = json.loads(ran.stdout)
        if result.pop("exit") != 0:
            last = (ran.stderr.strip().splitlines() or ["nothing said"])[-1]
            raise UOISError(f"expected the command segment to exit with 0, found: {last}")
        measured.append(result)
    return measured


def slowest_imports(photo: Path, model: str) -> dict[str, float]:
    """Return cumulative import seconds of the slowest packages (``-X importtime``)."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-X", "importtime", "-m", "uois_sam", "segment", str(photo), "--out", out]
        ran = subprocess.run([*command, "--model", model], capture_output=True, text=True, errors="replace", check=True)
    seconds: dict[str, float] = {}
    for line in ran.stderr.splitlines():
        _, bar, rest = line.partition("|")
        microseconds, bar, name = rest.partition("|")
        if bar and microseconds.strip().isdigit() and "." not in name.strip():
            seconds[name.strip()] = int(microseconds) / 1e6
    return dict(sorted(seconds.items(), key=lambda item: -item[1])[:SLOWEST])


def measure(photo: Path, model: str, device: str, runs: int) -> dict[str, Any]:
    """Take all measurements, in seconds and MiB."""
    image = np.asarray(cv2.resize(read_image(photo), SIZE_WH, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        resized = Path(folder) / "photo.png"
        Image.fromarray(image).save(resized)
        measured = time_command(resized, model, device, runs)
        imports = slowest_imports(resized, model)
    spreads = {key: Quartiles.of([run[key] for run in measured]).as_json() for key in ("seconds", "peak_mib")}
    return {"model": Path(model).name, "image_wh": SIZE_WH, "cold_command": spreads, "import_seconds": imports}


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--runs", type=int, default=5, help="runs to take the median of (default: 5)")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        result = measure(arguments.photo, arguments.model, arguments.device, arguments.runs)
        record = make_record("cold", result)
        if arguments.out:
            write_record(arguments.out, record)
    except UOISError as error:
        print(f"cold: {error}", file=sys.stderr)
        return 2
    cold = result["cold_command"]
    seconds, memory = cold["seconds"], cold["peak_mib"]
    print("| cold `uois-sam segment` | median | quartiles | runs |\n|---|---|---|---|")
    print(f"| wall time | {seconds['median']:.2f} s | {seconds['q25']:.2f}–{seconds['q75']:.2f} s | {seconds['n']} |")
    print(f"| peak memory | {memory['median']:.0f} MiB | | {memory['n']} |")
    print("\nimports: " + ", ".join(f"{name} {taken:.2f} s" for name, taken in result["import_seconds"].items()))
    print(summary(record["machine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
