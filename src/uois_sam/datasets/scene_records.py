"""Records of scenes by ``uois-sam generate``, as far as labels need them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta

from uois_sam.datasets.cameras import camera_of_matrix
from uois_sam.errors import DatasetError
from uois_sam.io.files import regular_size
from uois_sam.io.json_index import read_objects
from uois_sam.types import Camera
from uois_sam.validation import Fraction, validated

_INDEX = re.compile(rb'\{"index": ?(\d{1,18})\b')
_LONGEST = 1 << 24
"""Maximum bytes of a line; a longer one is no record."""


class SceneRecords:
    """Visible fractions and intrinsics from a ``scenes.jsonl``: one record per line, of a few kilobytes each.

    Only the offset of every line is in memory. Of a scene that was made twice the last record counts; lines that do
    not begin as a record does (another file of that name, or a truncated one) are skipped.

    Args:
        path: the file.

    Raises:
        DatasetError: if the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._places: dict[str, tuple[int, int]] = {}
        start = 0
        try:
            regular_size(path)
            with path.open("rb") as file:
                while line := file.readline(_LONGEST):
                    match = _INDEX.match(line)
                    if match and line.endswith(b"\n"):
                        self._places[f"{int(match[1]):06d}"] = (start, len(line))
                    start += len(line)
        except OSError as error:
            raise DatasetError(f"{path}: expected records of scenes, found: {error.strerror or error}") from error

    def camera(self, name: str) -> Camera | None:
        """Return the intrinsics of a scene; None if there is no record of it, or one without.

        Raises:
            DatasetError: if the file has changed since it was opened, or they are none.
        """
        record = self._record(name)
        matrix = None if record is None else record.get("intrinsics")
        return None if matrix is None else camera_of_matrix(matrix, f"{self.path}: intrinsics of scene {name}")

    def visible_fractions(self, name: str) -> Mapping[int, float] | None:
        """Return the visible share of each object of a scene by label; None if the record lacks it.

        Args:
            name: of the sample, the scene's index in six digits.

        Raises:
            DatasetError: if the file has changed since it was opened.
        """
        record = self._record(name)
        objects = None if record is None else record.get("objects")
        if not isinstance(objects, list):  # earlier versions wrote how many there are
            return None
        where = f"{self.path}: expected label and visible_fraction of every object of scene {name}"
        return {each.label: each.visible_fraction for each in validated(objects, list[_Object], where, DatasetError)}

    def _record(self, name: str) -> Mapping[str, Any] | None:
        if name not in self._places:
            return None
        (record,) = read_objects(self.path, [self._places[name]])
        if record.get("index") != int(name):  # lines may be added in the meantime, but not changed
            raise DatasetError(f"{self.path}: expected the content it had when it was opened, found other content")
        return record


@dataclass(frozen=True)
class _Object:
    label: Annotated[int, Meta(ge=1, le=65535)]
    visible_fraction: Fraction
