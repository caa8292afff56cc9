"""What masks are worth to a grasp: rates of finished tables, with intervals, and how far each kind is from true masks.

    uois-sam demo grasp --out pile --masks model depth grid true none --rounds 30 --no-pictures
    python experiments/grasp_rates.py pile packed [--out results.json]

Reads the rounds below each folder, those of a run that was stopped too. Only tables that were cleared with every kind
of masks of the folder count, so that all kinds have the same; the others are counted and left out.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.errors import UOISError, count
from uois_sam.grasping.rates import Rate
from uois_sam.grasping.records import SETTINGS_FILE
from uois_sam.grasping.rounds import Round, summarise
from uois_sam.io.json_files import read_json

RATES = {
    "grasps": "picks that lift",
    "declutter": "cleared",
    "disturbed": "picks that disturb",
    "chosen": "named lifted",
}


def main() -> int:
    """Print a table for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER", help="--out of uois-sam demo grasp")
    parser.add_argument("--out", type=Path, help="write a record as JSON")
    options = parser.parse_args()
    try:
        runs = [rates_of(folder) for folder in options.folders]
        if options.out:
            write_record(options.out, make_record("grasp_rates", {"runs": runs}))
    except UOISError as error:
        print(f"grasp_rates: {error}", file=sys.stderr)
        return 2
    for folder, run in zip(options.folders, runs, strict=True):
        print(f"\n{folder.name}: {count(run['tables'], 'table')}, {run['left_out']} left out\n")
        print(f"| masks | {' | '.join(RATES.values())} | ends without a grasp |")
        print("|---" * (len(RATES) + 2) + "|")
        for name, row in run["masks"].items():
            cells = [str(Rate(*row[of][:2])) + _beside_true(run, row, of) if row[of][1] else "" for of in RATES]
            print(f"| {name} | {' | '.join(cells)} | {row['no_grasp']} |")
    return 0


def rates_of(folder: Path) -> dict[str, Any]:
    """Return the rates of each kind of masks in a folder, ready for JSON.

    Raises:
        UOISError: if there are no rounds, or they cannot be read.
    """
    settings = read_json(folder / SETTINGS_FILE, dict[str, Any], what="settings of rounds")
    by_masks: dict[str, dict[int, Round]] = defaultdict(dict)
    for path in sorted((folder / "rounds").glob("*_*.json")):
        found = read_json(path, Round, what="a round")
        by_masks[path.stem.rpartition("_")[0]][found.seed] = found
    if not by_masks:
        raise UOISError(f"{folder}: expected rounds of uois-sam demo grasp, found none")
    seeds = sorted(set.intersection(*(set(rounds) for rounds in by_masks.values())))
    left_out = len(set.union(*(set(rounds) for rounds in by_masks.values()))) - len(seeds)
    rows = {name: _row([rounds[seed] for seed in seeds]) for name, rounds in by_masks.items()}
    return {"settings": settings, "seeds": seeds, "tables": len(seeds), "left_out": left_out, "masks": rows}


def _row(rounds: list[Round]) -> dict[str, Any]:
    """Successes, trials and Wilson's interval of each rate, and what ended rounds and failed picks."""
    summary, row = summarise(rounds), dict[str, Any]()
    for of in RATES:
        rate: Rate = getattr(summary, of)
        row[of] = [rate.successes, rate.trials, *rate.interval()]
    reasons: dict[str, int] = defaultdict(int)
    for attempt in (attempt for each in rounds for attempt in each.attempts):
        if attempt.pick is not None and attempt.pick.outcome != "lifted":
            reasons[f"{attempt.pick.outcome}: {attempt.pick.reason}"] += 1
    row["no_grasp"] = sum(each.attempts[-1].pick is None for each in rounds if each.attempts)
    row["failures"] = dict(reasons)
    row["left_by_table"] = {str(each.seed): each.left for each in rounds}
    return row


def _beside_true(run: dict[str, Any], row: dict[str, Any], of: str) -> str:
    """Points above or below true masks."""
    true = run["masks"].get("true")
    if true is None or true is row or not true[of][1]:
        return ""
    return f", {100 * (row[of][0] / row[of][1] - true[of][0] / true[of][1]):+.1f}"


if __name__ == "__main__":
    sys.exit(main())
