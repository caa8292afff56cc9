"""Rendered labels, depth and pictures against what can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uois_sam.synth.assets.collection import BUILT_IN
from uois_sam.synth.physics import settle
from uois_sam.synth.rendering.render import measure, render
from uois_sam.synth.rendering.variants import choose_variant
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.scene import Camera, ObjectSpec, Pose, Prop, Scene, Surface

pytestmark = pytest.mark.slow
SIZE = (48, 64)
HEIGHT = 1.0


@pytest.fixture(scope="module", autouse=True)
def variant() -> str:
    return choose_variant("auto")


def top_view(objects: tuple[ObjectSpec, ...]) -> Scene:
    """A camera 1 m above the floor that looks straight down, 90 degrees wide: 2 m across 64 pixels."""
    floor = Prop("box", (8.0, 8.0, 0.1), Surface("plain", 1), Pose((0.0, 0.0, -0.05)))
    camera = Camera((0.0, 0.0, HEIGHT), (0.0, 0.0, 0.0), 90.0, 0.0, 0.5, (1.0, 1.0, 1.0))
    base = sample_scene(0)
    return replace(base, objects=objects, props=(floor,), camera=camera)


def carton_seen_from_above() -> tuple[ObjectSpec, np.ndarray]:
    spec = ObjectSpec("carton", 5, (Surface("plain", 3),), Pose())
    return spec, BUILT_IN.parts("carton", 5)[0].mesh.vertices


def expected_mask(vertices: np.ndarray) -> np.ndarray:
    """Pixels whose centre ray meets the box's top face; the sides are hidden behind it from the centre above."""
    half = vertices.max(axis=0)
    depth = HEIGHT - half[2]
    focal = SIZE[1] / 2
    xs = np.arange(SIZE[1]) + 0.5 - SIZE[1] / 2
    ys = np.arange(SIZE[0]) + 0.5 - SIZE[0] / 2
    across = np.sort(half[:2])
    columns, rows = np.abs(xs) * depth / focal, np.abs(ys) * depth / focal
    both = (columns[None] <= across[1]) & (rows[:, None] <= across[0])
    turned = (columns[None] <= across[0]) & (rows[:, None] <= across[1])
    return np.stack([both, turned])


def test_the_mask_of_a_box_seen_from_above_is_its_projection() -> None:
    spec, vertices = carton_seen_from_above()
    labels = render(top_view((spec,)), SIZE, samples=1).truth.labels == 1
    assert any(np.array_equal(labels, mask) for mask in expected_mask(vertices))


def test_depth_is_the_axial_distance_in_millimetres() -> None:
    spec, vertices = carton_seen_from_above()
    rendering = render(top_view((spec,)), SIZE, samples=1)
    top = 1000 * (HEIGHT - vertices[:, 2].max())
    assert rendering.truth.depth_mm[rendering.truth.labels == 1].astype(float) == pytest.approx(top, abs=1.01)
    assert rendering.truth.depth_mm[rendering.truth.labels == 0].astype(float) == pytest.approx(1000.0, abs=1.01)


def test_the_same_scene_renders_to_the_same_bytes() -> None:
    scene = settle(sample_scene(2))
    first, second = render(scene, SIZE, 2), render(scene, SIZE, 2)
    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.truth.labels, second.truth.labels)


def test_exposure_brings_the_picture_to_the_wanted_brightness() -> None:
    scene = settle(sample_scene(2))
    dim, bright = (
        render(replace(scene, camera=replace(scene.camera, exposure=e)), SIZE, 2).image.mean() / 255 for e in (0.3, 0.6)
    )
    assert dim == pytest.approx(0.3, abs=0.05)
    assert bright == pytest.approx(0.6, abs=0.05)


@pytest.mark.parametrize("variant_name", ["scalar", "auto"])
def test_labels_and_depth_are_those_of_the_picture_without_it(variant_name: str) -> None:
    choose_variant(variant_name)
    try:
        scene = settle(sample_scene(3))
        truth, alone = render(scene, SIZE, 1).truth, measure(scene, SIZE)
        assert truth.labels.any()
        for name in ("labels", "depth_mm", "amodal", "whole_px", "whole_boxes"):
            np.testing.assert_array_equal(getattr(alone, name), getattr(truth, name))
    finally:
        choose_variant("auto")
