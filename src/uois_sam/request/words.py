"""The words of a request, and what reads the value of each as users give it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from msgspec import Meta

from uois_sam.depth.workspace import read_workspace
from uois_sam.errors import UOISError
from uois_sam.io.regions import Region, numbers_of
from uois_sam.validation import AtMostOne, Fraction, validated

Tiles: TypeAlias = "Literal['auto'] | int"


def _number(kind: Any) -> Callable[[Any, str], Any]:
    def read(value: Any, name: str) -> Any:
        plain = value.item() if isinstance(value, np.generic) else value
        return validated(plain, kind | None, name)

    return read


def _area(value: Any, name: str) -> float | int | None:
    """Pixels as an int, or a share as a float; text of either, or with %."""
    expected = "pixels (a whole number) or a share of the photo (0.02 or 2%)"
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        number = numbers_of(value.strip(), name, expected)[0]
        value = int(number) if value.strip().isdecimal() else number
    if value is None:
        return None
    whole = isinstance(value, int) and not isinstance(value, bool)
    if (not whole and not (isinstance(value, float) and value <= 1)) or not 0 <= value <= 10**9:
        raise UOISError(f"{name}: expected {expected}, found {str(value)[:60]}")
    return float(value) if isinstance(value, float) else int(value)


def _region(value: Any, name: str) -> Region | None:
    return None if value is None else Region.of(value, name)


def _exclude(value: Any, name: str) -> tuple[Region, ...]:
    """One region, or several: a list whose entries are no numbers and no corners."""
    if value is None:
        return ()
    if isinstance(value, list | tuple) and not _is_shape(value):
        return tuple(Region.of(each, name) for each in value)
    return (Region.of(value, name),)


def _is_shape(value: list[Any] | tuple[Any, ...]) -> bool:
    """Whether a list is one box or polygon: numbers, or corners of two numbers each."""
    numbers = [isinstance(each, int | float | np.number) for each in value]
    corners = [
        isinstance(each, list | tuple | np.ndarray) and len(each) == 2 and all(np.ndim(number) == 0 for number in each)
        for each in value
    ]
    return bool(value) and (all(numbers) or all(corners))


def _tiles(value: Any, name: str) -> Tiles | None:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if value is None or value == "auto":
        return value
    count: int = validated(value, Annotated[int, Meta(ge=1, le=MOST_TILES)], name)  # type: ignore[arg-type]
    return count


MOST_TILES = 8
"""Along a side: 64 tiles take as long as 64 photos."""
READERS: Mapping[str, Callable[[Any, str], Any]] = {
    "min_score": _number(AtMostOne),
    "min_foreground": _number(Fraction),
    "max_prompts": _number(Annotated[int, Meta(ge=0, le=1024)]),
    "max_objects": _number(Annotated[int, Meta(ge=1)]),
    "min_area": _area,
    "max_area": _area,
    "region": _region,
    "exclude": _exclude,
    "tiles": _tiles,
    "workspace": read_workspace,
}
"""Word about finding to what reads its value; they have no meaning for objects that are pointed at."""
WORDS = (*READERS, "points", "labels", "boxes")
"""All words of a request."""
