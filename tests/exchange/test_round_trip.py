"""Native labels to each format and back: exact, and polygons within a pixel."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from uois_sam.datasets import FolderDataset, open_dataset
from uois_sam.datasets.importing import import_sample
from uois_sam.exchange.format import FormatOptions
from uois_sam.exchange.photo import LabelledPhoto, Shapes
from uois_sam.exchange.registry import open_formats
from uois_sam.exchange.writing import write_photos
from uois_sam.io.masks import decode_mask
from uois_sam.types import BoolArray, LabelMap, Sample

READABLE = ("coco", "yolo", "labelme", "voc")
LABELS = hnp.arrays(
    np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9), elements=st.integers(0, 3)
)


def numbered(labels: LabelMap) -> LabelMap:
    """The same with the values 1 to N."""
    return np.asarray(
        np.unique(np.append(labels.ravel(), 0), return_inverse=True)[1][:-1].reshape(labels.shape), np.uint16
    )


def photo_of(name: str, labels: LabelMap, ignore: BoolArray | None = None, **other: Any) -> LabelledPhoto:
    masks = np.array([labels == value for value in range(1, int(labels.max(initial=0)) + 1)], np.bool_)
    image = np.full((*labels.shape, 3), 90, np.uint8)
    return LabelledPhoto(name, masks.reshape(-1, *labels.shape), image=image, ignore=ignore, **other)


def there_and_back(name: str, photos: Sequence[LabelledPhoto], shapes: Shapes = "mask") -> list[Sample]:
    """Written in a format, imported from it, and read as the folder that every command reads."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        write_photos(photos, out, open_formats([name], FormatOptions(shapes)))
        root = out / name
        if name == "coco":  # its photos stay where they are
            write_photos(photos, out, open_formats(["yolo"]))
            dataset = open_dataset("coco", root, images=str(out / "yolo/images"))
        else:
            dataset = open_dataset(name, root)
        for index in range(len(dataset)):
            import_sample(dataset, index, out / "native")
        native = FolderDataset(out / "native")
        return [native[index] for index in range(len(native))]


@pytest.mark.parametrize("name", READABLE)
@settings(max_examples=15)
@given(labels=LABELS)
def test_labels_come_back_exactly(name: str, labels: LabelMap) -> None:
    labels = numbered(labels)
    whole = np.ones((2, 2), np.uint16)  # COCO files and YOLO folders without any label are refused
    first, second = there_and_back(name, [photo_of("a/0.png", labels), photo_of("a/1.png", whole)])
    assert np.array_equal(first.labels, labels) and np.array_equal(second.labels, whole)
    assert first.image.shape[:2] == labels.shape and (first.image == 90).all()


@pytest.mark.parametrize("name", ["coco", "labelme", "voc"])
@settings(max_examples=15)
@given(labels=LABELS, data=st.data())
def test_ignored_pixels_come_back(name: str, labels: LabelMap, data: st.DataObject) -> None:
    ignore = data.draw(hnp.arrays(np.bool_, labels.shape))
    labels = numbered(np.where(ignore, np.uint16(0), labels))
    first, _ = there_and_back(name, [photo_of("0.png", labels, ignore), photo_of("1.png", np.ones((2, 2), np.uint16))])
    assert np.array_equal(first.labels, labels)
    found = np.zeros(labels.shape, np.bool_) if first.ignore is None else first.ignore
    assert np.array_equal(found, ignore)


@pytest.mark.parametrize("name", READABLE)
@settings(max_examples=10)
@given(hnp.arrays(np.bool_, (3, 6, 7)))
def test_of_overlapping_results_the_better_one_stays_in_front(name: str, masks: npt.NDArray[np.bool_]) -> None:
    masks = masks[masks.any(axis=(1, 2))]
    if not len(masks):
        return
    scores = np.linspace(0.9, 0.4, len(masks)).astype(np.float32)
    photo = LabelledPhoto("a.png", masks, scores, image=np.zeros((6, 7, 3), np.uint8))
    (sample,) = there_and_back(name, [photo])
    # Numbers move up in YOLO where an object is wholly covered.
    assert np.array_equal(sample.labels, numbered(photo.label_map) if name == "yolo" else photo.label_map)


@given(hnp.arrays(np.bool_, (2, 5, 6)))
@settings(max_examples=15)
def test_bop_results_hold_the_very_masks(masks: npt.NDArray[np.bool_]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        photo = LabelledPhoto("000001/rgb/000002.png", masks, np.array([0.5, 0.25], np.float32))
        notes = write_photos([photo], Path(folder), open_formats(["bop"]))
        rows = json.loads(next(Path(folder, "bop").glob("*.json")).read_text())
    kept = [mask for mask in masks if mask.any()]
    assert len(rows) == len(kept) and notes.get("bop: empty masks left out", 0) == 2 - len(kept)
    for row, mask in zip(rows, kept, strict=True):
        assert np.array_equal(decode_mask(row["segmentation"]), mask)


def blobs(seed: int) -> LabelMap:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((60, 80)), 4)
    return np.asarray(ndimage.label(noise > 0.06)[0], np.uint16)


@pytest.mark.parametrize("name", ["coco", "yolo", "labelme"])
def test_outlines_to_edit_come_back_within_a_pixel(name: str) -> None:
    near = ndimage.generate_binary_structure(2, 2)
    labels = blobs(1)
    first, _ = there_and_back(
        name, [photo_of("0.png", labels), photo_of("1.png", np.ones((2, 2), np.uint16))], "polygon"
    )
    assert not np.array_equal(first.labels, labels)
    for value in range(1, int(labels.max()) + 1):
        before, after = labels == value, first.labels == value
        assert not (after & ~ndimage.binary_dilation(before, near)).any()
        assert not (before & ~ndimage.binary_dilation(after, near)).any()
