"""Fine-tune a compact model on labelled photos and judge it on held-out ones: the whole flow."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uois_sam.checkpoints.compact import load_compact
from uois_sam.datasets.base import Dataset
from uois_sam.errors import UOISError
from uois_sam.finetuning.outcome import FineTuneConfig, FineTuneResult, choose
from uois_sam.finetuning.photos import examine, hold_out
from uois_sam.finetuning.run import Run, claim
from uois_sam.finetuning.schedule import plan
from uois_sam.io.files import make_output_folder, only_run
from uois_sam.request import Request
from uois_sam.runtime.device import choose_device
from uois_sam.runtime.progress import SILENT, ProgressCallback

logger = logging.getLogger(__name__)


def finetune(
    data: Dataset,
    out: str | os.PathLike[str],
    config: FineTuneConfig | None = None,
    *,
    start: str | os.PathLike[str] = "compact",
    name: str | None = None,
    device: str = "auto",
    what: Mapping[str, Any] | None = None,
    progress: ProgressCallback = SILENT,
) -> FineTuneResult:
    """Fine-tune a compact model on labelled photos; resumes an earlier run in ``out``.

    Writes ``out/model`` (the weights to use), ``out/trained`` (the trained weights in any case), ``out/result.md`` and
    ``.json`` (scores before and after), ``out/before_after.jpg``, and ``out/network`` (checkpoint). A
    run that was killed and started again with the same arguments ends with the same weights.

    Args:
        data: labelled photos, 5 or more.
        out: folder for all results.
        config: settings; the defaults if left out.
        start: name or folder of the compact model to start from.
        name: name of the trained model in results; the name of ``out`` if left out.
        device: where to compute: ``auto``, ``cpu``, ``cuda``, ``cuda:1``; a run may go on on another one.
        what: what to find in the held-out photos, in the words of :class:`~uois_sam.request.Request` that do not point
            at anything, as it will be asked of the model later. It decides the scores, not what is learned.
        progress: receiver of progress.

    Raises:
        UOISError: if ``out`` belongs to a run with other settings or photos, this machine has no such device, or there
            is no such word.
        DatasetError: if there are too few photos, labels or objects, or a file cannot be read.
        WeightsError: if ``start`` is no compact model.
        MissingExtraError: if a package of the extra ``train`` is not installed.

    Examples:
        >>> from uois_sam.datasets import open_dataset
        >>> from uois_sam.finetuning import finetune
        >>> result = finetune(open_dataset("folder", "data/bench"), "runs/bench")  # doctest: +SKIP
        >>> print(result.table())  # doctest: +SKIP
    """
    config, out, request = config or FineTuneConfig(), Path(out), Request().changed(what or {})
    if request.targets is not None:
        raise UOISError("expected no points and no boxes, which are of one photo, for a data set of many")
    chosen = choose_device(device)
    model, card = load_compact(start)  # a missing file or package is told before photos are read
    make_output_folder(out)
    with only_run(out):
        progress.stage("looking through photos", len(data))
        facts = examine(data, lambda done: progress.advance(done, ""))
        held_out = hold_out(data.names, facts.objects, config.held_out, config.seed)
        schedule = plan(len(held_out.learn), config.steps)
        claim(out, config, card.weights_sha256, facts.sha256, request)
        run = Run(data, facts, held_out, schedule, config, card, name or out.resolve().name, chosen, progress, out,
                  request)  # fmt: skip
        for note in facts.notes:
            logger.info("note: %s", note)
        model = model.requires_grad_(False).eval().to(chosen)
        trained = run.train(model)
        comparison = run.judge(model, trained)
        kept = choose(config.keep, comparison.verdict)
        result = FineTuneResult(
            out / "model", out / "trained", kept, run.name, card.full_name, run.names(held_out.learn),
            run.names(held_out.test), schedule.steps, comparison, (*facts.notes, *run.said()),
        )  # fmt: skip
        run.write(result, model, trained)
        return result
