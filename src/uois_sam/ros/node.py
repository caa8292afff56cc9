"""A live node: images in; label images, detections and answers to ``Segmentation`` out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uois_sam.errors import UOISError, count, is_out_of_memory
from uois_sam.instances import Instances
from uois_sam.ros.answers import DETECTIONS, IMAGE, detection_array, label_image
from uois_sam.ros.images import photo_of
from uois_sam.ros.requests import Predictor, answer_request
from uois_sam.ros.types import SEGMENTATION, messages_of, ros2_types
from uois_sam.ros.wire import Participant, service_names, topic_name

DISCOVERY_S = 1.0
"""How long others are looked for before the node takes its service."""
_QUIET_S = 10.0
"""After so long without an image this is said."""


@dataclass(frozen=True)
class NodeConfig:
    """Names of a node, and whom it reaches."""

    topic: str
    """Of the images; CompressedImage where it ends in ``/compressed`` or ``/compressedDepth``."""
    name: str = "uois_sam"
    """Before the topics ``labels`` and ``detections`` and the service ``segment``."""
    domain: int = 0
    """ROS_DOMAIN_ID."""
    network: bool = False
    """Whether other machines are reached."""

    @property
    def service(self) -> str:
        """Name of the service."""
        return f"/{self.name.strip('/')}/segment"

    @property
    def image_type(self) -> str:
        """Type of the images."""
        packed = self.topic.endswith(("/compressed", "/compressedDepth"))
        return "sensor_msgs/msg/CompressedImage" if packed else IMAGE


@dataclass
class NodeCounts:
    """What a node has done."""

    images: int = 0
    objects: int = 0
    requests: int = 0
    failed: int = 0


class Node:
    """The node on the wire; :meth:`spin` does the work.

    Raises:
        UOISError: names that ROS does not allow, or a service that another node offers.
    """

    def __init__(self, config: NodeConfig, model: Predictor, say: Callable[[str], None]) -> None:
        self.config, self.counts = config, NodeCounts()
        self._model, self._say = model, say
        store = ros2_types()
        self._messages = messages_of(store)
        requests, replies = service_names(config.service)
        self._image_topic = topic_name(config.topic)
        own = {
            kind: topic_name(f"{config.name}/{end}") for kind, end in ((IMAGE, "labels"), (DETECTIONS, "detections"))
        }
        self._wire = Participant(store, config.domain, config.network)
        self._check_service_is_free(requests)
        self._publish = {kind: self._wire.writer(topic, kind) for kind, topic in own.items()}
        self._reply = self._wire.writer(replies, f"{SEGMENTATION}_Response")
        self._requests = self._wire.reader(requests, f"{SEGMENTATION}_Request", newest_only=False)
        self._images = self._wire.reader(self._image_topic, config.image_type, newest_only=True)
        self._wait = self._wire.waiter(self._images, self._requests)
        self._said: set[str] = set()

    def _check_service_is_free(self, requests: str) -> None:
        until = time.monotonic() + DISCOVERY_S
        while time.monotonic() < until:
            if self._wire.others_read(requests):
                raise UOISError(
                    f"service {self.config.service}: expected no other node to offer it on domain "
                    f"{self.config.domain}, found one: give another --name"
                )
            time.sleep(0.05)

    def spin(self, ended: threading.Event) -> None:
        """Answer until an event is set; what was taken by then is finished."""
        heard = time.monotonic()
        while not ended.is_set():
            self._wait(0.2)
            for request in self._taken(self._requests.take):
                self._serve(request)
            images = self._taken(self._images.take)
            if images:
                heard = time.monotonic()
                self._segment(images[-1])
            elif time.monotonic() - heard > _QUIET_S:
                heard = float("inf")
                found = self._wire.publishers(self._image_topic)
                reach = "other machines included" if self.config.network else "on this machine only: --network"
                self._say(f"no image on {self.config.topic} yet ({count(found, 'publisher')}; {reach})")

    def _taken(self, take: Callable[[], list[Any]]) -> list[Any]:
        try:
            return take()
        except UOISError as error:
            self._failed(str(error))
            return []

    def _segment(self, message: Any) -> None:
        def find() -> tuple[Instances, tuple[str, ...]]:
            photo = photo_of(message)
            return self._model.predict(photo.pixels), photo.notes

        if (done := self._tried(f"image on {self.config.topic}", find)) is None:
            return
        found, notes = done
        for kind, make in ((IMAGE, label_image), (DETECTIONS, detection_array)):
            self._publish[kind](make(self._messages, message.header, found))
        self.counts.images += 1
        self.counts.objects += len(found)
        self._note((*notes, *found.notes))

    def _serve(self, request: Any) -> None:
        response = self._messages.make(f"{SEGMENTATION}_Response")
        response.guid, response.sequence_number = request.guid, request.sequence_number

        def answer() -> tuple[str, ...]:
            return answer_request(self._model, self._messages, request, response)

        notes = self._tried(f"request to {self.config.service}", answer)
        self._reply(response)  # an empty one says that nothing was done; ROS has no place for an error
        self.counts.requests += 1
        self._note(notes or ())

    def _tried(self, what: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except UOISError as error:
            self._failed(f"{what}: {error}")
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            self._failed(f"{what}: expected free memory, found none")
        return None

    def _failed(self, line: str) -> None:
        self.counts.failed += 1
        self._note((f"failed: {line}",))

    def _note(self, notes: tuple[str, ...]) -> None:
        """Say each kind of note once: a camera sends thirty images a second."""
        for note in notes:
            kind = note if note.startswith("failed") else note.partition(":")[0]
            if kind not in self._said and len(self._said) < 100:
                self._said.add(kind)
                self._say(note)
