"""Scores of masks that have also seen depth: a few numbers, fitted on rendered scenes with sensor noise.

``experiments/depth_scores.py`` fits them and writes ``rescoring.json`` beside this file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from uois_sam.depth.clues import CLUES
from uois_sam.depth.planes import Array

WEIGHTS = Path(__file__).with_name("rescoring.json")
LEAST_SCORE = 0.1
"""Masks with a lower score keep it: they are not measured, which takes most of the time."""
FARTHEST = 3.0
"""Deviations from the mean at which score and clues are cut."""


@dataclass(frozen=True)
class Rescoring:
    """S + v (w x + b), with v the share of the mask that has depth, and x its score and clues: a mask without depth
    keeps its score to the last bit."""

    mean: Array
    """(1 + C,) float32: score and clues where it was fitted."""
    scale: Array
    """(1 + C,) float32: their deviations."""
    weights: Array
    """(1 + C,) float32."""
    bias: float

    def inputs(self, scores: Array, clues: Array) -> Array:
        """Return the (K, 1 + C) float32 x of masks with (K,) scores and (K, C) clues."""
        raw = (np.column_stack([scores, clues]) - self.mean) / self.scale
        return np.asarray(raw.clip(-FARTHEST, FARTHEST), dtype=np.float32)

    def __call__(self, scores: Array, clues: Array) -> Array:
        """Return the (K,) float32 scores of masks with (K,) scores and (K, C) clues."""
        change = clues[:, 0] * (self.inputs(scores, clues) @ self.weights + np.float32(self.bias))
        return np.asarray(scores + change, dtype=np.float32)


@cache
def bundled() -> Rescoring:
    """Return the weights that come with the package."""
    stored = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert stored["clues"] == list(CLUES), "fitted on other clues: run experiments/depth_scores.py"
    mean, scale, weights = (np.array(stored[name], dtype=np.float32) for name in ("mean", "scale", "weights"))
    return Rescoring(mean, scale, weights, stored["bias"])
