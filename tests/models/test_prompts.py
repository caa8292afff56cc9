"""Point prompts from hand-made maps: which peaks survive, in which order, and grids."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from uois_sam.config import InferenceConfig
from uois_sam.geometry import grid_points
from uois_sam.models.prompts import grid_prompts, heatmap_peaks, make_prompts
from uois_sam.types import PointPrompts, PromptMaps


def maps(heatmap: list[list[float]] | Tensor, foreground: float | Tensor = 0.99) -> PromptMaps:
    """Prompt maps with the given heatmap and foreground probability."""
    heat = torch.as_tensor(heatmap, dtype=torch.float32)
    probability = torch.as_tensor(foreground).expand_as(heat)
    logits = torch.stack([torch.zeros_like(heat), torch.logit(probability)])
    return PromptMaps(foreground_logits=logits, heatmap=heat[None])


def peaks(heatmap: list[list[float]] | Tensor, foreground: float | Tensor = 0.99, **changes: float) -> PointPrompts:
    return make_prompts(maps(heatmap, foreground), InferenceConfig(prompts="heatmap", **changes))  # type: ignore[arg-type]


def test_peaks_are_the_maxima_of_their_3x3_neighbourhoods_strongest_first() -> None:
    found = peaks(
        [
            [0.5, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 0.8, 0.0],
            [0.0, 0.0, 0.0, 0.0, 0.7],  # touches the 0.8 at a corner
            [0.0, 0.0, 0.0, 0.0, 0.0],
            [0.0, 0.6, 0.0, 0.0, 0.3],
        ]
    )
    assert found.points_xy.tolist() == [[3, 1], [1, 4], [0, 0], [4, 4]]
    assert found.points_xy.dtype == torch.float32
    torch.testing.assert_close(found.strengths, torch.tensor([0.8, 0.6, 0.5, 0.3]))
    assert len(found) == 4


def test_maxima_two_pixels_apart_both_survive() -> None:
    assert peaks([[0.2, 0.1, 0.3]]).points_xy.tolist() == [[2, 0], [0, 0]]


def test_all_pixels_of_a_plateau_survive_in_reading_order() -> None:
    assert peaks([[0.0, 0.4, 0.4], [0.0, 0.0, 0.0], [0.4, 0.0, 0.0]]).points_xy.tolist() == [[1, 0], [2, 0], [0, 2]]


def test_peaks_outside_the_foreground_are_no_prompts() -> None:
    """The paper's threshold is 0.85."""
    heatmap = [[0.9, 0.0, 0.8, 0.0, 0.7]]
    assert peaks(heatmap, torch.tensor([[0.84, 0.99, 0.86, 0.99, 0.1]])).points_xy.tolist() == [[2, 0]]


def test_a_foreground_probability_equal_to_the_threshold_is_not_enough() -> None:
    assert len(peaks([[0.9]], foreground=0.5, foreground_threshold=0.5)) == 0
    assert len(peaks([[0.9]], foreground=0.5, foreground_threshold=0.499)) == 1


def test_a_stronger_peak_in_the_background_still_hides_its_neighbour() -> None:
    """The maximum filter runs before the gate: the flank of a peak is no peak."""
    assert len(peaks([[0.9, 0.8, 0.0]], torch.tensor([[0.1, 0.99, 0.99]]))) == 0


def test_a_peak_must_be_higher_than_the_papers_threshold() -> None:
    found = peaks([[0.0069, 0, 0.007, 0, 0.0071]])
    assert found.points_xy.tolist() == [[4, 0]]


def test_only_the_strongest_peaks_are_kept() -> None:
    heights = torch.zeros(1, 100)
    heights[0, ::2] = torch.linspace(0.1, 1.0, 50)
    strongest = peaks(heights)
    assert len(strongest) == 30
    assert strongest.points_xy[:, 0].tolist() == list(range(98, 38, -2))
    assert len(peaks(heights, max_prompts=3)) == 3
    assert len(peaks(heights, max_prompts=0)) == 0


@pytest.mark.parametrize("mode", ["heatmap", "foreground-grid"])
def test_an_empty_scene_gets_no_prompts(mode: str) -> None:
    found = make_prompts(maps(torch.zeros(12, 16), foreground=0.01), InferenceConfig(prompts=mode))  # type: ignore[arg-type]
    assert found.points_xy.shape == (0, 2)
    assert found.strengths.shape == (0,)


def test_a_flat_zero_heatmap_gives_no_prompts_even_on_foreground() -> None:
    assert len(peaks(torch.zeros(5, 5))) == 0


def test_a_map_of_one_pixel_can_be_a_peak() -> None:
    assert peaks([[0.5]]).points_xy.tolist() == [[0, 0]]


def test_peaks_by_function_take_their_thresholds_as_given() -> None:
    found = heatmap_peaks(maps([[0.3, 0.0, 0.5]], 0.6), foreground=0.55, height=0.4, most=9)
    assert found.points_xy.tolist() == [[2, 0]]


def test_the_grid_ignores_heatmap_and_foreground() -> None:
    """Table IV's baseline: 32x32 points whatever the maps say."""
    found = make_prompts(maps(torch.zeros(48, 64), foreground=0.3), InferenceConfig(prompts="grid"))
    assert torch.equal(found.points_xy, torch.from_numpy(grid_points((48, 64), 32)))
    torch.testing.assert_close(found.strengths, torch.full((1024,), 0.3))


def test_grid_points_are_sorted_by_foreground_probability() -> None:
    probability = torch.tensor([[0.2, 0.2, 0.9, 0.9], [0.6, 0.6, 0.4, 0.4]])
    found = grid_prompts(maps(torch.zeros(2, 4), probability), side=2, foreground=None)
    # The cells' centres lie between two equal pixels: x = 0.5 and 2.5.
    assert found.points_xy.tolist() == [[2.5, 0], [0.5, 1], [2.5, 1], [0.5, 0]]
    torch.testing.assert_close(found.strengths, torch.tensor([0.9, 0.6, 0.4, 0.2]))


def test_the_foreground_grid_is_the_part_of_the_grid_in_the_foreground() -> None:
    probability = torch.full((40, 40), 0.2)
    probability[:20, :10] = 0.9
    scene = maps(torch.zeros(40, 40), probability)
    found = make_prompts(scene, InferenceConfig(prompts="foreground-grid", grid_side=4))
    assert found.points_xy.tolist() == [[4.5, 4.5], [4.5, 14.5]]
    assert torch.equal(found.strengths, found.strengths[:1].expand(2))
    assert len(grid_prompts(scene, 4, foreground=0.1)) == 16


def test_a_grid_point_on_the_foreground_threshold_is_left_out() -> None:
    scene = maps(torch.zeros(4, 4), 0.5)
    assert len(grid_prompts(scene, 2, foreground=0.5)) == 0
    assert len(grid_prompts(scene, 2, foreground=0.499)) == 4


def test_a_grid_finer_than_the_map_looks_up_pixels_that_exist() -> None:
    assert len(grid_prompts(maps(torch.zeros(2, 3)), side=9, foreground=0.5)) == 81
