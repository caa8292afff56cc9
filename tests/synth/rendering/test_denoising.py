"""The denoiser's guides: the scalar loop sees what Mitsuba's own integrator sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from uois_sam.synth.rendering.denoising import _integrator, render_features
from uois_sam.synth.rendering.variants import choose_variant

SIZE = (24, 32)


@pytest.fixture(autouse=True)
def scalar() -> Iterator[None]:
    choose_variant("scalar")
    yield
    choose_variant("auto")


def red_ball_on_grey() -> Any:
    import mitsuba as mi

    look = mi.ScalarTransform4f().look_at(origin=[0, -3, 2], target=[0, 0, 0.5], up=[0, 0, 1])
    film = {"type": "hdrfilm", "width": SIZE[1], "height": SIZE[0], "rfilter": {"type": "box"}}
    return mi.load_dict({
        "type": "scene",
        "sensor": {"type": "thinlens", "fov": 40, "aperture_radius": 0.01, "focus_distance": 3.0, "to_world": look,
                   "film": film, "sampler": {"type": "independent"}},
        "ball": {"type": "sphere", "center": [0, 0, 0.5], "radius": 0.5,
                 "bsdf": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.8, 0.1, 0.1]}}},
        "floor": {"type": "rectangle", "bsdf": {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.3}}},
    })  # fmt: skip


def test_the_loop_agrees_with_the_integrator() -> None:
    import mitsuba as mi

    scene = red_ball_on_grey()
    albedo, normal = render_features(scene, SIZE, 1)
    expected = np.array(mi.render(scene, integrator=_integrator("scalar_rgb"), spp=64))
    assert albedo.shape == normal.shape == (*SIZE, 3)
    assert albedo.dtype == normal.dtype == np.float32
    assert np.abs(albedo - expected[..., :3]).mean() < 0.02
    assert np.abs(normal - expected[..., 3:]).mean() < 0.03
    assert albedo[12, 16] == pytest.approx([0.8, 0.1, 0.1], abs=1e-5)
    assert albedo[0, 0] == pytest.approx([0, 0, 0]), "nothing there"


def test_the_same_seed_gives_the_same_guides() -> None:
    scene = red_ball_on_grey()
    first, second, other = (render_features(scene, SIZE, seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)
