"""Things that stand, parted at steps in depth, and the points at which they are asked for."""

from __future__ import annotations

import numpy as np

from depth_views import CAMERA, HW, TABLE, Box, look
from uois_sam.depth import DepthMap, DepthScene, understand

NEAR: Box = ((-0.1, -0.15, 0.0), (-0.02, -0.07, 0.06))
TALL: Box = ((0.0, 0.0, 0.0), (0.1, 0.1, 0.12))
CARD: Box = ((0.15, -0.1, 0.0), (0.25, 0.0, 0.002))


def scene() -> tuple[DepthScene, np.ndarray]:
    view = look([TABLE, NEAR, TALL, CARD], pitch_deg=55)
    foreground = (view.labels > 0).astype(np.float32)
    understood = understand(np.zeros((*HW, 3), np.uint8), DepthMap(view.depth_m, CAMERA), foreground, None)
    assert understood is not None
    return understood, view.labels


def test_each_thing_is_a_piece_and_a_card_is_none() -> None:
    understood, labels = scene()
    pieces = understood.pieces
    assert pieces is not None
    seen = [labels[row, column] for row, column in pieces.centres]
    assert sorted(set(seen)) == [1, 2] and not pieces.labels[labels == 3].any()
    assert pieces.areas.tolist() == [int((pieces.labels == number).sum()) for number in range(1, len(seen) + 1)]


def test_only_what_no_prompt_lies_on_is_asked_for() -> None:
    understood, labels = scene()
    everything = understood.unasked(np.zeros((0, 2), np.float32))
    assert {labels[int(y), int(x)] for x, y in everything} == {1, 2}
    left = understood.unasked(everything[:1])
    assert len(left) == len(everything) - 1
    assert understood.unasked(everything).shape == (0, 2)
