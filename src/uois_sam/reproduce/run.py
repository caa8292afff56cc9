"""A reproduction from its inventory to its page; killed and started again, it goes on where it was."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from uois_sam.checkpoints.loading import check_base, load_base
from uois_sam.io.files import make_output_folder, only_run
from uois_sam.reproduce.config import ReproduceConfig, open_training
from uois_sam.reproduce.inventory import Inventory, take_inventory
from uois_sam.reproduce.ledger import Entry, Ledger
from uois_sam.reproduce.page import PAGE_FILE, write_page
from uois_sam.reproduce.stages import Render, Reproduction
from uois_sam.runtime.progress import ProgressCallback

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What a reproduction came to."""

    page: Path
    problems: tuple[str, ...]
    """Images left out of training and frames that failed, one line a stage."""


def look_around(config: ReproduceConfig) -> Inventory:
    """Open all data that are given, and look for weights; nothing is downloaded or written.

    Raises:
        UOISError: as :func:`uois_sam.reproduce.inventory.take_inventory`.
    """
    return take_inventory(config, None if config.data is None else open_training(config.kind, config.data))


def reproduce(
    config: ReproduceConfig,
    out: Path,
    render: Render,
    progress: Callable[[], AbstractContextManager[ProgressCallback]],
) -> Outcome:
    """Do what is missing in ``out`` and write the page; it is brought up to date after every stage.

    Writes ``out/scenes`` (rendered, without data), ``out/heads`` and ``out/heads-1`` ... (trainings), ``out/scores``
    (evaluations, one folder a row), ``out/stages`` (what is done) and ``out/reproduce.html``.

    Args:
        config: what is asked for.
        out: folder for all results.
        render: makes scenes.
        progress: opens a receiver of progress.

    Raises:
        UOISError: if weights are missing, a folder has another layout, ``out`` holds a stage of another run or cannot
            be written, or the disk is full; whatever is finished stays.
    """
    check_base(config.base, **config.base_weights())
    inventory = look_around(config)
    make_output_folder(out)
    with only_run(out):
        for item in inventory.missing():
            logger.info("%s", item.words())
        if any(item.state == "to be downloaded" for item in inventory.items):
            load_base(config.base, **config.base_weights())  # not below a progress bar: it shows its own
        with progress() as watch:
            work = Reproduction(config, out, render, watch)
            entries = _run(work, Ledger(out), inventory)
    return Outcome(out / PAGE_FILE, tuple(_problems(entries)))


def _run(work: Reproduction, ledger: Ledger, inventory: Inventory) -> list[Entry]:
    entries: list[Entry] = []
    for stage in work.stages():
        before = ledger.check(stage)
        if before is None or not before.done:
            logger.info("stage %s: %s%s", stage.name, "go on to " if before is not None else "", stage.title)
        entry = ledger.run(stage)
        if before is not None and before.done:
            logger.info("stage %s: done before", stage.name)
        else:
            logger.info("stage %s: done in %s", stage.name, timedelta(seconds=round(entry.seconds)))
        entries.append(entry)
        write_page(work, ledger, inventory, entries)
    return entries


def _problems(entries: list[Entry]) -> list[str]:
    return [
        f"{entry.title}: {number} {what}"
        for entry in entries
        for key, what in (("left_out", "images left out, which cannot be read"), ("failures", "frames failed"))
        if (number := entry.facts.get(key, 0))
    ]
