"""From prompts to scored masks: chosen before they are drawn, or, by ``evidence``, all drawn and then chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from uois_sam.config import MASKS_PER_PROMPT, InferenceConfig
from uois_sam.models.compact.mask_scorer import MaskScorer, measure_masks
from uois_sam.models.interfaces import MaskFeatures, PointDecoder, select_prompts
from uois_sam.models.postprocess import choose_best, clean_regions, vote
from uois_sam.types import Candidates, PromptMaps, TokenPredictions

PROMPT_CHUNK = 16
"""Prompts decoded at once: bounds memory on a 32x32 grid, and what is written is still in the cache when it is read."""
UPSCALE_CHUNK = 5
"""Prompts drawn at once, likewise: a quarter faster than 16 on a processor with 32 MB of cache."""


def candidates_by_tokens(
    decoder: PointDecoder,
    score: Callable[[TokenPredictions], Tensor],
    features: MaskFeatures,
    points_xy: Tensor,
    threshold: float,
    region_fraction: float,
) -> Candidates:
    """Decode all prompts of an image and draw each one's best mask where its score, known before, is good enough.

    Args:
        decoder: draws the masks.
        score: (M, 4) float32 scores of the masks of M prompts.
        features: what the decoder reads.
        points_xy: (M, 2) float32, in the mask frame.
        threshold: lowest score to draw.
        region_fraction: size of regions that are cleaned away.
    """
    logits, scores, prompts, tokens = [], [], [], []
    for start in range(0, len(points_xy), PROMPT_CHUNK):
        points = points_xy[start : start + PROMPT_CHUNK]
        predictions = decoder.decode_tokens(features, points)
        prompt, token, best = choose_best(score(predictions), threshold)
        for part in range(0, len(prompt), UPSCALE_CHUNK):
            index = prompt[part : part + UPSCALE_CHUNK]
            chosen = token[part : part + UPSCALE_CHUNK, None]
            logits.append(decoder.upscale(features, select_prompts(predictions, index), points[index], chosen)[:, 0])
        scores.append(best)
        prompts.append(prompt + start)
        tokens.append(token)
    if not logits:
        none = torch.zeros(0, dtype=torch.long)
        return Candidates(torch.zeros(0, 1, 1), torch.zeros(0), none, none)
    cleaned = clean_regions(torch.cat(logits), region_fraction)
    return Candidates(cleaned, torch.cat(scores), torch.cat(prompts), torch.cat(tokens))


def candidates_by_evidence(
    decoder: PointDecoder,
    evidence: MaskScorer,
    features: MaskFeatures,
    maps: PromptMaps,
    points_xy: Tensor,
    selection: InferenceConfig,
) -> Candidates:
    """Decode all prompts of an image, draw and score their masks, keep each prompt's best where it is good enough.

    Args:
        decoder: draws the masks.
        evidence: scores them.
        features: what the decoder reads.
        maps: foreground and heatmap of the same frame.
        points_xy: (M, 2) float32, in the mask frame.
        selection: see :func:`choose_drawn`.
    """
    if len(points_xy) == 0:
        none = torch.zeros(0, dtype=torch.long)
        return Candidates(torch.zeros(0, 1, 1), torch.zeros(0), none, none)
    tokens, logits = [], []
    for points in points_xy.split(UPSCALE_CHUNK):
        predictions = decoder.decode_tokens(features, points)
        every = torch.arange(MASKS_PER_PROMPT, device=points.device).expand(len(points), -1)
        logits.append(decoder.upscale(features, predictions, points, every))
        tokens.append(replace(predictions, image_state=predictions.image_state[:0]))
    drawn, joined = torch.cat(logits), _joined(tokens)
    scores = evidence(measure_masks(features, maps, joined, drawn, points_xy))
    return choose_drawn(drawn, scores, selection)


def choose_drawn(logits: Tensor, scores: Tensor, selection: InferenceConfig) -> Candidates:
    """Of masks that are all drawn, each prompt's best where it is good enough, its outline voted on.

    Args:
        logits: (M, 4, h, w) float32 of M prompts; above 0 is inside.
        scores: (M, 4) float32.
        selection: score threshold, least IoU of a vote, and the size of regions that are cleaned away.
    """
    prompt, token, score = choose_best(scores, selection.score_threshold)
    chosen = logits[prompt, token]
    if selection.vote_iou > 0:
        chosen = vote(logits.flatten(0, 1), MASKS_PER_PROMPT * prompt + token, selection.vote_iou)
    return Candidates(clean_regions(chosen, selection.region_fraction), score, prompt, token)


def _joined(parts: list[TokenPredictions]) -> TokenPredictions:
    names = ("iou_token", "mask_tokens", "scores", "image_state")
    return TokenPredictions(*(torch.cat([getattr(part, name) for part in parts]) for name in names))
