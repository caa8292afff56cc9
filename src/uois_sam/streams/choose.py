"""What a word on the command line stands for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from uois_sam.errors import UOISError
from uois_sam.io.video import open_ended
from uois_sam.io.video_ends import OPEN_ENDED
from uois_sam.streams.bags import BagSource, bag_of
from uois_sam.streams.capture import CameraSource
from uois_sam.streams.depth_cameras import OakSource, RealSenseSource
from uois_sam.streams.files import FolderSource, VideoSource
from uois_sam.streams.frames import FrameSource
from uois_sam.streams.network import URL, NetworkSource


def source_of(given: str, idle_s: float | None = None, tell: Callable[[str], None] = lambda line: None) -> FrameSource:
    """Choose the source: a camera's number or device, a URL, a video, a folder, a bag, ``realsense`` or ``oak``.

    Args:
        given: the word; ``realsense:SERIAL`` and ``oak:ID`` choose one of several, ``BAG:/topic`` one of
            several topics.
        idle_s: after how many seconds without a new photo a folder ends; None: never.
        tell: takes a line about each photo that is left out, and about a video whose end cannot be checked.

    Raises:
        UOISError: it stands for nothing.
        MissingExtraError: the camera's SDK is not installed.
    """
    kind, _, which = given.partition(":")
    if given.isdecimal():
        return CameraSource(int(given))
    if given.startswith("/dev/"):
        return CameraSource(given)
    if URL.match(given):
        return NetworkSource(given, tell)
    if kind == "realsense":
        return RealSenseSource(which)
    if kind == "oak":
        return OakSource(which)
    if bag := bag_of(given):
        return BagSource(*bag, tell)
    path = Path(given)
    try:
        if given and path.is_dir():
            return FolderSource(path, idle_s, tell)
        if given and path.exists():
            if open_ended(path):
                tell(f"note: {path}: {OPEN_ENDED}")
            return VideoSource(path)
    except (OSError, ValueError):
        pass
    raise UOISError(
        f"{given or 'an empty word'}: expected a camera's number, a device, a URL (rtsp, http), a video, a folder, "
        "a bag, realsense or oak, found nothing of that name"
    )
