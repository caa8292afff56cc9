"""``uois-sam segment``: photos, folders and videos in; label maps, overlays and COCO JSON out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console

from uois_sam.cli.options import ModelOptions, expect_at_least
from uois_sam.cli.segment.executors import choose_workers, segment_here, segment_on_ray
from uois_sam.cli.segment.formats import FormatChoice, FormatPlan
from uois_sam.cli.segment.inputs import Photo, Source, count_photos, find_sources, photos_of
from uois_sam.cli.segment.outputs import RECORD, PictureOptions, Result, Segmenter, path_of
from uois_sam.cli.segment.overview import show_first, write_sheets
from uois_sam.cli.segment.sinks import ShardOptions, Sink, open_sink
from uois_sam.cli.segment.tally import Tally, nothing_done, print_summary
from uois_sam.errors import OutputError, UOISError, count, is_out_of_memory
from uois_sam.io.files import real_path
from uois_sam.runtime.executors import Executor, in_order
from uois_sam.runtime.interrupts import AGAIN, ends_softly
from uois_sam.runtime.progress import ProgressCallback, print_line, progress

if TYPE_CHECKING:
    from uois_sam.exchange.writing import FormatWriter


@dataclass(frozen=True)
class Segment:
    """Find the objects in photos and videos and write label maps, overlays and COCO JSON.

        uois-sam segment photo.jpg --out results
        uois-sam segment photos/ clip.mp4 --out results --device cuda
        curl -s https://example.org/a.jpg | uois-sam segment - --out results

    For every photo, below --out: NAME_label.png (uint16, 0 is background, i is instance i, best first),
    NAME_overlay.jpg and NAME.json. Folders are searched recursively and keep their sub-folders; the frames of a video
    are named NAME_000000 and so on. Where two inputs would share a NAME, they keep their suffixes (a.jpg_label.png),
    and a number if that is not enough. The files of a photo appear together or not at all.

    Exit status: 0 success; 1 some inputs failed (listed at the end); 2 nothing could be done; 130 interrupted.
    """

    first: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="INPUT")]
    """Photo, video, or folder of them; a pattern in quotes ('photos/*.jpg'); @FILE with one name a line; a tar file or
    Parquet table of photos; "-" for a photo from standard input; or a data: URL."""
    others: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[INPUT...]")]
    """More of them."""
    out: Path
    """Folder for the results; created if missing."""
    model: tyro.conf.OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)
    pictures: tyro.conf.OmitArgPrefixes[PictureOptions] = field(default_factory=PictureOptions)
    formats: tyro.conf.OmitArgPrefixes[FormatChoice] = field(default_factory=FormatChoice)
    sharding: tyro.conf.OmitArgPrefixes[ShardOptions] = field(default_factory=ShardOptions)
    overwrite: bool = True
    """Replace earlier results; --no-overwrite skips photos whose files all exist, to continue an interrupted run, and
    refuses a folder with results of another model, version or setting."""
    workers: int | None = None
    """Photos in the model at the same time, each on its share of the cores; by default one per core for the compact
    model on a processor, else one. Reading and writing run beside them."""
    ray: str | None = None
    """Segment on the Ray cluster at this address ("auto" finds it; extra: ray); "local" starts one here."""

    def run(self, console: Console) -> int:
        """Segment all inputs and return the exit status.

        Raises:
            UOISError: if nothing could be done: no input, --out not writable, unknown model or device, or the only
                photo failed.
        """
        self.model.find.expect_depth(self.formats.depth is not None)
        return segment_inputs(self, console, self.model.load)


def segment_inputs(
    options: Segment, console: Console, load_model: Callable[[], Segmenter], plan: FormatPlan | None = None
) -> int:
    """Do as :meth:`Segment.run` with any model, which is loaded only after inputs and output folder were checked.

    Args:
        options: inputs, output folder, and how.
        console: takes progress and summary.
        load_model: loads the model.
        plan: formats of the results; those of the options if left out.

    Raises:
        UOISError: as :meth:`Segment.run`.
    """
    from uois_sam.exchange.writing import FormatWriter
    from uois_sam.io.files import make_output_folder

    expect_at_least("workers", options.workers, 1)
    plan = plan or options.formats.plan(on_cluster=options.ray is not None)
    if not (plan.native or options.overwrite):
        raise UOISError("--no-overwrite: expected native among the formats, from which to go on, found none")
    if (options.pictures.contact_sheet or options.pictures.show) and not plan.native:
        raise UOISError("--contact-sheet, --show: expected native among the formats, whose overlays they show")
    options.sharding.check(plan, options.pictures)
    options = replace(options, pictures=options.sharding.pictures(options.pictures))
    sources, failures = find_sources([options.first, *options.others], options.out)
    if not sources:
        return nothing_done(console, failures)
    make_output_folder(options.out)
    model = load_model()
    tally = Tally(failures=failures)
    with (
        open_sink(
            options.sharding, options.out, model, plan, options.pictures, sources, go_on=not options.overwrite
        ) as sink,
        _executor(options, plan, model, load_model, sources) as executor,
        FormatWriter(options.out, plan.formats, own_folders=not plan.to_correct) as writer,
        progress(console) as watch,
    ):
        watch.stage("segmenting", count_photos(sources))
        run = _Run(options, plan, sources, tally, sink, writer)
        with ends_softly(run.end, lambda: print_line(console, run.in_hand())):
            run.segment(executor, watch)
        if run.cut_short:
            print_summary(console, tally, options.out, left=run.left())
            raise KeyboardInterrupt  # what is made over all photos would hold some of them only
        if options.pictures.contact_sheet:
            tally.sheets, failed = write_sheets(
                options.out, run.finished, run.protected, watch, partial(print_line, console)
            )
            tally.failures += failed
    tally.format_notes = writer.notes
    if tally.failures and not tally.photos + tally.skipped:
        return nothing_done(console, tally.failures)
    print_summary(console, tally, options.out)
    if options.pictures.show:
        show_first(console, options.out, tally.sheets, run.finished)
    return 1 if tally.failures else 0


def _executor(
    options: Segment, plan: FormatPlan, model: Segmenter, load_model: Callable[[], Segmenter], sources: Sequence[Source]
) -> AbstractContextManager[Executor[Photo, Result]]:
    if options.ray is not None:
        return segment_on_ray(load_model, options.ray, options.pictures, plan)
    one = len(sources) == 1 and not sources[0].is_video
    return segment_here(model, 1 if one else choose_workers(options.workers, model), options.pictures, plan)


class _Run:
    """One run over all sources: photos are begun ahead of time; files are written here, in the order of the inputs."""

    def __init__(
        self,
        options: Segment,
        plan: FormatPlan,
        sources: Sequence[Source],
        tally: Tally,
        sink: Sink,
        writer: FormatWriter,
    ) -> None:
        self.options = options
        self.plan = plan
        self.sink = sink
        self.writer = writer
        self.sources = sources
        self.tally = tally
        self.protected = frozenset(real_path(source.path) for source in sources)
        """Inputs, which are never replaced."""
        self.finished: dict[Path, None] = {}
        """Stems of the photos that have results, in order, where pictures of them are to be shown together."""
        self.cut_short = False
        """Whether photos were left out because the run was to end."""
        self._left: list[Source] = []
        self._looked_at = 0
        """Photos of the first source that is left, its lost frames among them, that are not left out themselves."""
        self._ending = False
        self._under_way = 0
        """Photos that were begun and are not written yet."""
        self.given_up: set[Source] = set()
        """Sources that failed: each fails once, and the frames after one that failed are left out."""

    def end(self) -> None:
        """Begin no further photo."""
        self._ending = True

    def in_hand(self) -> str:
        """Say what is finished before the end."""
        what = count(self._under_way, "photo")
        return f"finishing {what} in hand; {AGAIN}" if self._under_way else "stopping"

    def left(self) -> int | None:
        """Return how many photos were left out because the run was to end; None where a video does not tell."""
        photos = count_photos(self._left)
        return None if photos is None else max(1, photos - self._looked_at)

    def segment(self, executor: Executor[Photo, Result], watch: ProgressCallback) -> None:
        """Segment all photos whose results are not to be kept, and write the files."""
        missing = len(self.tally.failures)  # inputs that are not there are no part of the total
        for source, stem, result in in_order(self._begun(executor), executor.capacity):
            if source not in self.given_up:
                try:
                    self._write(source, stem, result.result())
                except Exception as error:
                    self.given_up.add(source)
                    self.tally.failures.append(_reason(source.said, error))
                done = self.tally.photos + self.tally.skipped + len(self.tally.failures) - missing
                watch.advance(done, count(self.tally.objects, "object"))
            self._under_way -= 1

    def _begun(self, executor: Executor[Photo, Result]) -> Iterator[tuple[Source, Path, Future[Result]]]:
        """Submit photos on demand; a source that cannot be read ends with a failed future."""
        from uois_sam.io.video import open_ended

        for index, source in enumerate(self.sources):
            lost_before = self.tally.unread
            if source.is_video and open_ended(source.path):
                self.tally.open_ended.append(source.said)
            try:
                for number, photo in enumerate(photos_of(source, lambda reason: self.tally.lose())):
                    if source in self.given_up:
                        break
                    if self._ending:
                        self.cut_short, self._left = True, list(self.sources[index:])
                        self._looked_at = number + self.tally.unread - lost_before
                        return
                    if not self.options.overwrite and self.sink.is_done(photo.stem):
                        self.tally.skipped += 1
                        self._finish(photo.stem)
                        if self.plan.formats:
                            self._under_way += 1
                            yield source, photo.stem, self._earlier(photo)
                    else:
                        self._under_way += 1
                        yield source, photo.stem, executor.submit(photo)
            except Exception as error:  # its turn comes after the frames before it
                failed: Future[Result] = Future()
                failed.set_exception(error)
                self._under_way += 1
                yield source, source.stem, failed

    def _earlier(self, photo: Photo) -> Future[Result]:
        """The results of an earlier run, for the files over all photos."""
        encoded = self.plan.encode_earlier(photo, path_of(self.options.out, photo.stem, RECORD))
        done: Future[Result] = Future()
        done.set_result(Result({}, 0, (), encoded, earlier=True))
        return done

    def _write(self, source: Source, stem: Path, result: Result) -> None:
        for path in (*self.sink.paths(stem, result), *self.writer.paths(result.in_formats.photos)):
            if real_path(path) in self.protected:
                raise OutputError(f"cannot write {path}: it is one of the inputs")
        self.sink.write(stem, result)
        self.writer.write(result.in_formats.photos)
        self.tally.failures += [f"{source.said}: {problem}" for problem in result.in_formats.problems]
        self._finish(stem)
        self.tally.photos += not result.earlier
        self.tally.objects += result.objects
        self.tally.notes.add(str(stem), result.notes)

    def _finish(self, stem: Path) -> None:
        if self.options.pictures.contact_sheet or self.options.pictures.show:
            self.finished[stem] = None


def _reason(source: str, error: Exception) -> str:
    """Return one line for an input that failed; raise errors that are neither the input's nor the machine's fault."""
    message = str(error)
    if is_out_of_memory(error):
        return f"{source}: no free memory for this photo"
    if not isinstance(error, UOISError):
        raise error
    return message if source in message else f"{source}: {message}"
