"""Rounds of clearing a table: look, segment, plan, pick, until it is empty or there is no way on (VGN's protocol)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from uois_sam.grasping.grasp import Planner, SeenScene
from uois_sam.grasping.rates import Rate
from uois_sam.grasping.tables import TableConfig, draw_table, look
from uois_sam.grasping.world import Pick, World
from uois_sam.types import BoolArray, LabelMap

MOST_FAILURES = 2
"""Failed picks in a row that end a round."""


class MaskSource(Protocol):
    """A way to masks."""

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        """Return (N, H, W) bool masks; ``truth`` has the true labels, for those who may know them."""
        ...


@dataclass(frozen=True)
class Attempt:
    """One look at the table, and the pick that followed."""

    seen: SeenScene
    masks: BoolArray
    """(N, H, W)."""
    target: int | None
    """Object that was asked for, by its index in the first scene; None if any would do."""
    pick: Pick | None
    """None where the planner found no grasp."""


@dataclass(frozen=True)
class Round:
    """A table and all that was done to it."""

    seed: int
    objects: int
    attempts: tuple[Attempt, ...]
    left: int
    """Objects that still lie there."""


def clear_table(
    seed: int, config: TableConfig, masks: MaskSource, planner: Planner, *, targeted: bool = False
) -> Round:
    """Clear one table; the same seed gives the same table, whoever makes the masks.

    Args:
        seed: of the table, and of all chance after it.
        config: how tables are drawn and seen.
        masks: makes the masks of each look.
        planner: makes grasps of them.
        targeted: name one object at each look, by a point on it, and grasp only what a mask there covers.
    """
    world = World(draw_table(seed, config))
    objects, failures = len(world.present), 0
    attempts: list[Attempt] = []
    while world.present and failures < MOST_FAILURES:
        rng = np.random.default_rng([seed, len(attempts)])
        seen, truth = look(world.scene(), config)
        target = _named(truth, rng) if targeted else None
        found = masks(seen, truth)
        wanted = found if target is None else _at_target(found, truth, target)
        grasps = planner.plan(seen, wanted, rng)
        asked = None if target is None else world.present[target]
        if not grasps:
            attempts.append(Attempt(seen, wanted, asked, None))
            break
        pick = world.pick(grasps[0])
        attempts.append(Attempt(seen, wanted, asked, pick))
        failures = 0 if pick.outcome == "lifted" else failures + 1
    return Round(seed, objects, tuple(attempts), len(world.present))


def _named(truth: LabelMap, rng: np.random.Generator) -> int | None:
    """Index in the scene of a visible object."""
    visible = np.unique(truth[truth > 0])
    return int(rng.choice(visible)) - 1 if len(visible) else None


def _at_target(masks: BoolArray, truth: LabelMap, target: int) -> BoolArray:
    """The mask at the pixel of the object that is nearest to the middle of it, smaller masks first; (0 or 1, H, W)."""
    ys, xs = np.nonzero(truth == target + 1)
    nearest = int(np.argmin((ys - ys.mean()) ** 2 + (xs - xs.mean()) ** 2))
    covering = np.flatnonzero(masks[:, ys[nearest], xs[nearest]])
    if not len(covering):
        return masks[:0]
    return masks[covering[[np.argmin(masks[covering].sum(axis=(1, 2)))]]]


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
    )
