"""The only writer of videos: MP4 at a constant rate, under its name only when it is whole."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from uois_sam.errors import OutputError
from uois_sam.types import ImageArray

LONGEST_GAP_S = 5.0
"""A longer time without frames is cut to this."""


class VideoWriter:
    """Writes pictures into an MP4 file (MPEG-4) in their own time: one that stays longer is repeated.

    Pictures of another size than the first are fitted into it, with black beside them. A context manager: at its end
    the file appears under its name, whole, whatever ended it; without any picture there is none.

    Args:
        path: ends in ``.mp4``; its folder must exist.
        rate: frames a second.

    Raises:
        OutputError: another ending, no such folder, or no permission.
    """

    def __init__(self, path: str | os.PathLike[str], rate: float) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != ".mp4":
            raise OutputError(f"cannot write {self.path}: expected a name that ends in .mp4")
        if not self.path.parent.is_dir():
            raise OutputError(f"cannot write {self.path}: expected a folder {self.path.parent}, found none")
        if self.path.is_dir():
            raise OutputError(f"cannot write {self.path}: expected a file, found a folder")
        self.rate = rate
        self.written = 0
        """Frames in the file."""
        self.fitted = 0
        """Pictures that had another size than the first."""
        self._unfinished = self.path.with_name(f".{self.path.stem[:200]}.part.mp4")
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)
        self._last: ImageArray | None = None
        self._start_s = self._last_s = 0.0
        try:
            self._unfinished.touch()  # says now, not after an hour, that nothing can be written here
            self._unfinished.unlink()
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from error

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def add(self, picture: ImageArray, stamp_s: float) -> None:
        """Show an (H, W, 3) uint8 RGB picture from a time on, in seconds; times before the last count as the last.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._writer is None:
            self._open(picture)
            self._start_s = self._last_s = stamp_s
        gap_s = stamp_s - self._last_s
        self._start_s += max(0.0, gap_s - LONGEST_GAP_S) + min(0.0, gap_s)
        self._last_s = stamp_s
        due = round((stamp_s - self._start_s) * self.rate)
        while self.written < due and self._last is not None:
            self._write(self._last)
        frame = self._fit(picture)
        self._last = frame
        if self.written <= due:
            self._write(frame)

    def close(self) -> None:
        """Finish the file and give it its name; once.

        Raises:
            OutputError: the file cannot be written.
        """
        if self._writer is None:
            return
        self._writer.release()
        self._writer = None
        try:
            os.replace(self._unfinished, self.path)
        except OSError as error:
            with suppress(OSError):
                self._unfinished.unlink()
            raise OutputError(f"cannot write {self.path}: {error.strerror}") from error

    def _open(self, picture: ImageArray) -> None:
        height, width = picture.shape[:2]
        self._size_wh = (width + width % 2, height + height % 2)  # the codec takes even sides only
        code = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(self._unfinished), cv2.CAP_FFMPEG, code, self.rate, self._size_wh)
        if not self._writer.isOpened():
            self._writer = None
            with suppress(OSError):
                self._unfinished.unlink()
            raise OutputError(
                f"cannot write {self.path}: this build of OpenCV has no encoder for {width}x{height} at {self.rate:g}/s"
            )

    def _fit(self, picture: ImageArray) -> ImageArray:
        width, height = self._size_wh
        if (picture.shape[1] + picture.shape[1] % 2, picture.shape[0] + picture.shape[0] % 2) != self._size_wh:
            self.fitted += 1
            scale = min(width / picture.shape[1], height / picture.shape[0])
            sides = max(1, int(picture.shape[1] * scale)), max(1, int(picture.shape[0] * scale))
            how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
            picture = np.asarray(cv2.resize(picture, sides, interpolation=how), dtype=np.uint8)
        frame = np.zeros((height, width, 3), dtype=np.uint8)
        top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
        frame[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), dtype=np.uint8)

    def _write(self, frame: ImageArray) -> None:
        assert self._writer is not None
        self._writer.write(frame)
        self.written += 1
