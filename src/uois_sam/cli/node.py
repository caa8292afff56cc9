"""``uois-sam node``: a live ROS 2 node without a ROS installation."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import tyro
from rich.console import Console

from uois_sam.cli.options import ModelOptions
from uois_sam.errors import UOISError, count
from uois_sam.runtime.interrupts import AGAIN, ends_softly
from uois_sam.runtime.progress import print_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from uois_sam.ros.requests import Predictor

DOMAIN = "ROS_DOMAIN_ID"


@dataclass(frozen=True)
class Node:
    """Segment a camera's images as a ROS 2 node, and answer requests with points and boxes.

        uois-sam node --topic /camera/color/image_raw

    Publishes /uois_sam/labels (sensor_msgs/Image, 16UC1) and /uois_sam/detections (vision_msgs/Detection2DArray), each
    with the header of its image, and offers /uois_sam/segment (ros2_sam_msgs/srv/Segmentation; for clients on
    rmw_cyclonedds_cpp). The newest image is taken, those that come meanwhile are left out. No ROS is needed (extra:
    ros). By default only this machine is reached. Ends on Ctrl+C or SIGTERM.
    """

    topic: str = "/camera/color/image_raw"
    """Topic of the images; ending in /compressed, of sensor_msgs/CompressedImage."""
    name: str = "uois_sam"
    """Name before the topics and the service."""
    domain: int | None = None
    """DDS domain; by default that of ROS_DOMAIN_ID, or 0."""
    network: bool = False
    """Reach other machines, too, as CYCLONEDDS_URI or Cyclone's defaults say; DDS asks nobody for a password."""
    model: tyro.conf.OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)

    def run(self, console: Console) -> int:
        """Serve until a signal comes.

        Raises:
            UOISError: a service that another node offers, a name or domain that ROS does not allow, an unknown model.
            MissingExtraError: the extra ``ros`` is not installed.
        """
        return run_node(self, console, self.model.load, threading.Event())


def run_node(options: Node, console: Console, load_model: Callable[[], Predictor], ended: threading.Event) -> int:
    """Do as :meth:`Node.run` with any model, until an event is set."""
    from uois_sam.ros.node import Node as LiveNode
    from uois_sam.ros.node import NodeConfig

    domain = read_domain() if options.domain is None else options.domain
    config = NodeConfig(options.topic, options.name, domain, options.network)
    node = LiveNode(config, load_model(), lambda line: print_line(console, line))
    ending = partial(print_line, console, f"finishing what is in hand; {AGAIN}")
    with ends_softly(ended.set, ending, (signal.SIGINT, signal.SIGTERM)):
        print_line(console, f"{config.topic} to /{config.name}/labels, /{config.name}/detections; service "
                   f"{config.service} on domain {domain} (Ctrl+C ends)")  # fmt: skip
        node.spin(ended)
    done = node.counts
    print_line(
        console,
        f"ended: {count(done.images, 'image')}, {count(done.objects, 'object')}, {count(done.requests, 'request')}, "
        f"{done.failed} failed",
    )
    return 0


def read_domain() -> int:
    """The domain of the environment, or 0.

    Raises:
        UOISError: no number.
    """
    text = os.environ.get(DOMAIN, "").strip() or "0"
    if not text.isdecimal():
        raise UOISError(f"{DOMAIN}: expected a number, found {text[:40]!a}")
    return int(text)
