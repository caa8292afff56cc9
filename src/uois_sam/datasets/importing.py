"""Labels of any data set, written as a labelled folder: ``rgb/``, ``label/``, ``ignore/`` and ``depth/``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from uois_sam.datasets.base import FrameDataset
from uois_sam.io.encoding import encode_png
from uois_sam.io.files import Content, make_output_folder, read_bounded, write_together
from uois_sam.io.formats import IMAGE_SUFFIXES, LARGEST_FILE
from uois_sam.io.photo_files import is_plain
from uois_sam.types import FloatArray, Sample

TOO_FAR = "depth pixels beyond 65.535 m written as unknown"
REPLACED = "photos and labels that were there before, replaced"
TURNED = "photos written anew as upright 8-bit PNG"
_STEP_M = 0.001


def import_sample(dataset: FrameDataset, index: int, out: Path) -> tuple[str, dict[str, int]]:
    """Write one sample of a data set; all of its files appear, or none.

    The photo's file is copied where other programs show it as it is read here, else written anew as PNG.

    Returns:
        The sample's name, and notes on it.

    Raises:
        UOISError: as ``dataset[index]``; OutputError if a file cannot be written.
    """
    sample = dataset[index]
    notes = Counter(sample.notes)
    suffix, photo = _photo(dataset, sample)
    notes[TURNED] += int(photo is None)
    contents: dict[Path, Content] = {
        out / "rgb" / f"{sample.name}{suffix}": encode_png(sample.image) if photo is None else photo,
    }
    if sample.ignore is not None:
        contents[out / "ignore" / f"{sample.name}.png"] = encode_png(sample.ignore.astype(np.uint8) * np.uint8(255))
    if sample.depth_m is not None:
        steps, far = _millimetres(sample.depth_m)
        notes[TOO_FAR] += far
        contents[out / "depth" / f"{sample.name}.png"] = encode_png(steps)
    contents[out / "label" / f"{sample.name}.png"] = encode_png(sample.labels)  # last: with it the sample is complete
    for folder in {path.parent for path in contents}:
        if not folder.is_dir():
            make_output_folder(folder)
    earlier = _earlier(out, sample.name)
    notes[REPLACED] += int(bool(earlier))
    write_together(contents)
    for path in earlier:  # another photo or ignore mask of this name would be taken for the new one's
        if not any(os.path.samefile(path, new) for new in contents):
            path.unlink()
    return sample.name, {what: number for what, number in notes.items() if number}


def count_others(out: Path, names: Sequence[str]) -> int:
    """Number of labels in a folder that are of none of these samples, from an earlier import."""
    root, known = out / "label", set(names)
    return sum(path.relative_to(root).with_suffix("").as_posix() not in known for path in root.rglob("*.png"))


def _earlier(out: Path, name: str) -> list[Path]:
    """Files of an earlier sample of this name."""
    photos = [out / "rgb" / f"{name}{suffix}" for suffix in sorted(IMAGE_SUFFIXES)]
    maps = [out / part / f"{name}.png" for part in ("label", "ignore", "depth")]
    return [path for path in (*photos, *maps) if path.is_file()]


def _photo(dataset: FrameDataset, sample: Sample) -> tuple[str, bytes | None]:
    """Suffix and content of a photo to copy; no content where it is to be encoded."""
    source = dataset.photo_source(sample.name)
    content = source if isinstance(source, bytes) else None
    suffix = ""
    if isinstance(source, Path):
        content, suffix = read_bounded(source, LARGEST_FILE), source.suffix
    if content is None or not is_plain(content):
        return ".png", None
    return suffix or _SUFFIXES.get(content[:2], ".png"), content


_SUFFIXES: Mapping[bytes, str] = {b"\xff\xd8": ".jpg", b"BM": ".bmp", b"RI": ".webp"}
"""By the first bytes of a file; PNG otherwise."""


def _millimetres(depth_m: FloatArray) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint16]], int]:
    steps = np.round(depth_m / _STEP_M)
    far = steps > 65535
    return np.where(far, 0, steps).astype(np.uint16), int(far.sum())
