"""Average of several trainings of the compact model from one start, with scores fitted to it.

Trainings that differ in seed or recipe go different ways from the same start. What each of them fits of its own scenes
is left out by their mean, what all have learned stays (a model soup, Wortsman et al., arXiv 2203.05482).
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from uois_sam.checkpoints.compact import load_compact
from uois_sam.checkpoints.folder import CARD_FILE, read_card, save_folder
from uois_sam.datasets.base import Dataset
from uois_sam.errors import UOISError
from uois_sam.io.files import is_file, make_output_folder, real_path
from uois_sam.models.compact.model import CompactModel
from uois_sam.runtime.device import choose_device
from uois_sam.runtime.progress import ProgressCallback
from uois_sam.training.averaging import average_weights
from uois_sam.training.distributed import start_alone
from uois_sam.training.learning_curves import Curves
from uois_sam.training.stages import Run, run
from uois_sam.training.train_compact import (
    CompactTrainingConfig,
    machine_record,
    make_card,
    readable_images,
    score_stages,
    split_for_scores,
)
from uois_sam.types import ModelCard

SHARE_TOLERANCE = 1e-3
"""That shares may add up to more than 1 by, such as three of 0.3334."""


@dataclass(frozen=True)
class Share:
    """A training, and how much of what it moved goes into an average."""

    model: str | os.PathLike[str]
    """Name or folder of its model."""
    share: float
    """0 to 1."""


def average_compact(
    start: str | os.PathLike[str],
    runs: Sequence[Share],
    out: Path,
    progress: ProgressCallback,
    *,
    data: Dataset | None = None,
    config: CompactTrainingConfig | None = None,
    name: str | None = None,
    device: str = "auto",
) -> Path:
    """Write ``out/model``: the start, moved by a share of what each training moved away from it.

    With ``data``, HDNet and the mask scorer are then fitted anew, as in :func:`~.train_compact.train_compact`; a
    stopped fit goes on. Otherwise they are averaged with the rest.

    Args:
        start: name or folder of the compact model that the trainings started from.
        runs: the trainings.
        out: folder for all results.
        progress: receiver of progress.
        data: labelled images to fit the scores on.
        config: settings of that fit; the rest of it is not used.
        name: name of the model in results; the name of ``out`` by default.
        device: where to compute the fit: ``auto``, ``cpu``, ``cuda``, ``cuda:1``.

    Returns:
        The model folder, for ``UOISSAM.from_pretrained``.

    Raises:
        UOISError: if there is no training, a share is none, they add up to more than 1, a model is of another
            architecture, or ``data`` cannot be used; if ``out`` holds a model that is no average, or one of these.
    """
    settings, chosen, began = config or CompactTrainingConfig(), choose_device(device), time.monotonic()
    model, card, record = _averaged(start, runs)
    _check_free(out / "model", (start, *(each.model for each in runs)))
    known = name or out.resolve().name
    if data is None:
        make_output_folder(out)
        save_folder(dict(model.state_dict()), make_card(model.config, record, name=known, parent=card.full_name),
                    out / "model")  # fmt: skip
        return out / "model"
    processes = start_alone(str(chosen), "scores of an average are fitted")
    split_for_scores(data, settings)  # there may be too few
    make_output_folder(out)
    data, origin = readable_images(data, progress)
    unused = ("architecture", "base", "start_share")
    recipe = {key: value for key, value in asdict(settings).items() if key not in unused}

    def save(fitted: CompactModel, training: Run, folder: Path) -> None:
        about = {**record, "recipe": recipe, **origin, "losses": training.losses, **machine_record(began, chosen)}
        result = make_card(fitted.config, about, name=known, parent=card.full_name)
        save_folder(dict(fitted.cpu().state_dict()), result, folder)

    frozen = model.to(chosen).requires_grad_(False).eval()
    stages = score_stages(frozen, split_for_scores(data, settings), origin["data_sha256"], settings, save)
    run(stages, Run(out, processes, progress, Curves(out)))
    return out / "model"


def _averaged(start: str | os.PathLike[str], runs: Sequence[Share]) -> tuple[CompactModel, ModelCard, dict[str, Any]]:
    """Return the average, the start's card, and the record of where it comes from."""
    if not runs:
        raise UOISError("expected at least one training to average, found none")
    for each in runs:
        if not 0 <= each.share <= 1:
            raise UOISError(f"{os.fspath(each.model)}: expected a share of 0 to 1, found {each.share:g}")
    if (total := sum(each.share for each in runs)) > 1 + SHARE_TOLERANCE:  # beyond the mean, away from the start
        raise UOISError(f"expected shares that add up to 1 at most, found {total:g}")
    model, card = load_compact(start)
    weights, origins = [], []
    for each in runs:
        trained, its_card = load_compact(each.model)
        if replace(trained.config, input_hw=model.config.input_hw) != model.config:
            raise UOISError(f"{os.fspath(each.model)}: expected the architecture of {os.fspath(start)}, found another")
        weights.append((trained.state_dict(), each.share))
        origins.append({**_lineage(its_card), "share": each.share})
    model.load_state_dict(average_weights(model.state_dict(), weights))
    return model, card, {"started_from": _lineage(card), "average_of": origins}


def _check_free(target: Path, models: Sequence[str | os.PathLike[str]]) -> None:
    """Raise UOISError for a folder that holds one of these models, or any other that is no average."""
    for model in models:
        if os.path.isdir(model) and real_path(model) == real_path(target):
            raise UOISError(f"--out: expected another folder than that of {os.fspath(model)}, which is averaged")
    if is_file(target / CARD_FILE) and "average_of" not in read_card(target).training:
        raise UOISError(
            f"--out: expected a folder without a model, or with an average, found another model in {target}"
        )


def _lineage(card: ModelCard) -> dict[str, Any]:
    return {"name": card.name, "version": card.version, "full_name": card.full_name,
            "weights_sha256": card.weights_sha256, "training": dict(card.training)}  # fmt: skip
