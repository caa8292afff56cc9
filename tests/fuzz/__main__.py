"""Run the campaign and print its table."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "helpers")]

from fuzz.worker import SECONDS, Outcome, run_cases  # noqa: E402

SHARES = {
    "photos": 0.25, "special photos": 0.04, "coco": 0.2, "data sets": 0.12, "native": 0.06, "predictions": 0.06,
    "models": 0.05, "settings": 0.05, "meshes": 0.03, "checkpoints": 0.05, "caches": 0.02, "heads": 0.02,
    "foundations": 0.02, "command lines": 0.03,
}  # fmt: skip
"""Of all cases, by class."""
BAD = ("foreign", "crash", "hang")


def main() -> int:
    """Return 1 if any case ended badly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=500, help="how many in all, or of the class given by --only")
    parser.add_argument("--only", choices=sorted(SHARES), help="one class")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of every class")
    parser.add_argument("--jobs", type=int, default=1, help="workers side by side")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="limit of a case")
    options = parser.parse_args()
    shares = {options.only: 1.0} if options.only else SHARES
    counts = {kind: max(1, round(share * options.cases)) for kind, share in shares.items()}
    cases = [(kind, options.first + k) for kind, count in counts.items() for k in range(count)]
    outcomes: list[Outcome] = []

    def run(part: list[tuple[str, int]]) -> None:
        for outcome in run_cases(part, options.seconds):
            outcomes.append(outcome)
            if outcome.what in BAD:
                print(f"{outcome.kind} {outcome.number}: {outcome.what}: {outcome.detail.rstrip()}", file=sys.stderr)

    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(run, [cases[k :: options.jobs] for k in range(options.jobs)]))
    print(f"{'class':16}{'tried':>7}{'read':>7}{'refused':>9}{'foreign':>9}{'crashes':>9}{'hangs':>7}")
    found = Counter((outcome.kind, outcome.what) for outcome in outcomes)
    for kind in [*counts, "all"]:
        row = [sum(n for (k, what), n in found.items() if what == column and kind in (k, "all"))
               for column in ("read", "refused", *BAD)]  # fmt: skip
        print(f"{kind:16}{sum(row):7}{row[0]:7}{row[1]:9}{row[2]:9}{row[3]:9}{row[4]:7}")
    return 1 if any(outcome.what in BAD for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
