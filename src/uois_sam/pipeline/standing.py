"""What depth changes about prompts and candidates of a view."""

from __future__ import annotations

import numpy as np

from uois_sam.arrays import Array, like, namespace, to_numpy
from uois_sam.config import InferenceConfig
from uois_sam.depth import Cells, DepthScene
from uois_sam.geometry import map_points
from uois_sam.models.postprocess import chosen_of, select
from uois_sam.models.zoom import Crop
from uois_sam.pipeline.losses import Losses
from uois_sam.types import BoolArray, Candidates, PointPrompts


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
    corner = np.array([crop.left, crop.top], dtype=np.float32)
    in_photo = map_points(to_numpy(prompts.points_xy), prompt_hw, view_hw) + corner
    missing = scene.unasked(in_photo) - corner
    extent = np.array([crop.width, crop.height], dtype=np.float32) - np.float32(0.5)
    missing = missing[((missing > -0.5) & (missing < extent)).all(axis=1)]
    more = map_points(missing[: max(0, most - len(prompts))], view_hw, prompt_hw)
    strengths = np.zeros(len(more), dtype=np.float32)
    xp = namespace(prompts.points_xy)
    return PointPrompts(
        xp.concatenate([prompts.points_xy, like(more, prompts.points_xy)]),
        xp.concatenate([prompts.strengths, like(strengths, prompts.strengths)]),
        prompts.left_out + len(missing) - len(more),
    )


def of_interest(
    candidates: Candidates,
    cells: Cells,
    limits: tuple[Array, Array, InferenceConfig, BoolArray | None, float],
    unasked: int,
) -> tuple[Candidates, Losses]:
    """Return the candidates that depth does not show to stand elsewhere or to be the support, and what is left out.

    Args:
        candidates: of a view.
        cells: what depth says, on the grid of their masks.
        limits: arguments of :func:`~uois_sam.models.postprocess.select`; counted is what that would have chosen.
        unasked: number of prompts that were left out before.
    """
    if len(candidates.scores) == 0:
        return candidates, Losses(unasked=unasked)
    verdict = cells.judge(to_numpy(limits[0]), to_numpy(candidates.scores))
    chosen = to_numpy(select(*limits))
    outside, support = (int(np.count_nonzero(each[chosen])) for each in (verdict.outside, verdict.support))
    left = like(np.flatnonzero(~(verdict.outside | verdict.support)), limits[0])
    return chosen_of(candidates, left), Losses(outside=outside, support=support, unasked=unasked)
