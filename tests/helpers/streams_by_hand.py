"""Sources and models whose frames and answers are known: a stream of numbered pictures, and who finds one square."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from moving import instances, square
from uois_sam.instances import Instances
from uois_sam.streams.frames import StreamFrame


def picture(number: int, height: int = 48, width: int = 64) -> npt.NDArray[np.uint8]:
    """A grey picture whose brightness tells its number."""
    return np.full((height, width, 3), number % 256, dtype=np.uint8)


@dataclass
class Numbered:
    """A source of numbered pictures, 10 a second by their stamps."""

    count: int = 10
    live: bool = False
    reopens: bool = False
    name: str = "numbers"
    rate: float | None = 10.0
    pause_s: float = 0.0
    """Real seconds between frames."""
    size_of: Callable[[int], tuple[int, int]] = lambda number: (48, 64)
    fails: dict[int, Exception] = field(default_factory=dict)
    """What is raised in place of the frames of the n-th opening, after ``count`` of them if n is even."""
    opened: int = 0

    def frames(self, stop: threading.Event) -> Iterator[StreamFrame]:
        self.opened += 1
        if (self.opened - 1) % 2 and self.opened - 1 in self.fails:
            raise self.fails[self.opened - 1]
        for number in range(self.count):
            if stop.is_set():
                return
            yield StreamFrame(picture(number, *self.size_of(number)), number / 10, number)
            time.sleep(self.pause_s)
        if self.opened - 1 in self.fails:
            raise self.fails[self.opened - 1]


@dataclass(frozen=True)
class Seen:
    """An encoded picture with one square in it."""

    image: npt.NDArray[np.uint8]

    def predict(self) -> Instances:
        found = instances([square(8, 8)], image_hw=(self.image.shape[0], self.image.shape[1]))
        return replace(found, image=self.image, model="by hand")

    def embeddings(self, masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        return np.ones((len(masks), 1), dtype=np.float32)


@dataclass
class FindsOneSquare:
    """A model; it takes a while for each picture."""

    pause_s: float = 0.0
    seen: list[int] = field(default_factory=list)

    def encode_image(self, image: npt.NDArray[np.uint8]) -> Seen:
        self.seen.append(int(image[0, 0, 0]))
        time.sleep(self.pause_s)
        return Seen(image)
