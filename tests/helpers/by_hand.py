"""Networks whose outputs are written by hand, in a padded frame as SAM's, so that every number can be worked out.

A photo of 8x16 pixels lies in the upper half of an 8x8 mask frame (content 4x8, scale 1/2); the prompt frame is 8x8.
Masks are drawn on the mask frame's own pixels. Rows 4 to 7 are padding: what is drawn there must never count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from uois_sam.config import InferenceConfig
from uois_sam.geometry import Frame
from uois_sam.instances import Instances
from uois_sam.models.hdnet import HDNet
from uois_sam.models.interfaces import MaskFeatures, SceneFeatures
from uois_sam.models.networks import Networks
from uois_sam.pipeline import UOISSAM
from uois_sam.types import ModelCard, PromptMaps, TokenPredictions

PHOTO: npt.NDArray[np.uint8] = np.zeros((8, 16, 3), dtype=np.uint8)

# Peaks in the prompt frame, strongest first, and the four masks and scores of each.
PEAKS = {(1, 1): 0.9, (6, 1): 0.8, (3, 6): 0.7, (6, 4): 0.6, (1, 5): 0.5}
TOP_LEFT = "###..... ###..... ........ ........"
TOP_LEFT_WIDER = "####.... ####.... ........ ........"
TOP_RIGHT = "......## ......## ........ ........"
BOTTOM = "........ ........ ..####.. ..####.."
EVERYTHING = "######## ######## ######## ########"
NOTHING = "........ ........ ........ ........"
LOW_RIGHT = "........ ........ ......## ......##"
DRAWN = [
    (NOTHING, EVERYTHING, TOP_LEFT, BOTTOM),
    (TOP_RIGHT, NOTHING, NOTHING, NOTHING),
    (EVERYTHING, EVERYTHING, EVERYTHING, BOTTOM),
    (TOP_LEFT_WIDER, NOTHING, TOP_RIGHT, NOTHING),
    (NOTHING, LOW_RIGHT, NOTHING, NOTHING),
]
SCORES = torch.tensor(
    [
        [0.10, 0.20, 0.90, 0.30],
        [0.80, 0.00, 0.00, 0.00],
        [0.20, 0.10, 0.00, 1.25],
        [0.70, 0.00, 0.60, 0.00],
        [0.00, 0.47, 0.00, 0.00],
    ]
)


def draw(rows: str) -> npt.NDArray[np.bool_]:
    return np.array([[c == "#" for c in row] for row in rows.split()])


def in_photo(rows: str) -> npt.NDArray[np.bool_]:
    """What a mask drawn on the frame is in the photo: every pixel becomes 2x2."""
    return draw(rows).repeat(2, axis=0).repeat(2, axis=1)


class PaddedEncoder:
    """Knows where the photo lies in the frame, and nothing else."""

    def __call__(self, image: Tensor) -> SceneFeatures:
        frame = Frame.padded((image.shape[1], image.shape[2]), side=8)
        assert frame.content_hw == (4, 8)
        return SceneFeatures(torch.zeros(1), MaskFeatures(grid=torch.zeros(1, 1, 8, 8)), frame)


class HandMadeMaps:
    """The peaks, all on foreground."""

    def predict(self, prompt_features: Tensor) -> PromptMaps:
        heatmap = torch.zeros(1, 8, 8)
        for (x, y), height in PEAKS.items():
            heatmap[0, y, x] = height
        return PromptMaps(torch.tensor([0.0, 9.0])[:, None, None].expand(2, 8, 8), heatmap)


@dataclass
class HandMadeMasks:
    """Decodes the peaks' masks, recognising each prompt by where it lies in the mask frame."""

    residuals: Tensor
    """(5, 4): carried in the mask tokens for HDNet."""

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        expected = torch.tensor([(x, (y + 0.5) / 2 - 0.5) for x, y in PEAKS], dtype=torch.float32)
        prompts = torch.cdist(points_xy, expected).argmin(dim=1)
        torch.testing.assert_close(points_xy, expected[prompts])  # half the height, the same width
        return TokenPredictions(
            iou_token=prompts[:, None].float(),
            mask_tokens=self.residuals[prompts, :, None],
            scores=SCORES[prompts],
            image_state=torch.zeros(len(prompts), 1, 1, 1),
        )

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
        logits = torch.full((*token_index.shape, 8, 8), 7.0)  # the padding is full of object
        for row, prompt in enumerate(predictions.iou_token[:, 0].int().tolist()):
            for column, token in enumerate(token_index[row].tolist()):
                logits[row, column, :4] = torch.from_numpy(draw(DRAWN[prompt][token]) * 2.0 - 1.0)
        return logits


def model(residuals: Tensor | None = None, **settings: Any) -> UOISSAM:
    """The pipeline around the hand-made parts; with residuals, HDNet adds exactly those to the scores."""
    hdnet = None
    if residuals is not None:
        hdnet = HDNet(token_width=1, hidden=1, depth=1)
        hdnet.mlp[0].weight.data = torch.tensor([[0.0, 1.0]])  # not the IoU token, but the mask token
        hdnet.mlp[0].bias.data = torch.zeros(1)
    decoder = HandMadeMasks(torch.zeros(5, 4) if residuals is None else residuals)
    parts = Networks(PaddedEncoder(), decoder, HandMadeMaps(), hdnet)
    card = ModelCard("by-hand", "0", "none", {}, {}, {}, {}, "")
    scores = "sam" if residuals is None else "hdnet"
    return UOISSAM(parts, card, InferenceConfig()).with_settings(
        **{"scores": scores, "max_area_fraction": 0.3, **settings}
    )


def assert_found(found: Instances, *expected: tuple[str, float, tuple[int, int]]) -> None:
    """Exactly these masks, with these scores, from these peaks, in this order."""
    assert len(found) == len(expected)
    for index, (rows, score, (x, y)) in enumerate(expected):
        assert np.array_equal(found.masks[index], in_photo(rows)), rows
        assert found.scores[index] == pytest.approx(score)
        ys, xs = np.nonzero(in_photo(rows))
        assert found.boxes[index].tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
        assert found.points[index].tolist() == [(x + 0.5) * 2 - 0.5, y]  # 8x8 stretched to 8x16
