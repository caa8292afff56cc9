"""Message types without a ROS installation: definitions, empty messages, and the stores of rosbags that hold them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from uois_sam.ros.answers import Messages

if TYPE_CHECKING:
    from rosbags.typesys.store import Typestore

SEGMENTATION = "ros2_sam_msgs/srv/Segmentation"
"""Type of the node's service, as that of ros2_sam."""
_VISION_2 = {
    "Point2D": "float64 x\nfloat64 y",
    "Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "ObjectHypothesis": "string class_id\nfloat64 score",
    "ObjectHypothesisWithPose": "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose",
    "Detection2D": "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
    "vision_msgs/BoundingBox2D bbox\nstring id",
    "Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
}
"""vision_msgs 4, of ROS 2 since Humble."""
_VISION_1 = {
    "BoundingBox2D": "geometry_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "ObjectHypothesisWithPose": "int64 id\nfloat64 score\ngeometry_msgs/PoseWithCovariance pose",
    "Detection2D": "Header header\nvision_msgs/ObjectHypothesisWithPose[] results\nvision_msgs/BoundingBox2D bbox\n"
    "sensor_msgs/Image source_img",
    "Detection2DArray": "Header header\nvision_msgs/Detection2D[] detections",
}
"""vision_msgs of ROS 1 (Melodic, Noetic)."""
_HEADER = "uint64 guid\nint64 sequence_number\n"
"""What rmw_cyclonedds_cpp puts before requests and replies: who asks, and which of its questions this is."""
_SEGMENTATION = {
    "Request": "sensor_msgs/Image image\ngeometry_msgs/Point[] query_points\nint32[] query_labels\n"
    "std_msgs/Int32MultiArray boxes\nbool multimask\nbool logits",
    "Response": "sensor_msgs/Image[] masks\nfloat32[] scores\nsensor_msgs/Image[] logits",
}
_ZEROS: dict[str, Any] = {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}


def ros1_types() -> Typestore:
    """Types of ROS 1 (Noetic) with vision_msgs."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    for name, text in _VISION_1.items():
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    return store


def ros2_types() -> Typestore:
    """Types of ROS 2 (Humble and later) with vision_msgs and the node's service."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in _VISION_2.items():
        store.register(get_types_from_msg(text, f"vision_msgs/msg/{name}"))
    for name, text in _SEGMENTATION.items():
        (definition,) = get_types_from_msg(_HEADER + text, "a/msg/B").values()
        store.register({f"{SEGMENTATION}_{name}": definition})  # under the name of a service, which has no messages
    return store


def messages_of(store: Typestore) -> Messages:
    """Make messages of a store."""
    return Messages(
        make=partial(empty_message, store),
        blob=lambda content: np.frombuffer(content, np.uint8),
        floats=lambda values: values.astype(np.float32),
    )


def empty_message(store: Typestore, name: str) -> Any:
    """A message whose numbers are 0, and whose text and sequences are empty."""
    from rosbags.interfaces import Nodetype

    def value(kind: Any, rest: Any) -> Any:
        if kind == Nodetype.NAME:
            return empty_message(store, rest)
        if kind == Nodetype.BASE:
            return _ZEROS.get(rest[0], 0)
        (inner, what), length = rest
        if inner == Nodetype.BASE and what[0] != "string":
            return np.zeros(length if kind == Nodetype.ARRAY else 0, np.dtype(what[0]))
        return [value(inner, what) for _ in range(length if kind == Nodetype.ARRAY else 0)]

    return store.types[name](**{field: value(*kind) for field, kind in store.fielddefs[name][1]})
