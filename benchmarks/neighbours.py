"""Time a photo beside busy processes, with torch's threads waiting asleep, spinning shortly, and spinning.

    python benchmarks/neighbours.py examples/scene_crowded.jpg --neighbours 0 1 2 4 --out neighbours.json
    python benchmarks/neighbours.py examples/scene_crowded.jpg --neighbours 0 1 2 --policies asleep spin-300 spin-1000

Neighbours are endless loops, one process each. The fair time beside n of them, with t threads on t cores, is
(t + n) / t of the time alone: every runnable thread gets the same share of the processor. Each row runs in its
own process, because torch reads the policy when it is loaded; rows take turns, so that a slow spell hits all of them.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.runtime.provenance import summary

POLICIES = ("asleep", "spin-1000", "spinning")
TIME = """
import sys, time
from uois_sam import UOISSAM
model, runs = UOISSAM.from_pretrained("compact", device="cpu"), int(sys.argv[2])
for run in range(runs + 2):
    began = time.perf_counter()
    model.predict(sys.argv[1])
    if run >= 2:
        print(time.perf_counter() - began)
"""


def environment_of(policy: str) -> dict[str, str]:
    """Return what OpenMP reads: spin-N is so many turns of waiting before threads fall asleep.

    Raises:
        ValueError: an unknown policy.
    """
    known = {"asleep": {"OMP_WAIT_POLICY": "PASSIVE"}, "spinning": {"OMP_WAIT_POLICY": "ACTIVE"}}
    if policy in known:
        return known[policy]
    name, _, turns = policy.partition("-")
    if name != "spin" or not turns.isdigit():
        raise ValueError(f"expected asleep, spinning or spin-N, found {policy!r}")
    return {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": turns}  # the count goes before the policy


def seconds_beside(photo: Path, neighbours: int, policy: str, runs: int) -> list[float]:
    """Measure the seconds of each photo, after two of warm-up."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(neighbours)]
    try:
        environment = os.environ | environment_of(policy)
        command = [sys.executable, "-c", TIME, str(photo), str(runs)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return [float(line) for line in result.stdout.split()]


def measure(
    photo: Path, neighbours: list[int], runs: int, rounds: int, policies: Sequence[str] = POLICIES
) -> list[dict[str, Any]]:
    """Measure one row for every number of neighbours and policy."""
    taken: dict[tuple[int, str], list[float]] = {(n, policy): [] for n in neighbours for policy in policies}
    for number in range(rounds):
        for (count, policy), seconds in taken.items():
            seconds += seconds_beside(photo, count, policy, runs)
            print(f"round {number + 1}: {count} neighbours, {policy}", file=sys.stderr)
    cores = len(os.sched_getaffinity(0))
    alone = min(statistics.median(taken[0, policy]) for policy in policies) if 0 in neighbours else None
    rows = []
    for (count, policy), seconds in taken.items():
        median = statistics.median(seconds)
        fair = None if alone is None else alone * (cores + count) / cores
        rows.append({"neighbours": count, "policy": policy, "seconds": median, "highest": max(seconds),
                     "times_fair": None if fair is None else median / fair})  # fmt: skip
    return rows


def main() -> int:
    """Print a table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--neighbours", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--policies", nargs="+", default=list(POLICIES), help="asleep, spinning, spin-N")
    parser.add_argument("--runs", type=int, default=8, help="photos a process")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON record")
    options = parser.parse_args()
    try:
        _ = [environment_of(policy) for policy in options.policies]
    except ValueError as error:
        print(f"neighbours: --policies: {error}", file=sys.stderr)
        return 2
    rows = measure(options.photo, options.neighbours, options.runs, options.rounds, options.policies)
    record = make_record("neighbours", {"rows": rows})
    print("neighbours  policy     seconds  highest  times the fair share")
    for row in rows:
        fair = "" if row["times_fair"] is None else f"{row['times_fair']:.2f}"
        print(f"{row['neighbours']:10}  {row['policy']:9}  {row['seconds']:7.2f}  {row['highest']:7.2f}  {fair}")
    print(summary(record["machine"]))
    if options.out is not None:
        write_record(options.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
