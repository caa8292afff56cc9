"""The planner on a drawn table: boxes whose grasps are known, seen by a camera straight above."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uois_sam.grasping.antipodal import STRICT, AntipodalPlanner
from uois_sam.grasping.grasp import Grasp, SeenScene

HW = (120, 160)
HEIGHT_M = 0.5
FOCAL = 160.0
METRES_A_PIXEL = HEIGHT_M / FOCAL


def scene(*boxes: tuple[float, float, float, float, float]) -> tuple[SeenScene, np.ndarray]:
    """Boxes (centre x, y, extents x, y, z in metres) on a table, seen from above; and their masks."""
    depth = np.full(HW, HEIGHT_M, dtype=np.float32)
    ys, xs = np.mgrid[: HW[0], : HW[1]]
    masks = []
    for x, y, wide, long, high in boxes:
        near = HEIGHT_M - high
        world_x, world_y = (xs - 79.5) * near / FOCAL, -(ys - 59.5) * near / FOCAL
        mask = (abs(world_x - x) <= wide / 2) & (abs(world_y - y) <= long / 2)
        depth[mask] = near
        masks.append(mask)
    down = np.diag([1.0, -1.0, -1.0, 1.0])
    down[2, 3] = HEIGHT_M
    k = np.array([[FOCAL, 0, 79.5], [0, FOCAL, 59.5], [0, 0, 1]])
    return SeenScene(np.zeros((*HW, 3), np.uint8), depth, k, down), np.array(masks).reshape(-1, *HW)


def dome(radius: float, height: float) -> tuple[SeenScene, np.ndarray]:
    """Half an ellipsoid on a table, metres; and its mask."""
    seen, _ = scene()
    ys, xs = np.mgrid[: HW[0], : HW[1]]
    away = np.hypot(xs - 79.5, ys - 59.5) * METRES_A_PIXEL / radius
    above = height * np.sqrt(np.clip(1 - away**2, 0, None))
    return replace(seen, depth_m=(HEIGHT_M - above).astype(np.float32)), (away < 1)[None]


def plan(*boxes: tuple[float, float, float, float, float]) -> list[Grasp]:
    return AntipodalPlanner().plan(*scene(*boxes), np.random.default_rng(0))


def test_points_lie_where_the_boxes_are() -> None:
    seen, masks = scene((0.05, -0.03, 0.04, 0.06, 0.03))
    points = seen.points()[masks[0]]
    assert np.abs(points.mean(axis=0) - [0.05, -0.03, 0.03]).max() < METRES_A_PIXEL


def test_a_long_box_is_taken_across_near_its_middle() -> None:
    best = plan((0.02, 0.01, 0.03, 0.1, 0.04))[0]
    assert abs(best.closing[0]) > 0.95 and best.approach[2] < -0.9
    assert abs(best.width_m - 0.03) < 0.008
    assert np.linalg.norm(np.array(best.centre[:2]) - [0.02, 0.01]) < 0.03
    assert 0.0 < best.centre[2] < 0.04


def test_what_is_wider_than_the_hand_is_left() -> None:
    assert plan((0.0, 0.0, 0.1, 0.1, 0.04)) == []


def test_a_neighbour_in_the_way_turns_the_hand() -> None:
    alone = plan((0.0, 0.0, 0.04, 0.045, 0.04))
    assert any(abs(grasp.closing[0]) > 0.95 for grasp in alone)
    beside = [each for each in plan((0.0, 0.0, 0.04, 0.045, 0.04), (0.055, 0.0, 0.06, 0.2, 0.06)) if each.mask == 0]
    assert beside and all(abs(grasp.closing[0]) < 0.95 for grasp in beside)


def test_the_hand_stays_above_the_table_and_grasps_are_sorted() -> None:
    grasps = plan((0.0, 0.0, 0.03, 0.06, 0.02), (0.1, 0.05, 0.03, 0.06, 0.05))
    assert {grasp.mask for grasp in grasps} == {0, 1}
    assert [grasp.score for grasp in grasps] == sorted((grasp.score for grasp in grasps), reverse=True)
    assert min(grasp.centre[2] for grasp in grasps) > 0
    for grasp in grasps:
        np.testing.assert_allclose(grasp.rotation().T @ grasp.rotation(), np.eye(3), atol=1e-9)


def test_a_table_that_is_measured_a_little_high_is_not_in_the_way() -> None:
    seen, masks = scene((0.0, 0.0, 0.03, 0.06, 0.015))
    high = replace(seen, depth_m=np.where(masks[0], seen.depth_m, seen.depth_m - np.float32(0.0008)))
    assert AntipodalPlanner().plan(high, masks, np.random.default_rng(0)) != []


def test_looser_limits_are_for_scenes_without_a_strict_grasp() -> None:
    def found(seen: SeenScene, masks: np.ndarray, *passes: object) -> list[Grasp]:
        planner = AntipodalPlanner(passes=passes) if passes else AntipodalPlanner()  # type: ignore[arg-type]
        return planner.plan(seen, masks, np.random.default_rng(0))

    box = scene((0.0, 0.0, 0.03, 0.06, 0.04))
    assert found(*box) == found(*box, STRICT) != []
    lens = dome(0.03, 0.015)  # its sides recede wherever a finger could press
    assert found(*lens, STRICT) == []
    assert found(*lens) != []


@pytest.mark.parametrize("spoil", ["no depth", "no mask", "few pixels"])
def test_nothing_to_grasp(spoil: str) -> None:
    seen, masks = scene((0.0, 0.0, 0.03, 0.06, 0.04))
    if spoil == "no depth":
        seen = SeenScene(seen.image, np.zeros_like(seen.depth_m), seen.intrinsics, seen.world_from_camera)
    elif spoil == "no mask":
        masks = masks[:0]
    else:
        masks[:, :60] = False
        masks[:, :, :78] = False
    assert AntipodalPlanner().plan(seen, masks[:, :, :], np.random.default_rng(0)) == [] or spoil == "few pixels"
