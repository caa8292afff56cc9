"""Contact sheets: a grid of pictures with their labels drawn over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.files import write_atomically
from uois_sam.io.overlay import overlay
from uois_sam.types import ImageArray, LabelMap

SHEET_WIDTH_PX = 2560
GAP_PX = 4


Picture = tuple[ImageArray, LabelMap | None]
"""(H, W, 3) uint8 RGB and (H, W) uint16 labels of the same size, or None to show the picture alone."""


def write_contact_sheet(read: Callable[[int], Picture], total: int, out: Path, count: int = 48) -> int:
    """Draw up to ``count`` scenes of a data set, spread evenly over it, into one JPEG.

    Args:
        read: return the scene of an index from 0 to ``total`` - 1; called once for each that is shown.
        total: number of scenes of the data set.
        out: JPEG file to write.
        count: scenes to show; the more there are, the smaller each is.

    Returns:
        Number of scenes shown.

    Raises:
        DatasetError: if ``count`` or ``total`` is not positive.
    """
    if min(count, total) < 1:
        raise DatasetError(f"contact sheet: expected at least one scene, got {min(count, total)}")
    chosen = np.unique(np.linspace(0, total - 1, min(count, total)).astype(int)).tolist()
    columns = int(np.ceil(np.sqrt(len(chosen) * 4 / 3)))
    width = (SHEET_WIDTH_PX - GAP_PX) // max(columns, 4) - GAP_PX
    tiles = [_tile(*read(index), width) for index in chosen]
    write_atomically(out, encode_jpeg(_grid(tiles, columns), quality=88))
    return len(tiles)


def _tile(image: ImageArray, labels: LabelMap | None, width: int) -> ImageArray:
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    small = np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))
    if labels is None:
        return small
    rows = ((np.arange(height) + 0.5) * labels.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * labels.shape[1] / width).astype(int)
    return overlay(small, _numbered(labels[rows][:, columns]))


def _numbered(labels: LabelMap) -> LabelMap:
    """Return the label map with its objects numbered 1, 2, ... in ascending order."""
    values = np.unique(labels[labels > 0])
    return np.where(labels > 0, np.searchsorted(values, labels) + 1, 0).astype(np.uint16)


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
