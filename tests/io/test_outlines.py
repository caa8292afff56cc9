"""Polygons along the edges of pixels: exact where nothing is simplified, within a pixel where something is."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from pycocotools import mask as coco_mask
from scipy import ndimage

from uois_sam.io.outlines import Ring, edge_polygons, one_polygon

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=14))


def painted(rings: list[Ring], image_hw: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """What pycocotools makes of polygons."""
    if not rings:
        return np.zeros(image_hw, np.bool_)
    runs = coco_mask.frPyObjects([ring.reshape(-1).tolist() for ring in rings], *image_hw)
    return np.asarray(coco_mask.decode(coco_mask.merge(runs)), np.bool_)


def drawn(*rows: str) -> npt.NDArray[np.bool_]:
    return np.array([[c == "#" for c in row] for row in rows])


@given(MASKS)
def test_polygons_give_the_mask_back_holes_and_pieces_included(mask: npt.NDArray[np.bool_]) -> None:
    assert np.array_equal(painted(edge_polygons(mask), mask.shape), mask)


@given(MASKS)
def test_so_does_one_polygon_with_bridges(mask: npt.NDArray[np.bool_]) -> None:
    ring = one_polygon(mask)
    assert np.array_equal(painted([ring] if len(ring) else [], mask.shape), mask)


def test_a_square_is_its_four_corners() -> None:
    (ring,) = edge_polygons(drawn("....", ".##.", ".##."))
    assert sorted(map(tuple, ring.tolist())) == [(1, 1), (1, 3), (3, 1), (3, 3)]


def test_the_largest_piece_comes_first() -> None:
    first, second = edge_polygons(drawn("#....", "...##", "...##"))
    assert first.max() == 5 and second.tolist() != first.tolist() and second.max() == 1


def blobs(seed: int) -> npt.NDArray[Any]:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((60, 80)), 4)
    return np.asarray(noise > 0.02)


def test_simplified_polygons_stay_within_a_pixel_and_are_much_shorter() -> None:
    near = ndimage.generate_binary_structure(2, 2)
    for seed in range(5):
        mask = blobs(seed)
        rings = edge_polygons(mask, 0.75)
        rough = painted(rings, mask.shape)
        assert not (rough & ~ndimage.binary_dilation(mask, near)).any()
        assert not (mask & ~ndimage.binary_dilation(rough, near)).any()
        assert sum(map(len, rings)) < 0.6 * sum(map(len, edge_polygons(mask)))


@settings(max_examples=50)
@given(MASKS)
def test_what_is_one_pixel_wide_survives_simplification(mask: npt.NDArray[np.bool_]) -> None:
    pieces = ndimage.label(mask, ndimage.generate_binary_structure(2, 2))[1]
    rings = edge_polygons(mask, 0.75)
    assert len(rings) == pieces
    assert all(painted([ring], mask.shape).any() for ring in rings)
