"""The node of ros2/ with a double of rclpy, whose messages are as strict about types as rclpy's own."""

from __future__ import annotations

import array
import ast
import importlib.util
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rosbags.interfaces import Nodetype

import uois_sam
from bags import photo_pixels, raw, stamp_of
from live_server import tiny_model
from uois_sam.ros.types import SEGMENTATION, ros2_types

PACKAGE = Path(uois_sam.__file__).parents[2] / "ros2" / "uois_sam_ros"
pytestmark = pytest.mark.skipif(not PACKAGE.exists(), reason="ros2/ is not beside these tests")
STORE = ros2_types()
PHOTO = photo_pixels()


class Message:
    """A message as rclpy's generated classes: default values, and no other fields or types than the definition's."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_fields", dict(STORE.fielddefs[name][1]))
        for field, (kind, rest) in self._fields.items():
            object.__setattr__(self, field, self._empty(kind, rest))

    @staticmethod
    def _empty(kind: Any, rest: Any) -> Any:
        if kind == Nodetype.NAME:
            return Message(rest)
        if kind == Nodetype.BASE:
            return {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}.get(rest[0], 0)
        return array.array("B") if rest[0][1][0] == "uint8" else []

    def __setattr__(self, field: str, value: Any) -> None:
        kind, rest = self._fields[field]
        if kind == Nodetype.BASE:
            wanted = {"string": str, "bool": bool, "float32": float, "float64": float}.get(rest[0], int)
            assert type(value) is wanted, (field, value)
        elif kind == Nodetype.SEQUENCE:
            inner, what = rest[0]
            codes = {"uint8": "B", "float32": "f"}
            if inner == Nodetype.BASE and what[0] in codes:
                assert isinstance(value, array.array) and value.typecode == codes[what[0]], field
            else:
                assert type(value) is list, field
        else:
            assert isinstance(value, Message)
        object.__setattr__(self, field, value)


class FakeNode:
    """What the node asks of ``rclpy.node.Node``."""

    def __init__(self, name: str) -> None:
        self.name, self.lines, self.published, self.subscribed = name, [], {}, {}
        self.services: dict[str, Any] = {}
        self.parameters: dict[str, Any] = {}

    def declare_parameter(self, name: str, value: Any) -> None:
        self.parameters[name] = value

    def get_parameter(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(value=self.parameters[name])

    def create_publisher(self, kind: Any, topic: str, depth: int) -> SimpleNamespace:
        sent = self.published.setdefault(topic, [])
        return SimpleNamespace(publish=sent.append)

    def create_subscription(self, kind: Any, topic: str, callback: Any, qos: Any) -> None:
        self.subscribed[topic] = (kind, callback, qos)

    def create_service(self, kind: Any, name: str, callback: Any) -> None:
        self.services[name] = callback

    def get_logger(self) -> SimpleNamespace:
        def say(level: str) -> Any:
            return lambda line: self.lines.append(f"{level}: {line}")

        return SimpleNamespace(info=say("info"), warning=say("warning"), error=say("error"))


def modules(with_service: bool) -> dict[str, ModuleType]:
    """Doubles of rclpy and of the packages with messages."""
    found = {name: ModuleType(name) for name in ("rclpy", "rclpy.node", "rclpy.qos", "sensor_msgs", "vision_msgs")}
    found["rclpy.node"].Node = FakeNode  # type: ignore[attr-defined]
    found["rclpy.qos"].qos_profile_sensor_data = SimpleNamespace(depth=5)  # type: ignore[attr-defined]
    for package in ("sensor_msgs", "vision_msgs"):
        inner = found[f"{package}.msg"] = ModuleType(f"{package}.msg")
        for name in STORE.fielddefs:
            if name.startswith(f"{package}/"):
                setattr(inner, name.rpartition("/")[2], lambda name=name: Message(name))
    if with_service:
        found["ros2_sam_msgs"] = ModuleType("ros2_sam_msgs")
        inner = found["ros2_sam_msgs.srv"] = ModuleType("ros2_sam_msgs.srv")
        inner.Segmentation = SimpleNamespace()  # type: ignore[attr-defined]
    return found


@pytest.fixture(params=[True, False], ids=["with_service", "without"])
def node(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, module in modules(request.param).items():
        monkeypatch.setitem(sys.modules, name, module)
    spec = importlib.util.spec_from_file_location("uois_sam_ros_node", PACKAGE / "uois_sam_ros" / "node.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.UoisSamNode(tiny_model())


def image(fields: Any) -> Message:
    message = Message("sensor_msgs/msg/Image")
    message.header.stamp.sec, message.header.stamp.nanosec = stamp_of(4)
    message.header.frame_id = "camera_optical"
    fields.data = array.array("B", fields.data.tobytes())
    for field, value in vars(fields).items():
        setattr(message, field, value)
    return message


def test_an_image_is_published_as_labels_and_detections(node: Any) -> None:
    kind, callback, qos = node.subscribed["/camera/color/image_raw"]
    assert qos.depth == 1 and isinstance(kind(), Message)
    callback(image(raw(PHOTO)))
    (label,), (detections,) = node.published["~/labels"], node.published["~/detections"]
    expected = node.model.predict(PHOTO)
    assert np.array_equal(np.frombuffer(label.data, "<u2").reshape(48, 64), expected.label_map())
    assert (label.header.stamp.sec, label.header.frame_id) == (stamp_of(4)[0], "camera_optical")
    assert [each.id for each in detections.detections] == [str(i) for i in range(1, len(expected) + 1)]
    callback(image(raw(PHOTO, "rgb9")))
    assert len(node.published["~/labels"]) == 1 and "found 'rgb9'" in node.lines[-1]


def test_the_service_is_offered_where_its_type_is_installed(node: Any) -> None:
    if not node.services:
        assert "warning: ros2_sam_msgs is not installed: no service ~/segment" in node.lines
        return
    request, response = Message(f"{SEGMENTATION}_Request"), Message(f"{SEGMENTATION}_Response")
    request.image = image(raw(PHOTO))
    request.boxes.data = [4, 4, 40, 30]
    answer = node.services["~/segment"](request, response)
    expected = node.model.predict(PHOTO, boxes=[[4, 4, 40, 30]])
    assert np.array_equal(np.frombuffer(answer.masks[0].data, np.uint8).reshape(48, 64) > 0, expected.masks[0])
    assert list(answer.scores) == pytest.approx(expected.scores.tolist(), abs=1e-6)
    request.boxes.data = [4]
    refused = node.services["~/segment"](request, Message(f"{SEGMENTATION}_Response"))
    assert not refused.masks and node.lines[-1].startswith("error: boxes: expected four numbers")


def test_the_package_is_whole() -> None:
    package = ElementTree.parse(PACKAGE / "package.xml").getroot()
    assert package.findtext("name") == PACKAGE.name == "uois_sam_ros"
    setup = (PACKAGE / "setup.py").read_text()
    launch = (PACKAGE / "launch" / "node.launch.py").read_text()
    node = ast.parse((PACKAGE / "uois_sam_ros" / "node.py").read_text())
    assert {"main", "message_class"} <= {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    assert 'f"node = {NAME}.node:main"' in setup and 'package="uois_sam_ros", executable="node"' in launch
    constants = {each.targets[0].id: ast.literal_eval(each.value) for each in (*ast.parse(launch).body, *node.body)
                 if isinstance(each, ast.Assign) and isinstance(each.value, ast.Dict)}  # fmt: skip
    assert constants["ARGUMENTS"] == constants["PARAMETERS"]
    for each in ("package.xml", "launch/node.launch.py", "resource/uois_sam_ros"):
        assert (PACKAGE / each).exists()
