"""Table V of the paper for the compact model: gain of the heads from more training scenes.

    python experiments/table5.py TRAIN_ROOT TEST_ROOT [--base compact] [--work runs/table5] [--out results.json]

The base stays frozen. For every share of the training scenes both of the paper's heads (prompt generator and HDNet) are
fitted anew from random weights, by the same schedule, and the result is scored on the test scenes as in the paper's
last row of Table IV: heatmap peaks, masks chosen by HDNet. A smaller share is part of every larger one. The paper's
rows stand beside ours for orientation: its 100 % are 45 000 images of UOAIS-Sim, scored on OCID with SAM ViT-L.

An interrupted run resumes with the same --work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rows import percent_of, scores_table
from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.checkpoints.loading import load_base
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import ModelPredictor, evaluate
from uois_sam.evaluation.components import WHOLE_METHOD
from uois_sam.evaluation.report.published import TABLE_5
from uois_sam.reproduce.config import PAPER_SHARES
from uois_sam.reproduce.shares import fit_share
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.runtime.provenance import summary
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.fit_loop import FitConfig
from uois_sam.training.splits import first_images
from uois_sam.training.targets import COMPACT_TARGET
from uois_sam.training.train_compact import TOKEN_SETTINGS
from uois_sam.training.train_heads import HeadTrainingConfig


def recipe_for(percent: float, epochs: int) -> HeadTrainingConfig:
    """The paper's recipe with the compact model's heatmap target, and few enough epochs for two cores."""
    return HeadTrainingConfig(
        features=FeatureConfig(),
        target=COMPACT_TARGET,
        fit=FitConfig(epochs=epochs, decay_every=max(1, epochs // 3), hpg_images=8, hdnet_images=8),
        selection=TOKEN_SETTINGS,
        percent=percent,
    )


def table(base: str, train: Dataset, test: Dataset, shares: Sequence[float], epochs: int, work: Path) -> dict[str, Any]:
    """Fit and score all shares; return scenes, percentages and ratios by share."""
    frozen = load_base(base, device="cpu", precision="float32")
    rows: dict[str, Any] = {}
    for percent in shares:
        watch = ProgressCallback(partial(_stage, percent), lambda done, note: None)
        fitted = fit_share(frozen, train, recipe_for(percent, epochs), work / f"{percent:g}", watch, device="cpu")
        scenes = fitted.images + fitted.validation
        _say(f"{percent:g} %: scoring {len(test)} frames")
        model = UOISSAM.from_pretrained(fitted.folder, device="cpu", precision="float32")
        predictor = ModelPredictor(model.with_settings(**WHOLE_METHOD.settings()))
        report = evaluate(test, predictor, work / f"{percent:g}" / "scores", title="test scenes")
        rows[f"{percent:g}"] = {"scenes": scenes, "percent": percent_of(report), "results": report["scores"]}
    return rows


def markdown(rows: dict[str, Any], title: str) -> str:
    """Format our rows with the paper's below each."""
    lines: list[tuple[list[str], Sequence[float]]] = []
    published = {f"{float(row.settings['percent']):g}": row for row in TABLE_5 if "percent" in row.settings}
    for share, row in rows.items():
        lines.append(([f"{share} %", str(row["scenes"])], list(row["percent"].values())))
        if share in published:
            lines.append(([f"· paper, OCID: {share} %", str(round(450 * float(share)))], published[share].result))
    return scores_table([title, "scenes"], lines)


def _stage(percent: float, name: str, total: int | None) -> None:
    _say(f"{percent:g} %: {name}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train_root", type=Path, help="folder of training scenes")
    parser.add_argument("test_root", type=Path, help="folder of test scenes")
    parser.add_argument("--base", default="compact", help="frozen base (default: compact)")
    parser.add_argument("--scenes", type=int, help="take the first N training scenes as 100 %% (default: all)")
    parser.add_argument("--limit", type=int, help="score only the first N test scenes")
    parser.add_argument("--percent", type=float, nargs="+", default=PAPER_SHARES, help="shares (default: the paper's)")
    parser.add_argument("--epochs", type=int, default=9, help="passes over the features (default: 9; 30 in the paper)")
    parser.add_argument("--work", type=Path, default=Path("runs/table5"), help="folder for caches and heads")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        train, test = (first_images(FolderDataset(root), number) for root, number in (
            (arguments.train_root, arguments.scenes), (arguments.test_root, arguments.limit)))  # fmt: skip
        rows = table(arguments.base, train, test, arguments.percent, arguments.epochs, arguments.work)
    except UOISError as error:
        print(f"table5: {error}", file=sys.stderr)
        return 2
    print(markdown(rows, f"heads on {arguments.base}, scored on {arguments.test_root.resolve().name}"))
    settings = {"base": arguments.base, "epochs": arguments.epochs, "frames": len(test)}
    record = make_record("table5", {**settings, "rows": rows})
    print(f"\n{len(test)} frames; {arguments.epochs} epochs.\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
