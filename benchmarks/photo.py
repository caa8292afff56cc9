"""Time the two example photos: the table of docs/development/performance.md, and both backends in turn.

    python benchmarks/photo.py [--out benchmarks/results/photo_2cores.json]

Each photo is resized to 640x480. Stages and lower bounds are those of `uois-sam benchmark`. Each backend has processes
of its own, in turn with the other's: in one process the threads of one still look for work while the other computes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from uois_sam import UOISSAM
from uois_sam.benchmark.measure import Measurement, measure
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.benchmark.sweeps import resized
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.runtime.provenance import summary
from uois_sam.runtime.timing import Quartiles, now, reading
from uois_sam.types import ImageArray

EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTOS = {"coffee": "coffee.jpg", "crowded scene": "scene_crowded.jpg"}
BACKENDS = ("torch", "onnxruntime")
STAGES = {"hpg": "HPG: maps and peaks", "features": "features", "masks": "masks", "total": "**total**"}
OTHERS = "all but the networks, with label map, run lengths and PNG"
SIZE_WH = (640, 480)
ROUNDS = 3
"""Processes of each backend."""


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="timed runs of each photo")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu where other work disturbs")
    parser.add_argument("--backend", choices=BACKENDS, help="only print every run's seconds with this one, as JSON")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        photos = {name: resized(read_image(EXAMPLES / file), SIZE_WH) for name, file in PHOTOS.items()}
        model = UOISSAM.from_pretrained("compact", device="cpu", backend=options.backend or "torch")
        request = Measurement(repeats=options.repeats, clock=options.clock)
        if options.backend:
            print(json.dumps({name: seconds_of(model, photo, request) for name, photo in photos.items()}))
            return 0
        stages = {name: measure(model, photo, request) for name, photo in photos.items()}
        backends = in_turn(request)
        seconds = {name: {each: found.as_json() for each, found in row.items()} for name, row in backends.items()}
        kept = {name: {key: row[key] for key in row if key != "machine"} for name, row in stages.items()}
        record = make_record("photo", {"stages": kept, "backends_seconds": seconds})
        if options.out:
            write_record(options.out, record)
    except UOISError as error:
        print(f"photo: {error}", file=sys.stderr)
        return 2
    print("\n".join([*stage_table(stages), "", *backend_table(backends)]))
    print(f"\n{options.clock} clock; {summary(record['machine'])}")
    return 0


def seconds_of(model: UOISSAM, photo: ImageArray, request: Measurement) -> list[float]:
    """Seconds of every run of a photo, after those that warm up."""
    taken = []
    with reading(request.clock):
        for _ in range(request.warm_up + request.repeats):
            began = now(model.device)
            model.predict(photo)
            taken.append(now(model.device) - began)
    return taken[request.warm_up :]


def in_turn(request: Measurement) -> dict[str, dict[str, Quartiles]]:
    """Seconds by photo and backend, of processes that follow each other."""
    seconds: dict[str, dict[str, list[float]]] = {name: {each: [] for each in BACKENDS} for name in PHOTOS}
    words = ["--repeats", str(-(-request.repeats // ROUNDS)), "--clock", request.clock]
    for _ in range(ROUNDS):
        for each in BACKENDS:
            command = [sys.executable, __file__, "--backend", each, *words]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            for name, taken in found.items():
                seconds[name][each] += taken
    return {name: {each: Quartiles.of(taken) for each, taken in row.items()} for name, row in seconds.items()}


def stage_table(stages: dict[str, dict[str, Any]]) -> list[str]:
    """Milliseconds by stage, beside both lower bounds."""
    rows = [["stage", *(cell for name in stages for cell in (name, "lower bound", "roofline"))]]
    rows.append(["---"] * len(rows[0]))
    for stage, title in STAGES.items():
        row = [title]
        for found in stages.values():
            spread = found["stages_seconds"][stage]
            bounds = found["floor_seconds"][stage], found["roofline_seconds"][stage]
            taken = f"{spread['median'] * 1e3:.0f} ms (IQR {(spread['q75'] - spread['q25']) * 1e3:.0f})"
            row += [taken, *(f"{bound * 1e3:.0f}" for bound in bounds)]
        rows.append(row)
    rows.append(["prompts, objects"])
    rows.append([OTHERS])
    for found in stages.values():
        rows[-2] += [f"{found['prompts']}, {found['objects']}", "", ""]
        rows[-1] += [f"{found['other_than_networks_seconds'] * 1e3:.0f} ms", "", ""]
    return [f"| {' | '.join(row)} |" for row in rows]


def backend_table(backends: dict[str, dict[str, Quartiles]]) -> list[str]:
    """Milliseconds of a photo by backend."""
    rows = [["backend", *backends], ["---"] * (1 + len(backends))]
    for each in BACKENDS:
        spreads = [found[each] for found in backends.values()]
        rows.append(
            [each, *(f"{spread.median * 1e3:.0f} ms (IQR {(spread.q75 - spread.q25) * 1e3:.0f})" for spread in spreads)]
        )
    return [f"| {' | '.join(row)} |" for row in rows]


if __name__ == "__main__":
    sys.exit(main())
