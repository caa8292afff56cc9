"""Where the results of a stream go: lines of JSON, label maps, an annotated video, a window."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

from uois_sam.errors import OutputError, UOISError, count
from uois_sam.instances import Instances
from uois_sam.io.encoding import encode_png
from uois_sam.io.files import make_output_folder, real_path, write_atomically
from uois_sam.io.masks import encode_mask
from uois_sam.io.video_writer import VideoWriter
from uois_sam.streams.frames import StreamFrame
from uois_sam.types import ImageArray

LARGEST_LABEL = 65535
"""Largest value of a label map's pixels."""


@dataclass(frozen=True)
class Watched:
    """One frame of a stream, and what was found in it."""

    frame: StreamFrame
    found: Instances
    seconds: float
    """From the frame's being taken to its results."""
    dropped: int
    """Frames of the stream that were dropped so far."""


class Output(Protocol):
    """Takes results frame by frame."""

    def write(self, watched: Watched) -> None:
        """Take the results of one frame.

        Raises:
            OutputError: they cannot be written.
        """
        ...

    def close(self) -> list[str]:
        """Finish, whatever ended the stream, and return lines for the summary."""
        ...


class JsonLines:
    """One line of JSON for each frame, flushed, so that a program at the other end of a pipe has it at once."""

    def __init__(self, stream: TextIO, *, masks: bool = False) -> None:
        self.stream = stream
        self.masks = masks

    def write(self, watched: Watched) -> None:
        """Write one line; see :class:`Output`."""
        self.stream.write(json.dumps(line_of(watched, masks=self.masks), separators=(",", ":")) + "\n")
        self.stream.flush()

    def close(self) -> list[str]:
        """Nothing is left to do."""
        return []


def line_of(watched: Watched, *, masks: bool = False) -> dict[str, Any]:
    """Return what a line says of a frame; every value survives ``json.dumps``.

    Args:
        watched: the frame.
        masks: with each object's mask as COCO RLE.
    """
    frame, found = watched.frame, watched.found
    height, width = found.image_hw
    named = {"name": frame.name} if frame.name else {}
    return {
        "frame": frame.index,
        "stamp": round(frame.stamp_s, 6),
        **named,
        "height": height,
        "width": width,
        "model": found.model,
        "milliseconds": round(1000 * watched.seconds, 1),
        "dropped": watched.dropped,
        "objects": [_object(found, row, frame, masks) for row in range(len(found))],
        "notes": list(found.notes),
    }


def _object(found: Instances, row: int, frame: StreamFrame, masks: bool) -> dict[str, Any]:
    each = found[row]
    values: dict[str, Any] = {"label": each.label} if each.id is None else {"id": each.id}
    values |= {
        "score": round(each.score, 4),
        "box_xyxy": [round(value, 1) for value in each.box.tolist()],
        "area": int(np.count_nonzero(each.mask)),
        "point": [round(value, 1) for value in each.point.tolist()],
    }
    if frame.depth_m is not None:
        known = frame.depth_m[each.mask]
        known = known[known > 0]
        values["depth_m"] = round(float(np.median(known)), 4) if len(known) else None
    return {**values, "segmentation": encode_mask(each.mask)} if masks else values


class LabelMaps:
    """``000012_label.png`` for each frame, uint16: 0 background, else the object's id, or its label if not tracked.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.unnamed = 0
        make_output_folder(folder)

    def write(self, watched: Watched) -> None:
        """Write one file; see :class:`Output`. Ids that 16 bits do not hold are left out and counted."""
        found = watched.found
        labels = found.label_map()
        if found.ids is not None:
            fitting = np.where(found.ids <= LARGEST_LABEL, found.ids, 0)
            self.unnamed += int(np.count_nonzero(fitting == 0))
            labels = np.concatenate([[0], fitting]).astype(np.uint16)[labels]
        write_atomically(self.folder / f"{watched.frame.index:06d}_label.png", encode_png(labels))

    def close(self) -> list[str]:
        """See :class:`Output`."""
        left_out = f"; {count(self.unnamed, 'object')} with ids above {LARGEST_LABEL} left out" if self.unnamed else ""
        return [f"label maps in {self.folder}{left_out}"]


class AnnotatedVideo:
    """The frames with what was found drawn over them, as an MP4 file.

    Raises:
        OutputError: the file cannot be written there.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.writer = VideoWriter(path, rate)

    def write(self, watched: Watched) -> None:
        """Add one picture; see :class:`Output`."""
        self.writer.add(annotated(watched), watched.frame.stamp_s)

    def close(self) -> list[str]:
        """See :class:`Output`."""
        self.writer.close()
        if not self.writer.written:
            return [f"no video {self.writer.path}: there was no frame"]
        fitted = f"; {count(self.writer.fitted, 'frame')} of another size fitted into the first one's"
        return [f"video in {self.writer.path}{fitted if self.writer.fitted else ''}"]


class Window:
    """A window with the annotated frames, through tkinter.

    Raises:
        UOISError: there is no desktop, or Python was built without tkinter.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter
        except ImportError as error:
            raise UOISError("no window here for --show: Python has no tkinter (Debian: python3-tk)") from error
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise UOISError("no window here for --show: no desktop") from error
        self._tkinter = tkinter
        self._root.title(title)
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self.open = True
        self._root.protocol("WM_DELETE_WINDOW", self._closed)

    def write(self, watched: Watched) -> None:
        """Show one frame; see :class:`Output`."""
        if self.open:
            picture = annotated(watched)
            header = f"P6 {picture.shape[1]} {picture.shape[0]} 255\n".encode()
            self._photo = self._tkinter.PhotoImage(data=header + picture.tobytes())  # Tk keeps no reference
            self._label.configure(image=self._photo)
            self._root.update()

    def close(self) -> list[str]:
        """See :class:`Output`."""
        with suppress(self._tkinter.TclError):  # the desktop may have gone before
            self._root.destroy()
        return []

    def _closed(self) -> None:
        self.open = False


def annotated(watched: Watched) -> ImageArray:
    """(H, W, 3) uint8 RGB: the frame with numbers, or ids, and outlines of what was found."""
    return watched.found.overlay(watched.frame.image, show_points=False)


def check_apart(source: Path, outputs: list[Path]) -> None:
    """Refuse to write over a video that is watched, or where photos are watched for: results would become inputs.

    Raises:
        OutputError: an output is the source, or lies in it.
    """
    for path in outputs:
        if real_path(source) in (real_path(path), real_path(path).parent):
            raise OutputError(f"{path}: expected a place outside of what is watched, {source}")
