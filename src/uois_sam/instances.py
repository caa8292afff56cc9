"""The result a user holds: the objects found in one photo."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from uois_sam.errors import ImageError, UOISError, count
from uois_sam.types import BoolArray, FloatArray, ImageArray, LabelMap

if TYPE_CHECKING:
    import matplotlib.axes

    from uois_sam.exchange.photo import LabelledPhoto
    from uois_sam.io.shapes import Background


@dataclass(frozen=True)
class Instance:
    """One of several objects found in a photo. Frame: image; unit: pixels of the photo as given."""

    mask: BoolArray
    """(H, W) bool."""
    score: float
    """In [0, 1]: the predicted IoU of the mask."""
    box: FloatArray
    """(4,) float32 xyxy, upper ends exclusive."""
    point: FloatArray
    """(2,) float32 xy: the point prompt the mask was decoded from."""
    label: int
    """Value of its pixels in :meth:`Instances.label_map` of those it was taken from, counted from 1."""
    id: int | None = None
    """Number of the object through a video; None where nothing was tracked."""


@dataclass(frozen=True)
class Instances:
    """Objects found in one photo. Frame: image; unit: pixels of the photo as given.

    Best score first; where points were given by the caller, one for each point in the order given.

    Masks may overlap; :meth:`label_map` resolves that by letting the better score win. Instance i has the number
    i + 1 wherever one is shown: in the label map, on the overlay, and as ``label`` in the JSON of ``uois-sam segment``.
    """

    masks: BoolArray
    """(N, H, W) bool, the visible part of each object."""
    scores: FloatArray
    """(N,) float32 in [0, 1]: the predicted IoU of each mask, clamped for display."""
    boxes: FloatArray
    """(N, 4) float32 xyxy: first column, first row, last column + 1, last row + 1 of each mask."""
    points: FloatArray
    """(N, 2) float32 xy: the point prompt each mask was decoded from."""
    model: str = ""
    """Name and version of the model that made them, e.g. ``"compact-1"``."""
    image: ImageArray | None = None
    """(H, W, 3) uint8 RGB, the photo they were found in (for :meth:`plot`); None when not kept."""
    notes: tuple[str, ...] = ()
    """What a limit left out or a setting chose, one line each as ``"kind: numbers; what to do"``; of the photo, so that
    a selection of the instances keeps them all."""
    ids: npt.NDArray[np.int64] | None = None
    """(N,) int64 from 1: number of each object through a video (:class:`uois_sam.tracking.Tracker`); None without."""

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width of the photo in pixels."""
        return int(self.masks.shape[1]), int(self.masks.shape[2])

    def __repr__(self) -> str:
        scores = f", scores {self.scores.min():.2f} to {self.scores.max():.2f}" if len(self) else ""
        height, width = self.image_hw
        return f"Instances({len(self)} in {width}x{height}{scores}{f', {self.model}' if self.model else ''})"

    @overload
    def __getitem__(self, index: int | np.integer) -> Instance: ...

    @overload
    def __getitem__(self, index: slice | Sequence[int] | npt.NDArray[np.bool_ | np.integer]) -> Instances: ...

    def __getitem__(
        self, index: int | np.integer | slice | Sequence[int] | npt.NDArray[np.bool_ | np.integer]
    ) -> Instance | Instances:
        """Return one :class:`Instance` by number, or several as :class:`Instances`: ``found[found.scores > 0.7]``.

        Raises:
            IndexError: if there is no such instance, or a bool index has another length.
        """
        if isinstance(index, int | np.integer):
            if not -len(self) <= index < len(self):
                raise IndexError(f"expected the number of one of {count(len(self), 'instance')}, found {index}")
            row = range(len(self))[index]
            own = None if self.ids is None else int(self.ids[row])
            return Instance(self.masks[row], float(self.scores[row]), self.boxes[row], self.points[row], row + 1, own)
        if not isinstance(index, slice):
            index = np.asarray(index) if len(index) else np.zeros(0, dtype=np.intp)
        tracked = () if self.ids is None else ("ids",)
        kept = {name: getattr(self, name)[index] for name in ("masks", "scores", "boxes", "points", *tracked)}
        return replace(self, **kept)

    def __iter__(self) -> Iterator[Instance]:
        """Go through the instances in order."""
        return (self[row] for row in range(len(self)))

    def label_map(self) -> LabelMap:
        """(H, W) uint16: 0 is background, i + 1 is instance i; where masks overlap, the better one wins.

        Slivers are left out: masks of which better ones leave less than a fifth in sight, and connected pieces below
        2 % of what is in sight of their mask (:func:`uois_sam.io.shapes.paint_masks`).
        """
        from uois_sam.io.shapes import paint_masks

        return paint_masks(self.masks)

    def id_map(self) -> npt.NDArray[np.int64]:
        """(H, W) int64: as :meth:`label_map`, with ids for labels; a UOISError where nothing was tracked."""
        if self.ids is not None:
            return np.concatenate([[0], self.ids]).astype(np.int64)[self.label_map()]
        raise UOISError("id_map needs ids: expected instances from a Tracker, found none that were tracked")

    def visible_areas(self, labels: LabelMap | None = None) -> npt.NDArray[np.int64]:
        """(N,) pixels of each instance in :meth:`label_map`, painted already or not; 0 for one left out of it."""
        return np.bincount((self.label_map() if labels is None else labels).ravel(), minlength=len(self) + 1)[1:]

    def polygons(self, tolerance_px: float = 0.0) -> list[list[FloatArray]]:
        """Trace every mask: for each instance the outlines of its connected pieces, largest first; holes are left out.

        Args:
            tolerance_px: largest distance by which a simplified outline may leave the traced one; 0 keeps all corners.

        Returns:
            Per instance a list of (n, 2) float32 xy arrays, in pixels.
        """
        from uois_sam.io.shapes import mask_polygons

        return [mask_polygons(mask, tolerance_px) for mask in self.masks]

    def crops(
        self,
        image: ImageArray | None = None,
        *,
        pad: float = 0.1,
        size: tuple[int, int] | None = None,
        background: Background = "photo",
    ) -> list[ImageArray]:
        """Cut every object out of the photo.

        Args:
            image: (H, W, 3) uint8 RGB; the photo that was segmented when left out.
            pad: margin around each box as a share of its longer side.
            size: rows and columns to bring every crop to, proportions kept; None keeps each crop's own.
            background: what stands around the object: "photo", "white" or "black".

        Returns:
            One (h, w, 3) uint8 RGB array per instance.

        Raises:
            ImageError: if there is no photo, or its size is not that of the masks.
        """
        from uois_sam.io.shapes import cut_out

        photo = self._photo(image)
        pairs = zip(self.masks, self.boxes, strict=True)
        return [cut_out(photo, mask, box, pad=pad, size=size, background=background) for mask, box in pairs]

    def to_coco(self, image_id: int = 0, category_id: int = 1) -> list[dict[str, Any]]:
        """Return one COCO result dictionary per instance, in order; every value survives ``json.dumps``.

        Keys: ``image_id``, ``category_id``, ``segmentation`` (compressed RLE: ``size`` is [height, width], ``counts`` a
        string), ``bbox`` ([x, y, width, height] in pixels), ``score``, ``area`` (pixels of the mask) and, beyond COCO,
        ``point`` ([x, y], the point prompt) and, if tracked, ``track_id``.

        Args:
            image_id: written into every dictionary.
            category_id: written into every dictionary; objects have no classes, so one number serves all.
        """
        from uois_sam.exchange.native import coco_rows

        return coco_rows(self, image_id, category_id)

    def labelled(
        self, file_name: str, image: ImageArray | None = None, labels: LabelMap | None = None
    ) -> LabelledPhoto:
        """Return the instances as the writers of :mod:`uois_sam.exchange` take them; only the name is needed."""
        from uois_sam.exchange.photo import LabelledPhoto

        photo, segmap = self.image if image is None else image, self.label_map() if labels is None else labels
        return LabelledPhoto(file_name, self.masks, self.scores, segmap=segmap, image=photo)

    def save(
        self,
        folder: str | os.PathLike[str],
        name: str = "photo",
        formats: Sequence[str] = ("native",),
        image: ImageArray | None = None,
    ) -> None:
        """Write the instances as ``uois-sam segment`` does.

        Args:
            folder: where the files go; created where missing.
            name: of the files, without suffix.
            formats: native (``NAME_label.png``, ``NAME.json`` and, of a known photo, ``NAME_overlay.jpg``), coco, yolo,
                labelme, voc, bop; all but native go into a folder of their own name.
            image: (H, W, 3) uint8 RGB; the photo that was segmented when left out.

        Raises:
            UOISError: for an unknown format, a photo of another size, or a file that cannot be written.
        """
        from uois_sam.exchange.converters import save

        save(self, Path(folder), name, formats, image)

    def to_supervision(self) -> Any:
        """Return ``supervision.Detections`` with masks, scores, and ids if tracked; that package must be installed."""
        from uois_sam.exchange.converters import to_supervision

        return to_supervision(self.labelled(""), self.ids)

    def to_fiftyone(self) -> Any:
        """Return ``fiftyone.Detections``, masks inside their boxes; that package must be installed."""
        from uois_sam.exchange.converters import to_fiftyone

        return to_fiftyone(self.labelled(""))

    def to_labelme(self, file_name: str, *, polygons: bool = False) -> dict[str, Any]:
        """Return the content of a LabelMe file.

        Args:
            file_name: of the photo, beside which the JSON file is to lie.
            polygons: outlines to edit, within a pixel, in place of exact masks (objects with holes stay masks).
        """
        from uois_sam.exchange.labelme import labelme_record

        return labelme_record(self.labelled(file_name), polygons)

    def to_hf(self) -> dict[str, Any]:
        """Return what Transformers' ``pipeline("mask-generation")`` returns.

        Keys: ``masks``, a list of (H, W) bool arrays, and ``scores``, a (N,) float32 tensor.
        """
        import torch

        return {"masks": list(self.masks), "scores": torch.from_numpy(self.scores.copy())}

    def overlay(
        self,
        image: ImageArray | None = None,
        *,
        show_points: bool = True,
        show_scores: bool = False,
        show_numbers: bool = True,
        labels: LabelMap | None = None,
    ) -> ImageArray:
        """Draw the instances over the photo, each tinted and outlined in its own colour, as :meth:`label_map` has them.

        Args:
            image: (H, W, 3) uint8 RGB; the photo that was segmented when left out.
            show_points: mark the point prompts of what is in sight.
            show_scores: write the score beside each object's point.
            show_numbers: write the number that the object has in the label map there, or its id where it was tracked.
            labels: :meth:`label_map`, where it has been painted already.

        Returns:
            (H, W, 3) uint8 RGB, a new array.

        Raises:
            ImageError: if there is no photo, or its size is not that of the masks.
        """
        from uois_sam.io.overlay import overlay, texts_of

        numbers = list(range(1, len(self) + 1)) if self.ids is None else self.ids.tolist()
        texts = texts_of(numbers if show_numbers else None, self.scores if show_scores else None)
        labels = self.label_map() if labels is None else labels
        return overlay(self._photo(image), labels, self.points, texts, show_points=show_points, numbers=numbers)

    def plot(self, image: ImageArray | None = None, ax: matplotlib.axes.Axes | None = None) -> matplotlib.axes.Axes:
        """Draw the overlay of a photo, by default the segmented one, with points as markers into Matplotlib axes.

        Raises:
            ImageError: if there is no photo, or its size is not that of the masks.
            MissingExtraError: if Matplotlib is not installed.
        """
        from uois_sam.io.overlay import plot

        return plot(self.overlay(image, show_points=False), self.points, ax)

    def _photo(self, image: ImageArray | None) -> ImageArray:
        photo = self.image if image is None else image
        if photo is None or photo.shape != (*self.image_hw, 3):
            found = "none (these instances do not keep theirs)" if photo is None else str(photo.shape)
            raise ImageError(f"expected the photo the masks belong to, shape {(*self.image_hw, 3)}, found {found}")
        return photo
