"""What was found, as messages: a label image, and ``vision_msgs/Detection2DArray``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.instances import Instances
from uois_sam.types import FloatArray

IMAGE, DETECTIONS = "sensor_msgs/msg/Image", "vision_msgs/msg/Detection2DArray"
CLASS = "object"
"""``class_id`` of every detection: objects have no classes."""
_BYTES = {"8UC1": 1, "16UC1": 2, "rgb8": 3}


@dataclass(frozen=True)
class Messages:
    """Messages of one library: rosbags or rclpy."""

    make: Callable[[str], Any]
    """From a name (``sensor_msgs/msg/Image``) to an empty message."""
    blob: Callable[[bytes], Any]
    """From bytes to what the library holds in a field ``uint8[]``."""
    floats: Callable[[FloatArray], Any]
    """From float32 to what it holds in a field ``float32[]``."""


def copy_header(target: Any, source: Any) -> None:
    """Give a message the stamp and the frame of another."""
    target.stamp.sec, target.stamp.nanosec = source.stamp.sec, source.stamp.nanosec
    target.frame_id = source.frame_id
    if hasattr(target, "seq"):  # of ROS 1
        target.seq = getattr(source, "seq", 0)


def image_message(messages: Messages, header: Any, pixels: npt.NDArray[Any], encoding: str) -> Any:
    """Make a ``sensor_msgs/Image``.

    Args:
        messages: of which library.
        header: to copy.
        pixels: (H, W) uint8 as 8UC1, (H, W) uint16 as 16UC1, (H, W, 3) uint8 as rgb8.
        encoding: its name.
    """
    message = messages.make(IMAGE)
    copy_header(message.header, header)
    message.height, message.width = (int(side) for side in pixels.shape[:2])
    message.encoding, message.is_bigendian = encoding, 0
    message.step = message.width * _BYTES[encoding]
    message.data = messages.blob(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).tobytes())
    return message


def label_image(messages: Messages, header: Any, instances: Instances) -> Any:
    """The label map as a ``sensor_msgs/Image`` (16UC1): 0 is background, i the i-th detection."""
    return image_message(messages, header, instances.label_map(), "16UC1")


def detection_array(messages: Messages, header: Any, instances: Instances) -> Any:
    """The boxes as a ``vision_msgs/Detection2DArray``.

    A detection's ``id`` is its value in the label map (in ROS 1, whose detections have no ``id``, that of its
    hypothesis). Boxes are in pixels: ``center - size / 2`` is the first column and row, ``center + size / 2`` the last
    ones + 1.
    """
    array = messages.make(DETECTIONS)
    copy_header(array.header, header)
    array.detections = [
        _detection(messages, header, label, one.score, one.box.tolist()) for label, one in enumerate(instances, start=1)
    ]
    return array


def _detection(messages: Messages, header: Any, label: int, score: float, box: list[float]) -> Any:
    detection = messages.make("vision_msgs/msg/Detection2D")
    copy_header(detection.header, header)
    left, top, right, bottom = box
    center = detection.bbox.center
    place = getattr(center, "position", center)  # ROS 1 has x and y in the center itself
    place.x, place.y = (left + right) / 2, (top + bottom) / 2
    detection.bbox.size_x, detection.bbox.size_y = right - left, bottom - top
    result = messages.make("vision_msgs/msg/ObjectHypothesisWithPose")
    hypothesis = getattr(result, "hypothesis", result)
    hypothesis.score = float(score)
    if hasattr(detection, "id"):
        detection.id, hypothesis.class_id = str(label), CLASS
    else:
        hypothesis.id = label
    result.pose.pose.orientation.w = 1.0
    detection.results = [result]
    return detection
