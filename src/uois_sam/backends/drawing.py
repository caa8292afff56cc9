"""Masks of an exported model, drawn in windows around what a glance sees (:mod:`uois_sam.models.compact.windows`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from uois_sam.models.compact.places import FINER, OUTSIDE, windows_around
from uois_sam.models.interfaces import MaskFeatures

Values: TypeAlias = npt.NDArray[Any]
Run: TypeAlias = Callable[[str, int, Mapping[str, Values]], dict[str, Values]]
"""Runs a graph: its name, its batch, arrays by name."""


@dataclass(frozen=True)
class DrawnFeatures(MaskFeatures):
    """Features of a photo with what its prompts share, computed when the first mask is drawn."""

    run: Run = field(kw_only=True, repr=False)

    @cached_property
    def ground(self) -> dict[str, Values]:
        """``shared`` (1, C, H/4, W/4) and ``look`` (1, 8 G, H/4, W/4)."""
        return self.run("ground", 1, {"fine4": self.fine[-1]})


def draw_in_windows(features: DrawnFeatures, sketch: Mapping[str, Values]) -> Values:
    """Draw all four masks of prompts.

    Args:
        features: of their photo.
        sketch: what the graph of this name gives, of M prompts; its ``logits`` become the result.

    Returns:
        (M, 4, H/4, W/4) float32 logits: as drawn in the whole frame where the glance sees any of the four masks,
        the glance's own elsewhere.
    """
    shared, look = (features.ground[name] for name in ("shared", "look"))
    logits = sketch["logits"]
    for row, window in enumerate(windows_around(sketch["seen"].max(axis=1) > OUTSIDE)):
        own, top, left = slice(row, row + 1), FINER * window.top, FINER * window.left
        coarse = own, slice(None), window.rows(), window.columns()
        finest = slice(None), slice(None), window.rows(FINER), window.columns(FINER)
        cut = {
            "x": sketch["x"][coarse], "offsets": sketch["offsets"][own][finest],
            "shared": shared[finest], "look": look[finest],
        }  # fmt: skip
        found = features.run("window", 1, {
            **{name: np.ascontiguousarray(values) for name, values in cut.items()},
            "alike": sketch["alike"][own], "weights": sketch["weights"][own],
        })  # fmt: skip
        rows, columns = window.inner()
        inner = found["logits"][0, :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        logits[row, :, rows, columns] = inner
    return logits
