"""`uois-sam segment`: photos, folders and videos in; label maps, overlays and COCO JSON out."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol

import tyro
from rich.console import Console

from uois_sam import __version__
from uois_sam.apps import print_line
from uois_sam.apps.sources import Photo, Source, count_photos, find_sources, photos_of
from uois_sam.config import PromptMode, ScoreMode, Selection
from uois_sam.errors import OutputError, UOISError, is_out_of_memory
from uois_sam.wording import count

if TYPE_CHECKING:
    from uois_sam.types import ImageArray, Instances, LabelMap, PromptMaps

_SECONDS_BETWEEN_LINES = 30.0


@dataclass(frozen=True)
class Segment:
    """Find the objects in photos and videos and write them down as label maps, overlays and COCO JSON.

    For every photo, below --out: NAME_label.png (uint16, 0 is background, i is instance i, best first),
    NAME_overlay.jpg and NAME.json. Folders are searched recursively and keep their sub-folders; the frames of a video
    are named NAME_000000 and so on. Where two inputs would share a NAME, they keep their suffixes (a.jpg_label.png),
    and a number if that is not enough. The files of a photo appear together or not at all.

    Exit status: 0 all fine; 1 some inputs failed (listed at the end); 2 nothing could be done; 130 interrupted.
    """

    inputs: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT...", help_behavior_hint="(one or more)")
    ]
    """Photos, videos, and folders of them."""
    out: Path
    """Folder for the results; made if missing."""
    model: str = "compact"
    """Name of a model ("uois-sam models" lists them), a folder that holds one, or a Hugging Face id (org/name)."""
    sam: str | None = None
    """SAM's weights, for models that stand on it: Meta's .pth file, a Hugging Face folder or id; downloaded if left
    out."""
    dinov2: str | None = None
    """DINOv2's weights, likewise."""
    device: str = "auto"
    """Where it computes: auto, cpu, cuda, cuda:1, mps."""
    prompts: PromptMode | None = None
    """Where point prompts come from; the model's own setting if left out."""
    scores: ScoreMode | None = None
    """What ranks masks: SAM's own IoU estimate or HDNet's; the model's own setting if left out."""
    debug_heatmap: bool = False
    """Also write what the prompt generator saw: NAME_heatmap.jpg and NAME_foreground.jpg."""
    overwrite: bool = True
    """Replace earlier results; --no-overwrite skips photos whose NAME.json is there, to resume an interrupted run."""

    def run(self, console: Console) -> int:
        """Segment everything and return the exit status.

        Raises:
            UOISError: nothing could be done: no input, --out not writable, unknown model or device, or the only
                photo failed.
        """
        return segment_inputs(self, console, self._load_model)

    def _load_model(self) -> Segmenter:
        from uois_sam.pipeline import UOISSAM

        model = UOISSAM.from_pretrained(self.model, sam=self.sam, dinov2=self.dinov2, device=self.device)
        settings = {"prompts": self.prompts, "scores": self.scores}
        return model.with_selection(**{name: value for name, value in settings.items() if value is not None})


class Encoded(Protocol):
    """One photo after the image encoder, as :class:`uois_sam.pipeline.EncodedImage`."""

    @property
    def maps(self) -> PromptMaps: ...
    def predict(self) -> Instances: ...


class Segmenter(Protocol):
    """What this command needs of a model; :class:`uois_sam.pipeline.UOISSAM` has it."""

    @property
    def name(self) -> str: ...
    @property
    def selection(self) -> Selection: ...
    def encode_image(self, image: ImageArray) -> Encoded: ...


@dataclass
class Tally:
    """What was done so far."""

    photos: int = 0
    objects: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)


def segment_inputs(options: Segment, console: Console, load_model: Callable[[], Segmenter]) -> int:
    """As :meth:`Segment.run`, with any model; it is loaded only once inputs and output folder are known to be good."""
    from uois_sam.files import make_output_folder

    sources, failures = find_sources(options.inputs, options.out)
    if not sources:
        return _nothing_done(console, failures or ["expected photos, folders or videos to segment, found none"])
    make_output_folder(options.out)
    model = load_model()
    tally = Tally(failures=failures)
    protected = frozenset(source.path.resolve() for source in sources)
    with _progress(console, sources, tally) as show:
        for source in sources:
            try:
                for photo in photos_of(source):
                    show()
                    _segment_photo(photo, model, options, protected, tally)
            except Exception as error:
                tally.failures.append(_reason(source.path, error))
    if tally.failures and not tally.photos + tally.skipped:
        return _nothing_done(console, tally.failures)
    _print_summary(console, tally, options.out)
    return 1 if tally.failures else 0


def _nothing_done(console: Console, failures: Sequence[str]) -> int:
    """Tell why and return the exit status; a single reason is the error."""
    if len(failures) == 1:
        raise UOISError(failures[0])
    print_line(console, f"error: nothing could be segmented, {count(len(failures), 'input')} failed:")
    _print_failures(console, failures)
    return 2


def _print_failures(console: Console, failures: Sequence[str]) -> None:
    for failure in failures:
        print_line(console, f"  {failure}")


def _segment_photo(photo: Photo, model: Segmenter, options: Segment, protected: frozenset[Path], tally: Tally) -> None:
    """Read, segment and write one photo; only ``protected`` files are never replaced."""
    from uois_sam.files import make_output_folder, write_together

    base = options.out / photo.stem
    if not options.overwrite and base.with_name(f"{base.name}.json").exists():
        tally.skipped += 1
        return
    image = photo.read()
    encoded = model.encode_image(image)
    instances = encoded.predict()
    maps = encoded.maps if options.debug_heatmap else None
    contents = {
        base.with_name(base.name + ending): content
        for ending, content in _results(photo, image, instances, maps, model).items()
    }
    for path in contents:
        if path.resolve() in protected:
            raise OutputError(f"cannot write {path}: it is one of the inputs")
    if not base.parent.is_dir():
        make_output_folder(base.parent)
    write_together(contents)
    tally.photos += 1
    tally.objects += len(instances)


def _results(
    photo: Photo, image: ImageArray, instances: Instances, maps: PromptMaps | None, model: Segmenter
) -> dict[str, bytes]:
    """File name ending -> content; the JSON comes last, so that its presence tells that all is there."""
    from uois_sam.visualize import foreground_picture, heatmap_picture, overlay

    results = {"_label.png": _png(instances.label_map()), "_overlay.jpg": _jpeg(overlay(image, instances))}
    if maps is not None:
        results["_heatmap.jpg"] = _jpeg(heatmap_picture(image, maps))
        results["_foreground.jpg"] = _jpeg(foreground_picture(image, maps))
    results[".json"] = (json.dumps(_record(photo, instances, model), indent=1) + "\n").encode()
    return results


def _record(photo: Photo, instances: Instances, model: Segmenter) -> dict[str, Any]:
    height, width = instances.image_hw
    found = [{**coco, "box_xyxy": box.tolist()} for coco, box in zip(instances.to_coco(), instances.boxes, strict=True)]
    return {
        "image": photo.name,
        **({} if photo.frame is None else {"frame": photo.frame}),
        "height": height,
        "width": width,
        "model": model.name,
        "version": __version__,
        "selection": asdict(model.selection),
        "instances": found,
    }


def _png(labels: LabelMap) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(labels).save(buffer, "PNG")
    return buffer.getvalue()


def _jpeg(picture: ImageArray) -> bytes:
    from PIL import Image

    shown = Image.fromarray(picture)
    shown.thumbnail((65500, 65500))  # JPEG has no room for more
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=92, subsampling="4:4:4")
    return buffer.getvalue()


def _reason(path: Path, error: Exception) -> str:
    """One line for an input that failed; errors that are neither the input's nor the machine's fault pass through."""
    message = str(error)
    if is_out_of_memory(error):
        return f"{path}: no free memory for this photo"
    if not isinstance(error, UOISError):
        raise error
    return message if str(path) in message else f"{path}: {message}"


@contextmanager
def _progress(console: Console, sources: Sequence[Source], tally: Tally) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal; elsewhere (a log file) a line now and then. Yields what to call before a photo:
    after the last one comes the summary, which says the same."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if not console.is_terminal:
        last = tally.started

        def show() -> None:
            nonlocal last
            now = time.perf_counter()
            if now - last > _SECONDS_BETWEEN_LINES:
                last = now
                print_line(console, f"{_done(tally)} so far")

        yield show
        return
    missing = len(tally.failures)  # inputs that are not there are no part of the total

    def show_bar() -> None:
        progress.update(task, completed=tally.photos + tally.skipped + len(tally.failures) - missing)

    columns = (TextColumn("segmenting"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=count_photos(sources))
        yield show_bar


def _print_summary(console: Console, tally: Tally, out: Path) -> None:
    seconds = time.perf_counter() - tally.started
    rate = f" ({tally.photos / seconds:.1f} photos/s)" if tally.photos else ""
    print_line(console, f"{_done(tally)} in {seconds:.1f} s{rate}, results in {out}")
    if tally.skipped:
        print_line(console, f"{count(tally.skipped, 'photo')} skipped, whose results were there (--no-overwrite)")
    if tally.failures:
        print_line(console, f"{count(len(tally.failures), 'input')} failed:")
        _print_failures(console, tally.failures)


def _done(tally: Tally) -> str:
    return f"{count(tally.photos, 'photo')}, {count(tally.objects, 'object')}"
