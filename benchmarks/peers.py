"""Other segmenters over the same photos: milliseconds a photo, peak memory, megabytes installed and cold start.

    python benchmarks/peers.py --environments DIR --prepare [--peers NAME ...]
    python benchmarks/peers.py PHOTO... --environments DIR [--peers NAME ...] [--seconds 10] [--out RESULT.json]
    python benchmarks/peers.py --record RESULT.json

The first form makes a virtual environment for every peer in DIR, from the package index, and draws random weights where
a peer has none of its own. The second takes the photos, 640x480, from their files to masks of their size, each peer in
a process of its own, under its own defaults, all with the same number of threads, which wait as each library lets them.
Milliseconds are the median over photos and rounds after the first photo, or the first itself where it takes longer
than --seconds. Cold start is from the start of the process to the end of the first photo. Megabytes are those of an
environment's packages (pip left out), and of the weights.

Random weights take as long in the networks. What comes after them is another matter: masks are filtered by scores that
mean nothing, usually all of them, so drawing and suppressing masks takes less than with trained weights.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
from PIL import Image

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.runtime.cores import usable_cores
from uois_sam.runtime.provenance import summary

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SIZE_WH = (640, 480)
RANDOM = "random"
TORCH = ("torch==2.13.0", "torchvision==0.28.0")
"""torchvision's compiled operators do not load beside torch's build for processors: run_peer.py has one in NumPy."""
LONGEST = 900.0
"""Seconds after which a peer counts as not run."""


@dataclass(frozen=True)
class Peer:
    """A segmenter and what it needs."""

    environment: str
    """Shared by peers with the same packages."""
    packages: tuple[str, ...]
    """What pip installs."""
    weights: str
    """``random``, or whose."""
    licence: str


_TRANSFORMERS = Peer("transformers", (*TORCH, "transformers==5.23.0", "pillow", "scipy"), RANDOM, "Apache-2.0")
_ULTRALYTICS = Peer("ultralytics", (*TORCH, "ultralytics-opencv-headless==8.4.190"), RANDOM, "AGPL-3.0")
OURS = "uois-sam"
PEERS = {
    OURS: Peer(OURS, ("torch==2.13.0", str(ROOT)), "bundled", "Apache-2.0"),
    "uois-sam-light": Peer("uois-sam-light", (str(ROOT / "light"),), "bundled", "Apache-2.0"),
    "yolo11n-seg": _ULTRALYTICS,
    "fastsam-s": _ULTRALYTICS,
    "rf-detr-seg-nano": _TRANSFORMERS,
    "mask2former-swin-t": _TRANSFORMERS,
    "mobilesam": Peer(
        "mobilesam", (*TORCH, "mobilesam-mirror==1.0.0", "timm", "opencv-python-headless"), RANDOM, "Apache-2.0"
    ),
    "sam2.1-hiera-tiny": _TRANSFORMERS,
    "sam-vit-b": _TRANSFORMERS,
}


def prepare(names: Sequence[str], folder: Path) -> None:
    """Make the environments that are missing, and weights.

    Raises:
        UOISError: if one cannot be made.
    """
    for name in names:
        peer = PEERS[name]
        python = folder / peer.environment / "bin/python"
        if not python.exists():
            _run([sys.executable, "-m", "venv", str(python.parents[1])], name)
            constraints = ["-c", str(ROOT / "constraints.txt")] if name.startswith(OURS) else []
            _run([str(python), "-m", "pip", "install", "-q", *constraints, *peer.packages], name)
        weights = folder / "weights" / name
        if peer.weights == RANDOM and not weights.exists():
            _run([str(python), str(HERE / "run_peer.py"), name, str(weights), "--prepare"], name, _quiet(weights))
        print(f"{name} is there", file=sys.stderr, flush=True)


def _run(command: Sequence[str], name: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise UOISError(f"{name}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def _quiet(folder: Path, threads: int | None = None) -> dict[str, str]:
    """Environment of a peer's process: nothing is looked up on a network, and nothing written outside its folder."""
    ours = ("PYTHON", "OMP_", "GOMP_", "MKL_")  # what the project's command sets for itself is not for others
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    number = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    return {**kept, **number, "HF_HUB_OFFLINE": "1", "YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false",
            "YOLO_CONFIG_DIR": str(folder.parent)}  # fmt: skip


def measure(name: str, folder: Path, photos: Sequence[Path], threads: int, seconds: float) -> dict[str, Any]:
    """Run one peer: its medians in milliseconds, memory, and what is installed; or why it did not run."""
    peer = PEERS[name]
    python, weights = folder / peer.environment / "bin/python", folder / "weights" / name
    row: dict[str, Any] = {"weights": peer.weights, "licence": peer.licence}
    if not python.exists():
        return {**row, "not_run": "no environment: --prepare makes it"}
    command = [str(python), str(HERE / "run_peer.py"), name, str(weights), *map(str, photos), "--seconds", str(seconds)]
    with tempfile.TemporaryFile("w+") as said, _started(command, said, weights, threads) as process:
        began = time.perf_counter()
        limit = threading.Timer(LONGEST, process.kill)
        limit.start()
        assert process.stdout is not None
        first = process.stdout.readline()
        cold = time.perf_counter() - began
        rest, _ = process.communicate()
        limit.cancel()
        said.seek(0)
        if process.returncode:
            late = time.perf_counter() - began >= LONGEST
            words = said.read().strip().splitlines() or ["no reason given"]
            return {**row, "not_run": f"longer than {LONGEST:g} s" if late else words[-1][:300]}
    found = json.loads(rest.strip().splitlines()[-1])
    wall, processor = found.pop("wall_seconds"), found.pop("processor_seconds")
    return {
        **row, **found, "photos_timed": len(wall),
        "wall_ms": 1e3 * statistics.median(wall), "processor_ms": 1e3 * statistics.median(processor),
        "cold_wall_seconds": cold, "cold_processor_seconds": json.loads(first)["first"],
        "installed_mb": _packages_size(python.parents[1]) / 1e6, "weights_mb": _size(weights) / 1e6,
    }  # fmt: skip


def _started(command: Sequence[str], said: Any, weights: Path, threads: int) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=_quiet(weights, threads))


def _packages_size(environment: Path) -> int:
    folders = [path for site in environment.glob("lib/python*/site-packages") for path in site.iterdir()]
    return sum(_size(path) for path in folders if path.name.split("-")[0] not in ("pip", "setuptools"))


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())


COLUMNS = (("wall_ms", "ms a photo"), ("processor_ms", "processor ms a photo"), ("cold_wall_seconds", "cold start, s"),
           ("cold_processor_seconds", "cold start, processor s"), ("peak_mib", "peak MiB"),
           ("installed_mb", "installed MB"), ("weights_mb", "weights MB"))  # fmt: skip


def markdown(rows: dict[str, dict[str, Any]]) -> str:
    """Format the measurements as a markdown table; behind each figure, how many times ours it is."""
    lines = ["| peer | " + " | ".join(title for _, title in COLUMNS) + " | masks |", "|:--|" + "--:|" * 8]
    ours = rows.get(OURS, {})
    for name, row in rows.items():
        if "not_run" in row:
            lines.append(f"| {name} | not run: {row['not_run']} |" + " |" * 7)
            continue
        cells = [_cell(row[key], ours.get(key) if name != OURS else None) for key, _ in COLUMNS]
        lines.append(f"| {name} | {' | '.join(cells)} | {sum(row['masks'].values())} |")
    return "\n".join(lines)


def ahead(rows: dict[str, dict[str, Any]]) -> str:
    """List who is better than the better of our two installations, by column, and by how much."""
    run = {name: row for name, row in rows.items() if "not_run" not in row}
    ours = [row for name, row in run.items() if name.startswith(OURS)]
    lines = []
    if not ours:
        return ""
    for key, title in COLUMNS[:-1]:  # our weights are among the packages
        best = min(row[key] for row in ours)
        better = {n: row[key] / best for n, row in run.items() if not n.startswith(OURS) and row[key] < best}
        said = ", ".join(f"{name} (× {ratio:.2g})" for name, ratio in sorted(better.items(), key=lambda each: each[1]))
        lines.append(f"- {title}: {said or 'nobody'}")
    return "\n".join(["Better than the better of ours:", *lines])


def _cell(value: float, ours: float | None) -> str:
    number = f"{value:.1f}" if value < 20 else f"{value:.0f}"
    return f"{number} (× {value / ours:.2g})" if ours else number


def _resized(photos: Sequence[Path], folder: Path) -> list[Path]:
    files = [folder / f"{index}-{photo.stem}.jpg" for index, photo in enumerate(photos)]
    for source, file in zip(photos, files, strict=True):
        picture = cv2.resize(read_image(source), SIZE_WH, interpolation=cv2.INTER_AREA)
        Image.fromarray(picture).save(file, quality=95)
    return files


def _kept(out: Path | None, settings: dict[str, Any]) -> dict[str, Any]:
    """Peers of an earlier record with the same settings.

    Raises:
        UOISError: if its settings are others.
    """
    if out is None or not out.exists():
        return {}
    earlier: dict[str, Any] = json.loads(out.read_text())["payload"]
    if {key: earlier.get(key) for key in settings} != settings:
        raise UOISError(f"{out}: expected a record of the same photos, threads and seconds to add to, found another")
    return dict(earlier["peers"])


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="*")
    parser.add_argument("--environments", type=Path, help="folder of the virtual environments")
    parser.add_argument("--record", type=Path, help="print the table of this record instead of measuring")
    parser.add_argument("--prepare", action="store_true", help="make the environments and weights that are missing")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--seconds", type=float, default=10.0, help="rounds begin until they are spent, for each peer")
    parser.add_argument("--out", type=Path, help="write everything as JSON; peers that are there already are kept")
    options = parser.parse_args()
    if options.record:
        rows = json.loads(options.record.read_text())["payload"]["peers"]
        print(f"{markdown(rows)}\n\n{ahead(rows)}")
        return 0
    if options.environments is None:
        parser.error("expected --environments, or --record")
    try:
        if options.prepare:
            prepare(options.peers, options.environments.resolve())
        if not options.photos:
            return 0
        settings = {"photos": [path.name for path in options.photos], "image_wh": list(SIZE_WH),
                    "threads": options.threads, "seconds": options.seconds}  # fmt: skip
        rows = _kept(options.out, settings)
        with tempfile.TemporaryDirectory() as temporary:
            photos = _resized(options.photos, Path(temporary))
            for name in options.peers:
                environments = options.environments.resolve()
                rows[name] = measure(name, environments, photos, options.threads, options.seconds)
                print(f"{name} measured", file=sys.stderr, flush=True)
                ordered = {each: rows[each] for each in PEERS if each in rows}
                record = make_record("peers", {**settings, "peers": ordered})
                if options.out:
                    write_record(options.out, record)
    except UOISError as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    print(f"{markdown(ordered)}\n\n{ahead(ordered)}")
    print(f"\n{options.threads} threads; {summary(record['machine'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
