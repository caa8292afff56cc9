"""Two DDS participants on this machine's loopback: a camera with a client, and the node."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import uois_sam
from bags import packed, photo_pixels, raw, stamp_of
from live_server import tiny_model
from uois_sam import UOISSAM
from uois_sam.cli.node import Node, read_domain, run_node
from uois_sam.errors import UOISError
from uois_sam.io.encoding import encode_png
from uois_sam.ros.answers import DETECTIONS, IMAGE
from uois_sam.ros.types import SEGMENTATION, empty_message, ros2_types
from uois_sam.ros.wire import (
    LOOPBACK,
    Participant,
    carrier_type,
    carry,
    dds_type_name,
    describe_type,
    service_names,
    topic_name,
)

DOMAIN = 100 + os.getpid() % 100
"""Of this process alone: tests that run beside these have another."""
PHOTO = photo_pixels()
STORE = ros2_types()


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return tiny_model()


class Camera:
    """Publishes images and asks the service, as another program."""

    def __init__(self, domain: int, topic: str = "/camera/image", name: str = "uois_sam", kind: str = IMAGE) -> None:
        self.wire, self.kind = Participant(STORE, domain, network=False), kind
        requests, replies = service_names(f"/{name}/segment")
        self.publish = self.wire.writer(topic_name(topic), kind)
        self.ask = self.wire.writer(requests, f"{SEGMENTATION}_Request")
        self.replies = self.wire.reader(replies, f"{SEGMENTATION}_Response", newest_only=False)
        self.labels = self.wire.reader(topic_name(f"/{name}/labels"), IMAGE, newest_only=False)
        self.detections = self.wire.reader(topic_name(f"/{name}/detections"), DETECTIONS, newest_only=False)

    def image(self, fields: Any, index: int = 0) -> Any:
        message = empty_message(STORE, self.kind)
        message.header.stamp.sec, message.header.stamp.nanosec = stamp_of(index)
        message.header.frame_id = "camera_optical"
        for field, value in vars(fields).items():
            setattr(message, field, value)
        return message

    def request(self, sequence: int, points: list[tuple[float, float, int]] = [], boxes: list[int] = []) -> Any:  # noqa: B006
        request = empty_message(STORE, f"{SEGMENTATION}_Request")
        request.guid, request.sequence_number = 0x1234_5678_9ABC_DEF0, sequence
        request.image = empty_message(STORE, IMAGE)
        for field, value in vars(raw(PHOTO)).items():
            setattr(request.image, field, value)
        request.image.header.frame_id = "camera_optical"
        for x, y, _ in points:
            point = empty_message(STORE, "geometry_msgs/msg/Point")
            point.x, point.y = x, y
            request.query_points.append(point)
        request.query_labels = np.array([label for _, _, label in points], np.int32)
        request.boxes.data = np.array(boxes, np.int32)
        return request


def until(found: Callable[[], Any], send: Callable[[], Any] = lambda: None, seconds: float = 60) -> Any:
    """Send until something is found: discovery takes a moment, and images may be lost on the way."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        send()
        for _ in range(20):
            if result := found():
                return result
            time.sleep(0.02)
    raise AssertionError("nothing came")


@contextmanager
def running(model: UOISSAM, **options: Any) -> Iterator[io.StringIO]:
    """A node on a thread."""
    said, ended = io.StringIO(), threading.Event()
    asked = Node(**{"topic": "/camera/image", "domain": DOMAIN, **options})
    failures: list[BaseException] = []

    def run() -> None:
        try:
            run_node(asked, Console(file=said, width=300), lambda: model, ended)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(lambda: "Ctrl+C ends" in said.getvalue() or failures)
        yield said
    finally:
        ended.set()
        thread.join(30)
    assert not failures and "ended:" in said.getvalue()


def test_images_become_labels_and_detections(model: UOISSAM) -> None:
    with running(model) as said:
        camera = Camera(DOMAIN)
        labels = until(camera.labels.take, lambda: camera.publish(camera.image(raw(PHOTO), 7)))
        detections = until(camera.detections.take)
        expected = model.predict(PHOTO)
        for header in (labels[0].header, detections[0].header, detections[0].detections[0].header):
            assert (header.stamp.sec, header.stamp.nanosec) == stamp_of(7)
            assert header.frame_id == "camera_optical"
        assert np.array_equal(labels[0].data.view("<u2").reshape(48, 64), expected.label_map())
        assert [one.id for one in detections[0].detections] == [str(i) for i in range(1, len(expected) + 1)]

        camera.publish(camera.image(raw(PHOTO, "rgb9")))  # a bad one is said, and the node goes on
        camera.publish(camera.image(raw(PHOTO, step=3)))
        until(lambda: "found 'rgb9'" in said.getvalue() or "step: expected" in said.getvalue(),
              lambda: camera.publish(camera.image(raw(PHOTO, "rgb9"))))  # fmt: skip
        until(camera.labels.take, lambda: camera.publish(camera.image(raw(PHOTO), 8)))


def test_compressed_images(model: UOISSAM) -> None:
    topic, kind = "/camera/image/compressed", "sensor_msgs/msg/CompressedImage"
    with running(model, topic=topic, name="packed"):
        camera = Camera(DOMAIN, topic, "packed", kind)
        labels = until(camera.labels.take, lambda: camera.publish(camera.image(packed(encode_png(PHOTO)))))
        assert np.array_equal(labels[0].data.view("<u2").reshape(48, 64), model.predict(PHOTO).label_map())


def test_the_service(model: UOISSAM) -> None:
    with running(model.with_request(max_objects=1), name="asked") as said:
        camera = Camera(DOMAIN, name="asked")
        sequence = iter(range(1, 1000))

        def answer(**asked: Any) -> Any:
            mine = next(sequence)
            camera.ask(camera.request(mine, **asked))
            replies = until(lambda: [each for each in camera.replies.take() if each.sequence_number == mine])
            assert replies[0].guid == 0x1234_5678_9ABC_DEF0
            return replies[0]

        until(camera.replies.take, lambda: camera.ask(camera.request(0)))  # discovery
        assert len(answer().masks) == 1  # the node's own limit
        expected = model.predict(PHOTO, points=[[[10, 12], [50, 40]]], labels=[[1, 0]])
        clicked = answer(points=[(10, 12, 1), (50, 40, 0)])
        assert [mask.encoding for mask in clicked.masks] == ["8UC1"]
        assert np.array_equal(clicked.masks[0].data.reshape(48, 64).astype(bool), expected.masks[0])
        assert clicked.scores == pytest.approx(expected.scores, abs=1e-6)
        assert clicked.masks[0].header.frame_id == "camera_optical"
        assert len(answer(boxes=[4, 4, 40, 30, 20, 20, 60, 44]).masks) == 2
        for wrong, line in (
            ({"boxes": [1, 2, 3]}, "boxes: expected four numbers for each box, found 3 numbers"),
            ({"points": [(500, 12, 1)]}, "expected x, y inside a photo 64 wide"),
            ({"points": [(5, 5, 1)], "boxes": [0, 0, 9, 9] * 2}, "boxes: expected at most one beside query_points"),
        ):
            refused = answer(**wrong)
            assert len(refused.masks) == len(refused.scores) == 0
            assert line in said.getvalue()


@pytest.mark.slow
def test_the_command_in_a_process_of_its_own_over_loopback(model: UOISSAM) -> None:
    environment = {
        **os.environ, "PYTHONPATH": str(Path(uois_sam.__file__).parents[1]), "ROS_DOMAIN_ID": str(DOMAIN),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = [sys.executable, "-m", "uois_sam", "node", "--topic", "/camera/image", "--name", "robot/eye"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            assert f"domain {DOMAIN} (Ctrl+C ends)" in process.stderr.readline()
            camera = Camera(DOMAIN, name="robot/eye")
            labels = until(camera.labels.take, lambda: camera.publish(camera.image(raw(PHOTO), 3)), 120)
            assert (labels[0].header.stamp.sec, labels[0].encoding) == (stamp_of(3)[0], "16UC1")
            with pytest.raises(UOISError, match=r"service /robot/eye/segment: expected no other node .* give another"):
                run_node(Node("/x", "robot/eye", DOMAIN), Console(file=io.StringIO()), lambda: model, threading.Event())
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            assert "ended: " in process.stderr.read()
        finally:
            process.kill()


def test_the_wire_has_the_bytes_that_the_described_type_has() -> None:
    """rosbags' bytes beside those of Cyclone's own serializer, for messages with something in every field."""
    rng = np.random.default_rng(0)
    for name in (IMAGE, DETECTIONS, f"{SEGMENTATION}_Request", f"{SEGMENTATION}_Response"):
        message = filled(empty_message(STORE, name), STORE, name, rng)
        own, carrier = describe_type(STORE, name), carrier_type(STORE, name)
        expected = as_sample(message, STORE, name, own).serialize()
        content = carry(carrier, message).serialize()
        assert content.ljust(-(-len(content) // 4) * 4, b"\0") == expected.ljust(-(-len(expected) // 4) * 4, b"\0")
        again = carrier.deserialize(content).message
        assert carry(carrier, again).serialize() == content


def filled(message: Any, store: Any, name: str, rng: np.random.Generator) -> Any:
    """The message with other values than 0, and two entries in every sequence."""
    from rosbags.interfaces import Nodetype

    def value(kind: Any, rest: Any) -> Any:
        if kind == Nodetype.NAME:
            return filled(empty_message(store, rest), store, rest, rng)
        if kind == Nodetype.BASE:
            plain = {"string": "ab", "bool": True, "float32": 0.5, "float64": float(rng.normal())}
            return plain.get(rest[0], int(rng.integers(1, 100)))
        (inner, what), length = rest
        entries = [value(inner, what) for _ in range(length if kind == Nodetype.ARRAY else 3)]
        return np.array(entries, what[0]) if inner == Nodetype.BASE and what[0] != "string" else entries

    for field, kind in store.fielddefs[name][1]:
        setattr(message, field, value(*kind))
    return message


def as_sample(message: Any, store: Any, name: str, kind: Any) -> Any:
    """The message as a sample of Cyclone's class, with plain values."""
    from rosbags.interfaces import Nodetype

    kinds: dict[str, Any] = {}
    describe_type(store, name, kinds)

    def plain(value: Any, what: Any) -> Any:
        kind, rest = what
        if kind == Nodetype.NAME:
            inner = {field: plain(getattr(value, field), each) for field, each in store.fielddefs[rest][1]}
            return kinds[rest](**inner)
        if kind == Nodetype.BASE:
            return value
        return [plain(each, rest[0]) for each in (value.tolist() if isinstance(value, np.ndarray) else value)]

    return plain(message, (Nodetype.NAME, name))


def test_names_on_the_wire() -> None:
    assert topic_name("/camera/color/image_raw") == "rt/camera/color/image_raw"
    assert service_names("/uois_sam/segment") == ("rq/uois_sam/segmentRequest", "rr/uois_sam/segmentReply")
    assert dds_type_name("sensor_msgs/msg/Image") == "sensor_msgs::msg::dds_::Image_"
    assert dds_type_name(f"{SEGMENTATION}_Request") == "ros2_sam_msgs::srv::dds_::Segmentation_Request_"
    for wrong in ("", "/", "/a//b", "/1a", "a b", "/a/", "/ä", "~/a"):
        with pytest.raises(UOISError, match="expected the name of a topic"):
            topic_name(wrong)


def test_other_machines_are_neither_reached_nor_heard() -> None:
    assert 'name="lo" multicast="false"' in LOOPBACK and "<AllowMulticast>false" in LOOPBACK
    assert "127.0.0.1" in LOOPBACK


@pytest.mark.parametrize(("domain", "said"), [(-1, "0 to 232"), (233, "0 to 232")])
def test_wrong_domains(model: UOISSAM, domain: int, said: str) -> None:
    with pytest.raises(UOISError, match=said):
        run_node(Node(domain=domain), Console(file=io.StringIO()), lambda: model, threading.Event())


def test_the_domain_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_DOMAIN_ID", "42")
    assert read_domain() == 42
    monkeypatch.setenv("ROS_DOMAIN_ID", "forty")
    with pytest.raises(UOISError, match="ROS_DOMAIN_ID: expected a number, found 'forty'"):
        read_domain()
