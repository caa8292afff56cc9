"""``uois-sam bag``: segment the images of a ROS bag."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, TypeAlias

import tyro
from rich.console import Console

from uois_sam.cli.options import ModelOptions, expect_at_least
from uois_sam.errors import OutputError, UOISError, count
from uois_sam.runtime.executors import in_order, on_threads
from uois_sam.runtime.notes import LimitNotes
from uois_sam.runtime.progress import print_line, progress

if TYPE_CHECKING:
    from uois_sam.cli.segment.outputs import Segmenter
    from uois_sam.instances import Instances
    from uois_sam.ros.bags import Bag as OpenBag
    from uois_sam.ros.bags import BagImage, ImageTopic
    from uois_sam.types import ImageArray

_AHEAD = 2
_SHOWN_FAILURES = 5


@dataclass(frozen=True)
class Bag:
    """Segment the images of a bag: ROS 1, ROS 2 or MCAP, recorded raw or compressed.

        uois-sam bag drive.mcap --topic /camera/color/image_raw --out labels.mcap

    A bag gets /uois_sam/labels (sensor_msgs/Image, 16UC1: 0 is background, i the i-th object) and
    /uois_sam/detections (vision_msgs/Detection2DArray), each with the header of its image and its time of recording.
    No ROS is needed (extra: ros).

    Exit status: 0 success; 1 some images could not be read, or the bag is damaged after some; 2 nothing could be done.
    """

    bag: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="BAG")]
    """File (.bag, .mcap, .db3) or folder of a ROS 2 bag."""
    out: Annotated[Path, tyro.conf.arg(metavar="DIR|BAG2")]
    """Folder for label maps, overlays and records; or a new bag: NAME.bag (ROS 1), NAME.mcap or NAME.db3 (ROS 2)."""
    topic: str | None = None
    """Topic of the images; may be left out where there is one only."""
    stride: int = 1
    """Take every so many images."""
    model: tyro.conf.OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)
    workers: int | None = None
    """Images in the model at the same time, as of "uois-sam segment"."""

    def run(self, console: Console) -> int:
        """Segment and return the exit status.

        Raises:
            UOISError: a bag that cannot be read, no such topic, --out not writable, or no image that could be read.
            MissingExtraError: the extra ``ros`` is not installed.
        """
        return segment_bag(self, console, self.model.load)


@dataclass(frozen=True)
class Segmented:
    """One image with what was found in it."""

    photo: ImageArray
    instances: Instances
    notes: tuple[str, ...]
    seconds: float
    """In the model."""


Keep: TypeAlias = "Callable[[BagImage, Segmented], None]"


@dataclass
class _Tally:
    objects: list[int] = field(default_factory=list)
    seconds: float = 0
    failures: list[str] = field(default_factory=list)
    notes: LimitNotes = field(default_factory=lambda: LimitNotes("image"))

    def add(self, image: BagImage, result: Segmented) -> None:
        self.objects.append(len(result.instances))
        self.seconds += result.seconds
        self.notes.add(f"image {image.index}", result.notes)


def segment_bag(options: Bag, console: Console, load_model: Callable[[], Segmenter]) -> int:
    """Do as :meth:`Bag.run` with any model, which is loaded after the bag was opened.

    Raises:
        UOISError: as there.
    """
    from uois_sam.ros.bags import open_bag

    expect_at_least("stride", options.stride, 1)
    expect_at_least("workers", options.workers, 1)
    tally = _Tally()
    with open_bag(options.bag) as bag:
        topic = bag.choose(options.topic)
        model = load_model()
        with _sink(options, topic, model) as keep:
            _segment(options, bag, topic, model, keep, tally, console)
            if not tally.objects:
                raise UOISError(
                    next(iter(tally.failures), f"{options.bag}: expected images on {topic.name}, found none")
                )
    _print_summary(console, options, topic, tally)
    return 1 if tally.failures else 0


def _segment(
    options: Bag, bag: OpenBag, topic: ImageTopic, model: Segmenter, keep: Keep, tally: _Tally, console: Console
) -> None:
    from uois_sam.cli.segment.executors import choose_workers
    from uois_sam.ros.bags import BagError
    from uois_sam.runtime.threads import photos_at_once

    workers = choose_workers(options.workers, model)

    def segment(image: BagImage) -> Segmented:
        return _segmented(model, image)

    def begun() -> Iterator[tuple[BagImage, Future[Segmented]]]:
        try:
            for image in bag.images(topic):
                if image.index % options.stride == 0:
                    yield image, executor.submit(image)
        except BagError as error:
            tally.failures.append(str(error))

    with (
        photos_at_once(workers),
        on_threads(segment, workers, workers + _AHEAD) as executor,
        progress(console) as watch,
    ):
        watch.stage("segmenting", -(-topic.count // options.stride))
        for done, (image, future) in enumerate(in_order(begun(), executor.capacity), start=1):
            try:
                result = future.result()
            except UOISError as error:
                tally.failures.append(f"image {image.index} of {topic.name}: {error}")
            else:
                keep(image, result)
                tally.add(image, result)
            watch.advance(done, count(sum(tally.objects), "object"))


def _segmented(model: Segmenter, image: BagImage) -> Segmented:
    from uois_sam.ros.images import photo_of

    photo = photo_of(image.message)
    began = time.perf_counter()
    instances = model.encode_image(photo.pixels).predict()
    seconds = time.perf_counter() - began
    return Segmented(photo.pixels, instances, (*photo.notes, *instances.notes), seconds)


@contextmanager
def _sink(options: Bag, topic: ImageTopic, model: Segmenter) -> Iterator[Keep]:
    """What keeps an image's results: in a new bag, or in a folder."""
    from uois_sam.io.files import make_output_folder
    from uois_sam.ros.answers import DETECTIONS, IMAGE, detection_array, label_image
    from uois_sam.ros.bags import BAG_ENDINGS, new_bag

    if options.out.suffix not in BAG_ENDINGS:
        make_output_folder(options.out)
        yield lambda image, result: _write_files(options, topic, model, image, result)
        return
    if options.out.parent.exists() and not options.out.parent.is_dir():
        raise OutputError(f"cannot write {options.out}: expected a folder above it, found a file")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with new_bag(options.out) as writer:

        def keep(image: BagImage, result: Segmented) -> None:
            header = image.message.header
            for kind, make in ((IMAGE, label_image), (DETECTIONS, detection_array)):
                writer.write(kind, make(writer.messages, header, result.instances), image.time_ns)

        yield keep


def _write_files(options: Bag, topic: ImageTopic, model: Segmenter, image: BagImage, result: Segmented) -> None:
    from uois_sam.cli.segment.outputs import made_by
    from uois_sam.exchange.native import instance_rows
    from uois_sam.io.encoding import encode_jpeg, encode_png
    from uois_sam.io.files import write_together

    header, found = image.message.header, result.instances
    stem = f"{image.index:06d}_{header.stamp.sec}_{header.stamp.nanosec:09d}"
    record = {
        "image": options.bag.name,
        "topic": topic.name,
        "index": image.index,
        "header": {
            "stamp": {"sec": int(header.stamp.sec), "nanosec": int(header.stamp.nanosec)},
            "frame_id": header.frame_id,
        },
        "recorded_ns": image.time_ns,
        "height": found.image_hw[0],
        "width": found.image_hw[1],
        **made_by(model),
        "notes": list(result.notes),
        "instances": instance_rows(found),
    }
    contents = {
        "_label.png": encode_png(found.label_map()),
        "_overlay.jpg": encode_jpeg(found.overlay(result.photo), 90),
        ".json": (json.dumps(record, indent=1) + "\n").encode(),
    }
    write_together({options.out / f"{stem}{ending}": content for ending, content in contents.items()})


def _print_summary(console: Console, options: Bag, topic: ImageTopic, tally: _Tally) -> None:
    objects = tally.objects
    print_line(
        console,
        f"{count(len(objects), 'image')} of {topic.name}: {count(sum(objects), 'object')} ({min(objects)} to "
        f"{max(objects)} an image, median {median(objects):g}), {tally.seconds / len(objects):.2f} s an image in the "
        f"model: {options.out}",
    )
    expected = -(-topic.count // options.stride)
    if len(objects) + len(tally.failures) < expected:
        print_line(console, f"note: the bag's index has {expected} such images, {len(objects)} were found")
    for note in tally.notes.lines():
        print_line(console, f"note: {note}")
    for failure in tally.failures[:_SHOWN_FAILURES]:
        print_line(console, f"failed: {failure}")
    if (more := len(tally.failures) - _SHOWN_FAILURES) > 0:
        print_line(console, f"failed: {more} more")
