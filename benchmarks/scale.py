"""Photos per second and memory of `uois-sam segment` over many photos.

    python benchmarks/scale.py PHOTO... [--photos 1000] [--options="--workers 1"] [--out results.json]

The photos given are brought to 640x480 and varied (mirrored, shifted, lighter or darker) until there are enough of
them; each is a JPEG file of its own. The command runs in a fresh process, its start and the loading of the model
included. Its resident memory is read twice a second (Linux): flat means that the last quarter needs no more than the
second did.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.runtime.provenance import summary

SIZE_WH = (640, 480)
SECONDS_BETWEEN_SAMPLES = 0.5


def make_photos(sources: Sequence[Path], count: int, folder: Path) -> None:
    """Write ``count`` JPEG files, deterministic for given sources."""
    rng = np.random.default_rng(0)
    pictures = [cv2.resize(read_image(path), SIZE_WH, interpolation=cv2.INTER_AREA) for path in sources]
    for index in range(count):
        picture = pictures[index % len(pictures)]
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        picture = np.roll(picture, tuple(rng.integers(-40, 41, 2)), axis=(0, 1))
        picture = np.clip(picture * rng.uniform(0.8, 1.2), 0, 255).astype(np.uint8)
        Image.fromarray(picture).save(folder / f"{index:05d}.jpg", quality=92)


def run(folder: Path, options: Sequence[str]) -> dict[str, Any]:
    """Segment a folder in a fresh process: seconds, and MiB of resident memory over time.

    Raises:
        UOISError: if the command fails.
    """
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "uois_sam", "segment", str(folder), "--out", out, *options]
        started = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            resident: list[float] = []
            ended = threading.Event()
            sampler = threading.Thread(target=_sample, args=(process.pid, resident, ended))
            sampler.start()
            _, said = process.communicate()
            seconds = time.perf_counter() - started
            ended.set()
            sampler.join()
        if process.returncode != 0:
            raise UOISError(f"expected the command segment to exit with 0, found: {said.strip().splitlines()[-1]}")
    quarter = len(resident) // 4
    second, last = resident[quarter : 2 * quarter], resident[-quarter:] if quarter else []
    return {
        "seconds": seconds,
        "peak_mib": max(resident, default=None),
        "mib_second_quarter": float(np.median(second)) if second else None,
        "mib_last_quarter": float(np.median(last)) if last else None,
    }


def _sample(pid: int, resident: list[float], ended: threading.Event) -> None:
    status = Path(f"/proc/{pid}/status")
    while not ended.wait(SECONDS_BETWEEN_SAMPLES):
        try:
            kib = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        except (OSError, StopIteration):
            return
        resident.append(int(kib) / 1024)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--options", default="", help="further options of uois-sam segment, in one string")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            make_photos(arguments.sources, arguments.photos, Path(folder))
            measured = run(Path(folder), shlex.split(arguments.options))
        rate = arguments.photos / measured["seconds"]
        settings = {"photos": arguments.photos, "image_wh": SIZE_WH, "options": arguments.options}
        record = make_record("scale", {**settings, "photos_a_second": rate, **measured})
        if arguments.out:
            write_record(arguments.out, record)
    except UOISError as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2
    print("| photos | options | photos/s | seconds | peak MiB | second quarter | last quarter |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {arguments.photos} | `{arguments.options or 'none'}` | {rate:.2f} | {measured['seconds']:.1f} "
        f"| {_mib(measured['peak_mib'])} | {_mib(measured['mib_second_quarter'])} "
        f"| {_mib(measured['mib_last_quarter'])} |"
    )
    print(summary(record["machine"]))
    return 0


def _mib(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f}"


if __name__ == "__main__":
    sys.exit(main())
