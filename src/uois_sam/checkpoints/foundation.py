"""Loading of a frozen base: a SAM and a backbone for prompts, from the hub, from files, or with random weights."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from uois_sam.checkpoints.bases import (
    APACHE,
    BASES,
    OFFICIAL_SHA256,
    RANDOM,
    Backbone,
    BaseSpec,
    Published,
    find_backbone,
    find_base,
)
from uois_sam.checkpoints.folder import load_strictly
from uois_sam.checkpoints.huggingface import check_reachable, fetch_weights, looks_like_hub_id
from uois_sam.checkpoints.key_mapping.renaming import describe
from uois_sam.checkpoints.torch_files import FILE_SUFFIXES, file_sha256, folder_weights, read_tensors
from uois_sam.errors import MissingExtraError, UOISError, WeightsError
from uois_sam.models.foundation import FoundationEncoder
from uois_sam.models.interfaces import ImageEncoder, PromptDecoder
from uois_sam.models.networks import Networks
from uois_sam.models.unloaded import randomise

Weights = str | os.PathLike[str] | None
"""Where a network's weights are; None for the published ones."""
GIVE_FILES = "give files that you have with sam=FILE, dinov2=FILE (--sam FILE --dinov2 FILE)"

_LOG = logging.getLogger("uois_sam")


@dataclass(frozen=True)
class MaskNetworks:
    """A SAM by itself: what draws masks, without a backbone for prompts."""

    name: str
    encoder: ImageEncoder
    decoder: PromptDecoder
    licence: str
    device: torch.device
    precision: torch.dtype


def load_foundation(
    name: str,
    sam: Weights,
    dinov2: Weights,
    device: torch.device,
    precision: torch.dtype,
    prompts_backbone: str | None = None,
) -> Networks:
    """Load a base by name; see :func:`uois_sam.checkpoints.loading.load_base`."""
    spec, random = _base(name)
    backbone_name, backbone = find_backbone(spec, prompts_backbone)
    masks = load_masks(name, sam, device, precision)
    network = backbone.size.build()
    if random:
        _no_files(name, dinov2)
        randomise(network, seed=1)
    else:
        _fill(network, backbone, dinov2, f"{backbone_name} needs {backbone.size.described}")
    encoder = FoundationEncoder(masks.encoder, backbone.size.assemble(network))
    encoder.requires_grad_(False).eval().to(device)
    return Networks(
        encoder, masks.decoder, heads=spec.heads_on(backbone), name=name, device=device, precision=precision,
        prompts_backbone=backbone_name, licence=_joined([spec.published, backbone.published]),
    )  # fmt: skip


def load_masks(name: str, sam: Weights, device: torch.device, precision: torch.dtype) -> MaskNetworks:
    """Load the SAM of a base by itself.

    Args:
        name: name in ``BASES``, or one of them with ``-random`` at its end.
        sam: its weights; the published ones when left out.
        device: where to.
        precision: of the networks.

    Raises:
        WeightsError, MissingExtraError: as :func:`uois_sam.checkpoints.loading.load_base`.
    """
    spec, random = _base(name)
    networks = spec.sam.build()
    if random:
        _no_files(name, sam)
        _LOG.warning("%s has RANDOM weights, for rehearsals and tests: its masks mean nothing", name)
        randomise(networks, seed=0)
    else:
        _fill(networks, spec, sam, f"{name} needs {spec.sam.described}")
    encoder, decoder = spec.sam.assemble(networks)
    for part in (encoder, decoder):
        assert isinstance(part, nn.Module)
        part.requires_grad_(False).eval().to(device)
    return MaskNetworks(name, encoder, decoder, spec.published.licence, device, precision)


def check_foundation(name: str, sam: Weights, dinov2: Weights, prompts_backbone: str | None = None) -> None:
    """Check at once that a base's packages and files are there, or may be downloaded.

    Raises:
        UOISError: there is no such backbone, or files are given for random weights.
        MissingExtraError: the extra ``full`` is not installed.
        WeightsError: a file that was given is not there, or a download is forbidden.
    """
    check_masks(name, sam)
    spec, random = _base(name)
    _, backbone = find_backbone(spec, prompts_backbone)
    if random:
        _no_files(name, dinov2)
    else:
        check_weights(dinov2, backbone.published)


def check_masks(name: str, sam: Weights) -> None:
    """Check the same of the SAM of a base by itself (:func:`load_masks`); errors likewise."""
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("SAM", "full", "transformers") from error
    spec, random = _base(name)
    if random:
        _no_files(name, sam)
    else:
        check_weights(sam, spec.published)


def check_weights(given: Weights, published: Published) -> None:
    """Check at once that a network's weights are there, or may be downloaded.

    Raises:
        WeightsError: they are not.
        MissingExtraError: the extra ``full`` is not installed.
    """
    if (repo := _hub_id(given, published.repo)) is not None:
        check_reachable(repo, GIVE_FILES, gated=published.gated and repo == published.repo)
    elif given is not None and not os.path.exists(given):
        raise WeightsError(f"{given}: expected a file with weights, found nothing")


def _base(name: str) -> tuple[BaseSpec, bool]:
    found = find_base(name)
    if found is None:
        raise UOISError(f"no such base: {name}; expected one of {', '.join(BASES)}")
    return found


def _no_files(name: str, given: Weights) -> None:
    if given is not None:
        raise UOISError(f"{name} has random weights: expected no file, found {given}; leave {RANDOM} out to use it")


def _joined(published: Sequence[Published]) -> str:
    """One licence for all networks, or what each is under."""
    if len({each.licence for each in published}) == 1:
        return published[0].licence
    return ", ".join(f"{each.licence} ({each.repo})" for each in published)


def _fill(network: nn.Module, spec: BaseSpec | Backbone, given: Weights, needed: str) -> None:
    """Load a network's tensors strictly and without a copy; errors say what the file holds and what is needed."""
    source, tensors = _tensors(given, spec.published)
    converted = spec.convert(tensors, network.state_dict().keys())
    if spec.published.licence != APACHE:
        _LOG.warning("%s is under the %s, which limits what it may be used for", source, spec.published.licence)
    try:
        load_strictly(network, converted, source, assign=True)
    except WeightsError as error:
        raise WeightsError(f"{error}; the file holds {describe(tensors)}; {needed}") from error


def _hub_id(given: Weights, published: str) -> str | None:
    """Return the hub id of one network's weights, or None if they are on disk."""
    if given is None:
        return published
    path = Path(given)
    on_hub = not os.path.exists(path) and path.suffix not in FILE_SUFFIXES and looks_like_hub_id(os.fspath(given))
    return os.fspath(given) if on_hub else None


def _tensors(given: Weights, published: Published) -> tuple[Path, dict[str, Tensor]]:
    """Find and read one network's weights: a file, a Hugging Face folder or id, by default the published id."""
    repo = _hub_id(given, published.repo)
    path = Path(given or "") if repo is None else fetch_weights(repo, published.licence, GIVE_FILES)
    file = folder_weights(path) if os.path.isdir(path) else path
    expected = OFFICIAL_SHA256.get(file.name)
    if expected is not None and os.path.isfile(file) and (found := file_sha256(file)) != expected:
        raise WeightsError(
            f"{file}: expected SHA256 {expected[:16]}... of Meta's file of this name, got {found[:16]}... "
            f"({file.stat().st_size} bytes): truncated or altered; get it again, or rename it if it is another model"
        )
    return file, read_tensors(file)
