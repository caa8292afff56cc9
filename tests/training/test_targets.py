"""What the prompt generator is taught, on label maps small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from uois_sam.training.targets import (
    COMPACT_TARGET,
    HeatmapTarget,
    foreground_target,
    heatmap_target,
    instance_centres,
)

Labels = npt.NDArray[np.int32]


def draw(*rows: str) -> Labels:
    """A label map from digits; ``.`` is background."""
    return np.array([[0 if c == "." else int(c) for c in row] for row in rows], dtype=np.int32)


RING = draw(
    "11111..",
    "1...1..",
    "1...1..",
    "1...1..",
    "11111..",
)
U_SHAPE = draw(
    "1....1",
    "1....1",
    "1....1",
    "111111",
)


def test_centres_are_centroids_of_the_visible_pixels_in_label_order() -> None:
    centres, areas = instance_centres(draw("22..", "22.1", "...1", "...."), interior=False)
    assert centres.tolist() == [[3, 1.5], [0.5, 0.5]]
    assert areas.tolist() == [2, 4]
    assert centres.dtype == areas.dtype == np.float32


def test_the_papers_centre_of_a_ring_is_the_hole() -> None:
    assert instance_centres(RING, interior=False)[0].tolist() == [[2, 2]]


def test_the_interior_centre_of_a_ring_is_a_nearest_pixel_of_the_ring() -> None:
    (centre,), _ = instance_centres(RING, interior=True)
    assert np.hypot(*(centre - 2)) == 2
    assert RING[int(centre[1]), int(centre[0])] == 1


def test_the_interior_centre_of_a_u_is_its_nearest_pixel() -> None:
    """Centroid (2.5, 24/12): between the arms; the floor, one row below, is nearer than the arms."""
    assert instance_centres(U_SHAPE, interior=False)[0].tolist() == [[2.5, 2]]
    (centre,), _ = instance_centres(U_SHAPE, interior=True)
    assert centre[1] == 3
    assert centre[0] in (2, 3)


def test_a_centroid_on_its_own_object_stays_where_it_is() -> None:
    square = draw("....", ".11.", ".11.", "....")
    assert instance_centres(square, interior=True)[0].tolist() == [[1.5, 1.5]]


def test_the_centroid_of_an_object_cut_in_two_lies_on_the_one_in_front() -> None:
    occluded = draw("1.2.1", "1.2.1", "1.2.1")
    assert instance_centres(occluded, interior=False)[0].tolist() == [[2, 1], [2, 1]]
    (back, front), _ = instance_centres(occluded, interior=True)
    assert back[0] in (0, 4)
    assert back[1] == 1
    assert front.tolist() == [2, 1]


def test_no_object_has_no_centre() -> None:
    centres, areas = instance_centres(np.zeros((4, 4), dtype=np.int32), interior=True)
    assert centres.shape == (0, 2)
    assert areas.shape == (0,)


def test_label_values_may_have_gaps() -> None:
    labels = np.zeros((3, 3), dtype=np.uint16)
    labels[0, 0], labels[2, 1] = 7, 60000
    assert instance_centres(labels, interior=False)[0].tolist() == [[0, 0], [1, 2]]


def test_eq_1_is_one_at_the_centre_and_falls_to_e_to_the_minus_half_at_sigma() -> None:
    labels = np.zeros((21, 31), dtype=np.int32)
    labels[9:12, 14:17] = 1  # centred on (15, 10)
    heatmap = heatmap_target(labels, HeatmapTarget(sigma_px=4.0), (21, 31))
    assert heatmap.dtype == np.float32
    assert heatmap[10, 15] == 1
    assert heatmap[10, 19] == heatmap[10, 11] == heatmap[14, 15] == pytest.approx(np.exp(-0.5))
    assert heatmap[13, 15] == pytest.approx(np.exp(-9 / 32))
    assert heatmap[14, 19] == pytest.approx(np.exp(-1))
    assert heatmap.argmax() == 10 * 31 + 15


def test_where_gaussians_overlap_the_higher_one_counts() -> None:
    labels = np.zeros((5, 20), dtype=np.int32)
    labels[2, 5], labels[2, 11] = 1, 2
    config = HeatmapTarget(sigma_px=3.0)
    both = heatmap_target(labels, config, labels.shape)
    each = [heatmap_target(np.where(labels == value, labels, 0), config, labels.shape) for value in (1, 2)]
    assert np.array_equal(both, np.maximum(*each))
    assert both[2, 8] == pytest.approx(np.exp(-0.5))  # between the two: a sum would give twice as much


def test_the_heatmap_of_an_empty_scene_is_zero() -> None:
    assert not heatmap_target(np.zeros((8, 8), dtype=np.int32), HeatmapTarget(), (4, 4)).any()


def test_a_coarser_target_samples_the_gaussian_at_its_cells_centres() -> None:
    labels = np.zeros((8, 12), dtype=np.int32)
    labels[3:5, 5:7] = 1  # centred on (5.5, 3.5), which is a corner between four cells of 2x2 pixels
    heatmap = heatmap_target(labels, HeatmapTarget(sigma_px=2.0), (4, 6))
    assert heatmap[1, 2] == heatmap[2, 3] == heatmap[1, 3] == pytest.approx(np.exp(-2 / 8))
    assert heatmap[1, 0] == pytest.approx(np.exp(-(25 + 1) / 8))


def test_compacts_gaussians_grow_with_the_object_within_limits() -> None:
    """sigma = 0.13 sqrt(area), between 2.5 and 12 pixels."""
    for side, sigma in ((5, 2.5), (41, 0.13 * 41), (121, 12.0)):
        labels = np.zeros((201, 201), dtype=np.int32)
        half = side // 2
        labels[100 - half : 101 + half, 100 - half : 101 + half] = 1
        heatmap = heatmap_target(labels, COMPACT_TARGET, (201, 201))
        assert heatmap[100, 110] == pytest.approx(np.exp(-100 / (2 * sigma**2)), rel=1e-4)


def test_a_cell_is_foreground_when_objects_cover_half_of_it() -> None:
    labels = draw(
        "11......",
        "11..1.2.",
        "........",
        "..1.....",
    )
    assert foreground_target(labels, (2, 4)).tolist() == [[True, False, False, False], [False] * 4]
    assert foreground_target(labels, (4, 4)).tolist() == [
        [True, False, False, False],
        [True, False, True, True],  # one of two pixels
        [False, False, False, False],
        [False, True, False, False],
    ]
    assert np.array_equal(foreground_target(labels, (4, 8)), labels > 0)
