"""From prompts to scored masks: chosen by tokens before they are drawn (Sec. III-B), or all drawn and then chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from uois_sam.arrays import Array, arange, like, merged, namespace
from uois_sam.config import MASKS_PER_PROMPT, InferenceConfig
from uois_sam.models.compact.evidence import measure_masks
from uois_sam.models.interfaces import MaskFeatures, PointDecoder, select_prompts
from uois_sam.models.networks import Networks
from uois_sam.models.postprocess import choose_best, clean_regions, vote
from uois_sam.types import Candidates, PromptMaps, TokenPredictions

if TYPE_CHECKING:
    from uois_sam.models.compact.mask_scorer import MaskScorer

PROMPT_CHUNK = 16
"""Prompts decoded at once: bounds memory on a 32x32 grid, and what is written is still in the cache when it is read."""
UPSCALE_CHUNK = 5
"""Prompts drawn at once, likewise: a quarter faster than 16 on a processor with 32 MB of cache."""


class Scorer(Protocol):
    """A way from prompts to scored masks; Table IV's last row and what goes beyond it differ in nothing else."""

    def candidates(self, features: MaskFeatures, maps: PromptMaps | None, points_xy: Array) -> Candidates:
        """Decode all prompts of one image and keep each prompt's best mask where its score is good enough.

        Args:
            features: what the decoder reads.
            maps: foreground and heatmap of the same image; None for a model without a prompt generator.
            points_xy: (M, 2) float32, in the mask frame.
        """
        ...

    def every(self, features: MaskFeatures, maps: PromptMaps | None, points_xy: Array) -> tuple[Array, Array]:
        """Draw all four masks of every point, (M, 4, h, w) float32 logits, and score them, (M, 4) float32."""
        ...


def make_scorer(networks: Networks, settings: InferenceConfig) -> Scorer:
    """Return the scorer that ``settings.scores`` names; :meth:`Networks.check` says whether the networks have it."""
    if settings.scores == "evidence" and networks.mask_scorer is not None:
        return MaskwiseScorer(networks.decoder, networks.mask_scorer, settings)
    return make_token_scorer(networks, settings)


def make_token_scorer(networks: Networks, settings: InferenceConfig) -> TokenScorer:
    """Return the scorer of a user's own points: what their masks say of each other is no clue to what is an object."""
    refine = networks.hdnet if settings.scores != "sam" and networks.hdnet is not None else _own_scores
    return TokenScorer(networks.decoder, refine, settings)


def _own_scores(predictions: TokenPredictions) -> Array:
    return predictions.scores


@dataclass(frozen=True)
class TokenScorer:
    """Scores known before any mask is drawn (Eq. 5): only each prompt's best mask is, where it is good enough."""

    decoder: PointDecoder
    score: Callable[[TokenPredictions], Array]
    """(M, 4) float32 scores of the masks of M prompts."""
    settings: InferenceConfig

    def candidates(self, features: MaskFeatures, maps: PromptMaps | None, points_xy: Array) -> Candidates:
        """See :meth:`Scorer.candidates`; the maps are not used."""
        return self._best(features, points_xy, self.settings.score_threshold)

    def one_each(self, features: MaskFeatures, points_xy: Array) -> Candidates:
        """Draw the best mask of every point, whatever its score; arguments as for :meth:`candidates`."""
        return self._best(features, points_xy, -float("inf"))

    def every(self, features: MaskFeatures, maps: PromptMaps | None, points_xy: Array) -> tuple[Array, Array]:
        """See :meth:`Scorer.every`; the maps are not used."""
        drawn, predictions = _draw_all(self.decoder, features, points_xy)
        return drawn, self.score(predictions)

    def _best(self, features: MaskFeatures, points_xy: Array, threshold: float) -> Candidates:
        logits, scores, prompts, tokens = [], [], [], []
        at_once = _drawn_at_once(self.decoder)
        for start in range(0, len(points_xy), PROMPT_CHUNK):
            points = points_xy[start : start + PROMPT_CHUNK]
            predictions = self.decoder.decode_tokens(features, points)
            prompt, token, best = choose_best(self.score(predictions), threshold)
            for part in range(0, len(prompt), at_once):
                index, chosen = prompt[part : part + at_once], token[part : part + at_once, None]
                decoded = select_prompts(predictions, index)
                logits.append(self.decoder.upscale(features, decoded, points[index], chosen)[:, 0])
            scores.append(best)
            prompts.append(prompt + start)
            tokens.append(token)
        if not logits:
            return _no_candidates(points_xy)
        cleaned = clean_regions(_joined(logits), self.settings.region_fraction)
        return Candidates(cleaned, _joined(scores), _joined(prompts), _joined(tokens))


@dataclass(frozen=True)
class MaskwiseScorer:
    """Scores that have seen the masks: all four of every prompt are drawn, measured and compared (beyond the paper)."""

    decoder: PointDecoder
    mask_scorer: MaskScorer
    settings: InferenceConfig

    def candidates(self, features: MaskFeatures, maps: PromptMaps | None, points_xy: Array) -> Candidates:
        """See :meth:`Scorer.candidates`, and for what it raises :meth:`every`."""
        if len(points_xy) == 0:
            return _no_candidates(points_xy)
        return choose_drawn(*self.every(features, maps, points_xy), self.settings)

    def every(self, features: MaskFeatures, maps: PromptMaps | None, points_xy: Array) -> tuple[Array, Array]:
        """See :meth:`Scorer.every`.

        Raises:
            ValueError: if there are no maps; only models with a prompt generator have a mask scorer.
        """
        if maps is None:
            raise ValueError("masks are measured against foreground and heatmap: expected maps, found none")
        drawn, predictions = _draw_all(self.decoder, features, points_xy)
        return drawn, self.mask_scorer(measure_masks(features, maps, predictions, drawn, points_xy))


def _draw_all(decoder: PointDecoder, features: MaskFeatures, points_xy: Array) -> tuple[Array, TokenPredictions]:
    """All four masks of every point, (M, 4, h, w) float32 logits, and their tokens, without the image state."""
    logits, tokens = [], []
    xp, tokens_of_one = namespace(points_xy), arange(MASKS_PER_PROMPT, points_xy)
    at_once = _drawn_at_once(decoder)
    for start in range(0, max(1, len(points_xy)), at_once):
        points = points_xy[start : start + at_once]
        predictions = decoder.decode_tokens(features, points)
        every = xp.tile(tokens_of_one, (len(points), 1))
        logits.append(decoder.upscale(features, predictions, points, every))
        tokens.append(replace(predictions, image_state=predictions.image_state[:0]))
    return _joined(logits), _in_one(tokens)


def _drawn_at_once(decoder: PointDecoder) -> int:
    """Prompts drawn at once; decoders of fixed shapes have a number of their own."""
    return int(getattr(decoder, "at_once", UPSCALE_CHUNK))


def _no_candidates(points_xy: Array) -> Candidates:
    masks, scores = (like(np.zeros(shape, dtype=np.float32), points_xy) for shape in ((0, 1, 1), (0,)))
    none = arange(0, points_xy)
    return Candidates(masks, scores, none, none)


def choose_drawn(logits: Array, scores: Array, settings: InferenceConfig) -> Candidates:
    """Of masks that are all drawn, each prompt's best where it is good enough, its outline voted on.

    Args:
        logits: (M, 4, h, w) float32 of M prompts; above 0 is inside.
        scores: (M, 4) float32.
        settings: score threshold, least IoU of a vote, and the size of regions that are cleaned away.
    """
    prompt, token, score = choose_best(scores, settings.score_threshold)
    chosen = logits[prompt, token]
    if settings.vote_iou > 0:
        chosen = vote(merged(logits), MASKS_PER_PROMPT * prompt + token, settings.vote_iou)
    return Candidates(clean_regions(chosen, settings.region_fraction), score, prompt, token)


def _in_one(parts: list[TokenPredictions]) -> TokenPredictions:
    names = ("iou_token", "mask_tokens", "scores", "image_state")
    return TokenPredictions(*(_joined([getattr(part, name) for part in parts]) for name in names))


def _joined(parts: list[Array]) -> Array:
    return namespace(parts[0]).concatenate(parts)
