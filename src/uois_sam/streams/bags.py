"""ROS bags as streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

from uois_sam.errors import ImageError
from uois_sam.ros.bags import BAG_ENDINGS, open_bag
from uois_sam.ros.images import photo_of
from uois_sam.streams.frames import StreamFrame


class BagSource:
    """The images of one topic of a bag, in the order of recording."""

    live = False
    reopens = False
    rate = None

    def __init__(self, path: Path, topic: str | None, tell: Callable[[str], None] = lambda line: None) -> None:
        self.name = f"{path}:{topic}" if topic else str(path)
        self.unread = 0
        """Images that could not be read."""
        self._path, self._topic, self._tell = path, topic, tell
        self._told: set[str] = set()
        """Conversions and guesses that were told; of each kind the first."""

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """See :class:`~uois_sam.streams.frames.FrameSource`; stamps are those of the images' headers."""
        with open_bag(self._path) as bag:
            for image in bag.images(bag.choose(self._topic)):
                if stop.is_set():
                    return
                try:
                    photo = photo_of(image.message)
                except ImageError as error:
                    self.unread += 1
                    self._tell(f"{self.name}: image {image.index} left out: {error}")
                    continue
                for note in photo.notes:
                    if note not in self._told:
                        self._told.add(note)
                        self._tell(f"{self.name}: image {image.index}: {note}")
                stamp = image.message.header.stamp
                yield StreamFrame(photo.pixels, stamp.sec + 1e-9 * stamp.nanosec, image.index)


def bag_of(given: str) -> tuple[Path, str | None] | None:
    """The bag and the topic of ``BAG`` or ``BAG:/topic``; None for what is no bag."""
    for path, topic in ((Path(given), None), (Path(given.partition(":/")[0]), "/" + given.partition(":/")[2])):
        try:
            if (path.is_file() and path.suffix in BAG_ENDINGS) or (path / "metadata.yaml").is_file():
                return path, topic
        except (OSError, ValueError):
            continue
    return None
