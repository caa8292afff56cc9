"""Settings are checked where they are made, with the field, its bounds and what was found."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest

from uois_sam.config import InferenceConfig, changed_settings
from uois_sam.errors import UOISError


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("score_threshold", 2, "a number of at most 1"),
        ("score_threshold", "0.5", "a number of at most 1"),
        ("score_threshold", float("nan"), "a number of at most 1"),
        ("foreground_threshold", -0.1, "a number from 0 to 1"),
        ("nms_iou", None, "a number from 0 to 1"),
        ("min_area_px", "a", "a whole number from 0 to 1e.09"),
        ("min_area_px", -1, "a whole number from 0"),
        ("max_prompts", 45.5, "a whole number from 0 to 1024"),
        ("max_prompts", True, "a whole number from 0 to 1024"),
        ("grid_side", 10**6, "a whole number from 1 to 64"),
        ("zoom", "on", "true or false"),
        ("prompts", "gird", "one of grid, foreground-grid, heatmap"),
        ("scores", ["sam"], "one of sam, hdnet, evidence"),
    ],
)
def test_values_out_of_bounds_or_of_another_type(name: str, value: Any, expected: str) -> None:
    for make in (lambda: InferenceConfig(**{name: value}), lambda: changed_settings(InferenceConfig(), {name: value})):
        with pytest.raises(UOISError, match=f"InferenceConfig: {name}: expected {expected}.*, found "):
            make()


def test_thresholds_below_zero_keep_everything() -> None:
    assert InferenceConfig(score_threshold=-float("inf"), heatmap_threshold=-1).heatmap_threshold == -1


@pytest.mark.parametrize("value", [np.float32(0.5), np.float64(0.5), np.array(0.5)])
def test_numpy_scalars_become_plain_numbers(value: Any) -> None:
    made = replace(InferenceConfig(), score_threshold=value, max_prompts=np.int64(3), zoom=np.bool_(True))
    assert json.loads(json.dumps(asdict(made)))["score_threshold"] == 0.5
    with pytest.raises(UOISError, match="score_threshold: expected a number of at most 1, found array"):
        InferenceConfig(score_threshold=np.array([0.5, 0.6]))


def test_an_unknown_setting_gets_the_nearest() -> None:
    with pytest.raises(UOISError, match="unknown setting 'treshold'; did you mean .*threshold"):
        changed_settings(InferenceConfig(), {"treshold": 0.3})
