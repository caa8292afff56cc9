"""Length of a fine-tuning: optimiser steps by the number of photos."""

from __future__ import annotations

import math
from dataclasses import dataclass

from uois_sam.errors import count
from uois_sam.training.compact_network import NetworkTrainingConfig

STEPS_PER_ROOT = 15
"""Steps are this times the square root of the photos: 4 photos are seen 30 times each, 30 photos 11 times, 100 photos
6 times. Few photos are learned by heart if seen more often, and many need fewer looks each."""
LEAST_STEPS, MOST_STEPS = 30, 600
CHECKPOINTS = 6
"""Checkpoints in the course of the steps."""


@dataclass(frozen=True)
class Schedule:
    """Steps, and the reason for their number."""

    steps: int
    words: str

    def network_config(self, rate: float, seed: int, start: str, data: str) -> NetworkTrainingConfig:
        """Return the settings of the network's training from weights on photos of these SHA256."""
        return NetworkTrainingConfig(
            steps=self.steps, rate=rate, encoder_rate=rate / 2, warmup=max(1, self.steps // 6), start=start, data=data,
            seed=seed, save_every=max(1, math.ceil(self.steps / CHECKPOINTS)),
        )  # fmt: skip


def plan(photos: int, steps: int | None = None) -> Schedule:
    """Plan a fine-tuning on so many photos; ``steps`` replaces the number that follows from them."""
    if steps is None:
        chosen = min(max(LEAST_STEPS, 10 * round(STEPS_PER_ROOT * math.sqrt(photos) / 10)), MOST_STEPS)
        views = NetworkTrainingConfig().images * chosen / photos
        words = f"{count(chosen, 'step')} for {count(photos, 'photo')}, each seen about {views:.0f} times"
    else:
        chosen, words = steps, f"{count(steps, 'step')} as asked"
    return Schedule(chosen, words)
