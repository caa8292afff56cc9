"""From a name or a folder to networks, card and settings: bundled models, foundation bases, folders of either kind."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from uois_sam.checkpoints.bases import BASES, find_base
from uois_sam.checkpoints.compact import compact_base, compact_networks, fill_compact, load_compact
from uois_sam.checkpoints.folder import BUNDLED, architecture_of, card_settings, read_folder, save_folder
from uois_sam.checkpoints.foundation import Weights, check_foundation, load_foundation
from uois_sam.checkpoints.heads import (
    BASE_KIND,
    HEADS_KIND,
    UNTRAINED_SETTINGS,
    base_card,
    load_heads,
    read_heads_card,
    readme,
)
from uois_sam.checkpoints.huggingface import push_folder
from uois_sam.checkpoints.masks import check_redrawer, load_redrawer, redrawer_with_heads
from uois_sam.checkpoints.names import find_folder, refuse_foreign_weights, unknown_model
from uois_sam.config import InferenceConfig
from uois_sam.errors import UOISError, WeightsError
from uois_sam.io.files import write_atomically
from uois_sam.models.compact.inference import fused
from uois_sam.models.networks import Networks
from uois_sam.models.redrawing import Redrawer
from uois_sam.runtime.device import choose_device, choose_precision
from uois_sam.types import ModelCard


def load(
    name_or_path: str | os.PathLike[str],
    *,
    sam: Weights = None,
    dinov2: Weights = None,
    masks: str | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> tuple[Networks, ModelCard, InferenceConfig]:
    """Load networks, card and recommended settings of a model, by name, folder or hub id.

    Args and errors: see :meth:`uois_sam.UOISSAM.from_pretrained`.
    """
    if masks is not None:
        check_redrawer(masks, sam, device=device, precision=precision)  # before anything is read
    with_heads = masks is not None and find_base(masks) is None
    foreign = (None if masks is not None else sam, None if with_heads else dinov2)
    networks, card, settings = _load(name_or_path, sam, dinov2, foreign, device, precision)
    if masks is not None:
        networks = replace(networks, redrawer=_redrawer(masks, sam, dinov2, device, precision))
    return networks, card, settings


def _redrawer(name: str, sam: Weights, dinov2: Weights, device: str, precision: str) -> Redrawer:
    """What draws masks: the SAM of a base, or that of trained heads with their HDNet.

    Heads name their base by a sum over DINOv2 as well, so that it is loaded to be sure that they fit.
    """
    if find_base(name) is not None:
        return load_redrawer(name, sam, device=device, precision=precision)
    networks, card, _ = _load(name, sam, dinov2, (sam, dinov2), device, precision)
    return redrawer_with_heads(networks.saved or networks, card, name)


def _load(
    name_or_path: str | os.PathLike[str],
    sam: Weights,
    dinov2: Weights,
    foreign: tuple[Weights, Weights],
    device: str,
    precision: str,
) -> tuple[Networks, ModelCard, InferenceConfig]:
    """:func:`load` without masks by another; ``foreign`` are the weights that are not for these masks."""
    chosen = choose_device(device)
    dtype = choose_precision(precision, chosen)
    name = os.fspath(name_or_path)
    if find_base(name) is not None:
        base = load_base(name, sam=sam, dinov2=dinov2, device=device, precision=precision)
        return base, base_card(base), UNTRAINED_SETTINGS
    folder = find_folder(name)
    card, tensors = read_folder(folder)
    kind, _ = architecture_of(card)
    if kind == HEADS_KIND:
        needed = read_heads_card(card, folder)
        base = load_base(
            needed.base, sam=sam, dinov2=dinov2, prompts_backbone=needed.prompts_backbone, device=device,
            precision=precision,
        )  # fmt: skip
        hpg, hdnet = load_heads(base, needed, tensors, folder)
        return _fused(replace(base, hpg=hpg, hdnet=hdnet)), card, card_settings(card, folder)
    refuse_foreign_weights(name, *foreign)
    model = fill_compact(card, tensors, folder)
    if precision == "auto":
        dtype = torch.float32  # bfloat16 would draw and choose other masks: mean IoU 0.96 with these
    return _fused(compact_networks(model, card.full_name, chosen, dtype)), card, card_settings(card, folder)


def _fused(networks: Networks) -> Networks:
    """Return the same networks in a faster form; the original form is kept to be saved."""
    return replace(
        networks,
        encoder=fused(networks.encoder, networks.device, networks.precision),
        decoder=fused(networks.decoder, networks.device, networks.precision),
        hpg=fused(networks.hpg, networks.device, torch.float32),
        saved=networks,
    )


def load_base(
    name: str,
    *,
    sam: Weights = None,
    dinov2: Weights = None,
    prompts_backbone: str | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> Networks:
    """Load encoder and decoder of a model, without heads: what heads are trained on.

    Args:
        name: a name in ``bases.BASES`` such as ``sam-vit-l`` (the paper's) or ``sam2.1-hiera-tiny``, or ``compact``.
            With ``-random`` at its end a base gets random weights: for rehearsals and tests.
        sam: weights of its SAM: the authors' file, a Hugging Face folder or id; the published ones when left out.
        dinov2: weights of the backbone for prompts, likewise.
        prompts_backbone: name in ``bases.BACKBONES``; DINOv2 ViT-S/14, the paper's, when left out.
        device: as :meth:`UOISSAM.from_pretrained`.
        precision: as there.

    Raises:
        UOISError: unknown name (the nearest are offered), device or precision.
        WeightsError: weights that cannot be had, are truncated or altered, or belong to another model.
        MissingExtraError: the extra ``full`` is not installed.
    """
    given: dict[str, Any] = {"sam": sam, "dinov2": dinov2, "prompts_backbone": prompts_backbone}
    chosen, dtype = check_base(name, **given, device=device, precision=precision)
    if find_base(name) is not None:
        return load_foundation(name, sam, dinov2, chosen, dtype, prompts_backbone)
    model, _ = load_compact(name)
    model.requires_grad_(False).eval().to(chosen)
    return compact_base(model, name, chosen, dtype)


def check_base(
    name: str,
    *,
    sam: Weights = None,
    dinov2: Weights = None,
    prompts_backbone: str | None = None,
    device: str = "auto",
    precision: str = "auto",
) -> tuple[torch.device, torch.dtype]:
    """Refuse at once, before anything is downloaded or read, what :func:`load_base` can refuse then.

    Returns:
        Device and dtype that the names stand for.

    Raises:
        UOISError, WeightsError, MissingExtraError: as :func:`load_base`.
    """
    chosen = choose_device(device)
    dtype = choose_precision(precision, chosen)
    if find_base(name) is not None:
        check_foundation(name, sam, dinov2, prompts_backbone)
    elif name in BUNDLED:
        refuse_foreign_weights(name, sam, dinov2)
        if prompts_backbone is not None:
            raise UOISError(f"{name} has its own encoder for prompts: expected no other backbone for them")
    else:
        raise WeightsError(unknown_model(name, (*BUNDLED, *BASES)))
    return chosen, dtype


def save(networks: Networks, card: ModelCard, settings: InferenceConfig, folder: str | os.PathLike[str]) -> None:
    """Write a model's tensors and card; both files appear, or neither. See :meth:`uois_sam.UOISSAM.save_pretrained`.

    Raises:
        UOISError: if a network is missing or is no torch module, so that the folder could not be loaded again.
    """
    kind, _ = architecture_of(card)
    tensors = tensors_of(networks, card.full_name, whole=kind not in (HEADS_KIND, BASE_KIND))
    save_folder(tensors, replace(card, selection=asdict(settings)), folder)


def tensors_of(networks: Networks, name: str, *, whole: bool) -> dict[str, Tensor]:
    """The tensors of a model folder.

    Args:
        networks: of the model.
        name: of the model, for messages.
        whole: with encoder and decoder, not only the heads.

    Raises:
        UOISError: as :func:`save`.
    """
    parts = {"encoder": "encoder", "decoder": "decoder"} if whole else {}
    parts |= {"hpg": "hpg", "hdnet": "hdnet"}
    if networks.mask_scorer is not None:
        parts["evidence"] = "mask_scorer"  # the name that files have had from the start
    tensors: dict[str, Tensor] = {}
    for prefix, part_name in parts.items():
        part = getattr(networks.saved or networks, part_name)
        if not isinstance(part, nn.Module):
            raise UOISError(f"cannot save {name}: expected a torch module as {part_name}, found {part!r}")
        tensors |= {f"{prefix}.{key}": value.detach().cpu().contiguous() for key, value in part.state_dict().items()}
    return tensors


def push_to_hub(
    networks: Networks,
    card: ModelCard,
    settings: InferenceConfig,
    repo: str,
    *,
    private: bool = False,
    token: str | None = None,
) -> str:
    """Publish a model's folder; see :meth:`uois_sam.UOISSAM.push_to_hub`."""
    with TemporaryDirectory() as folder:
        save(networks, card, settings, folder)
        write_atomically(Path(folder) / "README.md", readme(card, repo).encode())
        return push_folder(Path(folder), repo, private=private, token=token)
