"""The least an encoder could take: its own matrix products and attention calls, timed alone on this machine."""

from __future__ import annotations

import torch

from uois_sam.models.sam import SamSize


def encoder_floor(size: SamSize, dtype: torch.dtype, device: str = "cpu", repeats: int = 3) -> float:
    """Seconds that the matrix products and attention calls of SAM's image encoder take, each timed alone (median)."""
    raise NotImplementedError
