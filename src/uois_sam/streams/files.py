"""Videos, and folders that fill."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event

from uois_sam.errors import ImageError, UOISError
from uois_sam.io.video import frame_rate, read_video
from uois_sam.streams.frames import StreamFrame, StreamLostError

POLL_S = 0.2
"""Pause between looks into a folder."""
SETTLED_S = 1.0
"""A file that was not changed for so long is complete; a younger one if it is the same at two looks."""


class VideoSource:
    """A video file, every frame of it."""

    live = False
    reopens = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.rate = frame_rate(path)
        self.unread = 0
        """Frames that could not be decoded."""

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """See :class:`~uois_sam.streams.frames.FrameSource`; a video that is cut short is an error at its end."""
        for index, image in read_video(self.path, self._lose):
            if stop.is_set():
                return
            yield StreamFrame(image, index / (self.rate or 25.0), index)

    def _lose(self, reason: str) -> None:
        self.unread += 1


class FolderSource:
    """A folder that fills with photos: those that are there, by age, and then each as it comes."""

    live = False
    reopens = True
    rate = None

    def __init__(self, folder: Path, idle_s: float | None = None, tell: Callable[[str], None] = lambda line: None):
        self.folder = folder
        self.name = str(folder)
        self.idle_s = idle_s
        """End after so many seconds without a new photo; None: never."""
        self.unread = 0
        """Photos that could not be read."""
        self._tell = tell
        self._known: dict[str, tuple[int, int]] = {}
        """File name to time and size at the last look, of files that are not complete yet."""
        self._filling = False
        """Whether files came or changed between the last two looks: they are photos on their way."""
        self._done: set[str] = set()
        self._left_out: dict[str, tuple[int, int]] = {}
        """As ``_known``, of files that could not be read: one that a slow copy goes on with is read again."""

    def frames(self, stop: Event) -> Iterator[StreamFrame]:
        """See :class:`~uois_sam.streams.frames.FrameSource`; photos are named, and stamped by their files' times."""
        if not self.folder.is_dir():
            raise UOISError(f"{self.name}: expected a folder, found none")
        latest, index = time.monotonic(), 0
        while not stop.is_set():
            for name, status in self._complete():
                if stop.is_set():
                    return
                latest = time.monotonic()
                self._done.add(name)
                frame = self._read(name, status, index)
                if frame is not None:
                    yield frame
                    index += 1
                    latest = time.monotonic()
            if self.idle_s is not None and not self._filling and time.monotonic() - latest >= self.idle_s:
                self._end()
                return
            stop.wait(POLL_S)

    def _end(self) -> None:
        self.reopens = False
        for name in sorted(self._known):
            self.unread += 1
            self._tell(f"left out: {self.folder / name}: expected a photo, found an empty file")

    def _complete(self) -> list[tuple[str, tuple[int, int]]]:
        """Name, and time and size, of photos that are new and not being written any more, oldest first."""
        from uois_sam.io.formats import readable_suffixes

        looked: dict[str, tuple[int, int]] = {}
        there: set[str] = set()
        try:
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or Path(entry.name).suffix.lower() not in readable_suffixes():
                        continue
                    there.add(entry.name)
                    if entry.name not in self._done or entry.name in self._left_out:
                        with suppress(FileNotFoundError):  # renamed or removed since: the others are looked at still
                            self._look(entry, looked)
        except FileNotFoundError as error:
            raise StreamLostError(f"{self.name}: the folder is gone") from error
        except OSError as error:
            raise StreamLostError(f"{self.name}: expected a folder to look into, found: {error.strerror}") from error
        now = time.time_ns()
        ready = {
            name: status
            for name, status in looked.items()
            if status[1] and (now - status[0] > SETTLED_S * 1e9 or self._known.get(name) == status)
        }
        self._done &= there  # what was removed is forgotten: the folder of a long run may be emptied as it fills
        self._left_out = {name: status for name, status in self._left_out.items() if name in there}
        waiting = {name: status for name, status in looked.items() if name not in ready}
        self._filling, self._known = waiting != self._known, waiting
        return sorted(ready.items(), key=lambda each: (each[1][0], each[0]))

    def _look(self, entry: os.DirEntry[str], looked: dict[str, tuple[int, int]]) -> None:
        """Add a file's time and size, unless nothing was written to it since it could not be read."""
        if entry.is_file():
            found = entry.stat()
            status = found.st_mtime_ns, found.st_size
            if self._left_out.get(entry.name) != status:
                looked[entry.name] = status

    def _read(self, name: str, status: tuple[int, int], index: int) -> StreamFrame | None:
        from uois_sam.io.images import read_image

        if self._left_out.pop(name, None):
            self.unread -= 1
        try:
            return StreamFrame(read_image(self.folder / name), status[0] / 1e9, index, name)
        except ImageError as error:
            self.unread += 1
            self._left_out[name] = status
            self._tell(f"left out: {error}")
            return None
