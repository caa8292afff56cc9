"""What does fine-tuning on 5, 10, 20 and 40 photos of one place bring there, and what does it cost elsewhere?

    python experiments/finetune_gain.py PLACE --elsewhere DATA [--photos 10 40] [--refit 10] [--out results.json]

PLACE is a folder of labelled photos of one place in random order (``one_place.py`` makes one); the last ``--test`` of
them are only scored on. Each number of photos is fine-tuned as ``uois-sam finetune`` does it, the held-out part of them
included, and the trained weights are scored on the test photos and, for what is forgotten, on the photos of DATA.
``--refit`` also fits HDNet and the mask scorer anew on the photos, as ``uois-sam train compact`` does.
An interrupted run resumes with the same --work.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import ModelPredictor
from uois_sam.evaluation.frame_scores import FrameResult, score_frame
from uois_sam.evaluation.report.markdown import table
from uois_sam.finetuning import FineTuneConfig, finetune
from uois_sam.finetuning.scores import compare
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.runtime.progress import ProgressCallback, progress, tracked
from uois_sam.runtime.provenance import summary
from uois_sam.training.compact_network import NetworkTrainingConfig
from uois_sam.training.splits import SubsetDataset, first_images
from uois_sam.training.train_compact import CompactTrainingConfig, train_compact

Results = dict[str, list[FrameResult]]


def score(model: UOISSAM, tests: dict[str, Dataset], watch: ProgressCallback) -> Results:
    """Score a model on every set of photos."""
    predict = ModelPredictor(model)
    return {
        name: [score_frame(data[k], predict(data[k].image)) for k in tracked(range(len(data)), watch, name, len(data))]
        for name, data in tests.items()
    }


def gains(before: Results, after: Results) -> dict[str, Any]:
    """Compare the results on the photos with objects of every set, and count the others, ready for JSON.

    A photo without objects has an F of 0 or 1: one of them would hide what happens on all others.
    """
    found = {}
    for name in before:
        full = [index for index, result in enumerate(before[name]) if result.scores.true_objects]
        bare = [index for index, result in enumerate(before[name]) if not result.scores.true_objects]
        kept = [sum(not each[name][index].scores.predicted_objects for index in bare) for each in (before, after)]
        comparison = compare(*([each[name][index] for index in full] for each in (before, after)))
        found[name] = asdict(comparison) | {"empty": len(bare), "empty_found_empty": kept}
    return found


def measure(
    place: Dataset, number: int, tests: dict[str, Dataset], before: Results, work: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Fine-tune on the first ``number`` photos and score; what an earlier run has measured is read."""
    done = work / "gain.json"
    if done.is_file():
        found: dict[str, Any] = json.loads(done.read_text())
        return found
    photos = first_images(place, number)
    config = FineTuneConfig(steps=arguments.steps, rate=arguments.rate, keep="trained")
    with progress(Console(file=sys.stderr)) as watch:
        result = finetune(photos, work / "finetune", config, device="cpu", progress=watch)
        row = {
            "photos": number, "learned": len(result.learned), "steps": result.steps,
            "held_out": asdict(result.comparison), "verdict": result.comparison.verdict,
            "gains": gains(before, score(UOISSAM.from_pretrained(result.trained, device="cpu"), tests, watch)),
        }  # fmt: skip
        if number in arguments.refit:
            learned = SubsetDataset(photos, [photos.names.index(name) for name in result.learned])
            recipe = CompactTrainingConfig(base=NetworkTrainingConfig(steps=0))
            refit = train_compact(learned, recipe, work / "refit", watch, start=result.trained, device="cpu")
            row["refit"] = gains(before, score(UOISSAM.from_pretrained(refit, device="cpu"), tests, watch))
    write_atomically(done, json.dumps(row).encode())
    return row


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Format a line for each run and set of photos."""
    lines = []
    for row in rows:
        for kind, found in (("", row["gains"]), (", scores fitted anew", row.get("refit", {}))):
            for name, gain in found.items():
                change = gain["overlap_f"]
                lines.append([
                    f"{row['photos']}{kind}", name, row["verdict"],
                    *(f"{gain['before'][key]:.1f} → {gain['after'][key]:.1f}"
                      for key in ("overlap_f", "boundary_f", "over_75")),
                    f"{change['mean']:+.1f} ({change['low']:+.1f} to {change['high']:+.1f})",
                ])  # fmt: skip
    header = ["photos", "scored on", "verdict on its own held-out photos"]
    return table([*header, "overlap F", "boundary F", "%75", "gain in F"], lines)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("place", type=Path, help="folder of labelled photos of one place")
    parser.add_argument("--elsewhere", type=Path, required=True, help="folder of labelled photos of other places")
    parser.add_argument("--photos", type=int, nargs="+", default=[5, 10, 20, 40], help="photos to learn from")
    parser.add_argument("--refit", type=int, nargs="*", default=[], help="numbers of photos to fit the scores anew on")
    parser.add_argument("--test", type=int, default=20, help="photos of the place to score on (default: 20)")
    parser.add_argument("--limit", type=int, default=20, help="photos of other places to score on (default: 20)")
    parser.add_argument("--steps", type=int, help="optimiser steps; by the number of photos if left out")
    parser.add_argument("--rate", type=float, default=FineTuneConfig().rate, help="highest learning rate")
    parser.add_argument("--work", type=Path, default=Path("runs/finetune_gain"), help="folder for the runs")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        make_output_folder(arguments.work)
        place = FolderDataset(arguments.place)
        tests: dict[str, Dataset] = {
            "the place": SubsetDataset(place, range(len(place) - arguments.test, len(place))),
            "elsewhere": first_images(FolderDataset(arguments.elsewhere), arguments.limit),
        }
        with progress(Console(file=sys.stderr)) as watch:
            before = score(UOISSAM.from_pretrained("compact", device="cpu"), tests, watch)
        rows = [measure(place, n, tests, before, arguments.work / str(n), arguments) for n in arguments.photos]
    except UOISError as error:
        print(f"finetune_gain: {error}", file=sys.stderr)
        return 2
    record = make_record("finetune_gain", {"rows": rows})
    print(f"{markdown(rows)}\n\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
