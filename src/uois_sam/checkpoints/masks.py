"""The foundation model that draws masks for another model: the SAM of a base, without a backbone for prompts."""

from __future__ import annotations

from uois_sam.checkpoints.bases import BASES, find_base
from uois_sam.checkpoints.foundation import Weights, check_masks, load_masks
from uois_sam.checkpoints.names import unknown_model
from uois_sam.errors import WeightsError
from uois_sam.models.redrawing import Redrawer
from uois_sam.runtime.device import choose_device, choose_precision


def check_redrawer(name: str, sam: Weights, *, device: str = "auto", precision: str = "auto") -> None:
    """Refuse at once, before anything is downloaded or read, what :func:`load_redrawer` can refuse then.

    Raises:
        UOISError, WeightsError, MissingExtraError: as there.
    """
    choose_precision(precision, choose_device(device))
    if find_base(name) is None:
        raise WeightsError(f"masks: {unknown_model(name, tuple(BASES))}")
    check_masks(name, sam)


def load_redrawer(name: str, sam: Weights, *, device: str = "auto", precision: str = "auto") -> Redrawer:
    """Load what draws masks.

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
