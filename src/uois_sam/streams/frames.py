"""What every stream gives: frames with a stamp; and what a source of them has to be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from uois_sam.errors import UOISError
from uois_sam.types import FloatArray, ImageArray


class StreamLostError(UOISError):
    """A source that gave frames gives no more: a camera was pulled out, a server is gone, a folder has vanished."""


@dataclass(frozen=True)
class StreamFrame:
    """One photo of a stream."""

    image: ImageArray
    """(H, W, 3) uint8 RGB."""
    stamp_s: float
    """When it was taken, in seconds: since the epoch where the source has a clock, else since its first frame."""
    index: int = 0
    """Its number in the source, from 0."""
    name: str = ""
    """Of the photo where it has one of its own, as a file has."""
    depth_m: FloatArray | None = None
    """(H, W) float32: depth along the optical axis in metres, in the photo's own pixels, 0 where unknown; None for a
    source without."""


class FrameSource(Protocol):
    """A source of frames. Whatever has these can be watched, such as a bag of messages."""

    @property
    def name(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def live(self) -> bool:
        """Whether frames come at their own pace, so that those which cannot be taken in time are dropped."""
        ...

    @property
    def reopens(self) -> bool:
        """Whether an end is a loss, after which it is opened again."""
        ...

    @property
    def rate(self) -> float | None:
        """Frames a second; None where that is not known."""
        ...

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """Open the source and yield its frames until it ends or ``stop`` is set; it is closed with the iterator.

        Raises:
            StreamLostError: it worked and works no more.
            UOISError: it cannot be opened, or a frame cannot be read.
        """
        ...
