"""Intrinsics in the files of data sets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from uois_sam.errors import DatasetError
from uois_sam.io.files import is_file, read_bounded
from uois_sam.io.json_files import read_json
from uois_sam.types import Camera
from uois_sam.validation import validated

_FIELDS = ("fx", "fy", "cx", "cy")
_LARGEST = 1 << 16
"""Bytes of a file of intrinsics."""


def camera_of(content: Any, where: str) -> Camera | None:
    """Return the intrinsics among the entries of a camera file; None where it has none of fx, fy, cx and cy.

    Raises:
        DatasetError: if only some are there, or a value is none of a camera.
    """
    known = {name: content[name] for name in _FIELDS if isinstance(content, dict) and name in content}
    return validated(known, Camera, where, DatasetError) if known else None


def camera_of_matrix(entries: Any, where: str) -> Camera:
    """Return the intrinsics of K, (3, 3) or its nine numbers row by row.

    Raises:
        DatasetError: if it is no such matrix, or has skew.
    """
    try:
        matrix = np.array(entries, dtype=np.float64).reshape(3, 3)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"{where}: expected K of 3 x 3 numbers, found {str(entries)[:60]}") from error
    if not np.isfinite(matrix).all() or matrix[0, 1] or matrix[1, 0] or matrix[2].tolist() != [0, 0, 1]:
        raise DatasetError(f"{where}: expected K as [fx 0 cx; 0 fy cy; 0 0 1], found {matrix.tolist()}")
    (fx, _, cx), (_, fy, cy), _ = matrix.tolist()
    return validated({"fx": fx, "fy": fy, "cx": cx, "cy": cy}, Camera, where, DatasetError)


def read_camera_json(path: Path) -> Camera | None:
    """Return the intrinsics of a JSON file with fx, fy, cx and cy in pixels; None where there is no file.

    Raises:
        DatasetError: if there is one with other content.
    """
    if not is_file(path):
        return None
    what = "intrinsics as fx, fy, cx and cy in pixels"
    camera = camera_of(read_json(path, dict[str, Any], what=what, error=DatasetError), str(path))
    if camera is None:
        raise DatasetError(f"{path}: expected {what}, found none of them")
    return camera


def read_camera_text(path: str | os.PathLike[str]) -> Camera | None:
    """Return the intrinsics of a text file that holds K, (3, 3), row by row; None where there is no file.

    Raises:
        DatasetError: if there is one with other content.
    """
    if not is_file(path):
        return None
    try:
        numbers = [float(word) for word in read_bounded(path, _LARGEST).decode().replace(",", " ").split()]
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: expected K of 3 x 3 numbers, found other content") from error
    return camera_of_matrix(numbers, str(path))
