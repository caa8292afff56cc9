"""The hand in MuJoCo: it lifts what it closes on, leaves the rest, and says when something is in its way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from uois_sam.grasping.grasp import Grasp
from uois_sam.grasping.rounds import Attempt, Round, summarise
from uois_sam.grasping.world import Pick, World
from uois_sam.synth.physics import pieces_of, settle
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.scene import ObjectSpec, Pose, Prop, Scene, Surface

DOWN = (0.0, 0.0, -1.0)


@pytest.fixture(scope="module")
def table() -> Scene:
    """Two cartons of 8.5 x 5.4 x 14.1 cm that stand on a table, 20 cm apart along x."""
    drawn = sample_scene(5, Variety(places=("table",), most_objects=1, surroundings=0, empty_share=0))
    top = Prop("box", (1.0, 1.0, 0.02), Surface("plain", 1), Pose((0, 0, -0.01)))
    carton = ObjectSpec("carton", 6, drawn.objects[0].surfaces, Pose())
    np.testing.assert_allclose(np.ptp(np.concatenate(pieces_of(carton)), axis=0), [0.085, 0.054, 0.141], atol=1e-3)
    both = tuple(replace(carton, pose=Pose((x, 0.0, 0.08))) for x in (-0.1, 0.1))
    return settle(replace(drawn, objects=both, props=(top,)))


def across(world: World, index: int, *, aside: float = 0.0, down: float = 0.0) -> Grasp:
    """From above across the short side, 3 cm deep."""
    x, y, _ = world.scene().objects[index].pose.position
    return Grasp((x, y + aside, 0.111 - down), DOWN, (0.0, 1.0, 0.0), 0.054, 1.0, 0)


def test_a_carton_is_lifted_and_the_other_stays(table: Scene) -> None:
    world = World(table)
    before = world.scene().objects[1].pose
    pick = world.pick(across(world, 0))
    assert (pick.outcome, pick.lifted, pick.moved, pick.reason) == ("lifted", (0,), (), "")
    assert world.present == [1]
    np.testing.assert_allclose(world.scene().objects[0].pose.position, before.position, atol=1e-3)
    assert world.pick(across(world, 0)).lifted == (1,)  # the first of those that are left
    assert world.present == [] and world.scene().objects == ()


def test_a_grasp_of_air_slips_and_one_through_an_object_is_blocked(table: Scene) -> None:
    world = World(table)
    air = world.pick(across(world, 0, aside=0.3))
    assert (air.outcome, air.reason) == ("slipped", "closed on nothing")
    into = world.pick(across(world, 0, aside=0.04, down=0.03))
    assert (into.outcome, into.reason) == ("blocked", "met a thing")
    assert world.present == [0, 1]


def test_rates_of_rounds() -> None:
    grasp = Grasp((0, 0, 0), DOWN, (1.0, 0, 0), 0.03, 1.0, 0)

    def attempt(target: int | None, *pick: object) -> Attempt:
        return Attempt(1, target, Pick(grasp, *pick) if pick else None, 0 if pick else 3)  # type: ignore[arg-type]

    rounds = [
        Round(0, 3, (attempt(0, "lifted", (0,), ()), attempt(1, "lifted", (2,), (1,)), attempt(1)), 1),
        Round(1, 3, (attempt(0, "slipped", (), ()), attempt(0, "blocked", (), (2,))), 3),
    ]
    summary = summarise(rounds)
    assert (summary.grasps.successes, summary.grasps.trials) == (2, 4)
    assert (summary.declutter.successes, summary.declutter.trials) == (2, 6)
    assert (summary.chosen.successes, summary.chosen.trials) == (1, 5)
    assert (summary.disturbed.successes, summary.disturbed.trials) == (2, 4)
    assert summary.unreached == 3
