"""Depth and intrinsics as people give them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from uois_sam.depth import read_depth_map, read_workspace
from uois_sam.depth.reading import read_camera
from uois_sam.depth.workspace import Box
from uois_sam.errors import ImageError, UOISError
from uois_sam.types import Camera

HW = (12, 16)
K = (20.0, 21.0, 8.0, 6.0)


def read(depth: Any, camera: Any = K, scale: float | None = None):
    return read_depth_map(depth, camera, scale, HW)


def test_floats_are_metres_and_integers_millimetres_or_what_is_said() -> None:
    assert read(np.full(HW, 0.7)).metres[0, 0] == np.float32(0.7)
    assert read(np.full(HW, 700, np.uint16)).metres[0, 0] == pytest.approx(0.7)
    assert read(np.full(HW, 7000, np.int32), scale=1e-4).metres[0, 0] == pytest.approx(0.7)
    assert read(np.full(HW, 7000, np.int32), scale=np.float32(1e-4)).metres[0, 0] == pytest.approx(0.7)
    assert read(np.full((*HW, 1), 0.7, np.float32)).metres.shape == HW


def test_holes_are_zero_however_they_are_written() -> None:
    depth = np.full(HW, 0.7)
    depth[0, :4] = (np.nan, np.inf, -1, 0)
    found = read(depth)
    assert found.metres.dtype == np.float32 and found.metres[0, :5].tolist() == [0, 0, 0, 0, np.float32(0.7)]
    assert found.doubt == ""
    for values in (np.full(HW, 0.7), np.full(HW, 700)):
        masked = read(np.ma.masked_array(values, mask=np.eye(*HW, dtype=bool)))
        assert np.array_equal(masked.metres == 0, np.eye(*HW, dtype=bool))


@pytest.mark.filterwarnings("error")
def test_depth_beyond_32_bits_is_unknown() -> None:
    depth = np.full(HW, 0.7)
    depth[0, 0] = 1e300
    assert read(depth).metres[0, :2].tolist() == [0, np.float32(0.7)]


@pytest.mark.parametrize(
    ("depth", "scale", "said"),
    [
        (np.full((6, 16), 0.7), None, "expected the photo's size, 16x12, found 16x6; register depth to the photo"),
        (np.zeros(HW), None, "expected depth at 2% of the pixels or more, found it at 0.0%"),
        (np.full(HW, np.nan), None, "found it at 0.0%"),
        (np.full(HW, 6000, np.uint16), None, "its median is 6 m, too far for a table: is 0.001 m a step the unit"),
        (np.full(HW, 700, np.uint16), 1e-5, "its median is 0.007 m, too near for a table: is 1e-05 m a step the unit"),
        (np.full(HW, 700.0), None, "its median is 700 m, too far for a table: is it in metres?"),
    ],
)
def test_depth_that_cannot_be_used_is_a_doubt_and_no_error(depth: Any, scale: float | None, said: str) -> None:
    found = read(depth, scale=scale)
    assert found.metres is None and said in found.doubt


@pytest.mark.parametrize("camera", [(2.0, 2.0, 8.0, 6.0), (20.0, 20.0, 80.0, 6.0), (20.0, 5.0, 8.0, 6.0)])
def test_intrinsics_of_another_picture_are_a_doubt(camera: tuple[float, ...]) -> None:
    assert "not those of a photo 16 wide and 12 high" in read(np.full(HW, 0.7), camera).doubt


@pytest.mark.parametrize(
    ("depth", "camera", "scale", "said"),
    [
        (np.zeros((*HW, 3)), K, None, "depth: expected (H, W) numbers, found shape (12, 16, 3)"),
        ("depth.png", K, None, "depth: expected (H, W) numbers"),
        ([[0.7, 0.7], [0.7]], K, None, "depth: expected (H, W) numbers, found list"),
        (torch.zeros(HW, requires_grad=True), K, None, "depth: expected (H, W) numbers, found Tensor"),
        (torch.zeros(HW, device="meta"), K, None, "depth: expected (H, W) numbers, found Tensor"),
        (torch.zeros(HW, dtype=torch.bfloat16), K, None, "depth: expected (H, W) numbers, found Tensor"),
        (np.full(HW, 0.7), (10**400, 1, 1, 1), None, "camera: expected intrinsics"),
        (np.full(HW, 0.7), np.array([20 + 1j, 20, 8, 6]), None, "camera: expected intrinsics"),
        (np.full(HW, 700), K, True, "depth_scale: expected metres a step"),
        (np.full(HW, 0.7), None, None, "camera: expected intrinsics with depth, .* found none"),
        (np.full(HW, 0.7), (1, 2, 3), None, "camera: expected intrinsics"),
        (np.full(HW, 0.7), "f", None, "camera: expected intrinsics"),
        (np.full(HW, 0.7), (0, 20, 8, 6), None, "camera: fx: expected"),
        (np.full(HW, 0.7), [[20, 1, 8], [0, 20, 6], [0, 0, 1]], None, "expected K as"),
        (np.full(HW, 700), K, 1000.0, "depth_scale: expected metres a step"),
        (np.full(HW, 0.7), K, 0.001, "depth_scale: expected it with integers only"),
    ],
)
def test_what_is_no_depth_or_no_camera_is_an_error(depth: Any, camera: Any, scale: float | None, said: str) -> None:
    with pytest.raises(ImageError, match=said.replace("(", r"\(").replace(")", r"\)")):
        read(depth, camera, scale)


def test_cameras_in_every_form() -> None:
    expected = Camera(*K)
    matrix = [[20, 0, 8], [0, 21, 6], [0, 0, 1]]
    for given in (expected, K, list(K), np.array(K), matrix, np.array(matrix), {"fx": 20, "fy": 21, "cx": 8, "cy": 6}):
        assert read_camera(given) == expected


def test_workspaces() -> None:
    assert read_workspace(None) is None and read_workspace("auto") == "auto" and read_workspace("off") == "off"
    assert (
        read_workspace("-1,1,-1,1,0.2,1.5") == Box(-1, 1, -1, 1, 0.2, 1.5) == read_workspace([-1, 1, -1, 1, 0.2, 1.5])
    )
    for bad in ("on", "1,2,3", (1, 0, 0, 1, 0, 1), "0,1,0,1,0,nan", 3):
        with pytest.raises(UOISError, match="workspace: expected"):
            read_workspace(bad)
