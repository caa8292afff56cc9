"""Depth cameras: how much noise, where holes are, and what they never do."""

from __future__ import annotations

import numpy as np
import pytest

from uois_sam.synth.rendering.depth_sensor import SENSORS, SensorKind, sense_depth, surface_maps
from uois_sam.synth.scene import ObjectSpec, Pose, Surface
from uois_sam.types import FloatArray

HW = (120, 640)
GREY = np.full((*HW, 3), 150, np.uint8)
NONE = np.zeros(HW, np.float32)
KINDS = list(SENSORS)


def wall(metres: float) -> FloatArray:
    return np.full(HW, metres, np.float32)


def block() -> FloatArray:
    depth = wall(1.0)
    depth[40:80, 300:340] = 0.7
    return depth


def sense(depth: FloatArray, kind: SensorKind, *, clear=NONE, shiny=NONE, image=GREY, seed: int = 0) -> FloatArray:
    return sense_depth(depth, image, clear, shiny, kind, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_generator_gives_the_same_depth_and_inputs_stay(kind: SensorKind) -> None:
    depth = block()
    first, second, other = sense(depth, kind), sense(depth, kind), sense(depth, kind, seed=1)
    assert np.array_equal(first, second) and not np.array_equal(first, other)
    assert np.array_equal(depth, block()) and first.dtype == np.float32 and first.shape == HW


@pytest.mark.parametrize(
    ("kind", "at_1m_mm", "at_2m_mm"),
    [("structured-light", 1.9, 7.4), ("stereo", 2.5, 10.0), ("time-of-flight", 1.2, 2.4)],
)
def test_noise_has_the_strength_that_was_measured(kind: SensorKind, at_1m_mm: float, at_2m_mm: float) -> None:
    """Beside the slow systematic error: deviation within each row of columns next to each other."""
    for metres, expected in ((1.0, at_1m_mm), (2.0, at_2m_mm)):
        seen = sense(wall(metres), kind)
        values = seen[seen > 0]
        assert 0.8 * expected < 1000 * values.std() < 1.35 * expected + 1000 * metres * SENSORS[kind].bias
        assert abs(values.mean() - metres) < 0.004 * metres


@pytest.mark.parametrize("kind", ["structured-light", "stereo"])
def test_a_dead_band_lies_beside_near_things_on_one_side(kind: SensorKind) -> None:
    """Its width is the difference of disparities: a second eye sees the wall there hidden."""
    seen = sense(block(), kind)
    expected = SENSORS[kind].focal_baseline * (1 / 0.7 - 1)
    left, right = (seen[45:75, 300 - 30 : 300] == 0).sum(axis=1), (seen[45:75, 340:370] == 0).sum(axis=1)
    grown = SENSORS[kind].growing
    assert abs(max(np.median(left), np.median(right)) - expected) <= 3 + grown
    assert min(np.median(left), np.median(right)) <= 2


def test_time_of_flight_has_no_dead_band_but_pixels_that_fly() -> None:
    seen = sense(block(), "time-of-flight")
    assert (seen[45:75, 270:370] == 0).mean() < 0.03
    edge = seen[45:75, 298:303]
    assert ((edge > 0.75) & (edge < 0.95)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_clear_things_are_holes_or_what_lies_behind_them(kind: SensorKind) -> None:
    clear = NONE.copy()
    clear[40:80, 300:340] = 0.9
    seen = sense(block(), kind, clear=clear)[45:75, 305:335]
    assert 0.004 < (seen == 0).mean() < 0.95
    assert seen[seen > 0].min() > 0.9  # of the block at 0.7 m nothing is left


@pytest.mark.parametrize("kind", KINDS)
def test_black_and_shiny_things_have_holes_in_patches(kind: SensorKind) -> None:
    black = GREY.copy()
    black[:, :320] = 2
    shiny = NONE.copy()
    shiny[:, 320:] = 1
    plain, dark, bright = (
        (sense(wall(1.0), kind, image=image, shiny=mirror) == 0)
        for image, mirror in ((GREY, NONE), (black, NONE), (GREY, shiny))
    )
    assert plain.mean() < 0.02
    assert dark[:, :320].mean() > plain.mean() + 0.3 * SENSORS[kind].black_holes
    assert bright[:, 320:].mean() > 0.3 * SENSORS[kind].shiny_holes and bright[:, :320].mean() < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_seen_out_of_range_or_where_nothing_is(kind: SensorKind) -> None:
    assert not sense(wall(0.1), kind).any() and not sense(wall(12.0), kind).any() and not sense(wall(0.0), kind).any()


def test_surfaces_of_a_scene() -> None:
    glass = ObjectSpec("cup", 1, (Surface("plain", 1, clear=0.9), Surface("plain", 2)), Pose())
    steel = ObjectSpec("spoon", 1, (Surface("plain", 1, metallic=1.0, roughness=0.2),), Pose())
    scene = type("Objects", (), {"objects": (glass, steel)})()
    labels = np.array([[0, 1, 2]], np.uint16)
    clear, shiny = surface_maps(scene, labels)
    assert clear.tolist() == [[0, pytest.approx(0.9), 0]] and shiny.tolist() == [[0, 0, pytest.approx(0.8)]]
