"""Frames per second and peak memory of ``uois-sam evaluate`` on a tree shaped like OCID, 2 390 frames of 640x480.

    python benchmarks/evaluate_ocid.py FOLDER [--workers N] [--out results.json]

The content is drawn, not photographed: discs on a noisy ground, one more in every frame of a sequence, with OCID's
background labels, and predictions that are shifted, merged, split, missing or on the ground. The scores
mean nothing; only files, sizes and counts matter. FOLDER keeps the tree for the next run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.runtime.provenance import summary

FRAMES = 2390
SEQUENCE = 20
"""Frames per sequence, with 0 to 19 objects."""
DRAWN = 4
"""Number of sequences drawn for floors and for tables; the others link to their files."""
KINDS = {
    "ARID20": ("",),
    "ARID10": ("box", "curved", "fruits", "mixed", "non-fruits"),
    "YCB10": ("cuboid", "curved", "mixed"),
}
FOLDERS = [
    "/".join(filter(None, (part, ground, level, kind)))
    for part, kinds in KINDS.items()
    for ground in ("floor", "table")
    for level in ("bottom", "top")
    for kind in kinds
]
Labels = npt.NDArray[np.uint16]
_QUICK = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]


def build(root: Path) -> None:
    """Make the tree in ``root/OCID-dataset`` and the predictions in ``root/predictions``, unless complete."""
    done = root / "complete"
    if done.exists():
        return
    drawn: dict[tuple[bool, int, int], dict[str, Path]] = {}
    for index in range(FRAMES):
        number, step = divmod(index, SEQUENCE)
        folder = FOLDERS[number % len(FOLDERS)]
        sequence = f"{folder}/seq{number // len(FOLDERS):02d}"
        paths = _paths(root, sequence, f"result_2018-08-21-{index:05d}")
        on_table = folder.split("/")[1] == "table"
        same = drawn.setdefault((on_table, number % DRAWN, step), paths)
        if same is paths:
            _draw(paths, on_table, number % DRAWN, step)
        else:
            for kind, path in paths.items():
                path.unlink(missing_ok=True)
                os.link(same[kind], path)
    done.touch()


def _paths(root: Path, sequence: str, stem: str) -> dict[str, Path]:
    paths = {kind: root / "OCID-dataset" / sequence / kind / f"{stem}.png" for kind in ("rgb", "label")}
    paths["prediction"] = root / "predictions" / sequence / f"{stem}.png"
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    return paths | {"scores": paths["prediction"].with_suffix(".json")}


def _draw(paths: dict[str, Path], on_table: bool, variant: int, step: int) -> None:
    rng = np.random.default_rng(variant + DRAWN * on_table)  # the same objects all through a sequence
    ground = _ground(rng)
    colours = rng.integers(0, 256, (SEQUENCE + 1, 3)).astype(np.uint8)
    objects, found = _objects(rng, step)
    labels = np.where(objects > 0, objects + 1 + on_table, 1).astype(np.uint16)
    if on_table:
        labels[200:][objects[200:] == 0] = 2
    image = np.where(objects[:, :, None] > 0, colours[objects] // 2 + ground // 2, ground)
    for kind, picture in (("rgb", image), ("label", labels), ("prediction", found)):
        cv2.imwrite(str(paths[kind]), picture, _QUICK)
    scores = {str(value): round(float(rng.random()), 3) for value in np.unique(found) if value}
    paths["scores"].write_text(json.dumps({"scores": scores}))


def _objects(rng: np.random.Generator, count: int) -> tuple[Labels, Labels]:
    """True and predicted label maps, (480, 640) uint16."""
    truth, found = np.zeros((2, 480, 640), np.uint16)
    for value in range(1, count + 1):
        y, x, radius = (int(each) for each in rng.integers((60, 60, 14), (420, 580, 60)))
        cv2.circle(truth, (x, y), radius, value, -1)
        fate = rng.random()
        called = value if fate < 0.8 else max(1, value - 1)  # a fifth is merged with the one before
        dy, dx = (int(each) for each in rng.integers(-4, 5, 2))
        if fate > 0.05:
            cv2.circle(found, (x + dx, y + dy), radius, called, -1)
        if 0.1 < fate < 0.2:
            right = found[:, x:]
            right[right == value] = value + 100
    if count % 4 == 3:
        found[:30, :60] = 900
    return truth, found


def _ground(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a (480, 640, 3) ground with shades and camera noise, so that files are as large as photographs."""
    coarse = cv2.resize(rng.integers(60, 190, (6, 8, 3)).astype(np.uint8), (640, 480), interpolation=cv2.INTER_CUBIC)
    return np.clip(coarse + rng.normal(0, 3, (480, 640, 3)), 0, 255).astype(np.uint8)


def measure(root: Path, frames: int | None, workers: int) -> dict[str, Any]:
    """Run the command in a separate process, on all frames or on ``frames`` of them."""
    out = root / f"evaluation_{frames or 'all'}"
    command = [sys.executable, "-m", "uois_sam.cli.main", "evaluate", "ocid", str(root / "OCID-dataset")]
    command += ["--predictions", str(root / "predictions"), "--out", str(out), "--workers", str(workers)]
    command += [] if frames is None else ["--limit", str(frames)]
    run_measured = Path(__file__).with_name("run_measured.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(run_measured), *command], stdout=subprocess.PIPE, text=True, check=True
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    if measured["exit"] != 0:
        raise SystemExit(f"evaluate_ocid: the command ended with status {measured['exit']}")
    report = json.loads((out / "report.json").read_text())
    scored = report["dataset"]["scored"]
    return {
        "frames": scored,
        "empty_frames": report["scores"]["empty_frames"],
        "objects": report["scores"]["true_objects"],
        "workers": workers,
        "seconds_of_the_command": measured["seconds"],
        "frames_per_second_scoring": scored / report["seconds"]["scoring"],
        "frames_per_second_of_the_command": scored / measured["seconds"],
        "cpu_seconds_of_the_command": measured["cpu_seconds"],
        "frames_per_cpu_second": scored / measured["cpu_seconds"],
        "peak_mib_of_the_largest_process": measured["peak_mib"],
    }


def main() -> None:
    """Build, measure on a tenth and on all frames, print and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the tree is built and kept")
    parser.add_argument("--workers", type=int, default=1, help="processes that score (default: 1)")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    build(arguments.folder)
    busy = os.getloadavg()[0]
    runs = [measure(arguments.folder, frames, arguments.workers) for frames in (FRAMES // 10, None)]
    record = make_record("evaluate_ocid", {"runs": runs, "load_average_before": busy})
    print("| frames | seconds | frames/s, scoring | frames/s, whole command | frames per CPU second | peak MiB |")
    print("|--:|--:|--:|--:|--:|--:|")
    for run in runs:
        rates = ("frames_per_second_scoring", "frames_per_second_of_the_command", "frames_per_cpu_second")
        cells = [f"{run['seconds_of_the_command']:.1f}", *(f"{run[rate]:.1f}" for rate in rates)]
        print(f"| {run['frames']} | {' | '.join(cells)} | {run['peak_mib_of_the_largest_process']:.0f} |")
    print(summary(record["machine"]))
    if arguments.out:
        write_record(arguments.out, record)


if __name__ == "__main__":
    main()
