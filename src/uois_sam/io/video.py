"""The only reader of videos: (H, W, 3) uint8 RGB frames come out or an ImageError is raised.

Where a video changes its size on the way, PyAV (extra ``video``) gives each frame in its own; without it OpenCV brings
all to the first one's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from uois_sam.errors import ImageError
from uois_sam.io.formats import check_file
from uois_sam.io.pictures import has_pyav, opened_by_pyav
from uois_sam.types import ImageArray

if TYPE_CHECKING:
    import cv2


def read_video(path: str | os.PathLike[str]) -> Iterator[tuple[int, ImageArray]]:
    """Read a video frame by frame, one frame in memory at a time.

    Yields:
        The frame's index, from 0, and its (H, W, 3) uint8 RGB picture.

    Raises:
        ImageError: at the first step: missing, not a video, or without a single readable frame.
    """
    index = -1
    for index, image in enumerate(_by_pyav(path) if has_pyav() else _by_opencv(path)):
        yield index, image
    if index < 0:
        raise ImageError(f"{os.fspath(path)}: expected a video, found no readable frame")


def _by_pyav(path: str | os.PathLike[str]) -> Iterator[ImageArray]:
    check_file(Path(path), "video")
    with opened_by_pyav(str(Path(path).absolute())) as pictures:
        if pictures is None:
            raise ImageError(_no_video(path))
        yield from pictures.images


def _by_opencv(path: str | os.PathLike[str]) -> Iterator[ImageArray]:
    import cv2

    with _opened_video(path) as capture:
        while True:
            found, frame = capture.read()
            if not found:
                return
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def frame_count(path: str | os.PathLike[str]) -> int | None:
    """How many frames a video says it has (an estimate, for progress bars); None when it does not say.

    Raises:
        ImageError: missing or not a video.
    """
    import cv2

    with _opened_video(path) as capture:
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    return count if count > 0 else None


def frame_rate(path: str | os.PathLike[str]) -> float | None:
    """Frames a second that a video is to be shown at; None when it does not say.

    Raises:
        ImageError: missing or not a video.
    """
    import cv2

    with _opened_video(path) as capture:
        rate = float(capture.get(cv2.CAP_PROP_FPS))
    return rate if 0 < rate < 1000 else None


@contextmanager
def _opened_video(path: str | os.PathLike[str]) -> Iterator[cv2.VideoCapture]:
    import cv2

    check_file(Path(path), "video")
    capture = cv2.VideoCapture(os.fspath(path))
    try:
        if not capture.isOpened():
            raise ImageError(_no_video(path))
        yield capture
    finally:
        capture.release()


def _no_video(path: str | os.PathLike[str]) -> str:
    return f"{os.fspath(path)}: expected a video, found a file that cannot be decoded as one"
