"""Places hold objects, furniture keeps its distance, lamps and cameras are where they should be."""

from __future__ import annotations

import numpy as np
import pytest

from uois_sam.synth.physics import settle
from uois_sam.synth.sampling.cameras import FARTHEST_M, NEAREST_M, sample_camera
from uois_sam.synth.sampling.config import PLACES, Variety
from uois_sam.synth.sampling.furniture import prop_mesh
from uois_sam.synth.sampling.lights import RIGS, sample_lights
from uois_sam.synth.sampling.places import MAKERS, sample_place
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.scene import Pose, Prop, Surface


def test_every_place_of_the_knobs_can_be_made() -> None:
    assert set(MAKERS) == set(PLACES)


@pytest.mark.parametrize("place", PLACES)
def test_objects_stay_in_every_place(place: str) -> None:
    variety = Variety(
        places=(place,), empty_share=0, most_objects=5, arrangements=("scattered",), families=("carton", "can")
    )
    drawn = [sample_scene(seed, variety) for seed in range(4)]
    kept = [len(settle(scene).objects) for scene in drawn]
    assert sum(kept) >= 0.8 * sum(len(scene.objects) for scene in drawn)


@pytest.mark.parametrize("place", PLACES)
def test_the_support_is_under_the_objects(place: str) -> None:
    for seed in range(8):
        drawn = sample_place(np.random.default_rng(seed), Variety(places=(place,)))
        tops = [
            p.pose.position[2] + p.size[2] / 2
            for p in drawn.props
            if p.solid and all(abs(c) <= s / 2 for c, s in zip(p.pose.position[:2], p.size[:2], strict=True))
        ]
        assert max(tops) == pytest.approx(0, abs=0.003)


@pytest.mark.parametrize("kind", ["box", "cylinder", "soft", "turned", "family:can"])
def test_props_have_the_size_they_state(kind: str) -> None:
    mesh = prop_mesh(Prop(kind, (0.3, 0.3, 0.6), Surface("plain", 0), Pose(), seed=4))
    assert np.ptp(mesh.vertices, axis=0)[2] == pytest.approx(0.6, rel=0.02)
    assert np.ptp(mesh.vertices, axis=0)[0] == pytest.approx(0.3, rel=0.35)


def test_a_cable_lies_flat() -> None:
    mesh = prop_mesh(Prop("cable", (1.0, 0.3, 0.01), Surface("plain", 0), Pose(), seed=1))
    assert np.ptp(mesh.vertices, axis=0)[2] == pytest.approx(0.01, abs=0.002)


def test_a_round_table_top_shows_its_texture_unbent() -> None:
    mesh = prop_mesh(Prop("cylinder", (1.0, 1.0, 0.03), Surface("wood", 0), Pose(), texture_metres=0.5))
    assert np.allclose(mesh.uv - 0.5, mesh.vertices[:, :2] / 0.5)


@pytest.mark.parametrize("rig", RIGS)
def test_rigs_have_three_lamps_above_the_support(rig: str) -> None:
    for seed in range(5):
        lamps, strength = RIGS[rig].draw(np.random.default_rng(seed))
        assert len(lamps) == 3
        assert all(lamp.position[2] > 0 and lamp.side > 0 and min(lamp.radiance) > 0 for lamp in lamps)
        assert strength > 0


def test_lamps_are_drawn_from_the_split() -> None:
    for split, held_out in (("train", False), ("val", True)):
        names = {sample_lights(np.random.default_rng(seed), Variety(split=split))[0] for seed in range(60)}  # type: ignore[arg-type]
        assert names == {name for name, rig in RIGS.items() if rig.heldout == held_out}


def test_cameras_look_from_a_stated_distance() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        place = sample_place(rng, Variety())
        camera = sample_camera(rng, place, Variety())
        distance = float(np.linalg.norm(np.subtract(camera.position, camera.target)))
        assert NEAREST_M - 1e-6 <= distance <= FARTHEST_M + 1e-6
        assert 35 <= camera.fov_deg <= 75
        assert camera.position[2] > 0
