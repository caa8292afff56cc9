"""Time the two example photos: the table of docs/development/performance.md, and both backends in turn.

    python benchmarks/photo.py [--out benchmarks/results/photo_2cores.json]
    python benchmarks/photo.py --device cuda [--precision bfloat16]

Each photo is resized to 640x480. Stages and lower bounds are those of `uois-sam benchmark`. Each backend has processes
of its own, in turn with the other's: in one process the threads of one still look for work while the other computes.
On a GPU, which ends every stage before its clock is read, there is torch only, timed in this process from the photo's
pixels to the objects in memory.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from in_turn import PHOTOS, Seconds, in_turn, photos, seconds_of
from uois_sam import UOISSAM
from uois_sam.benchmark.measure import Measurement, measure
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import UOISError
from uois_sam.runtime.provenance import summary
from uois_sam.runtime.timing import Quartiles

BACKENDS = ("torch", "onnxruntime")
STAGES = {"hpg": "HPG: maps and peaks", "features": "features", "masks": "masks", "total": "**total**"}
OTHERS = "all but the networks, with label map, run lengths and PNG"


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=20, help="timed runs of each photo")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="cpu where other work disturbs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        model = UOISSAM.from_pretrained("compact", device=options.device, precision=options.precision, backend="torch")
        request = Measurement(repeats=options.repeats, clock=options.clock)
        stages = {name: measure(model, photo, request) for name, photo in photos().items()}
        found = seconds_by_backend(model, options)
        backends = {name: {each: Quartiles.of(found[each][name][options.clock]) for each in found} for name in PHOTOS}
        seconds = {name: {each: spread.as_json() for each, spread in row.items()} for name, row in backends.items()}
        kept = {name: {key: row[key] for key in row if key != "machine"} for name, row in stages.items()}
        record = make_record("photo", {"stages": kept, "backends_seconds": seconds})
        if options.out:
            write_record(options.out, record)
    except UOISError as error:
        print(f"photo: {error}", file=sys.stderr)
        return 2
    print("\n".join([*stage_table(stages), "", *backend_table(backends)]))
    print(f"\n{options.clock} clock, {options.precision} on {model.device}; {summary(record['machine'])}")
    return 0


def seconds_by_backend(model: UOISSAM, options: argparse.Namespace) -> dict[str, Seconds]:
    """Seconds of both photos by backend; of the model itself where it is on a GPU or in another precision."""
    if options.device == "cpu" and options.precision == "float32":
        return in_turn(dict.fromkeys(BACKENDS, "compact"), options.repeats)
    return {"torch": {name: seconds_of(model, photo, options.repeats) for name, photo in photos().items()}}


def stage_table(stages: dict[str, dict[str, Any]]) -> list[str]:
    """Milliseconds by stage, beside both lower bounds."""
    rows = [["stage", *(cell for name in stages for cell in (name, "lower bound", "roofline"))]]
    rows.append(["---"] * len(rows[0]))
    for stage, title in STAGES.items():
        row = [title]
        for found in stages.values():
            spread = found["stages_seconds"][stage]
            bounds = found["floor_seconds"][stage], found["roofline_seconds"][stage]
            taken = f"{milliseconds(spread['median'])} ms (IQR {milliseconds(spread['q75'] - spread['q25'])})"
            row += [taken, *map(milliseconds, bounds)]
        rows.append(row)
    rows.append(["prompts, objects"])
    rows.append([OTHERS])
    for found in stages.values():
        rows[-2] += [f"{found['prompts']}, {found['objects']}", "", ""]
        rows[-1] += [f"{milliseconds(found['other_than_networks_seconds'])} ms", "", ""]
    return [f"| {' | '.join(row)} |" for row in rows]


def backend_table(backends: dict[str, dict[str, Quartiles]]) -> list[str]:
    """Milliseconds of a photo by backend."""
    rows = [["backend", *backends], ["---"] * (1 + len(backends))]
    for each in next(iter(backends.values())):
        spreads = [found[each] for found in backends.values()]
        rows.append([each, *(f"{milliseconds(s.median)} ms (IQR {milliseconds(s.q75 - s.q25)})" for s in spreads)])
    return [f"| {' | '.join(row)} |" for row in rows]


def milliseconds(seconds: float) -> str:
    """Whole ones, and tenths below ten, as on a GPU."""
    return f"{seconds * 1e3:.{0 if seconds >= 0.01 else 1}f}"


if __name__ == "__main__":
    sys.exit(main())
