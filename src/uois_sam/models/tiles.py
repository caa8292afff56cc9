"""Overlapping tiles for wide shots of many small things, and one result from all of them. Goes beyond the paper.

A network of fixed input size has a limited number of prompts and sees small things as specks. Tiles are segmented one
by one; a thing that the edge of one tile cuts is taken from the tile that holds it whole, or, where none does, joined
from its pieces; what is larger than a tile comes from the view of the whole photo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uois_sam.instances import Instances
from uois_sam.models.zoom import Crop
from uois_sam.types import BoolArray, FloatArray, ImageArray

OVERLAP = 0.3
"""Of neighbouring tiles, as a share of their side: what is smaller lies whole in one of them."""
CONTAINED = 0.7
"""Share of a mask inside another from which both are one thing, seen in two tiles."""
COVERED = 0.5
"""Share of a cut mask, or of one from the whole photo, under better ones from which it says nothing new."""
SAME = 0.5
"""IoU, where two tiles overlap, from which two cut masks are pieces of one thing."""
TINY, USUAL = 0.002, 0.006
"""Median share of the photo below which objects are tiny, and the share that tiles bring them to."""
FEWEST = 8
"""Objects from which on a median says something."""
LEAST_SIDE = 160
"""Pixels of a tile's shorter side below which there is nothing more to see."""


@dataclass(frozen=True)
class Piece:
    """One mask seen in one view, its pixels kept inside its box only. Frame: image."""

    view: int
    """Number of the tile; of the whole photo -1."""
    top: int
    left: int
    mask: BoolArray
    """(h, w) bool: the pixels of the box."""
    area: int
    score: float
    point: tuple[float, float]
    cut: bool = False
    """Whether an edge of the tile that is none of the photo cuts it."""


def lay_tiles(area: Crop, count: int) -> list[Crop]:
    """Divide a part of a photo into overlapping tiles, row by row.

    Args:
        area: the part.
        count: tiles along each side.
    """
    rows, columns = (_spans(*span, count) for span in ((area.top, area.height), (area.left, area.width)))
    return [Crop(top, left, height, width) for top, height in rows for left, width in columns]


def _spans(first: int, length: int, count: int) -> list[tuple[int, int]]:
    side = min(length, math.ceil(length / (count - (count - 1) * OVERLAP)))
    starts = np.linspace(first, first + length - side, count).round().astype(int)
    return [(int(start), side) for start in starts]


def frame_around(inside: BoolArray) -> Crop:
    """The smallest part of a photo, in its proportions, that holds all pixels to look at."""
    height, width = inside.shape
    rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
    side = max((rows[-1] + 1 - rows[0]) / height, (columns[-1] + 1 - columns[0]) / width)
    spans = []
    for axis, size in ((rows, height), (columns, width)):
        length = min(size, max(1, round(side * size)))
        start = round((int(axis[0]) + int(axis[-1]) + 1 - length) / 2)
        spans.append((min(max(0, start), size - length), length))
    (top, tall), (left, wide) = spans
    return Crop(top, left, tall, wide)


def choose_count(found: Instances, left_out: int, prompts: int, area: Crop, most: int) -> tuple[int, int]:
    """Tiles along each side that a photo needs, by what was found in it as a whole.

    Args:
        found: in the photo as a whole.
        left_out: peaks beyond the number of prompts.
        prompts: that number.
        area: part of the photo that tiles would be laid over.
        most: not more than this.

    Returns:
        The number to begin with, 1 for no tiles, and the largest number that shows more.
    """
    wanted = math.sqrt((prompts + left_out) / max(1, prompts / 2)) if left_out else 1.0
    if len(found) >= FEWEST:
        share = float(np.median(np.count_nonzero(found.masks, axis=(1, 2)))) / (area.height * area.width)
        wanted = max(wanted, math.sqrt(USUAL / share)) if share < TINY else wanted
    largest = max(1, min(int(min(area.height, area.width) / LEAST_SIDE), most))
    return min(math.ceil(wanted), largest), largest


def pieces_of(instances: Instances, crop: Crop, photo_hw: tuple[int, int], view: int) -> list[Piece]:
    """Return the masks found in a part of a photo as pieces of it.

    Args:
        instances: in the part's own pixels.
        crop: the part.
        photo_hw: size of the photo.
        view: number of the part.
    """
    height, width = instances.image_hw
    inner = (crop.left > 0, crop.top > 0, crop.left + width < photo_hw[1], crop.top + height < photo_hw[0])
    pieces = []
    for each in instances:
        left, top, right, bottom = (int(value) for value in each.box)
        mask = each.mask[top:bottom, left:right]
        at_edge = (left <= 1, top <= 1, right >= width - 1, bottom >= height - 1)
        pieces.append(
            Piece(
                view, top + crop.top, left + crop.left, mask, int(np.count_nonzero(mask)), each.score,
                (float(each.point[0]) + crop.left, float(each.point[1]) + crop.top),
                cut=any(a and b for a, b in zip(inner, at_edge, strict=True)),
            )
        )  # fmt: skip
    return pieces


def merge(pieces: Sequence[Piece], tiles: Sequence[Crop], iou: float) -> list[Piece]:
    """Make one result of what was found in all views, best first.

    Args:
        pieces: of all tiles, and of the photo as a whole.
        tiles: by number.
        iou: overlap from which two masks are the same thing.
    """
    kept: list[Piece] = []
    ranked = sorted(pieces, key=lambda piece: -piece.score)
    for piece in ranked:
        if piece.view >= 0 and not piece.cut and not any(_is_same(piece, other, iou) for other in kept):
            kept.append(piece)
    cut = [piece for piece in ranked if piece.cut and _covered(piece, kept) < COVERED]
    joined = sorted(_join(cut, tiles), key=lambda piece: (-piece.area, -piece.score))
    for piece in joined:
        if _covered(piece, kept) < COVERED and not any(_is_same(piece, other, iou) for other in kept):
            kept.append(piece)
    for piece in ranked:
        if piece.view < 0 and _covered(piece, kept) < COVERED:
            kept.append(piece)
    return sorted(kept, key=lambda piece: -piece.score)


def _is_same(piece: Piece, other: Piece, iou: float) -> bool:
    """Whether two masks of different views are one thing; of one view this was decided there."""
    if piece.view == other.view:
        return False
    shared = shared_area(piece, other)
    joint = piece.area + other.area - shared
    return shared > iou * joint or shared > CONTAINED * min(piece.area, other.area)


def shared_area(piece: Piece, other: Piece) -> int:
    """Pixels in both masks."""
    window = _window(other, piece)
    return 0 if window is None else int(np.count_nonzero(piece.mask[window[0]] & other.mask[window[1]]))


def _covered(piece: Piece, others: Sequence[Piece]) -> float:
    """Share of a mask under others."""
    free = piece.mask.copy()
    for other in others:
        window = _window(other, piece)
        if window is not None:
            mine, theirs = window
            free[mine] &= ~other.mask[theirs]
    return 1 - np.count_nonzero(free) / max(1, piece.area)


def _window(other: Piece, piece: Piece) -> tuple[tuple[slice, slice], tuple[slice, slice]] | None:
    """Where two boxes overlap, in the pixels of ``piece`` and of ``other``."""
    top, left = max(piece.top, other.top), max(piece.left, other.left)
    bottom = min(piece.top + piece.mask.shape[0], other.top + other.mask.shape[0])
    right = min(piece.left + piece.mask.shape[1], other.left + other.mask.shape[1])
    if top >= bottom or left >= right:
        return None
    mine, theirs = (
        (slice(top - each.top, bottom - each.top), slice(left - each.left, right - each.left))
        for each in (piece, other)
    )
    return mine, theirs


def _join(cut: Sequence[Piece], tiles: Sequence[Crop]) -> list[Piece]:
    """Unite the pieces of things that the edges of tiles cut."""
    pairs = [
        (i, j)
        for i, first in enumerate(cut)
        for j, second in enumerate(cut[:i])
        if first.view != second.view and _agree(first, second, tiles)
    ]
    if not pairs:
        return list(cut)
    from scipy.sparse import coo_matrix  # here, because it adds to the command's start
    from scipy.sparse.csgraph import connected_components

    rows, columns = np.array(pairs).T
    graph = coo_matrix((np.ones(len(pairs)), (rows, columns)), shape=(len(cut), len(cut)))
    count, groups = connected_components(graph, directed=False)
    return [_united([cut[int(i)] for i in np.flatnonzero(groups == group)]) for group in range(count)]


def _agree(first: Piece, second: Piece, tiles: Sequence[Crop]) -> bool:
    """Whether two pieces are the same where both tiles see them."""
    shared = shared_area(first, second)
    if not shared:
        return False
    seen = [_area_in(piece, tiles[other.view]) for piece, other in ((first, second), (second, first))]
    return shared > SAME * (sum(seen) - shared)


def _area_in(piece: Piece, tile: Crop) -> int:
    """Pixels of a mask in a tile."""
    top, left = max(0, tile.top - piece.top), max(0, tile.left - piece.left)
    bottom, right = tile.top + tile.height - piece.top, tile.left + tile.width - piece.left
    return int(np.count_nonzero(piece.mask[top : max(0, bottom), left : max(0, right)]))


def _united(pieces: Sequence[Piece]) -> Piece:
    """The union of masks, with the score of all by their areas; its view is one of its own."""
    if len(pieces) == 1:
        return pieces[0]
    top, left = min(piece.top for piece in pieces), min(piece.left for piece in pieces)
    bottom = max(piece.top + piece.mask.shape[0] for piece in pieces)
    right = max(piece.left + piece.mask.shape[1] for piece in pieces)
    mask = np.zeros((bottom - top, right - left), dtype=np.bool_)
    for piece in pieces:
        rows, columns = piece.top - top, piece.left - left
        mask[rows : rows + piece.mask.shape[0], columns : columns + piece.mask.shape[1]] |= piece.mask
    areas = [piece.area for piece in pieces]
    score = float(np.average([piece.score for piece in pieces], weights=areas))
    largest = max(pieces, key=lambda piece: piece.area)
    return Piece(-2, top, left, mask, int(np.count_nonzero(mask)), score, largest.point)


def in_one(pieces: Sequence[Piece], image: ImageArray, model: str) -> Instances:
    """Return pieces as instances of the photo."""
    masks = np.zeros((len(pieces), *image.shape[:2]), dtype=np.bool_)
    boxes: FloatArray = np.zeros((len(pieces), 4), dtype=np.float32)
    for row, piece in enumerate(pieces):
        bottom, right = piece.top + piece.mask.shape[0], piece.left + piece.mask.shape[1]
        masks[row, piece.top : bottom, piece.left : right] = piece.mask
        boxes[row] = (piece.left, piece.top, right, bottom)
    scores = np.array([piece.score for piece in pieces], dtype=np.float32)
    points = np.array([piece.point for piece in pieces], dtype=np.float32).reshape(-1, 2)
    return Instances(masks, scores, boxes, points, model, image)
