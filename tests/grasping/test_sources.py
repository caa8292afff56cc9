"""Sources of masks, and what a round does with a thing that is named by a point."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from uois_sam.grasping.grasp import Grasp, SeenScene
from uois_sam.grasping.rounds import clear_table, set_table
from uois_sam.grasping.sources import ModelMasks, NoMasks, TrueMasks
from uois_sam.grasping.tables import TableConfig
from uois_sam.synth.rendering.variants import choose_variant
from uois_sam.types import BoolArray, LabelMap

SEEN = SeenScene(np.zeros((4, 6, 3), np.uint8), np.ones((4, 6), np.float32), np.eye(3), np.eye(4))


class NoGrasp:
    """A planner that is shown masks and finds nothing."""

    def __init__(self) -> None:
        self.shown: list[BoolArray] = []

    def plan(self, seen: SeenScene, masks: BoolArray, rng: np.random.Generator) -> list[Grasp]:
        self.shown.append(masks)
        return []


class Blind:
    """Finds nothing by itself, and a square about each point that it is asked for."""

    needs_photo: ClassVar[bool] = False

    def __init__(self, found: int) -> None:
        self.found = found
        self.asked: list[tuple[int, int]] = []

    def __call__(self, seen: SeenScene, truth: LabelMap) -> BoolArray:
        every = np.ones((2, *truth.shape), dtype=np.bool_)
        every[1, : truth.shape[0] // 8] = False  # the smaller one
        return every[: self.found]

    def pointed(self, seen: SeenScene, point_xy: tuple[int, int]) -> BoolArray:
        self.asked.append(point_xy)
        mask = np.zeros((1, *seen.depth_m.shape), dtype=np.bool_)
        mask[0, point_xy[1], point_xy[0]] = True
        return mask


@pytest.mark.parametrize("found", [0, 2])
def test_a_named_thing_that_no_mask_covers_is_pointed_at(found: int) -> None:
    choose_variant()
    config = TableConfig(objects=1, arrangement="packed", size_hw=(48, 64))
    table = set_table(1000, config, photo=False)
    source, planner = Blind(found), NoGrasp()
    done = clear_table(table, config, source, planner, targeted=True, photos=False)
    assert [attempt.masks for attempt in done.attempts] == [1] and done.attempts[0].target == 0
    if found:
        assert source.asked == []
        assert not planner.shown[0][0, :6].any() and planner.shown[0][0, 6:].all()
    else:
        [(x, y)] = source.asked
        assert table.truth[y, x] == 1 and planner.shown[0].sum() == 1


def test_a_model_is_pointed_at_the_place() -> None:
    asked: list[Any] = []
    masks = np.zeros((2, 4, 6), dtype=np.bool_)
    masks[0, 1, 2] = True

    def predict(image: Any, **words: Any) -> Any:
        asked.append(words)
        return SimpleNamespace(masks=masks)

    model: Any = SimpleNamespace(predict=predict)
    found = ModelMasks(model).pointed(SEEN, (2, 1))
    assert asked == [{"points": [(2, 1)]}] and found.shape == (1, 4, 6) and found[0, 1, 2]


@pytest.mark.parametrize("source", [TrueMasks(), NoMasks()])
def test_others_have_no_more_to_say_of_a_point(source: TrueMasks | NoMasks) -> None:
    assert source.pointed(SEEN, (2, 1)).shape == (0, 4, 6)
