"""The same SAM weights in other people's code, for timing side by side: transformers' model and Meta's modules.

Importing this loads neither; building a peer needs the extra ``full`` (transformers) or ``parity`` (Meta's modules).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from uois_sam.pipeline import UOISSAM

OURS = "uois-sam"
PEERS = ("transformers-float32", "transformers-bfloat16", "official-float32", "official-bfloat16")
"""What ``against`` may name; ``"transformers"`` and ``"official"`` stand for both of their precisions."""


@dataclass(frozen=True)
class Peer:
    """One implementation of SAM with its arithmetic; both calls compute without gradients."""

    name: str
    encode: Callable[[Tensor], Any]
    """Prepared pixels, (1, 3, side, side) float32 (see :func:`prepared_pixels`), to the image embedding."""
    decode: Callable[[Any, Tensor], Any]
    """The embedding and (M, 2) float32 xy points in the mask frame to masks and scores (ours: the best mask only)."""


def sam_peers(model: UOISSAM, against: Sequence[str]) -> dict[str, Peer]:
    """Ours (``OURS``, always first) and the named peers with the same weights, by name.

    Args:
        model: one that stands on SAM; its precision is that of ours.
        against: of ``PEERS``, or ``"transformers"``, ``"official"`` for both precisions of each.

    Raises:
        UOISError: the model does not stand on SAM, or there is no such peer.
        MissingExtraError: a peer's package is not installed.
    """
    raise NotImplementedError


def prepared_pixels(model: UOISSAM, image: Tensor) -> Tensor:
    """What every peer's encoder takes of a (3, H, W) uint8 photo: (1, 3, side, side) float32, resized and normalised."""
    raise NotImplementedError


def random_sam(name: str, precision: torch.dtype = torch.float32, device: str = "cpu", seed: int = 0) -> UOISSAM:
    """A model of full size with RANDOM weights, for timing only: its masks are noise.

    Args:
        name: of ``bases.BASES``, e.g. ``sam-vit-l``.
        precision: arithmetic, as ``Parts.precision``.
        device: where it runs.
        seed: of the weights.
    """
    raise NotImplementedError
