"""The workspace: where objects of interest stand, as users give it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from uois_sam.depth.planes import Array
from uois_sam.errors import UOISError
from uois_sam.validation import given_array

AUTO: Literal["auto"] = "auto"
OFF: Literal["off"] = "off"
_EXPECTED = 'expected "auto", "off", or x0,x1,y0,y1,z0,z1 in metres (x right, y down, z forward of the camera)'


@dataclass(frozen=True)
class Box:
    """A box in the camera's frame (x right, y down, z forward), metres; limits in the order of AnyGrasp's ``lims``."""

    x0: float
    x1: float
    y0: float
    y1: float
    z0: float
    z1: float

    def beyond(self, points: Array) -> Array:
        """Return how far (..., 3) points lie outside, in metres along the axis that is worst; negative within."""
        low = np.array([self.x0, self.y0, self.z0], dtype=np.float32)
        high = np.array([self.x1, self.y1, self.z1], dtype=np.float32)
        return np.asarray(np.maximum(low - points, points - high).max(axis=-1), dtype=np.float32)


def read_workspace(value: Any, name: str = "workspace") -> Box | Literal["auto", "off"] | None:
    """Read a workspace: "auto", "off", six numbers as text or in a sequence; None stays None.

    Raises:
        UOISError: if it is none of them, or a limit is not below the one after it.
    """
    if value is None or isinstance(value, Box):
        return value
    if value in (AUTO, OFF) if isinstance(value, str) else False:
        return AUTO if value == AUTO else OFF
    try:
        given = value.split(",") if isinstance(value, str) else value
        numbers = [float(each) for each in given_array(given, np.float64)]
    except (TypeError, ValueError):  # no text of numbers, no row of them
        numbers = []
    if len(numbers) != 6 or not all(map(math.isfinite, numbers)):
        raise UOISError(f"{name}: {_EXPECTED}, found {str(value)[:60]!a}")
    x0, x1, y0, y1, z0, z1 = numbers
    if not (x0 < x1 and y0 < y1 and z0 < z1):
        raise UOISError(f"{name}: expected x0 < x1, y0 < y1 and z0 < z1, found {','.join(f'{n:g}' for n in numbers)}")
    return Box(x0, x1, y0, y1, z0, z1)
