"""Picture of held-out photos before and after: truth and both results side by side, coloured by kind of error."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from uois_sam.evaluation.frame_scores import FrameResult, Prediction
from uois_sam.evaluation.report.gallery import draw
from uois_sam.io.captions import captioned
from uois_sam.io.encoding import encode_jpeg
from uois_sam.types import ImageArray, Sample

MOST_PHOTOS = 8
GAP_PX = 6


def choose(before: Sequence[FrameResult], after: Sequence[FrameResult]) -> list[int]:
    """Return the positions of the photos whose overlap F changed most, for the better or the worse; gains first."""
    change = [b.scores.overlap.f_measure - a.scores.overlap.f_measure for a, b in zip(before, after, strict=True)]
    most = sorted(range(len(change)), key=lambda index: -abs(change[index]))[:MOST_PHOTOS]
    return sorted(most, key=lambda index: -change[index])


def row(sample: Sample, before: tuple[Prediction, FrameResult], after: tuple[Prediction, FrameResult]) -> ImageArray:
    """Draw one photo: its labels, the masks before, the masks after, each with a caption."""
    pictures = [draw(sample, prediction) for prediction, _ in (before, after)]
    found = [100 * result.scores.overlap.f_measure for _, result in (before, after)]
    captions = [f"labels of {sample.name}"[:52], f"before: F {found[0]:.1f}", f"after: F {found[1]:.1f}"]
    contents = [pictures[0].truth, pictures[0].prediction, pictures[1].prediction]
    return np.concatenate(
        [_captioned(content, caption) for content, caption in zip(contents, captions, strict=True)], axis=1
    )


def sheet(rows: Sequence[ImageArray]) -> bytes:
    """Join rows into one JPEG; narrower ones are padded with white."""
    width = max(row.shape[1] for row in rows)
    padded = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    return encode_jpeg(np.concatenate(padded), quality=85)


def _captioned(content: bytes, caption: str) -> ImageArray:
    picture = np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR))[..., ::-1]
    framed = captioned(np.asarray(picture, np.uint8), caption)
    return np.pad(framed, ((0, GAP_PX), (0, GAP_PX), (0, 0)), constant_values=255)
