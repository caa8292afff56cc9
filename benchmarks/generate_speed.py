"""Scenes per hour, memory, and time by stage of ``uois-sam generate``.

    python benchmarks/generate_speed.py [--variants llvm scalar] [--scenes 40] [--workers N] [--out results.json]

Scenes are 640x480 at 8 samples with the default variety. The first scenes of every process are left out of the rate:
they include starting up and compiling kernels, which a data set of thousands does once.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.runtime.provenance import summary
from uois_sam.synth.dataset.config import GenerateConfig
from uois_sam.synth.dataset.generate import Run

WARM_UP_A_WORKER = 3
"""Kernels differ by the padded number of shapes, so a process compiles during its first few scenes."""
RENDERING = ("textures", "load", "trace", "guides", "denoise", "labels", "develop")
STAGES = (
    "draw",
    "physics",
    "textures",
    "meshes",
    "load",
    "trace",
    "guides",
    "denoise",
    "labels",
    "develop",
    "encode",
    "write",
)


def measure(config: GenerateConfig, workers: int) -> dict[str, Any]:
    """Make a data set in a temporary folder; return its measurements and the steady rate."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(config, Path(folder), workers)
        arrivals = []
        started = time.monotonic()
        for _ in run:
            arrivals.append(time.monotonic() - started)
        measured: dict[str, Any] = json.loads((Path(folder) / "dataset.json").read_text())["measured"]
    return {**measured, "steady_scenes_an_hour": steady_rate(arrivals, WARM_UP_A_WORKER * workers)}


def steady_rate(arrivals: Sequence[float], skipped: int) -> float | None:
    """Return scenes per hour from arrival times in seconds, without the first ``skipped``; None for too few."""
    kept = arrivals[max(skipped, 1) - 1 :]
    if len(kept) < 2:
        return None
    return round(3600 * (len(kept) - 1) / (kept[-1] - kept[0]), 1)


def table(results: dict[str, dict[str, Any]]) -> str:
    """Format results as markdown, one column per variant."""
    rows = [
        ("scenes an hour, steady", [r["steady_scenes_an_hour"] for r in results.values()]),
        ("scenes an hour, with start-up", [r["scenes_an_hour"] for r in results.values()]),
        ("peak memory a worker, MB", [r["peak_mb_a_worker"] for r in results.values()]),
    ]
    spent = [_with_meshes(r["seconds_a_scene"]) for r in results.values()]
    for name in STAGES:
        rows.append((f"{name}, s a scene", [seconds.get(name) for seconds in spent]))
    lines = ["| | " + " | ".join(results) + " |", "|---|" + "---|" * len(results)]
    lines += ["| " + " | ".join([name, *(_cell(value) for value in values)]) + " |" for name, values in rows]
    return "\n".join(lines)


def _with_meshes(seconds: dict[str, float]) -> dict[str, float]:
    """Add the stage of building meshes: the rest of rendering."""
    rest = seconds.get("render", 0.0) - sum(seconds.get(name, 0.0) for name in RENDERING)
    return {**seconds, "meshes": round(rest, 3)}


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", nargs="+", default=["llvm", "scalar"], help="Mitsuba back ends")
    parser.add_argument("--scenes", type=int, default=40, help="scenes a variant")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = {}
    for variant in options.variants:
        config = GenerateConfig(scenes=options.scenes, seed=1, height=options.height, width=options.width,
                                samples=options.samples, variant=variant)  # fmt: skip
        results[variant] = measure(config, options.workers)
    options_given = {k: v for k, v in vars(options).items() if k != "out"}
    record = make_record("generate_speed", {"options": options_given, "results": results})
    print(f"{options.width}x{options.height}, {options.samples} samples, {options.workers} workers\n")
    print(table(results))
    print(f"\n{summary(record['machine'])}")
    if options.out:
        write_record(options.out, record)


if __name__ == "__main__":
    main()
