"""Cameras and network streams, through OpenCV."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from uois_sam.errors import UOISError
from uois_sam.streams.frames import StreamFrame, StreamLostError

if TYPE_CHECKING:
    import cv2

OPEN_TIMEOUT_MS = 10_000
READ_TIMEOUT_MS = 5_000
"""How long a server may be silent before the stream counts as lost."""
URL = re.compile(r"(rtsps?|https?|rtmp|udp|tcp)://", re.IGNORECASE)
_SECRETS = re.compile(r"//[^/@]*@")


class CaptureSource:
    """A camera by number or device, or a stream by URL."""

    live = True

    def __init__(self, target: int | str) -> None:
        self.target = target
        self.name = f"camera {target}" if isinstance(target, int) else _SECRETS.sub("//", target)
        """Passwords of URLs are left out."""
        self.rate: float | None = None
        self.reopens = True
        """False once a URL has turned out to be a film that ends."""

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """See :class:`~uois_sam.streams.frames.FrameSource`."""
        import cv2

        self._check_device()
        with _quiet_opencv(), _released(self._open()) as capture:
            if not capture.isOpened():
                what = "a camera" if isinstance(self.target, int) or not URL.match(self.target) else "a stream"
                raise UOISError(f"{self.name}: expected {what}, found none that opens")
            rate, length = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
            self.rate = float(rate) if 0 < rate < 1000 else None
            self.reopens = not (isinstance(self.target, str) and URL.match(self.target) and length > 0)
            index = 0
            while not stop.is_set():
                found, pixels = capture.read()
                if not found:
                    if self.reopens:
                        raise StreamLostError(f"{self.name}: expected a frame, found none")
                    return
                image = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
                yield StreamFrame(image, time.time(), index)
                index += 1

    def _open(self) -> cv2.VideoCapture:
        import cv2

        if isinstance(self.target, int) or not URL.match(self.target):
            return cv2.VideoCapture(self.target)
        timeouts = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
        return cv2.VideoCapture(self.target, cv2.CAP_FFMPEG, timeouts)

    def _check_device(self) -> None:
        """Linux has a file for each camera, which says more than a driver that does not open."""
        if not sys.platform.startswith("linux") or (isinstance(self.target, str) and URL.match(self.target)):
            return
        device = Path(f"/dev/video{self.target}" if isinstance(self.target, int) else self.target)
        if not device.exists():
            there = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "no camera at all"
            raise UOISError(f"{self.name}: expected a camera at {device}, found {there}")


@contextmanager
def _quiet_opencv() -> Iterator[None]:
    """Without OpenCV's own lines about cameras that do not open."""
    from cv2.utils import logging

    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)


@contextmanager
def _released(capture: cv2.VideoCapture) -> Iterator[cv2.VideoCapture]:
    try:
        yield capture
    finally:
        capture.release()
