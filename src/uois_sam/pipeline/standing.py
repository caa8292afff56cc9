"""Prompts on what depth shows to stand, where the prompt generator has none."""

from __future__ import annotations

import torch

from uois_sam.depth import DepthScene
from uois_sam.geometry import map_points
from uois_sam.models.zoom import Crop
from uois_sam.types import PointPrompts


def with_standing(
    prompts: PointPrompts, scene: DepthScene, crop: Crop, prompt_hw: tuple[int, int], most: int
) -> PointPrompts:
    """Prompts, and after them one on each thing that stands in a view without any.

    Args:
        prompts: of the view. Frame: prompt frame.
        scene: what depth says of the photo.
        crop: the view's part of the photo.
        prompt_hw: size of the prompt frame.
        most: prompts of a view; of what stands without, the largest come first.
    """
    view_hw = (crop.height, crop.width)
    corner = torch.tensor([crop.left, crop.top], dtype=torch.float32)
    in_photo = map_points(prompts.points_xy.cpu().float(), prompt_hw, view_hw) + corner
    missing = torch.from_numpy(scene.unasked(in_photo.numpy())) - corner
    extent = torch.tensor([crop.width, crop.height]) - 0.5
    missing = missing[((missing > -0.5) & (missing < extent)).all(dim=1)]
    more = map_points(missing[: max(0, most - len(prompts))], view_hw, prompt_hw).to(prompts.points_xy)
    return PointPrompts(
        torch.cat([prompts.points_xy, more]),
        torch.cat([prompts.strengths, prompts.strengths.new_zeros(len(more))]),
        prompts.left_out + len(missing) - len(more),
    )
