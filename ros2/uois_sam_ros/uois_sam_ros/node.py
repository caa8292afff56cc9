"""The node for those who have ROS 2: rclpy brings the messages, uois_sam.ros all the rest."""

from __future__ import annotations

import array
import importlib
from copy import copy
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data

from uois_sam import UOISSAM, UOISError
from uois_sam.ros.answers import DETECTIONS, IMAGE, Messages, detection_array, label_image
from uois_sam.ros.images import photo_of
from uois_sam.ros.node import NodeConfig
from uois_sam.ros.requests import answer_request

PARAMETERS = {"topic": "/camera/color/image_raw", "model": "compact", "device": "auto"}


def message_class(name: str) -> Any:
    """The class of ``sensor_msgs/msg/Image``, for example."""
    package, kind, short = name.split("/")
    return getattr(importlib.import_module(f"{package}.{kind}"), short)


MESSAGES = Messages(
    make=lambda name: message_class(name)(),
    blob=lambda content: array.array("B", content),  # the one form that rclpy takes without looking at every byte
    floats=lambda values: array.array("f", values.tolist()),
)


class UoisSamNode(Node):
    """Segments the newest image; offers ``~/segment`` where the package ros2_sam_msgs is installed."""

    def __init__(self, model: Any = None) -> None:
        super().__init__("uois_sam")
        for name, value in PARAMETERS.items():
            self.declare_parameter(name, value)
        given = {name: self.get_parameter(name).value for name in PARAMETERS}
        self.model = model or UOISSAM.from_pretrained(given["model"], device=given["device"])
        config = NodeConfig(given["topic"])
        self.labels = self.create_publisher(message_class(IMAGE), "~/labels", 5)
        self.detections = self.create_publisher(message_class(DETECTIONS), "~/detections", 5)
        newest = copy(qos_profile_sensor_data)
        newest.depth = 1
        self.create_subscription(message_class(config.image_type), config.topic, self.on_image, newest)
        try:
            service = message_class("ros2_sam_msgs/srv/Segmentation")
        except (ImportError, AttributeError):
            self.get_logger().warning("ros2_sam_msgs is not installed: no service ~/segment")
        else:
            self.create_service(service, "~/segment", self.on_request)
        self.get_logger().info(f"{self.model.name} on {self.model.device}, images of {config.topic}")

    def on_image(self, message: Any) -> None:
        """Publish the label image and the detections of an image."""
        try:
            found = self.model.predict(photo_of(message).pixels)
        except UOISError as error:
            self.get_logger().error(str(error))
            return
        self.labels.publish(label_image(MESSAGES, message.header, found))
        self.detections.publish(detection_array(MESSAGES, message.header, found))

    def on_request(self, request: Any, response: Any) -> Any:
        """Answer a request; one that does not fit gets an empty answer and a line in the log."""
        try:
            for note in answer_request(self.model, MESSAGES, request, response):
                self.get_logger().info(note)
        except UOISError as error:
            self.get_logger().error(str(error))
        return response


def main(arguments: list[str] | None = None) -> None:
    """Run until interrupted."""
    rclpy.init(args=arguments)
    node = UoisSamNode()
    try:
        rclpy.spin(node)
    except KeyboardInterrupt:
        pass
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
