"""Agreement of the compact model's fast forms with its plain float32 networks.

    python benchmarks/same_answer.py DATA_ROOT [--model compact] [--limit N] [--out results.json]

For the default (float32, folded and joined) and for bfloat16: the overlap F on the photos, and the mean IoU of every
plain mask with its best counterpart.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.checkpoints.compact import compact_networks, load_compact
from uois_sam.checkpoints.folder import card_settings
from uois_sam.datasets import FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import ScoreAccumulator, score_image
from uois_sam.instances import Instances
from uois_sam.models.postprocess import mask_iou
from uois_sam.runtime.provenance import summary


def counterparts(plain: Instances, other: Instances) -> list[float]:
    """Return the IoU of every plain mask with the most similar other one; 0 if there is none."""
    if not len(plain) or not len(other):
        return [0.0] * len(plain)
    both = torch.from_numpy(np.concatenate([plain.masks, other.masks]))
    return [float(value) for value in mask_iou(both)[: len(plain), len(plain) :].amax(dim=1)]


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="folder of labelled photos")
    parser.add_argument("--model", default="compact", help="compact model: name or folder (default: compact)")
    parser.add_argument("--limit", type=int, default=10**6, help="only the first N photos")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        data = FolderDataset(arguments.data_root)
        network, card = load_compact(arguments.model)
        networks = compact_networks(network, "plain", torch.device("cpu"))
        models = {"plain float32": UOISSAM(networks, card, card_settings(card))}
        for precision in ("float32", "bfloat16"):
            models[precision] = UOISSAM.from_pretrained(arguments.model, device="cpu", precision=precision)
    except UOISError as error:
        print(f"same_answer: {error}", file=sys.stderr)
        return 2
    scores = {name: ScoreAccumulator() for name in models}
    ious: dict[str, list[float]] = {name: [] for name in models}
    for index in range(min(len(data), arguments.limit)):
        sample = data[index]
        found = {name: model.predict(sample.image) for name, model in models.items()}
        for name, instances in found.items():
            scores[name].update(score_image(instances.label_map(), sample.labels, ignore=sample.ignore))
            ious[name] += counterparts(found["plain float32"], instances)
    print("| computed in | overlap F | mean IoU with plain masks | masks |\n|---|---|---|---|")
    rows = {}
    for name in models:
        f_measure = 100 * scores[name].compute().all_frames.overlap.f_measure
        rows[name] = {"f_percent": f_measure, "mean_iou": float(np.mean(ious[name])), "masks": len(ious[name])}
        print(f"| {name} | {f_measure:.2f} | {rows[name]['mean_iou']:.4f} | {rows[name]['masks']} |")
    record = make_record("same_answer", {"data": arguments.data_root.resolve().name, "rows": rows})
    print(summary(record["machine"]))
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
