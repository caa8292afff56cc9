"""Registry of data sets by name."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from uois_sam.datasets.base import FrameDataset, FrameOptions
from uois_sam.datasets.bop import BOPDataset
from uois_sam.datasets.coco import CocoDataset
from uois_sam.datasets.folder import FolderDataset
from uois_sam.datasets.housecat6d import HouseCat6DDataset
from uois_sam.datasets.labelme import LabelmeDataset
from uois_sam.datasets.mask_files import MasksDataset
from uois_sam.datasets.ocid import OCIDDataset
from uois_sam.datasets.osd import OSDDataset
from uois_sam.datasets.phocal import PhoCALDataset
from uois_sam.datasets.tod import TODDataset
from uois_sam.datasets.uoais_sim import UOAISSimDataset
from uois_sam.datasets.voc import VOCDataset
from uois_sam.datasets.yolo import YoloDataset
from uois_sam.errors import DatasetError

DATASETS: Mapping[str, type[FrameDataset]] = {
    "ocid": OCIDDataset,
    "osd": OSDDataset,
    "phocal": PhoCALDataset,
    "housecat6d": HouseCat6DDataset,
    "uoais-sim": UOAISSimDataset,
    "tod": TODDataset,
    "bop": BOPDataset,
    "folder": FolderDataset,
    "coco": CocoDataset,
    "yolo": YoloDataset,
    "labelme": LabelmeDataset,
    "voc": VOCDataset,
    "masks": MasksDataset,
}
"""Data sets by their name on the command line."""


def open_dataset(name: str, root: str | os.PathLike[str], **options: Any) -> FrameDataset:
    """Open a data set on disk; only listings (and annotation files) are read until samples are requested.

    Args:
        name: one of :data:`DATASETS`.
        root: its folder, or the folder around it.
        options: fields of :class:`~uois_sam.datasets.base.FrameOptions` (``every``, ``offset``, ``depth``,
            ``partial``) and the keywords of the data set's own class, see :func:`dataset_options`.

    Raises:
        DatasetError: for an unknown name or option (the message has the nearest), another layout, or missing files.
    """
    if name not in DATASETS:
        raise DatasetError(
            f"expected a data set out of {', '.join(DATASETS)}, found {name!r}{_nearest(name, DATASETS)}"
        )
    known = dataset_options(name)
    for option in options:
        if option not in known:
            raise DatasetError(
                f"{name}: expected options out of {', '.join(known)}, found {option!r}{_nearest(option, known)}"
            )
        _check_type(name, option, options[option], known[option])
    common = {option: options.pop(option) for option in _COMMON if option in options}
    opener: Any = DATASETS[name]
    try:
        dataset: FrameDataset = opener(root, FrameOptions(**common), **options)
    except OSError as error:
        raise DatasetError(f"{error.filename or root}: expected a readable folder, found: {error.strerror}") from error
    return dataset


def dataset_options(name: str) -> dict[str, Any]:
    """Return the options of :func:`open_dataset` for a data set, with their defaults."""
    own = inspect.signature(DATASETS[name].__init__).parameters.values()
    return {**_COMMON, **{each.name: each.default for each in own if each.kind is each.KEYWORD_ONLY}}


def _check_type(name: str, option: str, value: object, default: object) -> None:
    """Check the type of an option; values may come from a command line, so a wrong one is a user error."""
    kinds = _KINDS.get(type(default), (int, type(None)) if option == "every" else (str, os.PathLike, type(None)))
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        wanted = " or ".join(kind.__name__.replace("NoneType", "None") for kind in kinds)
        raise DatasetError(f"{name}: expected {option} as {wanted}, found {value!r:.60}")
    if isinstance(default, tuple) and isinstance(value, (tuple, list)):
        kind = type(default[0]) if default else _element(name, option)
        if not all(type(each) is kind for each in value):
            raise DatasetError(f"{name}: expected {option} as a list of {kind.__name__}, found {value!r:.60}")


def _element(name: str, option: str) -> type:
    """Type of the elements of an option that is empty by default."""
    annotation = inspect.signature(DATASETS[name].__init__).parameters[option].annotation
    return int if "int" in str(annotation) else str


_KINDS: Mapping[type, tuple[type, ...]] = {
    bool: (bool,), int: (int,), float: (int, float), str: (str,), tuple: (tuple, list),
}  # fmt: skip
"""Accepted types of an option by the type of its default; defaults of None are counts or paths."""
_COMMON = {field.name: field.default for field in fields(FrameOptions)}


def _nearest(word: str, known: Mapping[str, object]) -> str:
    match = get_close_matches(word.lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else ""
