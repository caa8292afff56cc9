"""Results of one photo: segment it and encode the files, on this machine or on a node of a cluster."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from uois_sam._version import __version__
from uois_sam.cli.segment.formats import NATIVE_ONLY, FormatPlan, InFormats
from uois_sam.cli.segment.inputs import Photo, Source
from uois_sam.config import InferenceConfig
from uois_sam.errors import OutputError

if TYPE_CHECKING:
    from uois_sam.instances import Instances
    from uois_sam.request import Request
    from uois_sam.types import ImageArray, LabelMap, ModelCard, PromptMaps

RECORD = ".json"
"""Ending of the file that is written last: its presence means that all files of a photo exist."""
DEBUG_ENDINGS = ("_heatmap.jpg", "_foreground.jpg")


CROP = "_crop_{:03d}.jpg"
"""Ending of the cut-out of an object, by its label."""


@dataclass(frozen=True)
class PictureOptions:
    """Pictures beside NAME_label.png."""

    overlay: bool = True
    """Write NAME_overlay.jpg: the photo with the outlines of all objects."""
    numbers: bool = True
    """Write each object's number, its value in the label map, on the overlay."""
    colour_labels: bool = False
    """Also write NAME_colour.png: the label map as a palette picture in the overlay's colours, pixel values as in the
    label map (in RGB, where there are more than 255 objects)."""
    crops: bool = False
    """Also write NAME_crop_001.jpg and so on: each object cut out with a margin, numbered as in the label map."""
    contact_sheet: bool = False
    """Also write contact_sheet.jpg into each folder of results: up to 48 of its overlays with their numbers of
    objects."""
    show: bool = False
    """Open the overlay (or the contact sheet) in the desktop's viewer at the end."""
    debug_heatmap: bool = False
    """Also draw the prompt generator's maps: NAME_heatmap.jpg and NAME_foreground.jpg."""

    @property
    def endings(self) -> tuple[str, ...]:
        """Endings of a photo's files, but for crops and the record."""
        overlay = ("_overlay.jpg",) if self.overlay else ()
        more = ("_colour.png",) if self.colour_labels else ()
        return ("_label.png", *overlay, *more, *(DEBUG_ENDINGS if self.debug_heatmap else ()))


class Encoded(Protocol):
    """Photo after the image encoder, as :class:`uois_sam.pipeline.EncodedImage`."""

    @property
    def maps(self) -> PromptMaps: ...
    def predict(self) -> Instances: ...


class Segmenter(Protocol):
    """Model as this command needs it; :class:`uois_sam.pipeline.UOISSAM` is one."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> InferenceConfig: ...
    @property
    def request(self) -> Request: ...
    @property
    def card(self) -> ModelCard: ...
    def encode_image(self, image: ImageArray, *, depth: Any = None, camera: Any = None) -> Encoded: ...


Predicted: TypeAlias = "tuple[Instances, PromptMaps | None]"
"""The instances, and the prompt generator's maps if they are to be drawn."""


@dataclass(frozen=True)
class Result:
    """The files of a photo's results, not written yet."""

    contents: Mapping[str, bytes]
    """File name ending to content, in the order of writing."""
    objects: int
    """Number of instances."""
    notes: tuple[str, ...] = ()
    """As :attr:`uois_sam.instances.Instances.notes`."""
    in_formats: InFormats = field(default_factory=InFormats)
    """The photo in the formats of other tools."""
    earlier: bool = False
    """Whether the results were there already."""


def predict(model: Segmenter, debug: bool, image: ImageArray, depth: Mapping[str, Any]) -> Predicted:
    """Find the instances in an (H, W, 3) image and, for debugging, keep the prompt generator's maps.

    Args:
        model: finds them.
        debug: keep the maps.
        image: the photo.
        depth: its depth and camera, as ``encode_image`` takes them; empty without.
    """
    encoded = model.encode_image(image, **depth)
    return encoded.predict(), encoded.maps if debug else None


def segment_photo(
    photo: Photo,
    predict: Callable[[ImageArray, Mapping[str, Any]], Predicted],
    made_by: Mapping[str, Any],
    plan: FormatPlan = NATIVE_ONLY,
    pictures: PictureOptions = PictureOptions(),
) -> Result:
    """Read a photo, segment it, and encode the files of its results.

    Args:
        photo: photo or video frame.
        predict: as :func:`predict` with a model.
        made_by: as :func:`made_by` of that model.
        plan: formats of the results.
        pictures: what to draw.

    Raises:
        UOISError: if the photo cannot be read.
    """
    image = photo.read()
    depth, without = ({}, "") if plan.depth is None else plan.depth.beside(photo)
    instances, maps = predict(image, depth)
    if without:
        instances = replace(instances, notes=(*instances.notes, without))
    labels = instances.label_map()
    files: dict[str, bytes] = {}
    if plan.native:
        files = _pictures(image, instances, labels, maps, pictures)
        files[RECORD] = (json.dumps(_record(photo, instances, labels, made_by), indent=1) + "\n").encode()
    return Result(files, len(instances), instances.notes, plan.encode(photo, image, instances, labels))


def _pictures(
    image: ImageArray, instances: Instances, labels: LabelMap, maps: PromptMaps | None, options: PictureOptions
) -> dict[str, bytes]:
    from uois_sam.io.encoding import encode_coloured, encode_png
    from uois_sam.io.overlay import colours, foreground_picture, heatmap_picture

    files = {"_label.png": encode_png(labels)}
    if options.overlay:
        files["_overlay.jpg"] = _jpeg(instances.overlay(image, show_numbers=options.numbers, labels=labels))
    if options.colour_labels:
        files["_colour.png"] = encode_coloured(labels, colours(len(instances)))
    if options.crops:
        cut = zip(instances.crops(image), instances.masks, strict=True)
        files |= {CROP.format(label): _jpeg(crop) for label, (crop, mask) in enumerate(cut, start=1) if mask.any()}
    if maps is not None:
        heatmap, foreground = DEBUG_ENDINGS
        files[heatmap] = _jpeg(heatmap_picture(image, maps))
        files[foreground] = _jpeg(foreground_picture(image, maps))
    return files


def _record(photo: Photo, instances: Instances, labels: LabelMap, made_by: Mapping[str, Any]) -> dict[str, Any]:
    from uois_sam.exchange.native import instance_rows

    height, width = instances.image_hw
    return {
        "image": photo.name,
        **({} if photo.frame is None else {"frame": photo.frame}),
        "height": height,
        "width": width,
        **made_by,
        "notes": list(instances.notes),
        "instances": instance_rows(instances, labels),
    }


def made_by(model: Segmenter, plan: FormatPlan = NATIVE_ONLY) -> dict[str, Any]:
    """Return the model and settings that results depend on, as their records hold them."""
    return {
        "model": model.name,
        "weights_sha256": model.card.weights_sha256,
        "version": __version__,
        "selection": asdict(model.settings),
        **({"request": request} if (request := model.request.to_json()) else {}),
        **({} if plan.depth is None else {"depth": plan.depth.to_json()}),
    }


def path_of(out: Path, stem: Path, ending: str) -> Path:
    """Return the path of one file of a photo's results."""
    return out / stem.with_name(stem.name + ending)


def is_done(out: Path, stem: Path, pictures: PictureOptions) -> bool:
    """Return whether all files of a photo exist."""
    if not all(path_of(out, stem, ending).exists() for ending in (*pictures.endings, RECORD)):
        return False
    if not pictures.crops:
        return True
    from uois_sam.io.json_files import read_json

    record = read_json(path_of(out, stem, RECORD), dict, what="a record of earlier results", error=OutputError)
    rows = record.get("instances")
    objects = len(rows) if isinstance(rows, list) else 0
    return all(path_of(out, stem, CROP.format(label)).exists() for label in range(1, objects + 1))


def remove_stale_crops(out: Path, stem: Path, objects: int) -> None:
    """Remove the cut-outs of objects beyond those that a photo has now; earlier results may have had more."""
    while (path := path_of(out, stem, CROP.format(objects + 1))).exists():
        path.unlink()
        objects += 1


def check_earlier(sources: Iterable[Source], out: Path, model: Segmenter, plan: FormatPlan = NATIVE_ONLY) -> None:
    """Refuse to add to results of another model, version or setting: nobody could tell them apart later.

    Raises:
        OutputError: if there are such results, or a record cannot be read.
    """
    from uois_sam.io.json_files import read_json

    expected = made_by(model, plan)
    for source in sources:
        stem = source.stem.with_name(f"{source.stem.name}_{0:06d}") if source.is_video else source.stem
        path = path_of(out, stem, RECORD)
        if not path.exists():
            continue
        record: dict[str, Any] = read_json(path, dict, what="a record of earlier results", error=OutputError)
        if differing := [
            key for key in {**expected, "request": {}, "depth": {}} if record.get(key) != expected.get(key)
        ]:
            said = ", ".join(_difference(key, record.get(key), expected.get(key)) for key in differing)
            raise OutputError(
                f"{path}: expected results of the same model and settings to go on with, found {said}: "
                "give another --out, or --overwrite"
            )


def _difference(key: str, found: Any, expected: Any) -> str:
    """One entry of two records, or of settings those that differ, in words."""
    if isinstance(found, dict) or isinstance(expected, dict):  # one that asks for nothing may be left out
        found, expected = found or {}, expected or {}
        names = [name for name in {**expected, **found} if found.get(name) != expected.get(name)]
        return f"{key} " + ", ".join(_difference(name, found.get(name), expected.get(name)) for name in names[:3])
    said = ("none" if value is None else str(value) for value in (found, expected))
    return f"{key} " + " instead of ".join(text if len(text) <= 24 else f"{text[:23]}…" for text in said)


def _jpeg(picture: ImageArray) -> bytes:
    from uois_sam.io.encoding import encode_jpeg

    return encode_jpeg(picture, quality=92, subsampling="4:4:4")
