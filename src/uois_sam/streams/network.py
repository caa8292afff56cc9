"""Network streams: RTSP, MJPEG and films over HTTP, through PyAV where it is installed, else through OpenCV."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from threading import Event
from typing import TYPE_CHECKING

from uois_sam.errors import ImageError, UOISError, install_command
from uois_sam.io.pictures import MOST_DAMAGED, Pictures, has_pyav, opened_by_pyav, read_by_opencv
from uois_sam.streams.capture import quiet_opencv, released
from uois_sam.streams.frames import StreamFrame, StreamLostError
from uois_sam.types import ImageArray

if TYPE_CHECKING:
    import cv2

OPEN_TIMEOUT_S = 10
READ_TIMEOUT_S = 5
"""How long a server may be silent before the stream counts as lost."""
URL = re.compile(r"(rtsps?|https?|rtmp|udp|tcp)://", re.IGNORECASE)
_SECRETS = re.compile(r"//[^/?#]*@")
"""User and password, which cameras take with an @ in it, too."""


class NetworkSource:
    """A stream by URL; frames that change their size come in their own.

    Without PyAV that holds for MJPEG only: OpenCV brings others to the size of the first, and does not tell.
    """

    live = True

    def __init__(self, url: str, tell: Callable[[str], None] = lambda line: None) -> None:
        self.url = url
        self.name = _SECRETS.sub("//", url)
        """Passwords of URLs are left out."""
        self.rate: float | None = None
        self.reopens = True
        """False once it has turned out to be a film that ends."""
        self.unread = 0
        """Pictures that could not be read."""
        self._tell = tell
        self._warned = False

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """See :class:`~uois_sam.streams.frames.FrameSource`."""
        with self._opened() as pictures:
            if pictures is None:
                raise UOISError(f"{self.name}: expected a stream, found none that opens")
            self.rate, self.reopens = pictures.rate, not pictures.ends
            for index, image in enumerate(pictures.images):
                if stop.is_set():
                    return
                yield StreamFrame(image, time.time(), index)
        if self.reopens and not stop.is_set():
            raise StreamLostError(f"{self.name}: expected a frame, found none")

    def _opened(self) -> AbstractContextManager[Pictures | None]:
        if not has_pyav():
            return self._opened_by_opencv()
        return opened_by_pyav(self.url, (OPEN_TIMEOUT_S, READ_TIMEOUT_S), self._lose)

    def _lose(self, reason: str) -> None:
        self.unread += 1
        if self.unread == 1:
            self._tell(f"{self.name}: left out: a picture that cannot be decoded ({reason})")

    @contextmanager
    def _opened_by_opencv(self) -> Iterator[Pictures | None]:
        import cv2

        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 1000 * OPEN_TIMEOUT_S]
        limits += [cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1000 * READ_TIMEOUT_S]
        with quiet_opencv(), released(cv2.VideoCapture(self.url, cv2.CAP_FFMPEG, limits)) as capture:
            if not capture.isOpened():
                yield None
                return
            rate, length = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
            code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
            packed = code in (b"MJPG", b"mjpg") and capture.set(cv2.CAP_PROP_FORMAT, -1)
            if not packed and not self._warned:
                self._warned = True
                self._tell(f"{self.name}: frames of another size would not be noticed here: {install_command('video')}")
            images = self._unpacked(capture) if packed else read_by_opencv(capture)
            yield Pictures(images, float(rate) if 0 < rate < 1000 else None, length > 0)

    def _unpacked(self, capture: cv2.VideoCapture) -> Iterator[ImageArray]:
        """Decode the JPEGs of a stream that gives them as they are."""
        from uois_sam.io.images import read_photo

        damaged = 0
        while damaged < MOST_DAMAGED:
            found, packet = capture.read()
            if not found:
                return
            try:
                pixels = read_photo(packet.tobytes()).pixels
            except ImageError as error:
                self.unread += 1
                if self.unread == 1:
                    self._tell(f"{self.name}: left out: {error}")
                damaged += 1
                continue
            damaged = 0
            yield pixels
