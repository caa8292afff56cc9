"""Table IV of the paper for any model and any folder of labelled photos: what each component adds.

    python experiments/table4.py DATA_ROOT [--model compact] [--limit N] [--out results.json]

Every photo is encoded once and predicted eight ways: uniform grid, grid in the foreground, heatmap peaks, heatmap peaks
with refined scores, and, beyond the paper, with scores that have seen the masks (for models that have them), those with
votes on outlines, those with a closer look where all objects lie in a part of the photo, and those with outlines moved
to edges of the photo. The paper's rows stand beside ours for orientation only, as they were made on OCID with SAM
ViT-L.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rows import by_column, score_rows, scores_table, summarise
from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import BOUNDARY_TOLERANCE, DatasetScores
from uois_sam.evaluation.components import PAPER_VARIANTS, Variant, find_with
from uois_sam.runtime.provenance import summary
from uois_sam.training.splits import first_images
from uois_sam.training.train_compact import COMPACT_SETTINGS
from uois_sam.types import LabelMap, Sample

VARIANTS = (
    *PAPER_VARIANTS,
    Variant("+ mask evidence (ours)", "heatmap", "evidence"),
    Variant("+ votes on outlines (ours)", "heatmap", "evidence", None, COMPACT_SETTINGS.vote_iou),
    Variant("+ closer look (ours)", "heatmap", "evidence", None, COMPACT_SETTINGS.vote_iou, zoom=True),
    Variant("+ edges (ours)", "heatmap", "evidence", None, COMPACT_SETTINGS.vote_iou, zoom=True, follow_edges=True),
)
"""The paper's rows, and ours beyond them."""


def score_variants(model: UOISSAM, data: Dataset, variants: Sequence[Variant]) -> dict[str, DatasetScores]:
    """Score all variants, encoding every photo once."""

    def predict(sample: Sample) -> dict[str, LabelMap]:
        found = find_with(model.encode_image(sample.image), variants)
        return {name: instances.label_map() for name, instances in found.items()}

    return {name: summarise(results) for name, results in score_rows(data, predict).items()}


def markdown(scores: Mapping[str, DatasetScores], title: str) -> str:
    """Format our rows, the paper's below each, and the last row over frames with objects."""
    rows = []
    variants = [variant for variant in VARIANTS if variant.name in scores]
    for variant in variants:
        found = scores[variant.name]
        share = found.empty_predicted_empty
        empty = "–" if share is None else f"{100 * share:.0f} % of {found.empty_frames}"
        rows.append(([variant.name, empty], found.all_frames.percentages()))
        if variant.paper is not None:
            rows.append(([f"· paper, OCID: {variant.name}", ""], variant.paper))
    if (non_empty := scores[variants[-1].name].non_empty_frames) is not None:
        rows.append(([f"{variants[-1].name}, {non_empty.frames} non-empty frames", ""], non_empty.percentages()))
    return scores_table([title, "empty scenes predicted empty"], rows)


def as_payload(scores: Mapping[str, DatasetScores], model: str, dataset: str) -> dict[str, Any]:
    """Return the table and its protocol; ratios in [0, 1], the paper's figures in percent."""
    variants = [variant for variant in VARIANTS if variant.name in scores]
    first = scores[variants[0].name]
    return {
        "model": model,
        "dataset": dataset,
        "frames": first.frames,
        "empty_frames": first.empty_frames,
        "protocol": {
            "resolutions_hw": first.sizes_hw,
            "strict_75": first.strict_75,
            "boundary_tolerance": BOUNDARY_TOLERANCE,
            "mean": "plain mean over images of every metric",
            "ignored_pixels": "background in both maps",
        },
        "variants": [
            {
                "name": variant.name,
                **variant.settings(),
                "results": asdict(scores[variant.name]),
                "paper_ocid_percent": variant.paper and by_column(variant.paper),
            }
            for variant in variants
        ],
    }


def main() -> int:
    """Run the script; exit status 2 on bad input."""
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
        data = first_images(FolderDataset(arguments.data_root), arguments.limit)
        model = UOISSAM.from_pretrained(arguments.model, device=arguments.device)
        if arguments.nms:
            model = model.with_settings(nms=arguments.nms)
        able = [row for row in rows if model.networks.mask_scorer is not None or VARIANTS[row - 1].scores != "evidence"]
        chosen = [VARIANTS[row - 1] for row in sorted(set(arguments.rows or able))]
        scores = score_variants(model, data, chosen)
        payload = as_payload(scores, Path(arguments.model).name, arguments.data_root.resolve().name)
        record = make_record("table4", payload)
        if arguments.out:
            write_record(arguments.out, record)
    except UOISError as error:
        print(f"table4: {error}", file=sys.stderr)
        return 2
    sizes = ", ".join(f"{width}x{height}" for height, width in payload["protocol"]["resolutions_hw"])
    print(markdown(scores, f"{payload['model']} on {payload['dataset']}"))
    print(f"\n{payload['frames']} frames, {payload['empty_frames']} without objects, scored at {sizes}, F > 0.75.")
    print(summary(record["machine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
