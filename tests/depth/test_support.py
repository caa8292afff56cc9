"""Planes, support and workspace in views whose every height is known."""

from __future__ import annotations

import numpy as np
import pytest

from depth_views import CAMERA, FLOOR, HW, TABLE, View, look
from uois_sam.depth import DepthMap, DepthScene, understand
from uois_sam.depth.planes import find_planes
from uois_sam.depth.scene import points_of
from uois_sam.depth.workspace import Box
from uois_sam.types import FloatArray

BLOCK = ((-0.05, -0.05, 0.0), (0.05, 0.05, 0.08))
CARTON_ON_FLOOR = ((-0.3, 0.8, -0.75), (0.1, 1.1, -0.35))
WALL = ((-5, 1.5, -5), (5, 1.6, 5))


def scene_of(view: View, things: tuple[int, ...] = (), workspace: Box | str | None = None) -> DepthScene:
    foreground = np.isin(view.labels, things).astype(np.float32)
    image, known = np.zeros((*HW, 3), np.uint8), foreground if things else None
    scene = understand(image, DepthMap(view.depth_m, CAMERA), known, workspace)  # type: ignore[arg-type]
    assert scene is not None
    return scene


def at(values: FloatArray, view: View, label: int) -> FloatArray:
    """Values of the cells that see a box, without those at its edges."""
    import cv2

    inner = cv2.erode((view.labels == label).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return values[inner]


def test_planes_are_found_with_their_normals_and_distances() -> None:
    view = look([TABLE, FLOOR], pitch_deg=45)
    points = points_of(view.depth_m, CAMERA)
    planes = find_planes(points, np.ones(HW, np.float32), 4, 0.03, np.random.default_rng(0))
    up = [0, -np.sqrt(0.5), -np.sqrt(0.5)]
    heights = sorted(plane.offset for plane in planes if np.allclose(plane.normal, up, atol=0.01))
    assert heights == pytest.approx([0.9 * np.sqrt(0.5), 0.9 * np.sqrt(0.5) + 0.75], abs=0.005)


def test_no_plane_in_noise() -> None:
    depth = np.random.default_rng(0).uniform(0.3, 3, HW).astype(np.float32)
    assert find_planes(points_of(depth, CAMERA), np.ones(HW, np.float32), 4, 0.2, np.random.default_rng(0)) == []
    scene = understand(np.zeros((*HW, 3), np.uint8), DepthMap(depth, CAMERA), None, None)
    assert scene is not None and scene.support is None
    assert scene.notes[0].startswith("no support found: ") and not scene.cells.outside.any()


@pytest.mark.parametrize(("pitch", "roll"), [(35, 0), (60, 20), (89, 0)])
def test_the_table_is_the_support_and_not_the_floor_or_the_wall(pitch: float, roll: float) -> None:
    view = look([TABLE, FLOOR, BLOCK, WALL], pitch_deg=pitch, roll_deg=roll)
    scene = scene_of(view, things=(2,))
    assert scene.support is not None
    assert scene.support.plane.offset == pytest.approx(0.9 * np.sin(np.deg2rad(pitch)), abs=0.01)
    assert np.median(np.abs(at(scene.heights, view, 0))) < 0.004  # its front is seen as well
    assert at(scene.heights, view, 2).max() == pytest.approx(0.08, abs=0.006)
    assert not scene.cells.outside[np.isin(view.labels, (0, 2))].any()
    assert scene.cells.outside[view.labels == 1].mean() > 0.9


def test_what_stands_on_the_floor_is_outside_the_workspace_unless_it_is_off() -> None:
    view = look([TABLE, FLOOR, BLOCK, CARTON_ON_FLOOR], pitch_deg=40)
    assert scene_of(view, things=(2,)).cells.outside[view.labels == 3].all()
    assert not scene_of(view, things=(2,), workspace="off").cells.outside.any()


def test_what_hangs_below_the_table_within_its_outline_is_outside_too() -> None:
    leg = ((0.3, -0.29, -0.6), (0.36, -0.23, -0.04))
    view = look([TABLE, BLOCK, leg], pitch_deg=20, away_m=1.2)
    assert (view.labels == 2).sum() > 50
    assert scene_of(view, things=(1,)).cells.outside[view.labels == 2].mean() > 0.8


def test_a_thing_that_stands_out_over_the_edge_a_little_is_inside() -> None:
    over = ((0.3, -0.05, 0.0), (0.44, 0.05, 0.1))
    view = look([TABLE, over], pitch_deg=50)
    assert not scene_of(view, things=(1,)).cells.outside[view.labels == 1].any()


def test_a_box_in_metres_is_taken_as_it_is() -> None:
    view = look([TABLE, FLOOR, BLOCK], pitch_deg=45)
    scene = scene_of(view, things=(2,), workspace=Box(-1, 1, -1, 1, 0.1, 1.2))
    known = view.depth_m > 0
    assert np.array_equal(scene.cells.outside, known & (view.depth_m > 1.2))
    nowhere = scene_of(view, workspace=Box(5, 6, 5, 6, 5, 6))
    assert any(note.startswith("nothing in the workspace") for note in nowhere.notes)


def test_the_support_is_found_through_sensor_noise() -> None:
    view = look([TABLE, FLOOR, BLOCK], pitch_deg=45)
    rng = np.random.default_rng(1)
    noisy = view.depth_m + (0.002 * view.depth_m**2 * rng.standard_normal(HW)).astype(np.float32)
    noisy[rng.random(HW) < 0.3] = 0
    scene = scene_of(View(noisy, view.labels), things=(2,))
    assert scene.support is not None and scene.support.plane.offset == pytest.approx(0.9 * np.sqrt(0.5), abs=0.01)
    assert scene.cells.outside[(view.labels == 2)].sum() == 0


def test_of_a_bin_the_floor_is_the_support_and_its_walls_are_inside() -> None:
    floor = ((-0.2, -0.15, -0.01), (0.2, 0.15, 0.0))
    walls = [
        ((-0.21, -0.16, 0.0), (-0.2, 0.16, 0.12)),
        ((0.2, -0.16, 0.0), (0.21, 0.16, 0.12)),
        ((-0.21, 0.15, 0.0), (0.21, 0.16, 0.12)),
    ]
    view = look([floor, *walls, BLOCK], pitch_deg=70, away_m=0.6)
    scene = scene_of(view, things=(4,))
    assert scene.support is not None and scene.support.plane.offset == pytest.approx(
        0.6 * np.sin(np.deg2rad(70)), abs=0.01
    )
    assert not scene.cells.outside.any()


def test_a_seat_as_high_as_the_table_does_not_widen_it() -> None:
    seat = ((-0.3, 0.7, -0.04), (0.3, 1.2, 0.0))
    table = ((-0.4, -0.3, -0.04), (0.4, 0.2, 0.0))
    view = look([table, seat, BLOCK], pitch_deg=35)
    scene = scene_of(view, things=(2,))
    assert (view.labels == 1).sum() > 200
    assert scene.cells.outside[view.labels == 1].mean() > 0.9 and not scene.cells.outside[view.labels == 0].any()
