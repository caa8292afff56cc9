"""The only reader of videos: (H, W, 3) uint8 RGB frames come out or an ImageError is raised.

Where a video changes its size on the way, PyAV (extra ``video``) gives each frame in its own; without it OpenCV brings
all to the first one's.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.errors import ImageError, count
from uois_sam.io.files import regular_size
from uois_sam.io.formats import check_file
from uois_sam.io.pictures import LEAST_SLACK, SLACK, Pictures, has_pyav, opened_by_pyav, read_by_opencv
from uois_sam.io.video_ends import is_open_ended, is_torn, shown_seconds
from uois_sam.types import ImageArray

if TYPE_CHECKING:
    import cv2


def read_video(
    path: str | os.PathLike[str], lose: Callable[[str], None] = lambda reason: None
) -> Iterator[tuple[int, ImageArray]]:
    """Read a video frame by frame, one frame in memory at a time.

    Args:
        path: of the video.
        lose: called for every frame that cannot be decoded, with the reason; OpenCV ends at the first such frame.

    Yields:
        The frame's index, from 0, and its (H, W, 3) uint8 RGB picture. What cannot be decoded has an index as well.

    Raises:
        ImageError: at the first step: missing, not a video, or without a single readable frame; at the last one: cut
            short.
    """
    found = lost = 0

    def count_lost(reason: str) -> None:
        nonlocal lost
        lost += 1
        lose(reason)

    check_file(Path(path), "video")
    with _by_pyav(path, count_lost) if has_pyav() else _by_opencv(path) as pictures:
        if pictures is None:
            raise ImageError(_no_video(path))
        for image in pictures.images:
            yield found + lost, image
            found += 1
        cut_short = pictures.is_cut_short(found) or is_torn(path)
    if found == 0:
        raise ImageError(f"{os.fspath(path)}: expected a video, found no readable frame")
    if cut_short:
        expected = count(pictures.count, "frame") if pictures.count else "more frames"
        raise ImageError(f"{os.fspath(path)}: expected {expected}, found {found}: the file is cut short")


def open_ended(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video of a kind of which a missing end cannot be told; False for what cannot be read, as
    pipes, which would keep whoever opens them waiting."""
    try:
        return regular_size(path) > 0 and is_open_ended(path)
    except (OSError, ValueError):
        return False


def _by_pyav(path: str | os.PathLike[str], lose: Callable[[str], None]) -> AbstractContextManager[Pictures | None]:
    return opened_by_pyav(str(Path(path).absolute()), lose=lose)


@contextmanager
def _by_opencv(path: str | os.PathLike[str]) -> Iterator[Pictures]:
    import cv2

    with _opened_video(path) as capture:
        rate, count = float(capture.get(cv2.CAP_PROP_FPS)), max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        if 0 < rate < 1000 and (seconds := shown_seconds(path)) is not None:  # OpenCV counts those not shown, too
            count = min(count, round(seconds * rate))
        yield Pictures(
            read_by_opencv(capture), rate if 0 < rate < 1000 else None, True, count,
            lambda found: found + max(LEAST_SLACK, SLACK * count) < count,
        )  # fmt: skip


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
