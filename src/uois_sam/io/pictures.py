"""Pictures of videos and network streams through PyAV (extra ``video``), each in the size that it has there.

OpenCV has FFmpeg bring all pictures to the size of the first one, proportions and all, and does not tell. Both decode
by FFmpeg: pictures of the first one's size are the same from both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from uois_sam.types import ImageArray

if TYPE_CHECKING:
    import cv2
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MOST_DAMAGED = 300
"""Pictures in a row that cannot be decoded, after which the rest is given up."""
SLACK, LEAST_SLACK = 0.05, 2
"""Share of its pictures, and number, that a file may lack: what it says of its length is an estimate."""


@dataclass(frozen=True)
class Pictures:
    """An open video or stream."""

    images: Iterator[ImageArray]
    """(H, W, 3) uint8 RGB, upright, until the end or a loss."""
    rate: float | None
    """Pictures a second; None where it does not say."""
    ends: bool
    """Whether it says how long it is: a camera does not."""
    count: int = 0
    """How many pictures it says it has; 0 where it does not say."""
    is_cut_short: Callable[[int], bool] = lambda found: False
    """Whether a file has ended before its end, given the number of pictures that were in it."""


def has_pyav() -> bool:
    """Whether the extra is installed."""
    return find_spec("av") is not None


@contextmanager
def opened_by_pyav(
    target: str, timeouts_s: tuple[float, float] | None = None, lose: Callable[[str], None] = lambda reason: None
) -> Iterator[Pictures | None]:
    """Open a file or URL; None where there is nothing with pictures.

    Args:
        target: path or URL.
        timeouts_s: seconds that a server may take to open, and then be silent; None for files.
        lose: called for every picture that cannot be decoded, with the reason.
    """
    import av

    options = {"rtsp_transport": "tcp"} if target.lower().startswith("rtsp") else {}  # as OpenCV: nothing is lost
    try:
        container = av.open(target, options=options, timeout=timeouts_s)
    except (av.FFmpegError, OSError, ValueError):
        yield None
        return
    with container:
        stream = next(iter(container.streams.video), None)
        if stream is None:
            yield None
            return
        # Frames in several threads come as many frames late: of a camera the newest is wanted.
        stream.thread_type = "AUTO" if timeouts_s is None else "SLICE"
        rate = float(stream.average_rate or 0)
        ends = stream.frames > 0 or (container.duration or 0) > 0
        film = _Film(container, stream, lose)
        yield Pictures(
            film.images(), rate if 0 < rate < 1000 else None, ends, stream.frames,
            lambda found: film.is_cut_short(rate),
        )  # fmt: skip


@dataclass
class _Film:
    """A container as it is read, packet by packet, each with one picture."""

    container: InputContainer
    stream: VideoStream
    lose: Callable[[str], None]
    held: int = 0
    """Pictures so far."""
    reached_s: float = 0.0
    """Where the last of them ends, from the beginning."""

    def images(self) -> Iterator[ImageArray]:
        """Decode; what is damaged is left out, as players do, and told."""
        import av

        packets, damaged = self.container.demux(self.stream), 0
        while damaged < MOST_DAMAGED:
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError):
                return
            self._reach(packet)
            try:
                frames = packet.decode()
            except av.error.InvalidDataError as error:
                damaged += 1
                self.lose(error.strerror or "damaged")
                continue
            except av.FFmpegError:
                return
            damaged = 0
            yield from map(_upright, frames)

    def is_cut_short(self, rate: float) -> bool:
        """Whether less was read than it says.

        Of MP4 and its like by time: of a trimmed film not all pictures are shown that it holds. Of what says no length
        itself, as MPEG's streams, FFmpeg's guess is not asked.
        """
        import av

        kind, seconds = self.container.format.name, 0.0
        if self.stream.frames and "mp4" not in kind:
            return self.held + max(LEAST_SLACK, SLACK * self.stream.frames) < self.stream.frames
        if "mp4" in kind and self.stream.duration is not None and self.stream.time_base is not None:
            seconds = float(self.stream.duration * self.stream.time_base)
        elif "matroska" in kind and len(self.container.streams) == 1:  # of several, another one may be longer
            seconds = (self.container.duration or 0) / av.time_base
        slack_s = max(LEAST_SLACK / rate if rate > 0 else 0, SLACK * seconds)
        return self.reached_s + slack_s < seconds

    def _reach(self, packet: Packet[VideoStream]) -> None:
        self.held += packet.size > 0
        at = packet.dts if packet.pts is None else packet.pts
        if at is not None and packet.time_base is not None:
            end = at + (packet.duration or 0) - (self.stream.start_time or 0)
            self.reached_s = max(self.reached_s, float(end * packet.time_base))


def _upright(frame: VideoFrame) -> ImageArray:
    pixels = frame.reformat(format="rgb24", interpolation="BICUBIC").to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4), dtype=np.uint8)


def read_by_opencv(capture: cv2.VideoCapture) -> Iterator[ImageArray]:
    """Pictures of what OpenCV has open, all in the size of the first, until the end or a loss."""
    import cv2

    while True:
        found, pixels = capture.read()
        if not found:
            return
        yield np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
