"""Rounds of clearing a table: look, segment, plan, pick, until it is empty or there is no way on (VGN's protocol)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from uois_sam.grasping.grasp import Planner, SeenScene
from uois_sam.grasping.rates import Rate
from uois_sam.grasping.sources import MaskSource
from uois_sam.grasping.tables import TableConfig, draw_table, look
from uois_sam.grasping.world import Pick, World
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.scene import Scene
from uois_sam.types import BoolArray, LabelMap

VERSION = 2
"""Of looking, pointing, planning and picking: raised with every change that gives other rounds of equal settings. Since
2, a named thing that no mask covers is pointed at."""
MOST_FAILURES = 2
"""Failed picks in a row that end a round."""
MOST_REACHED_FOR = 20
"""Best grasps among which an arm looks for one that it reaches."""


@dataclass(frozen=True)
class Attempt:
    """One look at the table, and the pick that followed."""

    masks: int
    """Number of masks that the planner was given."""
    target: int | None
    """Object that was asked for, by its index in the first scene; None if any would do."""
    pick: Pick | None
    """None where the planner found no grasp, or none that the arm reaches."""
    unreached: int = 0
    """Grasps with better scores that were left out because the arm does not reach them."""


@dataclass(frozen=True)
class Round:
    """What was done to a table."""

    seed: int
    objects: int
    attempts: tuple[Attempt, ...]
    left: int
    """Objects that still lie there."""


@dataclass(frozen=True)
class Start:
    """A table at the beginning of its rounds, the same for every source of masks, and the first look at it."""

    seed: int
    scene: Scene
    seen: SeenScene
    truth: LabelMap
    """(H, W) uint16: i + 1 for the scene's object i."""


class MakeWorld(Protocol):
    """A way to simulate a scene."""

    def __call__(self, scene: Scene, *, assets: Assets) -> World:
        """Return the scene's world."""
        ...


Watcher = Callable[[SeenScene, BoolArray, Attempt], None]
"""Is shown what the camera saw, the masks that were planned on, and what came of it."""


def set_table(
    seed: int, config: TableConfig, assets: Assets = BUILT_IN, *, photo: bool = True, world: MakeWorld = World
) -> Start:
    """Draw the table of a seed and look at it.

    Args:
        seed: of the table.
        config: how tables are drawn and seen.
        assets: where things are looked up.
        photo: whether anyone needs more than depth.
        world: as for :func:`clear_table`.
    """
    scene = draw_table(seed, config, assets)
    return Start(seed, scene, *look(world(scene, assets=assets).scene(), config, assets, photo=photo))


def clear_table(
    table: Start,
    config: TableConfig,
    masks: MaskSource,
    planner: Planner,
    *,
    assets: Assets = BUILT_IN,
    targeted: bool = False,
    photos: bool = True,
    watch: Watcher = lambda seen, masks, attempt: None,
    world: MakeWorld = World,
) -> Round:
    """Clear one table.

    Args:
        table: as :func:`set_table` gave it, with the same settings.
        config: how it is seen.
        masks: makes the masks of each look.
        planner: makes grasps of them.
        assets: where the table's things are looked up.
        targeted: name one object at each look, by a point on it, and grasp only what the smallest mask there covers, or
            where none does, what the source of masks sees under the point.
        photos: take photos where masks do not need them, too.
        watch: is shown each attempt.
        world: what simulates it: with a floating hand, or with an arm.
    """
    there = world(table.scene, assets=assets)
    objects, failures = len(there.present), 0
    attempts: list[Attempt] = []
    while there.present and failures < MOST_FAILURES:
        rng = np.random.default_rng([table.seed, len(attempts)])
        seen, truth = (
            (table.seen, table.truth)
            if not attempts
            else look(there.scene(), config, assets, photo=photos or masks.needs_photo)
        )
        target = _named(truth, rng) if targeted else None
        wanted = masks(seen, truth)
        if target is not None:
            point = _point_on(truth == target + 1)
            covering = _at(point, wanted)
            wanted = covering if len(covering) else masks.pointed(seen, point)
        grasps = planner.plan(seen, wanted, rng)
        asked = None if target is None else there.present[target]
        tried = grasps[:MOST_REACHED_FOR]
        reached = next((place for place, grasp in enumerate(tried) if there.reaches(grasp)), len(tried))
        pick = there.pick(tried[reached]) if reached < len(tried) else None
        attempts.append(Attempt(len(wanted), asked, pick, reached))
        watch(seen, wanted, attempts[-1])
        if pick is None:
            break
        failures = 0 if pick.outcome == "lifted" else failures + 1
    return Round(table.seed, objects, tuple(attempts), len(there.present))


def _named(truth: LabelMap, rng: np.random.Generator) -> int | None:
    """Index in the scene of a visible object."""
    visible = np.unique(truth[truth > 0])
    return int(rng.choice(visible)) - 1 if len(visible) else None


def _point_on(thing: BoolArray) -> tuple[int, int]:
    """(x, y) of the pixel of a thing that is nearest to the middle of it."""
    ys, xs = np.nonzero(thing)
    nearest = int(np.argmin((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2))
    return int(xs[nearest]), int(ys[nearest])


def _at(point_xy: tuple[int, int], masks: BoolArray) -> BoolArray:
    """The smallest mask at a point; (0 or 1, H, W)."""
    covering = masks[masks[:, point_xy[1], point_xy[0]]]
    return covering[np.argsort(covering.sum(axis=(1, 2)), kind="stable")[:1]]


@dataclass(frozen=True)
class Summary:
    """Rates over several rounds."""

    grasps: Rate
    """Picks that lifted something (VGN's grasp success rate)."""
    declutter: Rate
    """Objects that were taken away (VGN's declutter rate)."""
    chosen: Rate
    """Of looks that named an object: it was lifted, and nothing else."""
    disturbed: Rate
    """Of picks: another object was moved by more than 2 cm, or lifted as well."""
    unreached: int
    """Grasps that were left out because the arm does not reach them."""


def summarise(rounds: Sequence[Round]) -> Summary:
    """Return the rates over all attempts of some rounds."""
    attempts = [attempt for each in rounds for attempt in each.attempts]
    picks = [attempt.pick for attempt in attempts if attempt.pick is not None]
    named = [attempt for attempt in attempts if attempt.target is not None]
    total = sum(each.objects for each in rounds)
    return Summary(
        Rate(sum(pick.outcome == "lifted" for pick in picks), len(picks)),
        Rate(total - sum(each.left for each in rounds), total),
        Rate(sum(a.pick is not None and a.pick.lifted == (a.target,) for a in named), len(named)),
        Rate(sum(bool(pick.moved) or len(pick.lifted) > 1 for pick in picks), len(picks)),
        sum(attempt.unreached for attempt in attempts),
    )
