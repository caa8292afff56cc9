"""What is measured of scenes, on squares drawn by hand."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from scripts import load_script
from uois_sam.training.augmentation import View

scene_statistics = load_script("experiments/scene_statistics.py")
markdown, object_statistics = scene_statistics.markdown, scene_statistics.object_statistics


def measured(labels: np.ndarray, image: np.ndarray | None = None) -> list[Any]:
    picture = np.full((*labels.shape, 3), 128, dtype=np.uint8) if image is None else image
    return list(object_statistics(View(picture, labels.astype(np.int32))))


def square(at: int, side: int, value: int, labels: np.ndarray | None = None) -> np.ndarray:
    labels = np.zeros((100, 200), dtype=np.int32) if labels is None else labels
    labels[20 : 20 + side, at : at + side] = value
    return labels


def test_a_lonely_square_in_its_surroundings_colour() -> None:
    (only,) = measured(square(50, 40, 1))
    assert astuple(only) == pytest.approx((8.0, 0.0, 0.0, 0.0, 0.0, 0.0), abs=0.001)


def test_a_neighbour_touches_on_one_side() -> None:
    first, second = measured(square(90, 40, 2, square(50, 40, 1)))
    assert first.touching == pytest.approx(second.touching)
    assert 0.15 < first.touching < 0.3


def test_a_bar_in_front_cuts_an_object_in_two() -> None:
    labels = square(50, 40, 1)
    labels[:, 68:72] = 2
    assert [item.pieces for item in measured(labels)] == [100.0, 0.0]


def test_black_on_white_differs_by_the_whole_lightness_and_has_a_crisp_rim() -> None:
    labels = square(50, 40, 1)
    image = np.where(labels[..., None] == 1, 0, 255).astype(np.uint8).repeat(3, axis=2)
    (only,) = measured(labels, image)
    assert only.contrast == pytest.approx(100, abs=0.5)
    assert only.edge > 10 > only.detail == pytest.approx(0.0, abs=0.01)


def test_an_object_that_is_the_whole_picture_has_no_surroundings() -> None:
    assert measured(np.ones((60, 80), dtype=np.int32)) == []


def test_the_table_has_a_line_a_folder() -> None:
    lines = markdown(
        {"photos": {"pictures": 10.0, "area": 1.4712}, "mine": {"pictures": 3.0, "area": 2.0}}
    ).splitlines()
    assert lines == [
        "| folder | pictures | area |", "|---|---|---|", "| photos | 10 | 1.47 |", "| mine | 3 | 2 |",
    ]  # fmt: skip
