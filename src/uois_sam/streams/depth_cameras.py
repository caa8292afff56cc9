"""Cameras with depth: Intel RealSense (``pyrealsense2``) and Luxonis OAK (``depthai``), depth in the photo's pixels."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from threading import Event
from typing import Any

import numpy as np

from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.streams.frames import StreamFrame, StreamLostError
from uois_sam.types import FloatArray

WIDTH, HEIGHT, RATE = 640, 480, 30
SILENCE_MS = 5_000
"""How long a camera may give nothing before it counts as lost."""


class RealSenseSource:
    """A RealSense; the first, or the one with a serial number."""

    live = True
    reopens = True
    rate = float(RATE)

    def __init__(self, serial: str = "") -> None:
        self.serial = serial
        self.name = f"realsense {serial}".rstrip()
        self._library = _imported("pyrealsense2", "realsense")

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """See :class:`~uois_sam.streams.frames.FrameSource`."""
        library = self._library
        pipeline, config = library.pipeline(), library.config()
        if self.serial:
            config.enable_device(self.serial)
        config.enable_stream(library.stream.color, WIDTH, HEIGHT, library.format.rgb8, RATE)
        config.enable_stream(library.stream.depth, WIDTH, HEIGHT, library.format.z16, RATE)
        try:
            profile = pipeline.start(config)
        except RuntimeError as error:
            raise UOISError(f"{self.name}: expected a RealSense, found: {error}") from error
        try:
            metres = profile.get_device().first_depth_sensor().get_depth_scale()
            align = library.align(library.stream.color)
            index = 0
            while not stop.is_set():
                together = align.process(pipeline.wait_for_frames(SILENCE_MS))
                colour, depth = together.get_color_frame(), together.get_depth_frame()
                if not colour or not depth:
                    continue
                image = np.array(np.asanyarray(colour.get_data()), dtype=np.uint8)
                yield StreamFrame(image, time.time(), index, depth_m=_metres(depth.get_data(), metres))
                index += 1
        except RuntimeError as error:
            raise StreamLostError(f"{self.name}: expected a frame, found: {error}") from error
        finally:
            pipeline.stop()


class OakSource:
    """An OAK (depthai 3); the first, or the one with an id or address."""

    live = True
    reopens = True
    rate = float(RATE)

    def __init__(self, device: str = "") -> None:
        self.device = device
        self.name = f"oak {device}".rstrip()
        self._library = _imported("depthai", "oak")

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """See :class:`~uois_sam.streams.frames.FrameSource`."""
        try:
            pipeline = self._pipeline()
            queue = self._outputs(pipeline)
            pipeline.start()
        except RuntimeError as error:
            raise UOISError(f"{self.name}: expected an OAK, found: {error}") from error
        try:
            index = 0
            while not stop.is_set():
                together = queue.get(timedelta(milliseconds=SILENCE_MS))
                if together is None:
                    raise StreamLostError(f"{self.name}: expected a frame, found none for {SILENCE_MS / 1000:g} s")
                pixels = together["colour"].getCvFrame()
                image = np.ascontiguousarray(pixels[..., ::-1], dtype=np.uint8)
                depth = _metres(together["depth"].getFrame(), 0.001)
                if depth.shape != image.shape[:2]:
                    raise UOISError(
                        f"{self.name}: expected depth aligned to the photo, {image.shape[1]}x{image.shape[0]}, found "
                        f"{depth.shape[1]}x{depth.shape[0]}"
                    )
                yield StreamFrame(image, time.time(), index, depth_m=depth)
                index += 1
        except RuntimeError as error:
            raise StreamLostError(f"{self.name}: expected a frame, found: {error}") from error
        finally:
            pipeline.stop()

    def _pipeline(self) -> Any:
        library = self._library
        if not self.device:
            return library.Pipeline()
        return library.Pipeline(library.Device(library.DeviceInfo(self.device)))

    def _outputs(self, pipeline: Any) -> Any:
        """Lay the camera's graph: colour, and depth aligned to it, together in one queue that holds the newest."""
        library = self._library
        node, socket = library.node, library.CameraBoardSocket
        colour, left, right = (
            pipeline.create(node.Camera).build(each) for each in (socket.CAM_A, socket.CAM_B, socket.CAM_C)
        )
        stereo, sync = pipeline.create(node.StereoDepth), pipeline.create(node.Sync)
        photo = colour.requestOutput((WIDTH, HEIGHT), fps=RATE, enableUndistortion=True)
        left.requestOutput((WIDTH, 400), fps=RATE).link(stereo.left)
        right.requestOutput((WIDTH, 400), fps=RATE).link(stereo.right)
        photo.link(stereo.inputAlignTo)
        photo.link(sync.inputs["colour"])
        stereo.depth.link(sync.inputs["depth"])
        return sync.out.createOutputQueue(1, False)


def _metres(steps: Any, metres: float) -> FloatArray:
    """(H, W) float32: a camera's whole numbers in metres; 0 stays unknown."""
    return np.asarray(np.asanyarray(steps), dtype=np.float32) * np.float32(metres)


def _imported(package: str, extra: str) -> Any:
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtraError(f"watching this camera ({extra})", extra, package) from error
