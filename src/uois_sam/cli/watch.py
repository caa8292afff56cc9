"""``uois-sam watch``: a camera, a network stream, a video or a folder that fills, frame by frame."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from uois_sam.cli.options import ModelOptions
from uois_sam.errors import UOISError, count
from uois_sam.runtime.interrupts import AGAIN, ends_softly
from uois_sam.runtime.progress import print_line, progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from uois_sam.streams.frames import FrameSource
    from uois_sam.streams.outputs import Output
    from uois_sam.streams.reader import Reader, ReaderConfig
    from uois_sam.streams.watch import Tally

LIVE_RATE = 10.0
"""Frames a second of the video of a live stream where --fps does not say."""


@dataclass(frozen=True)
class Watch:
    """Find the objects in every frame of a stream, and keep their numbers through it.

        uois-sam watch 0 --track --show
        uois-sam watch rtsp://camera/stream --track --json-lines --fps 5 | my-planner
        uois-sam watch clip.mp4 --track --save-video clip_found.mp4

    SOURCE is a camera's number, a device (/dev/video0), a URL (rtsp, http), a video, a folder that fills with photos,
    a ROS bag (with :/topic for one of several; extra ros), realsense or oak (with :SERIAL; extras of these names).
    From a live source the newest frame is taken and those that came meanwhile are dropped and counted; of a video or
    folder every frame is. A lost camera or stream is opened again. Ends on Ctrl+C or SIGTERM, with the video whole.

    Exit status: 0 the stream ended or was ended; 1 it was lost or is cut short, or frames were left out, after the
    first frame, or none of its photos could be read; 2 nothing could be done.
    """

    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SOURCE")]
    """Where frames come from."""
    track: bool = False
    """Keep the number of each object from frame to frame; still outlines become steady."""
    fps: float | None = None
    """Take at most so many frames a second of the source's time."""
    stride: int = 1
    """Take every so manyth frame only."""
    frames: Literal["newest", "all"] | None = None
    """What to do where frames come faster than they are segmented: drop all but the newest, or let them wait; by
    default newest for live sources."""
    retry: float = 60
    """Seconds for which a lost source is tried again."""
    idle: float | None = None
    """End after so many seconds without a new photo in a folder; by default it is watched for ever."""
    show: bool = False
    """Show the annotated frames in a window."""
    save_video: Path | None = None
    """Write the annotated frames as an MP4 file."""
    json_lines: bool = False
    """Write a line of JSON for each frame to standard output: stamp, boxes, scores, ids, and depth where there is."""
    json_masks: bool = False
    """With each object's mask (COCO RLE) in these lines; implies --json-lines."""
    label_maps: Path | None = None
    """Folder for a label map of each frame, 000012_label.png (uint16): with --track its values are the ids."""
    model: tyro.conf.OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)

    def run(self, console: Console) -> int:
        """Watch until the stream ends or a signal comes; return the exit status.

        Raises:
            UOISError: there is no such source, an output cannot be written, an unknown model or device, or a frame
                cannot be segmented as asked.
            MissingExtraError: the camera's SDK is not installed.
        """
        from uois_sam.streams.choose import source_of
        from uois_sam.streams.reader import Reader

        def tell(line: str) -> None:
            print_line(console, line)

        taking = self._taking()
        source = source_of(self.source, self.idle, tell)
        outputs = self._outputs(source)
        with Reader(source, taking, tell) as reader:
            return self._watch(reader, outputs, tell, console)

    def _taking(self) -> ReaderConfig:
        from uois_sam.streams.reader import ReaderConfig

        if self.idle is not None and not self.idle >= 0:
            raise UOISError(f"--idle: expected 0 or more seconds, found {self.idle:g}")
        keep_all = None if self.frames is None else self.frames == "all"
        return ReaderConfig(keep_all, self.stride, self.fps, self.retry)

    def _outputs(self, source: FrameSource) -> list[Output]:
        from uois_sam.streams.outputs import AnnotatedVideo, JsonLines, LabelMaps, Window, check_apart

        outputs: list[Output] = []
        results = [path for path in (self.label_maps, self.save_video) if path is not None]
        if Path(self.source).exists():
            check_apart(Path(self.source), results)
        if self.json_lines or self.json_masks:
            outputs.append(JsonLines(sys.stdout, masks=self.json_masks))
        if self.label_maps is not None:
            outputs.append(LabelMaps(self.label_maps))
        if self.save_video is not None:
            own = None if source.live or source.rate is None else source.rate / self.stride
            rate = self.fps if own is None else own if self.fps is None else min(own, self.fps)
            outputs.append(AnnotatedVideo(self.save_video, rate or LIVE_RATE))
        if self.show:
            outputs.append(Window(f"uois-sam watch {source.name}"))
        return outputs

    def _watch(self, reader: Reader, outputs: list[Output], tell: Callable[[str], None], console: Console) -> int:
        from uois_sam.streams.outputs import Window
        from uois_sam.streams.watch import Tally, watch
        from uois_sam.tracking import Tracker

        windows = [each for each in outputs if isinstance(each, Window)]
        tally, started, problem = Tally(), time.perf_counter(), None
        model = self.model.load()
        ending = partial(tell, f"finishing the frame in hand; {AGAIN}")
        with ends_softly(reader.stop.set, ending, (signal.SIGINT, signal.SIGTERM)), progress(console) as shown:
            shown.stage("watching", None)
            try:
                tracker = Tracker() if self.track else None
                going_on = lambda: all(each.open for each in windows)  # noqa: E731
                for tally in watch(reader, model, outputs, tracker, going_on, tell):
                    shown.advance(tally.frames, count(tally.objects, "object"))
            except UOISError as error:
                if not tally.frames:
                    raise
                problem = str(error)
        _print_summary(console, reader, tally, time.perf_counter() - started)
        if problem is not None:
            print_line(console, f"error: {problem}")
        nothing_read = tally.frames == 0 and _unread(reader) > 0
        return 0 if problem is None and not tally.left_out and not nothing_read else 1


def _unread(reader: Reader) -> int:
    """Pictures of the source that could not be read."""
    return int(getattr(reader.source, "unread", 0))


def _print_summary(console: Console, reader: Reader, tally: Tally, seconds: float) -> None:
    each = f", {1000 * tally.busy_s / tally.frames:.0f} ms a frame" if tally.frames else ""
    done = f"{count(tally.frames, 'frame')}, {count(tally.objects, 'object')} in {seconds:.1f} s{each}"
    dropped = f"; {reader.dropped} of {reader.read} dropped for newer ones" if reader.dropped else ""
    again = f"; lost and back {count(reader.reconnects, 'time')}" if reader.reconnects else ""
    sizes = f"; frames changed their size {count(tally.resized, 'time')}" if tally.resized else ""
    left_out = f"; {tally.left_out} left out that cannot be segmented as asked" if tally.left_out else ""
    unread = f"; {_unread(reader)} could not be read" if _unread(reader) else ""
    print_line(console, f"{done}{dropped}{again}{sizes}{left_out}{unread}")
    for line in (*tally.lines, *(f"note: {note}" for note in tally.notes.lines())):
        print_line(console, line)
