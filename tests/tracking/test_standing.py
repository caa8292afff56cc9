"""What comes and goes is not reported: its standing is low."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from moving import instances, looks, square
from uois_sam.tracking import Tracker, TrackerConfig


def _no_looks(looks: object, tracks: Sequence[object], count: int) -> np.ndarray:
    return np.full((count, len(tracks)), np.nan, dtype=np.float32)


def test_what_comes_and_goes_is_not_shown_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uois_sam.tracking.tracker.likenesses", _no_looks)
    tracker = Tracker(TrackerConfig(hold_frames=0, vote=1.0, show_standing=0.45, confirm_frames=1))
    steady, doubtful = square(20, 20), square(80, 60)

    for step in range(13):
        there = [steady, doubtful] if step % 3 == 0 else [steady]
        out = tracker.update(instances(there, [0.6] * len(there)), looks(*[0] * len(there)))

    assert [tuple(box) for box in out.boxes.tolist()] == [steady]
    assert tracker.born == 2
    assert any(note.startswith("doubtful: 1 object left out") for note in out.notes)
