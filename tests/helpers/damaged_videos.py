"""Videos with faults, as cameras, cards and editors leave them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pytest


def cut_avi(path: Path, frames: int) -> Path:
    """MJPEG in an AVI file of which the second half is gone; its head still says how many frames it had."""
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    for number in range(frames):
        writer.write(np.random.default_rng(number).integers(0, 255, (48, 64, 3)).astype(np.uint8))
    writer.release()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def with_holes(clip: Path, frames: Collection[int], path: Path) -> Path:
    """A copy of a video in which the data of some frames are zeros."""
    av = pytest.importorskip("av")
    with av.open(str(clip)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(container.streams.video[0]) if packet.size]
    content = bytearray(clip.read_bytes())
    for number in frames:
        start, size = places[number]
        content[start : start + size] = bytes(size)
    path.write_bytes(content)
    return path


def trimmed(path: Path, hidden: int, shown: int) -> Path:
    """A video trimmed as phones do: the first frames are in the file, and a list of edits says not to show them."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled", "use_editlist": "1"}) as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "1000", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(hidden + shown):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * number, np.uint8), format="rgb24")
            frame.pts = number - hidden
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
