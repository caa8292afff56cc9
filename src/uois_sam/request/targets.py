"""Objects that a user points at: clicks and boxes in SAM's terms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from uois_sam.errors import ImageError, UOISError
from uois_sam.validation import given_array

Click: TypeAlias = "tuple[float, float, int]"
"""x and y in pixels of the photo, and SAM's label: 1 on the object, 0 beside it."""
Box: TypeAlias = "tuple[float, float, float, float]"
"""First column, first row, last column + 1, last row + 1, in pixels of the photo."""


@dataclass(frozen=True)
class Target:
    """One object that a user points at."""

    clicks: tuple[Click, ...] = ()
    box: Box | None = None

    @property
    def is_one_click(self) -> bool:
        """Whether it is a single click on the object, the prompt that models are trained on."""
        return self.box is None and len(self.clicks) == 1


def read_targets(points: Any, labels: Any, boxes: Any) -> tuple[Target, ...] | None:
    """Objects that are pointed at; arguments as in :meth:`Request.changed`.

    Raises:
        UOISError: other shapes, labels other than 0 and 1, boxes turned inside out, or not as many boxes as objects.
    """
    if points is None and labels is not None:
        raise UOISError("labels: expected points as well, found none")
    clicks = None if points is None else _read_clicks(points, labels)
    frames = None if boxes is None else _read_boxes(boxes)
    if clicks is None and frames is None:
        return None
    if clicks is not None and frames is not None and len(clicks) != len(frames):
        raise UOISError(
            f"boxes: expected one for each of {len(clicks)} objects with points (None for none), found {len(frames)}"
        )
    count = len(clicks if clicks is not None else frames or ())
    targets = [Target((clicks or ((),) * count)[i], (frames or (None,) * count)[i]) for i in range(count)]
    for target in targets:
        if target.box is None and not any(label for *_, label in target.clicks):
            raise UOISError("points: expected a click on the object (label 1) or a box for each object, found none")
    return tuple(targets)


def _read_clicks(points: Any, labels: Any) -> tuple[tuple[Click, ...], ...]:
    """The clicks of each object."""
    groups = list(points) if _is_listing(points) else None
    if groups is None:
        raise ImageError(f"points: {_POINTS}, found something else ({str(points)[:40]!a})")
    if not groups:
        return ()
    nested = _is_listing(groups[0]) and len(groups[0]) > 0 and _is_listing(groups[0][0])
    if not nested:
        xy = _pairs(points)
        if labels is None:
            return tuple(((x, y, 1),) for x, y in xy)
        return (_labelled(xy, labels),)
    if labels is not None and (not _is_listing(labels) or len(labels) != len(groups)):
        raise UOISError("labels: expected a list for each object, arranged as points")
    each = [None] * len(groups) if labels is None else list(labels)
    return tuple(_labelled(_pairs(group), given) for group, given in zip(groups, each, strict=True))


_POINTS = "expected shape (M, 2) as x, y pairs, or such a list for each object"


def _is_listing(value: Any) -> bool:
    return isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim > 0)


def _pairs(points: Any) -> list[tuple[float, float]]:
    try:
        given = given_array(points, np.float32)
    except ValueError as error:
        raise ImageError(f"points: {_POINTS}, found something else ({error})") from error
    if given.size == 0:
        return []
    if given.ndim != 2 or given.shape[1] != 2:
        raise ImageError(f"points: {_POINTS}, found {given.shape}")
    return [(float(x), float(y)) for x, y in given]


def _labelled(xy: list[tuple[float, float]], labels: Any) -> tuple[Click, ...]:
    try:
        given = [1] * len(xy) if labels is None else given_array(labels).tolist()
    except ValueError:
        given = None
    if not isinstance(given, list) or len(given) != len(xy) or any(label not in (0, 1) for label in given):
        raise UOISError(f"labels: expected 1 (on the object) or 0 (beside it) for each point, found {str(labels)[:60]}")
    return tuple((x, y, int(label)) for (x, y), label in zip(xy, given, strict=True))


def _read_boxes(boxes: Any) -> tuple[Box | None, ...]:
    if not _is_listing(boxes):
        raise UOISError(f"boxes: expected shape (M, 4) as x0, y0, x1, y1, found {str(boxes)[:60]}")
    found: list[Box | None] = []
    for box in boxes:
        try:
            values = None if box is None else [float(value) for value in given_array(box, np.float64)]
        except (TypeError, ValueError):
            values = []
        if values is None:
            found.append(None)
            continue
        if len(values) != 4 or not all(map(math.isfinite, values)):
            raise UOISError(f"boxes: expected shape (M, 4) as x0, y0, x1, y1, found {str(box)[:60]}")
        left, top, right, bottom = values
        if not (left < right and top < bottom):
            raise UOISError(f"boxes: expected x0 < x1 and y0 < y1, found {left:g},{top:g},{right:g},{bottom:g}")
        found.append((left, top, right, bottom))
    return tuple(found)
