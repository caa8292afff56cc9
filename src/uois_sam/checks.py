"""What users ask of a pipeline, checked before anything slow runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from uois_sam.config import NmsMode, PromptMode, ScoreMode, Selection
from uois_sam.errors import ImageError, UOISError
from uois_sam.types import FloatArray


def changed_selection(selection: Selection, changes: dict[str, Any]) -> Selection:
    """Settings with some of them replaced.

    Raises:
        UOISError: no such setting or mode.
    """
    try:
        changed = replace(selection, **changes)
    except TypeError as error:
        known = ", ".join(Selection.__dataclass_fields__)
        raise UOISError(f"unknown setting in {sorted(changes)}; the settings are: {known}") from error
    check_modes(changed)
    return changed


def check_heads(selection: Selection, model: str, *, hpg: bool, hdnet: bool, evidence: bool) -> None:
    """Raise UOISError for settings that need heads which the model has not."""
    if selection.scores == "evidence" and not evidence:
        others = "hdnet or sam" if hdnet else "sam"
        raise UOISError(f"{model} has no scores that see the masks (scores='evidence'): expected scores={others}")
    needing = [f"prompts={selection.prompts!r}"] if not hpg and selection.prompts != "grid" else []
    needing += ["scores='hdnet'"] if not hdnet and selection.scores == "hdnet" else []
    if needing:
        raise lacks_heads(model, f"{' and '.join(needing)} need{'s' * (len(needing) == 1)}")


def lacks_heads(model: str, needing: str) -> UOISError:
    """The error for what needs trained heads: says what works without and how to get some."""
    return UOISError(
        f"{model} lacks trained heads, which {needing}; prompts='grid' with scores='sam' works without, and heads are "
        f"trained by: uois-sam train heads --base {model} --data DIR --out DIR"
    )


def check_modes(selection: Selection) -> None:
    """Raise UOISError for a mode that does not exist: it would silently act as another one."""
    for name, modes in (("prompts", PromptMode), ("scores", ScoreMode), ("nms", NmsMode)):
        if getattr(selection, name) not in get_args(modes):
            found = getattr(selection, name)
            raise UOISError(f"{name}={found!r}: expected one of {', '.join(get_args(modes))}")


def check_points(points: npt.ArrayLike | Sequence[tuple[float, float]], image_hw: tuple[int, int]) -> FloatArray:
    """(M, 2) float32 xy points.

    Raises:
        ImageError: points of another shape, or outside the photo.
    """
    try:
        given = np.asarray(points, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise ImageError(f"points: expected shape (M, 2) as x, y pairs, got something else ({error})") from error
    if given.ndim != 2 or given.shape[1] != 2:
        raise ImageError(f"points: expected shape (M, 2) as x, y pairs, got {given.shape}")
    limit = np.array([image_hw[1], image_hw[0]]) - 0.5
    if not ((given >= -0.5) & (given <= limit)).all():
        raise ImageError(
            f"points: expected x, y inside a photo {image_hw[1]} wide and {image_hw[0]} high, got {given.tolist()}"
        )
    return given
