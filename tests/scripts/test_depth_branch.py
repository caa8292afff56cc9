"""``experiments/depth_branch.py``: what the branch sees, and that it changes nothing where depth says nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_views import CAMERA, HW, TABLE, Box, look
from scripts import load_script
from uois_sam.depth import DepthMap, understand
from uois_sam.depth.scene import points_of
from uois_sam.models.zoom import Crop
from uois_sam.pipeline import UOISSAM

depth_branch = load_script("experiments/depth_branch.py")

BOX: Box = ((0.0, 0.0, 0.0), (0.1, 0.1, 0.1))


def test_maps_of_a_box_on_a_table() -> None:
    view = look([TABLE, BOX], pitch_deg=90)
    lost = view.depth_m.copy()
    lost[:20, :20] = 0
    foreground = (view.labels > 0).astype(np.float32)
    understood = understand(np.zeros((*HW, 3), np.uint8), DepthMap(lost, CAMERA), foreground, None)
    assert understood is not None
    points = points_of(lost, CAMERA)
    height, normal, steps, _, known = maps = depth_branch.five_maps(understood, points)
    assert maps.dtype == np.float32 and maps.shape == (5, *points.shape[:2])
    rows, columns = ((np.arange(size) + 0.5) * (whole / size) for size, whole in zip(known.shape, HW, strict=True))
    labels = view.labels[np.ix_(rows.astype(int), columns.astype(int))]
    box, table = labels == 1, (labels == 0) & (known > 0)
    assert np.median(height[box]) == pytest.approx(1.0, abs=0.05)  # 0.1 m is the unit
    assert abs(np.median(height[table])) < 0.1 and np.median(normal[table]) > 0.99
    assert np.median(steps[table]) < 0.1 and steps.max() > 0.9
    assert known[0, 0] == 0 and not maps[:, known == 0].any()


def test_a_part_of_the_photo_has_its_part_of_the_maps() -> None:
    columns = np.tile(np.arange(80, dtype=np.float32), (60, 1))[None]
    whole = depth_branch.in_view(columns, (240, 320), Crop(0, 0, 240, 320), (30, 40))
    right = depth_branch.in_view(columns, (240, 320), Crop(0, 160, 240, 160), (30, 20))
    np.testing.assert_allclose(whole[0, 0], 2 * np.arange(40) + 0.5, atol=1e-4)
    np.testing.assert_allclose(right[0, :, :-1], whole[0, :, 20:-1], atol=1e-4)


def test_a_branch_starts_at_nothing_and_stays_there_without_depth() -> None:
    torch.manual_seed(0)
    branch = depth_branch.Branch()
    assert sum(each.numel() for each in branch.parameters()) < 100_000
    logits, maps = torch.randn(1, 3, 24, 32), torch.rand(1, 5, 24, 32)
    assert not branch(logits, maps).any()
    torch.nn.init.normal_(branch.out.weight)
    maps[..., :16] = 0
    residual = branch(logits, maps)
    assert residual[..., 18:].abs().min() > 0 and not residual[..., :14].any()
    torch.testing.assert_close(residual[:, 0], -residual[:, 1])


def test_fitting_lowers_the_loss_where_depth_shows_what_colour_does_not() -> None:
    rng = np.random.default_rng(0)
    views = []
    for _ in range(12):
        things = torch.zeros(24, 32, dtype=torch.int64)
        row, column = (int(rng.integers(4, side - 4)) for side in things.shape)
        things[row - 3 : row + 4, column - 3 : column + 4] = 1
        maps = torch.stack([things.float(), *[torch.zeros(24, 32)] * 3, torch.ones(24, 32)])
        views.append(depth_branch.Fitted(torch.zeros(3, 24, 32), [maps], things[None].float(), things))
    _, losses = depth_branch.fit(views[:8], views[8:], 20)
    assert losses["with"] < 0.5 * losses["without"]


def test_without_depth_a_photo_stays_as_it_is(tiny_pipeline: UOISSAM) -> None:
    encoded = tiny_pipeline.encode_image(np.full((48, 64, 3), 90, np.uint8))
    assert depth_branch.corrected(encoded, depth_branch.Branch()) is encoded
