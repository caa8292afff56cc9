"""From prompts to masks where the score has seen the masks (``evidence``): all are drawn, then one of four stays."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from uois_sam.config import MASKS_PER_PROMPT, Selection
from uois_sam.models.evidence import MaskEvidence, measure_evidence
from uois_sam.models.postprocess import choose_best, clean_regions
from uois_sam.models.protocols import MaskFeatures, PointDecoder
from uois_sam.types import Candidates, PromptMaps, TokenPredictions

CHUNK = 5
"""Prompts decoded and drawn at once: what is written is still in the processor's cache when it is read."""


def candidates_by_evidence(
    decoder: PointDecoder,
    evidence: MaskEvidence,
    features: MaskFeatures,
    maps: PromptMaps,
    points_xy: Tensor,
    selection: Selection,
) -> Candidates:
    """Decode all prompts of an image, draw and score their masks, keep each prompt's best where it is good enough.

    Args:
        decoder: draws the masks.
        evidence: scores them.
        features: what the decoder reads.
        maps: foreground and heatmap of the same frame.
        points_xy: (M, 2) float32, in the mask frame.
        selection: score threshold and the size of regions that are cleaned away.
    """
    if len(points_xy) == 0:
        none = torch.zeros(0, dtype=torch.long)
        return Candidates(torch.zeros(0, 1, 1), torch.zeros(0), none, none)
    tokens, logits = [], []
    for points in points_xy.split(CHUNK):
        predictions = decoder.decode_tokens(features, points)
        every = torch.arange(MASKS_PER_PROMPT, device=points.device).expand(len(points), -1)
        logits.append(decoder.upscale(features, predictions, points, every))
        tokens.append(replace(predictions, image_state=predictions.image_state[:0]))
    drawn, joined = torch.cat(logits), _joined(tokens)
    scores = evidence(measure_evidence(features, maps, joined, drawn, points_xy))
    prompt, token, score = choose_best(scores, selection.score_threshold)
    return Candidates(clean_regions(drawn[prompt, token], selection.region_fraction), score, prompt, token)


def _joined(parts: list[TokenPredictions]) -> TokenPredictions:
    names = ("iou_token", "mask_tokens", "scores", "image_state")
    return TokenPredictions(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
