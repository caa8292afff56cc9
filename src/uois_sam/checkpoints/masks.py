"""The foundation model that draws masks for another model: the SAM of a base, or of the base of trained heads."""

from __future__ import annotations

import os

from uois_sam.checkpoints.bases import BASES, find_base
from uois_sam.checkpoints.folder import CARD_FILE
from uois_sam.checkpoints.foundation import Weights, check_masks, load_masks
from uois_sam.checkpoints.huggingface import looks_like_hub_id
from uois_sam.checkpoints.names import unknown_model
from uois_sam.errors import WeightsError
from uois_sam.models.foundation import FoundationEncoder
from uois_sam.models.interfaces import PromptDecoder
from uois_sam.models.networks import Networks
from uois_sam.models.redrawing import Redrawer
from uois_sam.runtime.device import choose_device, choose_precision
from uois_sam.types import ModelCard


def check_redrawer(name: str, sam: Weights, *, device: str = "auto", precision: str = "auto") -> None:
    """Refuse at once, before anything is downloaded or read, what loading can refuse then.

    Args:
        name: a base, or a folder or hub id of heads.
        sam: weights of the base's SAM.
        device: as :meth:`UOISSAM.from_pretrained`.
        precision: as there.

    Raises:
        UOISError, WeightsError, MissingExtraError: as :func:`load_redrawer`.
    """
    choose_precision(precision, choose_device(device))
    if find_base(name) is not None:
        check_masks(name, sam)
    elif not os.path.isdir(name) and not looks_like_hub_id(name):
        raise WeightsError(
            f"masks: {unknown_model(name, tuple(BASES))}, a folder of heads ({CARD_FILE}), or its hub id"
        )


def load_redrawer(name: str, sam: Weights, *, device: str = "auto", precision: str = "auto") -> Redrawer:
    """Load a base that draws masks.

    Args:
        name: a base (:data:`~uois_sam.checkpoints.bases.BASES`); with ``-random`` at its end, random weights.
        sam: its weights; the published ones when left out.
        device: as :meth:`UOISSAM.from_pretrained`.
        precision: as there.

    Raises:
        UOISError: unknown device or precision.
        WeightsError: unknown name, or weights that cannot be had, are truncated or altered, or are another model's.
        MissingExtraError: the extra ``full`` is not installed.
    """
    chosen = choose_device(device)
    found = load_masks(name, sam, chosen, choose_precision(precision, chosen))
    return Redrawer(found.name, found.encoder, found.decoder, found.device, found.precision)


def redrawer_with_heads(networks: Networks, card: ModelCard, name: str) -> Redrawer:
    """What draws masks of a model with heads, and its HDNet.

    Args:
        networks: of the model; its prompt generator and the backbone of that are not needed.
        card: of the model.
        name: as it was asked for.

    Raises:
        WeightsError: it is not one of heads on a SAM.
    """
    encoder, decoder = networks.encoder, networks.decoder
    if not isinstance(encoder, FoundationEncoder) or networks.hdnet is None:
        raise WeightsError(f"masks: {name}: expected heads that were trained on a SAM, found {card.full_name}")
    drawing: PromptDecoder = decoder  # type: ignore[assignment]  # those of all SAMs are
    return Redrawer(card.full_name, encoder.sam, drawing, networks.device, networks.precision, networks.hdnet)
