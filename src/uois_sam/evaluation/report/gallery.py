"""Choice and pictures of the frames on a page: truth and prediction side by side, coloured by error kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.evaluation.error_kinds import ERROR_KINDS, Diagnosis, ErrorKind, diagnose
from uois_sam.evaluation.frame_scores import FrameResult, Prediction
from uois_sam.evaluation.overlaps import compare
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.overlay import paint_labels
from uois_sam.types import BoolArray, ImageArray, LabelMap, Sample

Group = Literal["worst", "median", "best", "typical of an error"]
KIND_COLOURS: dict[str, str] = {
    "good": "#009e73",
    "loose": "#56b4e9",
    "split": "#e69f00",
    "merged": "#cc79a7",
    "missed": "#d55e00",
    "background": "#f0e442",
}
"""Okabe and Ito's colours, distinguishable with every kind of colour vision."""
WIDTH = 480
"""Maximum width of a picture in pixels."""


@dataclass(frozen=True)
class Choice:
    """One frame to show."""

    result: FrameResult
    rank: int
    """Rank by overlap F; 1 is the worst."""
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Pictures:
    """One frame as JPEG files."""

    truth: bytes
    prediction: bytes


def choose(results: Sequence[FrameResult], count: int) -> list[Choice]:
    """Choose the ``count`` worst, median and best frames by overlap F, and those with most errors of each kind.

    Ties in F are broken by boundary F, then by name. Each frame comes once, worst first, with all its groups.
    """
    ranked = sorted(results, key=lambda r: (r.scores.overlap.f_measure, r.scores.boundary.f_measure, r.name))
    middle = max(0, (len(ranked) - count) // 2)
    groups: dict[Group, Sequence[int]] = {
        "worst": range(min(count, len(ranked))),
        "median": range(middle, min(middle + count, len(ranked))),
        "best": range(max(0, len(ranked) - count), len(ranked)),
        "typical of an error": [i for kind in ERROR_KINDS for i in _most_of(ranked, kind, count)],
    }
    chosen = sorted({index for indices in groups.values() for index in indices})
    return [
        Choice(ranked[index], index + 1, tuple(group for group, indices in groups.items() if index in indices))
        for index in chosen
    ]


def draw(sample: Sample, prediction: Prediction) -> Pictures:
    """Draw truth and prediction over the photo, at the size they were scored at.

    Every object has the colour of its kind (:data:`KIND_COLOURS`), every predicted mask that of the object it belongs
    to; ignored pixels are dark.
    """
    comparison = compare(prediction.labels, sample.labels, sample.ignore)
    diagnosis = diagnose(comparison.overlaps)
    photo = _faded(sample.image, sample.ignore)
    pairs = {predicted: true for predicted, true in comparison.overlaps.pairs}
    predicted_kinds = [_mask_kind(i, diagnosis, pairs.get(i)) for i in range(len(diagnosis.belongs_to))]
    return Pictures(
        _painted(photo, comparison.true, diagnosis.object_kinds),
        _painted(photo, comparison.predicted, predicted_kinds),
    )


def _most_of(ranked: Sequence[FrameResult], kind: ErrorKind, count: int) -> list[int]:
    counts = [result.errors.of(kind) for result in ranked]
    order = sorted(range(len(ranked)), key=lambda index: -counts[index])
    return [index for index in order[:count] if counts[index]]


def _mask_kind(index: int, diagnosis: Diagnosis, matched: int | None) -> str:
    if index in diagnosis.background:
        return "background"
    if index in diagnosis.merging:
        return "merged"
    owner = diagnosis.belongs_to[index]
    if owner < 0:
        owner = -1 if matched is None else matched
    return "loose" if owner < 0 else diagnosis.object_kinds[owner]


def _painted(photo: ImageArray, labels: npt.NDArray[np.int32], kinds: Sequence[str]) -> bytes:
    height, width = labels.shape
    shown: LabelMap = labels.astype(np.uint16)
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        photo = np.asarray(cv2.resize(photo, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        shown = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_NEAREST), dtype=np.uint16)
    colours = np.array([_rgb(kind) for kind in kinds], dtype=np.uint8).reshape(-1, 3)
    return encode_jpeg(paint_labels(photo, shown, colours), quality=82)


def _rgb(kind: str) -> tuple[int, ...]:
    code = KIND_COLOURS[kind]
    return tuple(int(code[start : start + 2], 16) for start in (1, 3, 5))


def _faded(image: ImageArray, ignore: BoolArray | None) -> ImageArray:
    """Fade a photo so that the colours of the kinds stand out; ignored pixels are dark."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    faded = cv2.addWeighted(image, 0.2, grey, 0.8, 0)
    return np.asarray(faded if ignore is None else np.where(ignore[:, :, None], faded // 3, faded), dtype=np.uint8)
