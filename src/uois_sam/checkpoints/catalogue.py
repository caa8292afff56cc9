"""The list of models: names that load, what of them is on this machine, and trained models in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from uois_sam.checkpoints.bases import (
    BACKBONES,
    BASES,
    Backbone,
    BaseSpec,
    Published,
    find_backbone,
    find_base,
)
from uois_sam.checkpoints.folder import BUNDLED, CARD_FILE, WEIGHTS_FILE, architecture_of, read_card, read_folder
from uois_sam.checkpoints.heads import HEADS_KIND, read_heads_card
from uois_sam.checkpoints.huggingface import cached_files, cached_weights, may_download
from uois_sam.checkpoints.names import unknown_model
from uois_sam.errors import MissingExtraError, WeightsError

HUB_CACHE = "hub cache"
_FULL = "needs the extra full"


@dataclass(frozen=True)
class NamedModel:
    """A name that ``from_pretrained`` knows."""

    name: str
    millions: float
    """Parameters, in millions."""
    here: str
    """What of it is on this machine."""
    heads: str
    """What heads it comes with."""
    licence: str
    note: str
    needs_full: bool = False
    """Whether the extra ``full`` is missing for it."""


@dataclass(frozen=True)
class TrainedModel:
    """A model folder."""

    where: str
    """Path, or id on the Hugging Face hub."""
    what: str
    """E.g. ``heads for sam-vit-l (base SHA256 0123456789abcdef...)``."""


def named_models() -> list[NamedModel]:
    """All names, bundled ones first."""
    bundled = [_bundled(name, folder) for name, folder in BUNDLED.items()]
    return bundled + [_base(name, spec) for name, spec in BASES.items()]


def named_backbones() -> list[NamedModel]:
    """What ``train heads --prompts-backbone`` takes."""
    return [_backbone(name, backbone) for name, backbone in BACKBONES.items()]


def gated_repos() -> list[str]:
    """Ids on the hub whose licence must be accepted there before it gives their weights."""
    published = [*(spec.published for spec in BASES.values()), *(each.published for each in BACKBONES.values())]
    return [part.repo for part in published if part.gated]


def trained_models(folders: Iterable[Path]) -> Iterator[TrainedModel]:
    """Model folders below ``folders``, then those in the hub's cache; what is broken says so."""
    for folder in folders:
        for card in sorted(folder.rglob(CARD_FILE)):
            if os.path.isfile(card.parent / WEIGHTS_FILE):
                yield TrainedModel(str(card.parent), _described(card.parent))
    try:
        cached = cached_files(CARD_FILE)
    except MissingExtraError:
        return
    for repo, card in cached:
        yield TrainedModel(repo, f"{_described(card.parent)}, in the {HUB_CACHE}")


def _bundled(name: str, folder: Path) -> NamedModel:
    card, tensors = read_folder(folder)
    millions = sum(value.numel() for value in tensors.values()) / 1e6
    return NamedModel(name, millions, "bundled", "its own", card.licence, "small and fast; a start")


def _base(name: str, spec: BaseSpec) -> NamedModel:
    parts = {"SAM": spec.published, "DINOv2": BACKBONES[spec.prompts].published}
    here = _here(parts)
    note = f"SAM {spec.published.repo}, DINOv2 {parts['DINOv2'].repo}{'; ' + spec.note if spec.note else ''}"
    millions = sum(part.millions for part in parts.values())
    licence = spec.published.licence
    return NamedModel(name, millions, here or _FULL, "none: train them, or scores=sam", licence, note, here is None)


def _backbone(name: str, backbone: Backbone) -> NamedModel:
    published = backbone.published
    here = _here({name: published})
    return NamedModel(name, published.millions, here or _FULL, "", published.licence, published.repo, here is None)


def _here(parts: Mapping[str, Published]) -> str | None:
    """What of some networks is in the hub's cache, and how to get the rest; None without the hub's client."""
    try:
        cached = {what: cached_weights(part.repo) for what, part in parts.items()}
    except MissingExtraError:
        return None
    there = [f"{what} {path.stat().st_size / 1e9:.2f} GB" for what, path in cached.items() if path is not None]
    missing = {what: parts[what] for what, path in cached.items() if path is None}
    size = sum(part.download_megabytes for part in missing.values()) / 1e3
    here = f"cached: {', '.join(there)}" if there else f"not downloaded ({size:.1f} GB)"
    here += f"; {' and '.join(missing)} missing" if there and missing else ""
    return here + (", gated" if any(part.gated for part in missing.values()) else "")


def _described(folder: Path) -> str:
    try:
        card = read_card(folder)
        kind, _ = architecture_of(card)
        if kind != HEADS_KIND:
            return f"{card.full_name}, a whole model"
        heads = read_heads_card(card, folder)
        return f"heads for {heads.base} (base SHA256 {heads.base_sha256[:16]}...), named {card.full_name}"
    except WeightsError as error:
        return f"broken: {error}"


@dataclass(frozen=True)
class PublishedWeights:
    """The weights of one network of a base, where they are published and whether they are on this machine."""

    network: str
    """``SAM``, ``DINOv2``, or the name of a bundled model."""
    what: str
    """Name of the network."""
    page: str
    nbytes: int
    """Size of the file; of one that is not here, of the download."""
    licence: str
    here: str | None
    """Where they are; None if they are not on this machine."""
    may_download: bool
    """Whether they may be downloaded when first used."""


def published_weights(base: str, prompts_backbone: str | None = None) -> list[PublishedWeights]:
    """Return the published weights of a base, network by network; nothing is downloaded.

    A base with random weights needs none.

    Raises:
        UOISError: if there is no such base or backbone.
        MissingExtraError: if the base needs the extra ``full``, which is not installed.
    """
    if base in BUNDLED:
        size = (BUNDLED[base] / WEIGHTS_FILE).stat().st_size
        licence = read_card(BUNDLED[base]).licence
        return [PublishedWeights(base, base, "comes with the package", size, licence, "bundled", False)]
    found = find_base(base)
    if found is None:
        raise WeightsError(unknown_model(base, (*BUNDLED, *BASES)))
    spec, random = found
    backbone, prompts = find_backbone(spec, prompts_backbone)
    parts = {"SAM": (base, spec.published), "DINOv2": (backbone, prompts.published)}
    return [] if random else [_published(network, name, part) for network, (name, part) in parts.items()]


def _published(network: str, name: str, part: Published) -> PublishedWeights:
    cached = cached_weights(part.repo)
    size = round(1e6 * part.download_megabytes) if cached is None else cached.stat().st_size
    page, here = f"https://huggingface.co/{part.repo}", None if cached is None else HUB_CACHE
    gated = ", given to those only who have accepted it there" if part.gated else ""
    return PublishedWeights(network, name, page, size, f"{part.licence}{gated}", here, may_download(gated=part.gated))
