"""Depth of a data set as a camera sees it, on scenes that have been made before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from synth.conftest import TINY, contents, make


def test_a_sensor_changes_depth_and_nothing_else(tiny_scenes: Path, tmp_path: Path) -> None:
    seen_by = replace(TINY, from_scenes=tiny_scenes / "scenes.jsonl", depth_sensor="structured-light")
    make(tmp_path / "seen", seen_by)
    exact, seen = contents(tiny_scenes), contents(tmp_path / "seen")
    pictures = [name for name in exact if name.endswith(".png")]
    differing = {name for name in pictures if exact[name] != seen[name]}
    assert differing == {name for name in pictures if name.startswith("depth/")}
    for name in differing:
        true, measured = (np.asarray(Image.open(root / name)).astype(int) for root in (tiny_scenes, tmp_path / "seen"))
        known = (true > 400) & (true < 5000) & (measured > 0)
        assert known.any() and np.median(np.abs(measured - true)[known]) < 0.02 * np.median(true[known])
