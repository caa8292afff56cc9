"""Small bags of every kind, written by rosbags itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from rosbags import rosbag1, rosbag2

from uois_sam.ros.types import empty_message, ros1_types, ros2_types

COLOUR = "/camera/color/image_raw"
KINDS = ("bag", "mcap", "db3", "folder")
"""ROS 1, both storages of ROS 2 as one file, and a ROS 2 bag as ros2 bag records it."""


def photo_pixels(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray[Any, Any]:
    """(H, W, 3) uint8 RGB noise."""
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)


def raw(pixels: np.ndarray[Any, Any], encoding: str = "rgb8", pad: int = 0, **changes: Any) -> SimpleNamespace:
    """Fields of a ``sensor_msgs/Image``, rows padded by some bytes."""
    rows = np.ascontiguousarray(pixels).view(np.uint8).reshape(len(pixels), -1)
    padded = np.pad(rows, ((0, 0), (0, pad)), constant_values=77)
    fields = {
        "height": pixels.shape[0], "width": pixels.shape[1], "encoding": encoding,
        "is_bigendian": int(pixels.dtype.byteorder == ">"), "step": padded.shape[1], "data": padded.reshape(-1),
    }  # fmt: skip
    return SimpleNamespace(**fields | changes)


def packed(content: bytes, kind: str = "jpeg") -> SimpleNamespace:
    """Fields of a ``sensor_msgs/CompressedImage``."""
    return SimpleNamespace(format=kind, data=np.frombuffer(content, np.uint8))


def stamp_of(index: int) -> tuple[int, int]:
    """Seconds and nanoseconds in the header of the i-th image."""
    return 1_700_000_000 + index, 123_456_789 + index


def recorded_ns(index: int) -> int:
    """Time of recording of the i-th image: later than its stamp."""
    return (1_700_000_000 + index) * 10**9 + 500_000_001


def write_bag(path: Path, topics: dict[str, Sequence[Any]], kind: str = "mcap") -> Path:
    """Write messages, one a second; namespaces are images, of which the fields are taken."""
    ros1 = kind == "bag"
    store = ros1_types() if ros1 else ros2_types()
    path = path.with_name(path.name if kind == "folder" else f"{path.name}.{kind}")
    writer: Any
    if ros1:
        writer = rosbag1.Writer(path)
    else:
        plugin = rosbag2.StoragePlugin.MCAP if kind == "mcap" else rosbag2.StoragePlugin.SQLITE3
        writer = rosbag2.Writer(path.with_suffix(".folder"), version=9, storage_plugin=plugin)
    with writer:
        for topic, messages in topics.items():
            image = not messages or hasattr(messages[0], "encoding")
            name = f"sensor_msgs/msg/{'Image' if image else 'CompressedImage'}"
            name = "std_msgs/msg/String" if messages and hasattr(messages[0], "text") else name
            connection = writer.add_connection(topic, name, typestore=store)
            for index, fields in enumerate(messages):
                message = empty_message(store, name)
                if name == "std_msgs/msg/String":
                    message.data = fields.text
                else:
                    message.header.stamp.sec, message.header.stamp.nanosec = stamp_of(index)
                    message.header.frame_id = "camera_optical"
                    for field, value in vars(fields).items():
                        setattr(message, field, value)
                content = store.serialize_ros1(message, name) if ros1 else store.serialize_cdr(message, name)
                writer.write(connection, recorded_ns(index), content)
    if not ros1:
        folder = path.with_suffix(".folder")
        if kind == "folder":
            folder.rename(path)
        else:
            next(folder.glob(f"*.{kind}")).rename(path)
    return path
