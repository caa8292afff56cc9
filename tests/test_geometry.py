"""Coordinates between frames: exact on small grids, reversible, and the same as what resizing does to pixels."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import interpolate

from uois_sam.geometry import Frame, grid_points, look_at_part, map_points, mask_regions, resize_logits

SIDES = st.integers(1, 40)
SIZES = st.tuples(SIDES, SIDES)


def xy(*points: tuple[float, float]) -> Tensor:
    return torch.tensor(points, dtype=torch.float32)


@pytest.mark.parametrize(
    ("point", "source_hw", "target_hw", "expected"),
    [
        ((0, 0), (4, 4), (8, 8), (0.5, 0.5)),  # one pixel becomes 2x2; its centre lies between them
        ((0.5, 0.5), (8, 8), (4, 4), (0, 0)),
        ((-0.5, -0.5), (4, 6), (9, 31), (-0.5, -0.5)),  # the corner of the first pixel is a corner in every grid
        ((5.5, 3.5), (4, 6), (8, 12), (11.5, 7.5)),  # so is that of the last
        ((319.5, 239.5), (480, 640), (336, 448), (223.5, 167.5)),  # the middle stays the middle
        ((2, 1), (4, 8), (8, 4), (0.75, 2.5)),  # x and y have their own scales
    ],
)
def test_points_map_between_grids_by_pixel_centres(
    point: tuple[float, float], source_hw: tuple[int, int], target_hw: tuple[int, int], expected: tuple[float, float]
) -> None:
    assert torch.equal(map_points(xy(point), source_hw, target_hw), xy(expected))


@given(st.floats(-0.5, 39.5, width=32), st.floats(-0.5, 39.5, width=32), SIZES, SIZES)
def test_mapping_there_and_back_is_the_identity(
    x: float, y: float, source_hw: tuple[int, int], target_hw: tuple[int, int]
) -> None:
    there = map_points(xy((x, y)), source_hw, target_hw)
    torch.testing.assert_close(map_points(there, target_hw, source_hw), xy((x, y)), rtol=1e-4, atol=1e-3)


@given(SIZES, SIZES, SIZES)
def test_mapping_through_a_third_grid_changes_nothing(
    first_hw: tuple[int, int], second_hw: tuple[int, int], third_hw: tuple[int, int]
) -> None:
    points = torch.from_numpy(grid_points(first_hw, 3))
    through = map_points(map_points(points, first_hw, second_hw), second_hw, third_hw)
    torch.testing.assert_close(through, map_points(points, first_hw, third_hw), rtol=1e-4, atol=1e-4)


@settings(max_examples=50)
@given(SIZES, SIZES)
def test_a_resized_picture_of_coordinates_holds_what_the_mapping_says(
    source_hw: tuple[int, int], target_hw: tuple[int, int]
) -> None:
    """A picture whose pixels are their own x and y is resized; each pixel then tells where it came from."""
    ramps = coordinates(source_hw)
    resized = interpolate(ramps[None], target_hw, mode="bilinear", align_corners=False)[0]
    came_from = map_points(coordinates(target_hw).flatten(1).T, target_hw, source_hw)
    last = torch.tensor([source_hw[1] - 1.0, source_hw[0] - 1.0])
    within = came_from.clamp(min=torch.zeros(2), max=last)  # resizing repeats the outermost pixels
    torch.testing.assert_close(resized.flatten(1).T, within, rtol=1e-4, atol=1e-4)


def coordinates(size_hw: tuple[int, int]) -> Tensor:
    """(2, H, W): the x and the y of every pixel."""
    rows, columns = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in size_hw), indexing="ij")
    return torch.stack([columns, rows])


def test_a_grid_of_points_runs_row_by_row_through_the_centres_of_its_cells() -> None:
    assert torch.equal(torch.from_numpy(grid_points((2, 4), 2)), xy((0.5, 0), (2.5, 0), (0.5, 1), (2.5, 1)))
    assert torch.equal(torch.from_numpy(grid_points((3, 5), 1)), xy((2, 1)))


@given(SIZES, st.integers(1, 12))
def test_a_grid_of_points_is_symmetric_and_stays_inside(size_hw: tuple[int, int], side: int) -> None:
    points = torch.from_numpy(grid_points(size_hw, side))
    assert points.shape == (side * side, 2)
    mirrored = torch.tensor([size_hw[1] - 1.0, size_hw[0] - 1.0]) - points
    torch.testing.assert_close(mirrored.flip(0), points, rtol=0, atol=1e-4)
    assert (points > -0.5).all()
    assert (points < torch.tensor([size_hw[1] - 0.5, size_hw[0] - 0.5])).all()


@pytest.mark.parametrize(
    ("image_hw", "content_hw"),
    [
        ((480, 640), (768, 1024)),
        ((640, 480), (1024, 768)),
        ((1024, 1024), (1024, 1024)),
        ((500, 2000), (256, 1024)),
        ((3, 8192), (1, 1024)),  # never thinner than a pixel
    ],
)
def test_a_padded_frame_scales_the_longest_side(image_hw: tuple[int, int], content_hw: tuple[int, int]) -> None:
    assert Frame.padded(image_hw, 1024) == Frame(size_hw=(1024, 1024), content_hw=content_hw)


@given(SIZES, st.integers(1, 64))
def test_a_padded_frame_keeps_the_aspect_ratio_to_half_a_pixel(image_hw: tuple[int, int], side: int) -> None:
    frame = Frame.padded(image_hw, side)
    assert max(frame.content_hw) == side
    for content, length in zip(frame.content_hw, image_hw, strict=True):
        assert content == 1 or abs(content - length * side / max(image_hw)) <= 0.5 + 1e-9


def test_a_stretched_frame_is_all_content() -> None:
    assert Frame.stretched((336, 448)) == Frame(size_hw=(336, 448), content_hw=(336, 448))


def test_logits_on_a_stretched_frame_keep_their_values_at_the_same_size() -> None:
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resize_logits(logits, Frame.stretched((12, 20)), (3, 5)), logits)


def test_the_padding_of_a_frame_never_reaches_the_photo() -> None:
    logits = torch.full((1, 8, 8), 100.0)  # the lower half is padding
    logits[:, :4] = torch.arange(8.0) - 3.5
    frame = Frame(size_hw=(8, 8), content_hw=(4, 8))
    assert torch.equal(resize_logits(logits, frame, (4, 8)), logits[:, :4])
    doubled = resize_logits(logits, frame, (8, 16))[0]
    expected = torch.cat([torch.tensor([-3.5]), torch.arange(-3.25, 3.5, 0.5), torch.tensor([3.5])])
    torch.testing.assert_close(doubled, expected.expand(8, 16))


def test_no_logits_become_no_masks_of_the_photos_size() -> None:
    assert resize_logits(torch.zeros(0, 7, 7), Frame.padded((30, 50), 64), (30, 50)).shape == (0, 30, 50)


@settings(max_examples=50)
@given(st.integers(8, 90), st.integers(8, 90), st.data())
def test_what_lies_under_a_point_in_the_frame_lies_under_it_in_the_photo(
    height: int, width: int, data: st.DataObject
) -> None:
    """A blob drawn at the frame's side of a point covers the photo's side of that point, padded frame or not."""
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    for frame in (Frame.padded((height, width), 64), Frame.stretched((48, 64))):
        at = map_points(xy((x, y)), (height, width), frame.content_hw)[0]
        distance = (coordinates(frame.size_hw) - at[:, None, None]).abs().amax(dim=0)
        mask = resize_logits(3.0 - distance[None], frame, (height, width))[0] > 0
        assert mask[y, x]
        assert not mask.all() or max(height, width) < 9


def test_a_part_of_maps_is_what_resizing_the_whole_has_there() -> None:
    maps = torch.rand(2, 12, 16)
    whole = torch.nn.functional.interpolate(maps[None], size=(48, 64), mode="bilinear", align_corners=False)[0]
    part = look_at_part(maps, (48, 64), (8, 20, 24, 32), (24, 32))
    torch.testing.assert_close(part, whole[:, 8:32, 20:52])
    torch.testing.assert_close(look_at_part(maps, (48, 64), (0, 0, 48, 64), (12, 16)), maps)


def test_regions_of_a_mask_are_numbered_and_counted() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]], dtype=np.bool_)
    for connectivity, areas in ((8, [7, 2, 3]), (4, [7, 1, 3, 1])):
        regions, found = mask_regions(mask, connectivity)  # type: ignore[arg-type]
        assert sorted(found[1:].tolist()) == sorted(areas[1:])
        assert found[0] == areas[0]
        assert ((regions > 0) == mask).all()
        assert regions[0, 3] == regions[1, 3] == regions[2, 3]
        assert found[regions[0, 3]] == 3
