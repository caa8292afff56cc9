"""Cameras, through OpenCV."""

from __future__ import annotations

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


class CameraSource:
    """A camera by number or device. Its size is settled when it is opened; it may come back with another."""

    live = True
    reopens = True

    def __init__(self, target: int | str) -> None:
        self.target = target
        self.name = f"camera {target}" if isinstance(target, int) else target
        self.rate: float | None = None

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """See :class:`~uois_sam.streams.frames.FrameSource`."""
        import cv2

        self._check_device()
        with quiet_opencv(), released(cv2.VideoCapture(self.target)) as capture:
            if not capture.isOpened():
                raise UOISError(f"{self.name}: expected a camera, found none that opens")
            rate = capture.get(cv2.CAP_PROP_FPS)
            self.rate = float(rate) if 0 < rate < 1000 else None
            index = 0
            while not stop.is_set():
                found, pixels = capture.read()
                if not found:
                    raise StreamLostError(f"{self.name}: expected a frame, found none")
                image = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
                yield StreamFrame(image, time.time(), index)
                index += 1

    def _check_device(self) -> None:
        """Linux has a file for each camera, which says more than a driver that does not open."""
        if not sys.platform.startswith("linux"):
            return
        device = Path(f"/dev/video{self.target}" if isinstance(self.target, int) else self.target)
        if not device.exists():
            there = ", ".join(sorted(str(path) for path in Path("/dev").glob("video*"))) or "no camera at all"
            raise UOISError(f"{self.name}: expected a camera at {device}, found {there}")


@contextmanager
def quiet_opencv() -> Iterator[None]:
    """Without OpenCV's own lines about cameras and streams that do not open."""
    from cv2.utils import logging

    level = logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        logging.setLogLevel(level)


@contextmanager
def released(capture: cv2.VideoCapture) -> Iterator[cv2.VideoCapture]:
    """Release a capture at the end."""
    try:
        yield capture
    finally:
        capture.release()
