"""Pictures of videos and network streams through PyAV (extra ``video``), each in the size that it has there.

OpenCV has FFmpeg bring all pictures to the size of the first one, proportions and all, and does not tell. Both decode
by FFmpeg: pictures of the first one's size are the same from both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from uois_sam.types import ImageArray

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

MOST_DAMAGED = 300
"""Pictures in a row that cannot be decoded, after which the rest is given up."""


@dataclass(frozen=True)
class Pictures:
    """An open video or stream."""

    images: Iterator[ImageArray]
    """(H, W, 3) uint8 RGB, upright, until the end or a loss."""
    rate: float | None
    """Pictures a second; None where it does not say."""
    ends: bool
    """Whether it says how long it is: a camera does not."""


def has_pyav() -> bool:
    """Whether the extra is installed."""
    return find_spec("av") is not None


@contextmanager
def opened_by_pyav(target: str, timeouts_s: tuple[float, float] | None = None) -> Iterator[Pictures | None]:
    """Open a file or URL; None where there is nothing with pictures.

    Args:
        target: path or URL.
        timeouts_s: seconds that a server may take to open, and then be silent; None for files.
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
        yield Pictures(_decoded(container, stream), rate if 0 < rate < 1000 else None, ends)


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[ImageArray]:
    """Decode packet by packet; what is damaged is left out, as players do."""
    import av

    packets, damaged = container.demux(stream), 0
    while damaged < MOST_DAMAGED:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
            continue
        except av.FFmpegError:
            return
        damaged = 0
        yield from map(_upright, frames)


def _upright(frame: VideoFrame) -> ImageArray:
    pixels = frame.reformat(format="rgb24", interpolation="BICUBIC").to_ndarray()
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4), dtype=np.uint8)
