"""Table IV of the paper for any model and any folder of labelled photos: what each component adds.

    python benchmarks/table4.py DATA_ROOT [--model compact] [--limit N] [--out results.json]

Every photo is encoded once and predicted seven ways: uniform grid, grid in the foreground, heatmap peaks, heatmap peaks
with refined scores, and, beyond the paper, with scores that have seen the masks (for models that have them), those with
votes on outlines, and those with a closer look where all objects lie in a part of the photo. The paper's rows stand
beside ours for orientation only, as they were made on OCID with SAM ViT-L.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from uois_sam import UOISSAM
from uois_sam.config import PromptMode, ScoreMode
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import BOUNDARY_TOLERANCE, DatasetScores, MeanScores, ScoreAccumulator, score_image
from uois_sam.io.files import write_atomically
from uois_sam.runtime.provenance import describe_machine, summary
from uois_sam.training.train_compact import COMPACT_SETTINGS


class Variant(NamedTuple):
    """One row of Table IV."""

    name: str
    prompts: PromptMode
    scores: ScoreMode
    paper: tuple[float, float, float, float, float, float, float] | None
    """The paper's OCID result in percent: overlap P, R, F, boundary P, R, F, %75; None where it has no such row."""
    vote_iou: float = 0.0
    zoom: bool = False


VARIANTS = (
    Variant("grid (SAM)", "grid", "sam", (21.0, 61.3, 26.5, 12.5, 66.8, 19.9, 35.3)),
    Variant("+ foreground", "foreground-grid", "sam", (36.4, 51.7, 39.2, 16.7, 61.4, 24.0, 25.6)),
    Variant("+ heatmap", "heatmap", "sam", (49.6, 60.4, 51.2, 28.4, 68.7, 36.6, 41.8)),
    Variant("+ HDNet (full)", "heatmap", "hdnet", (85.8, 81.0, 79.9, 78.1, 75.2, 72.5, 78.3)),
    Variant("+ mask evidence (ours)", "heatmap", "evidence", None),
    Variant("+ votes on outlines (ours)", "heatmap", "evidence", None, COMPACT_SETTINGS.vote_iou),
    Variant("+ closer look (ours)", "heatmap", "evidence", None, COMPACT_SETTINGS.vote_iou, zoom=True),
)
SETTINGS = ("prompts", "scores", "vote_iou", "zoom")
"""What a variant sets of the selection."""
COLUMNS = ("P", "R", "F", "bP", "bR", "bF", "%75")


def evaluate(
    model: UOISSAM, dataset: Dataset, limit: int | None = None, variants: Sequence[Variant] = VARIANTS
) -> dict[str, DatasetScores]:
    """Score variants on the first ``limit`` samples (all when None), by variant name, at the photos' resolution."""
    frames = len(dataset) if limit is None else min(limit, len(dataset))
    accumulators = {variant.name: ScoreAccumulator() for variant in variants}
    for index in range(frames):
        sample = dataset[index]
        encoded = model.encode_image(sample.image)
        for variant in variants:
            settings = {name: getattr(variant, name) for name in SETTINGS}
            instances = encoded.with_settings(**settings).predict()
            accumulators[variant.name].update(score_image(instances.label_map(), sample.labels, ignore=sample.ignore))
        if sys.stderr.isatty():
            print(f"\r{index + 1}/{frames} {sample.name}\x1b[K", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return {name: accumulator.compute() for name, accumulator in accumulators.items()}


def percentages(mean: MeanScores) -> dict[str, float]:
    """The seven numbers of a row in percent, by the names in COLUMNS."""
    return dict(zip(COLUMNS, mean.percentages(), strict=True))


def markdown(results: Mapping[str, DatasetScores], title: str) -> str:
    """The table, ours and the paper's rows in pairs, as GitHub markdown."""
    lines = [f"| {title} | {' | '.join(COLUMNS)} | empty scenes predicted empty |", "|---" * 9 + "|"]
    variants = _scored(results)
    for variant in variants:
        scores = results[variant.name]
        share = scores.empty_predicted_empty
        empty = "–" if share is None else f"{100 * share:.0f} % of {scores.empty_frames}"
        lines.append(_row(variant.name, percentages(scores.all_frames).values(), empty))
        if variant.paper is not None:
            lines.append(_row(f"· paper, OCID: {variant.name}", variant.paper, ""))
    full = results[variants[-1].name]
    if full.non_empty_frames is not None:
        name = f"{variants[-1].name}, {full.non_empty_frames.frames} non-empty frames"
        lines.append(_row(name, percentages(full.non_empty_frames).values(), ""))
    return "\n".join(lines)


def _scored(results: Mapping[str, DatasetScores]) -> list[Variant]:
    return [variant for variant in VARIANTS if variant.name in results]


def _row(name: str, values: Iterable[float], empty: str) -> str:
    return f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + f" | {empty} |"


def record(results: Mapping[str, DatasetScores], model: str, dataset: str) -> dict[str, Any]:
    """Everything needed to judge and repeat the table, ready for JSON; ratios in [0, 1], the paper's in percent."""
    variants = _scored(results)
    any_scores = results[variants[0].name]
    return {
        "benchmark": "table4",
        "model": model,
        "dataset": dataset,
        "frames": any_scores.frames,
        "empty_frames": any_scores.empty_frames,
        "protocol": {
            "resolutions_hw": any_scores.sizes_hw,
            "strict_75": any_scores.strict_75,
            "boundary_tolerance": BOUNDARY_TOLERANCE,
            "mean": "plain mean over images of every metric",
            "ignored_pixels": "background in both maps",
        },
        "variants": [
            {
                "name": variant.name,
                **{name: getattr(variant, name) for name in SETTINGS},
                "results": dataclasses.asdict(results[variant.name]),
                "paper_ocid_percent": variant.paper and dict(zip(COLUMNS, variant.paper, strict=True)),
            }
            for variant in variants
        ],
        "machine": describe_machine(),
    }


def main() -> int:
    """Run the script; 2 on bad input, told in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="folder of photos and label PNGs (see FolderDataset)")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--nms", choices=["mask", "box"], help="overlap that suppresses (default: the model's)")
    parser.add_argument("--limit", type=int, help="score only the first N photos")
    rows = range(1, len(VARIANTS) + 1)
    parser.add_argument("--rows", type=int, nargs="+", choices=rows, help="rows of the table (default: all it has)")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        dataset = FolderDataset(arguments.data_root)
        model = UOISSAM.from_pretrained(arguments.model, device=arguments.device)
        if arguments.nms:
            model = model.with_settings(nms=arguments.nms)
        able = [row for row in rows if model.networks.mask_scorer is not None or VARIANTS[row - 1].scores != "evidence"]
        chosen = [VARIANTS[row - 1] for row in sorted(set(arguments.rows or able))]
        results = evaluate(model, dataset, arguments.limit, chosen)
        recorded = record(results, Path(arguments.model).name, arguments.data_root.resolve().name)
        if arguments.out:
            write_atomically(arguments.out, (json.dumps(recorded, indent=2) + "\n").encode())
    except UOISError as error:
        print(f"table4: {error}", file=sys.stderr)
        return 2
    sizes = ", ".join(f"{width}x{height}" for height, width in recorded["protocol"]["resolutions_hw"])
    print(markdown(results, f"{recorded['model']} on {recorded['dataset']}"))
    print(f"\n{recorded['frames']} frames, {recorded['empty_frames']} without objects, scored at {sizes}, F > 0.75.")
    print(summary(recorded["machine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
