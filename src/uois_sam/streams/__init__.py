"""Streams of photos: cameras, network streams, videos and folders that fill; the newest frame wins."""

from uois_sam.streams.frames import FrameSource, StreamFrame

__all__ = ["FrameSource", "StreamFrame"]
