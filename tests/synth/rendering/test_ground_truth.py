"""Visible and amodal masks, depth and extents against ray intersections worked out by hand, in every variant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

from uois_sam.synth.assets.collection import BUILT_IN
from uois_sam.synth.assets.meshes import Mesh
from uois_sam.synth.rendering.ground_truth import (
    SLIVER_FRACTION,
    SLIVER_PX,
    GroundTruth,
    compute_ground_truth,
    drop_slivers,
    mask_box,
)
from uois_sam.synth.rendering.pinhole import camera_from_world, intrinsics, world_from_camera, world_from_object
from uois_sam.synth.rendering.ray_casting import NEAR_CLIP_M, canvas_window, cast_rays, frame_window, mitsuba_pose
from uois_sam.synth.rendering.variants import LLVM_CANDIDATES, choose_variant
from uois_sam.synth.scene import Camera, Pose

Array = npt.NDArray[np.float64]

SIZE = (48, 64)
CAMERA = Camera((0.5, -0.4, 0.6), (0.02, 0.01, 0.05), 27.0, 11.0, 0.5, (1.0, 1.0, 1.0))
VARIANTS = ["scalar", *(["llvm"] if any(Path(path).exists() for path in LLVM_CANDIDATES) else [])]

BALL = (np.array([0.03, -0.02, 0.08]), 0.07)
BOX_SIZE = np.array([0.12, 0.2, 0.07])
BOX_POSE = Pose((-0.06, 0.07, 0.04), tuple(Rotation.from_euler("zx", [0.6, 0.3]).as_quat(scalar_first=True).tolist()))


@pytest.fixture(params=VARIANTS, scope="module")
def variant(request: pytest.FixtureRequest) -> Iterator[str]:
    yield choose_variant(request.param)
    choose_variant("auto")


def rays(camera: Camera = CAMERA, margin: tuple[int, int] = (0, 0)) -> tuple[Array, Array]:
    """Origin (3,) and directions (H, W, 3) of unit axial depth through pixel centres, in the world."""
    k, pose = intrinsics(camera, SIZE), world_from_camera(camera)
    x, y = np.meshgrid(np.arange(-margin[1], SIZE[1] + margin[1]), np.arange(-margin[0], SIZE[0] + margin[0]))
    seen = np.stack([x, y, np.ones_like(x)], axis=2) @ np.linalg.inv(k).T
    return pose[:3, 3], seen @ pose[:3, :3].T


def ball_depth(origin: Array, direction: Array) -> Array:
    """Axial depth at which rays enter the ball: the smaller root of |o + t d - c|^2 = r^2; infinity for misses."""
    centre, radius = BALL
    a = (direction**2).sum(axis=-1)
    b = (direction * (origin - centre)).sum(axis=-1)
    root = b**2 - a * (((origin - centre) ** 2).sum() - radius**2)
    return np.where(root >= 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)


def box_depth(origin: Array, direction: Array) -> Array:
    """Axial depth at which rays enter the box: the last of the three slabs entered, if before the first one left."""
    inverse = np.linalg.inv(world_from_object(BOX_POSE))
    o, d = inverse[:3, :3] @ origin + inverse[:3, 3], direction @ inverse[:3, :3].T
    near, far = (np.sort(np.stack([(s * BOX_SIZE / 2 - o) / d for s in (-1, 1)]), axis=0)[k] for k in (0, 1))
    enter, leave = near.max(axis=-1), far.min(axis=-1)
    return np.where(enter <= leave, enter, np.inf)


def floor_depth(origin: Array, direction: Array) -> Array:
    return np.where(direction[..., 2] < 0, -origin[2] / direction[..., 2], np.inf)


def ball(name: str) -> Any:
    import mitsuba as mi

    return mi.load_dict({"type": "sphere", "id": name, "center": BALL[0].tolist(), "radius": BALL[1]})


def brick(name: str) -> Any:
    import mitsuba as mi

    to_world = world_from_object(BOX_POSE) @ np.diag([*(BOX_SIZE / 2), 1.0])
    return mi.load_dict({"type": "cube", "id": name, "to_world": mi.ScalarTransform4f(to_world)})


def ground(name: str) -> Any:
    import mitsuba as mi

    return mi.load_dict({"type": "rectangle", "id": name, "to_world": mi.ScalarTransform4f().scale([50, 50, 1])})


def mesh_shape(mesh: Mesh) -> Any:
    import mitsuba as mi

    shape = mi.Mesh("mesh", len(mesh.vertices), len(mesh.faces))
    parameters = mi.traverse(shape)
    parameters["vertex_positions"] = mesh.vertices.ravel().astype(np.float32)
    parameters["faces"] = mesh.faces.ravel().astype(np.uint32)
    parameters.update()
    return shape


def look(*shapes: Any, objects: int) -> GroundTruth:
    return compute_ground_truth(list(shapes), CAMERA, SIZE, objects)


def test_masks_are_those_of_the_analytic_rays(variant: str) -> None:
    truth = look(ground("prop0"), ball("object0_0"), brick("object1_0"), objects=2)
    depths = np.stack([f(*rays()) for f in (floor_depth, ball_depth, box_depth)])
    assert np.array_equal(truth.labels, depths.argmin(axis=0))
    assert np.array_equal(truth.amodal[0], np.isfinite(depths[1]))
    assert np.array_equal(truth.amodal[1], np.isfinite(depths[2]))
    assert (truth.amodal[0] & truth.amodal[1]).sum() > 20, "they hide one another"
    assert min(truth.visible_px) > 100
    assert truth.visible_px.sum() < truth.amodal_px.sum()


def test_depth_is_along_the_optical_axis_in_millimetres(variant: str) -> None:
    truth = look(ground("prop0"), ball("object0_0"), brick("object1_0"), objects=2)
    nearest = np.stack([f(*rays()) for f in (floor_depth, ball_depth, box_depth)]).min(axis=0)
    assert np.abs(truth.depth_mm - 1000 * nearest).max() <= 0.51


def test_the_union_of_masks_is_where_depth_leaves_the_background(variant: str) -> None:
    """Objects that float: wherever depth differs from the bare floor's there is a label, and nowhere else."""
    floor, things = ground("prop0"), [ball("object0_0"), brick("object1_0")]
    bare, full = look(floor, objects=0), look(floor, *things, objects=2)
    assert np.array_equal(full.labels > 0, full.depth_mm < bare.depth_mm)


def test_extents_count_what_is_beyond_the_frame(variant: str) -> None:
    aside = Camera(CAMERA.position, (0.16, 0.09, 0.05), 22.0, 11.0, 0.5, (1.0, 1.0, 1.0))
    truth = compute_ground_truth([ball("object0_0")], aside, SIZE, 1)
    wide = np.isfinite(ball_depth(*rays(aside, SIZE)))
    frame = wide[SIZE[0] : 2 * SIZE[0], SIZE[1] : 2 * SIZE[1]]
    assert 0 < truth.amodal_px[0] == frame.sum() < truth.whole_px[0] == wide.sum()
    assert (mask_box(wide) - [SIZE[1], SIZE[0], SIZE[1], SIZE[0]]).tolist() == truth.whole_boxes[0].tolist()


def test_an_object_behind_the_camera_has_no_label(variant: str) -> None:
    away = Camera(CAMERA.position, (1.5, -1.2, 0.6), 60.0, 0.0, 0.5, (1.0, 1.0, 1.0))
    truth = compute_ground_truth([ball("object0_0")], away, SIZE, 1)
    assert not truth.labels.any() and truth.whole_px[0] == 0 and not truth.depth_mm.any()


def test_a_camera_inside_an_object_sees_it_everywhere(variant: str) -> None:
    inside = Camera((0.03, -0.02, 0.08), (0.03, 0.5, 0.1), 60.0, 0.0, 0.5, (1.0, 1.0, 1.0))
    assert (compute_ground_truth([ball("object0_0")], inside, SIZE, 1).labels == 1).all()


def test_shapes_keep_their_names(variant: str) -> None:
    shapes = [ground("prop0"), ball("object0_0"), brick("object0_1")]
    compute_ground_truth(shapes, CAMERA, SIZE, 1)
    assert [shape.id() for shape in shapes] == ["prop0", "object0_0", "object0_1"]


def test_mitsuba_sees_through_the_same_pinhole(variant: str) -> None:
    import mitsuba as mi

    film = {"type": "hdrfilm", "width": SIZE[1], "height": SIZE[0], "rfilter": {"type": "box"}}
    sensor = mi.load_dict({"type": "perspective", "fov": CAMERA.fov_deg, "fov_axis": "x", "near_clip": NEAR_CLIP_M,
                           "to_world": mitsuba_pose(CAMERA), "film": film})  # fmt: skip
    for x, y in ((0, 0), (63, 0), (10, 40), (31, 23)):
        place = mi.Point2f((x + 0.5) / SIZE[1], (y + 0.5) / SIZE[0])
        ray, _ = sensor.sample_ray(0.0, 0.5, place, mi.Point2f(0.5, 0.5))
        direction = np.array(ray.d, dtype=float).ravel()
        expected = rays()[1][y, x]
        assert direction == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_all_variants_agree_on_meshes() -> None:
    import mitsuba as mi

    found = []
    for name in VARIANTS:
        choose_variant(name)
        shapes = {"prop0": ground("prop0")}
        for index, family in enumerate(("mug", "carton", "bent", "ring", "gadget", "plate")):
            angle = index * np.pi / 3
            turn = Rotation.from_euler("xyz", [index, 2 * index, 0.0]).as_matrix()
            where = (0.13 * np.cos(angle), 0.13 * np.sin(angle), 0.1)
            for number, part in enumerate(BUILT_IN.parts(family, 3)):
                shapes[f"object{index}_{number}"] = mesh_shape(part.mesh.transformed(turn, where))
        loaded = mi.load_dict({"type": "scene", **shapes})
        found.append(compute_ground_truth(loaded.shapes(), CAMERA, (120, 160), 6))
    choose_variant("auto")
    for other in found[1:]:
        assert np.array_equal(found[0].labels, other.labels)
        assert np.array_equal(found[0].amodal, other.amodal)
        assert found[0].whole_px.tolist() == other.whole_px.tolist()
        assert np.abs(found[0].depth_mm.astype(int) - other.depth_mm).max() <= 1
    assert (found[0].visible_px > 0).all()


def test_an_object_without_shapes_shows_nothing(variant: str) -> None:
    truth = compute_ground_truth([ground("prop0"), ball("object1_0")], CAMERA, SIZE, 2)
    assert truth.visible_px[0] == truth.amodal_px[0] == 0 < truth.visible_px[1]


def test_nothing_to_hit_is_infinitely_far() -> None:
    assert np.isinf(cast_rays([], CAMERA, SIZE, frame_window(SIZE))).all()


def test_k_and_pose_take_the_target_to_the_middle() -> None:
    seen = camera_from_world(CAMERA) @ [*CAMERA.target, 1.0]
    x, y, z = intrinsics(CAMERA, SIZE) @ seen[:3]
    assert (x / z, y / z) == pytest.approx((31.5, 23.5))
    assert z == pytest.approx(np.linalg.norm(np.subtract(CAMERA.target, CAMERA.position)))


def test_without_roll_up_is_up() -> None:
    level = Camera(CAMERA.position, CAMERA.target, 62.0, 0.0, 0.5, (1.0, 1.0, 1.0))
    above = camera_from_world(level) @ [*np.add(CAMERA.target, (0, 0, 0.1)), 1.0]
    assert above[0] == pytest.approx(0, abs=1e-9)
    assert above[1] < 0, "y points down"


def test_windows_clip_and_index() -> None:
    frame, canvas = frame_window(SIZE), canvas_window(SIZE)
    assert canvas.size_hw == (3 * SIZE[0], 3 * SIZE[1])
    assert canvas.clipped(frame) == frame
    assert np.zeros(canvas.size_hw)[frame.within(canvas)].shape == SIZE


def test_slivers_lose_their_label() -> None:
    labels = np.zeros((400, 500), dtype=np.uint16)
    least = int(SLIVER_FRACTION * labels.size)
    labels[0, : least - 1] = 1
    labels[2, :least] = 2
    assert set(np.unique(drop_slivers(labels))) == {0, 2}


def test_however_small_the_frame_a_label_has_a_few_pixels() -> None:
    labels = np.zeros((10, 10), dtype=np.uint16)
    labels[0, : SLIVER_PX - 1] = 1
    labels[5, :SLIVER_PX] = 2
    assert set(np.unique(drop_slivers(labels))) == {0, 2}


@given(arrays(np.uint16, (12, 15), elements=st.integers(0, 9)))
def test_dropping_slivers_changes_no_other_label(labels: npt.NDArray[np.uint16]) -> None:
    kept = drop_slivers(labels)
    values, counts = np.unique(kept[kept > 0], return_counts=True)
    assert (counts >= SLIVER_PX).all()
    assert np.array_equal(kept[kept > 0], labels[kept > 0])
    assert all((labels == value).sum() == count for value, count in zip(values, counts, strict=True))
