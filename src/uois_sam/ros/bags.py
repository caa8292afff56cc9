"""Images out of bags of ROS 1, ROS 2 and MCAP, and results into new ones, through rosbags."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uois_sam.errors import MissingExtraError, OutputError, UOISError, count
from uois_sam.ros.answers import DETECTIONS, IMAGE, Messages
from uois_sam.ros.types import messages_of, ros1_types, ros2_types

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader

IMAGE_TYPES = (IMAGE, "sensor_msgs/msg/CompressedImage")
OUT_TOPICS = {IMAGE: "/uois_sam/labels", DETECTIONS: "/uois_sam/detections"}
BAG_ENDINGS = (".bag", ".mcap", ".db3")
"""Of the bags that are written: ROS 1, and ROS 2 in one file of either storage."""
_LISTED = 12


class BagError(UOISError):
    """A bag is damaged, or does not hold what is looked for."""


@dataclass(frozen=True)
class ImageTopic:
    """A topic with images."""

    name: str
    type: str
    count: int
    """Messages, as the bag's index has it."""


@dataclass(frozen=True)
class BagImage:
    """One message of an image topic."""

    index: int
    """Place among the topic's messages, from 0."""
    time_ns: int
    """When it was recorded, in nanoseconds since 1970; the camera's own stamp is in the header."""
    message: Any
    """``sensor_msgs/Image`` or ``CompressedImage``."""


class Bag:
    """A bag that is open for reading."""

    def __init__(self, path: Path, reader: AnyReader) -> None:
        self.path = path
        self._reader = reader
        self._counts: dict[tuple[str, str], int] = {}
        for each in reader.connections:
            key = (each.topic, each.msgtype)
            self._counts[key] = self._counts.get(key, 0) + each.msgcount

    @property
    def is_ros1(self) -> bool:
        """Whether it was recorded with ROS 1."""
        return not self._reader.is2

    @property
    def topics(self) -> list[ImageTopic]:
        """Topics with images, by name."""
        return [ImageTopic(*key, number) for key, number in sorted(self._counts.items()) if key[1] in IMAGE_TYPES]

    def choose(self, name: str | None) -> ImageTopic:
        """Find the topic of a name, or the only one.

        Raises:
            BagError: no such topic, one without images, or several where none is named.
        """
        found = [each for each in self.topics if name is None or each.name == name]
        if len(found) == 1:
            if found[0].count == 0:
                raise BagError(f"{self.path}: expected images on {found[0].name}, found none")
            return found[0]
        if name is not None and (other := next((kind for topic, kind in self._counts if topic == name), None)):
            raise BagError(f"{self.path}: topic {name}: expected sensor_msgs images, found {other}")
        if self.topics:
            what = "the name of one of its topics" if name is None else f"the topic {name}"
            raise BagError(f"{self.path}: expected {what}, found the image topics {_listed(self.topics)}")
        names = sorted({topic for topic, _ in self._counts})
        there = ", ".join(names[:_LISTED]) or "an empty bag"
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        raise BagError(f"{self.path}: expected a topic with sensor_msgs images, found {there}{more}")

    def images(self, topic: ImageTopic) -> Iterator[BagImage]:
        """Read the messages of a topic in the order of recording.

        Raises:
            BagError: the bag is damaged; messages before that have been read.
        """
        wanted = topic.name, topic.type  # what is not of this type under the same name is left aside
        connections = [each for each in self._reader.connections if (each.topic, each.msgtype) == wanted]
        index = 0
        with _decoding(self.path):
            messages = iter(self._reader.messages(connections=connections))
        while True:
            with _decoding(self.path, index):
                found = next(messages, None)
                if found is None:
                    return
                connection, time_ns, content = found
                message = self._reader.deserialize(content, connection.msgtype)
            yield BagImage(index, time_ns, message)
            index += 1


@contextmanager
def open_bag(path: Path) -> Iterator[Bag]:
    """Open a ROS 1 bag, a ROS 2 bag (the folder or its storage file) or an MCAP file.

    Raises:
        MissingExtraError: rosbags is not installed.
        BagError: missing, not a bag, or cut short.
    """
    try:
        from rosbags.highlevel import AnyReader
    except ImportError as error:
        raise MissingExtraError("reading bags", "ros", str(error.name)) from error
    if not path.exists():
        raise BagError(f"{path}: expected a bag, found no such file or folder")
    if path.is_dir() and not (path / "metadata.yaml").exists():
        raise BagError(f"{path}: expected a bag (a folder with metadata.yaml), found a folder without")
    if path.is_file() and path.suffix not in BAG_ENDINGS:
        raise BagError(f"{path}: expected a bag (.bag, .mcap, .db3 or the folder of a ROS 2 bag), found another file")
    with ExitStack() as stack:
        with _decoding(path):
            reader = stack.enter_context(AnyReader([path], default_typestore=ros2_types()))
        yield Bag(path, reader)


@contextmanager
def _decoding(path: Path, after: int | None = None) -> Iterator[None]:
    """Turn whatever the readers raise on damaged bags into a BagError of one line."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:  # struct.error, apsw's, lz4's and zstd's errors, KeyError, AssertionError, ...
        reason = " ".join(str(error).split()) or type(error).__name__
        where = "" if after is None else f" after {count(after, 'image')}"
        raise BagError(
            f"{path}: expected a whole bag, found a damaged one{where} ({reason[:200]}); rosbag reindex, "
            "ros2 bag reindex or mcap recover may mend it"
        ) from error


def _listed(topics: list[ImageTopic]) -> str:
    names = [f"{each.name} ({each.type.rpartition('/')[2]}, {each.count})" for each in topics[:_LISTED]]
    more = f" and {len(topics) - _LISTED} more" if len(topics) > _LISTED else ""
    return ", ".join(names) + more


class BagWriter:
    """A bag that is being written."""

    def __init__(self, writer: Any, ros1: bool) -> None:
        store = ros1_types() if ros1 else ros2_types()
        self.messages: Messages = messages_of(store)
        """Makes messages for :meth:`write`."""
        self._serialize = store.serialize_ros1 if ros1 else store.serialize_cdr
        self._writer = writer
        self._connections = {
            kind: writer.add_connection(topic, kind, typestore=store) for kind, topic in OUT_TOPICS.items()
        }

    def write(self, kind: str, message: Any, time_ns: int) -> None:
        """Add a message to the topic of its type."""
        self._writer.write(self._connections[kind], time_ns, self._serialize(message, kind))


@contextmanager
def new_bag(path: Path) -> Iterator[BagWriter]:
    """Write a bag of one file, which appears when the block ends without an error.

    Args:
        path: ``NAME.bag`` (ROS 1), ``NAME.mcap`` or ``NAME.db3`` (ROS 2).

    Raises:
        OutputError: it exists, or cannot be written.
    """
    from rosbags import rosbag1, rosbag2

    if path.exists():
        raise OutputError(f"cannot write {path}: expected no file there, found one")
    try:
        with tempfile.TemporaryDirectory(prefix=".uois-sam-bag-", dir=path.parent) as folder:
            inner = Path(folder, path.name if path.suffix == ".bag" else path.stem)
            writer: Any
            if path.suffix == ".bag":
                writer = rosbag1.Writer(inner)
            else:
                plugin = rosbag2.StoragePlugin.MCAP if path.suffix == ".mcap" else rosbag2.StoragePlugin.SQLITE3
                writer = rosbag2.Writer(inner, version=9, storage_plugin=plugin)
            with writer:
                yield BagWriter(writer, path.suffix == ".bag")
            os.replace(inner if path.suffix == ".bag" else next(inner.glob(f"*{path.suffix}")), path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
