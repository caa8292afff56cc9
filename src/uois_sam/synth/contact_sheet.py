"""Many scenes at a glance: a grid of pictures with their labels drawn over them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.files import write_atomically
from uois_sam.types import ImageArray, Instances, LabelMap
from uois_sam.visualize import overlay

SHEET_WIDTH_PX = 2560
GAP_PX = 4


def write_contact_sheet(folder: Path, out: Path, count: int = 48, *, labels: bool = True) -> int:
    """Draw up to ``count`` scenes of a data set, spread evenly over it, into one JPEG.

    Args:
        folder: data set in the native layout.
        out: where the sheet goes.
        count: scenes to show; the more there are, the smaller each is.
        labels: draw the objects' masks over the pictures.

    Returns:
        Number of scenes shown; where there are none, nothing is written.

    Raises:
        DatasetError: ``count`` is not positive.
    """
    if count < 1:
        raise DatasetError(f"contact sheet: expected at least one scene, got {count}")
    photos = sorted((folder / "rgb").glob("*.png"))
    if not photos:
        return 0
    chosen = [photos[k] for k in np.unique(np.linspace(0, len(photos) - 1, min(count, len(photos))).astype(int))]
    columns = int(np.ceil(np.sqrt(len(chosen) * 4 / 3)))
    width = (SHEET_WIDTH_PX - GAP_PX) // max(columns, 4) - GAP_PX
    tiles = [_tile(photo, folder / "label" / photo.name if labels else None, width) for photo in chosen]
    write_atomically(out, _jpeg(_grid(tiles, columns)))
    return len(tiles)


def _tile(photo: Path, label: Path | None, width: int) -> ImageArray:
    with Image.open(photo) as image:
        height = max(1, round(image.height * width / image.width))
        small = np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))
    if label is None:
        return small
    with Image.open(label) as image:
        values = np.asarray(image, dtype=np.uint16)
    rows = ((np.arange(height) + 0.5) * values.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * values.shape[1] / width).astype(int)
    return overlay(small, _instances(values[rows][:, columns]), show_points=False)


def _instances(labels: LabelMap) -> Instances:
    values = np.unique(labels[labels > 0])
    count = len(values)
    return Instances(
        masks=labels == values[:, None, None],
        scores=np.ones(count, dtype=np.float32),
        boxes=np.zeros((count, 4), dtype=np.float32),
        points=np.zeros((count, 2), dtype=np.float32),
    )


def _grid(tiles: list[ImageArray], columns: int) -> ImageArray:
    height = max(tile.shape[0] for tile in tiles)
    width = tiles[0].shape[1]
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    shape = (GAP_PX + rows * (height + GAP_PX), GAP_PX + columns * (width + GAP_PX), 3)
    sheet = np.full(shape, 255, dtype=np.uint8)
    for index, tile in enumerate(tiles):
        y = GAP_PX + index // columns * (height + GAP_PX)
        x = GAP_PX + index % columns * (width + GAP_PX)
        sheet[y : y + tile.shape[0], x : x + width] = tile
    return sheet


def _jpeg(picture: ImageArray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()
