"""What a reproduction needs, what of it is here, and where the rest is to be had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.filesize import decimal

from uois_sam.checkpoints.catalogue import PublishedWeights, published_weights
from uois_sam.datasets.registry import DATASETS
from uois_sam.errors import count
from uois_sam.reproduce.config import BENCHMARKS, ReproduceConfig, TrainingData

State = Literal["here", "to be downloaded", "to be rendered", "missing"]
UNKNOWN_SIZE = " (the size of the download is not known; see its page)"


@dataclass(frozen=True)
class Item:
    """One set of weights or data."""

    what: str
    state: State
    detail: str
    """Where it is, or what happens without it."""
    page: str
    size: str
    licence: str

    def words(self) -> str:
        """Say everything in one line."""
        return f"{self.what}: {self.state}, {self.detail}; {self.size}; licence: {self.licence}; {self.page}"


@dataclass(frozen=True)
class Inventory:
    """Everything that a reproduction needs."""

    items: tuple[Item, ...]

    def missing(self) -> list[Item]:
        """Return what is not here, whether or not the run gets it by itself."""
        return [item for item in self.items if item.state != "here"]


def take_inventory(config: ReproduceConfig, training: TrainingData | None) -> Inventory:
    """Look for weights and data; nothing is downloaded.

    Args:
        config: what is asked for.
        training: its data to train on, opened; None where scenes are rendered.

    Raises:
        UOISError: if there is no such base.
        DatasetError: if a folder that was given has another layout.
        MissingExtraError: if the base needs the extra ``full``, which is not installed.
    """
    weights = [_weights(each, given) for each, given in _given(config)]
    return Inventory((*weights, _training(config, training), *(_benchmark(config, name) for name in BENCHMARKS)))


def _given(config: ReproduceConfig) -> Iterator[tuple[PublishedWeights, str | None]]:
    for each in published_weights(config.base, config.prompts_backbone):
        given = {"SAM": config.sam, "DINOv2": config.dinov2}.get(each.network)
        yield each, None if given is None else os.fspath(given)


def _weights(each: PublishedWeights, given: str | None) -> Item:
    size = f"about {decimal(each.nbytes)}"
    if given is not None and os.path.exists(given):
        state, detail, size = "here", f"given, {Path(given).name}", decimal(_bytes_of(Path(given)))
    elif given is not None:
        state, detail = "missing", f"nothing at {given}"
    elif each.here is not None:
        state, detail, size = "here", each.here, decimal(each.nbytes)
    elif each.may_download:
        state, detail = "to be downloaded", "into the Hugging Face cache"
    else:
        state, detail = "missing", "HF_HUB_OFFLINE forbids downloads, or nobody is logged in; give a file that you have"
    return Item(f"weights of {each.what}", state, detail, each.page, size, each.licence)  # type: ignore[arg-type]


def _bytes_of(path: Path) -> int:
    files = [each for each in path.rglob("*") if each.is_file()] if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files)


def _training(config: ReproduceConfig, training: TrainingData | None) -> Item:
    info = DATASETS["uoais-sim"].info
    size = f"45000 photos of 640x480{UNKNOWN_SIZE}"
    if training is None:
        detail = f"{count(config.scenes, 'scene')} rendered instead, which the paper did not train on"
        return Item(f"{info.title}, to train on", "to be rendered", detail, info.homepage, size, info.licence)
    found = training.data.info
    images = len(training.data) + (0 if training.validation is None else len(training.validation))
    return Item(f"{found.title}, to train on", "here", f"{training.data.root}", found.homepage or "yours",
                count(images, 'image'), found.licence)  # fmt: skip


def _benchmark(config: ReproduceConfig, name: str) -> Item:
    info = DATASETS[name].info
    if name not in config.benchmarks:
        tables = {"ocid": "Tables II, IV and V", "osd": "Table II"}.get(name, "Table III")
        sampled = f", one in {info.every} of the whole set" if info.every > 1 else ""
        photos = "photos" if info.frames is None else count(info.frames, "photo")
        size = f"{photos}{sampled}{UNKNOWN_SIZE}"
        detail = f"its part of {tables} is left out; --{name} ROOT"
        return Item(info.title, "missing", detail, info.homepage, size, info.licence)
    data = config.open_benchmark(name)
    notes = "".join(f"; {note}" for note in data.notes)
    return Item(info.title, "here", f"{data.root}{notes}", info.homepage, count(len(data), "photo"), info.licence)
