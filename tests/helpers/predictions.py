"""Helpers for tests of decoders."""

from __future__ import annotations

import torch

from uois_sam.types import TokenPredictions


def join_predictions(chunks: list[TokenPredictions]) -> TokenPredictions:
    """Concatenate predictions over prompts."""
    return TokenPredictions(
        iou_token=torch.cat([c.iou_token for c in chunks]),
        mask_tokens=torch.cat([c.mask_tokens for c in chunks]),
        scores=torch.cat([c.scores for c in chunks]),
        image_state=torch.cat([c.image_state for c in chunks]),
    )
