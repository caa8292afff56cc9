"""Hierarchical Discrimination Network (Sec. III-B): refined IoU scores from the decoder's tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uois_sam.types import TokenPredictions


def mlp(inputs: int, hidden: int, outputs: int, depth: int) -> nn.Sequential:
    """``depth`` linear layers with ReLU between: the shape of SAM's own IoU head."""
    widths = [inputs, *[hidden] * (depth - 1), outputs]
    layers: list[nn.Module] = []
    for index in range(depth):
        layers.append(nn.Linear(widths[index], widths[index + 1]))
        if index < depth - 1:
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class HDNet(nn.Module):
    """Eq. 5: S^' = MLP(Concat(Repeat(T_iou), T_mask)) + S^, one MLP shared by the four masks.

    Args:
        token_width: C, channels of the tokens (256 for SAM).
        hidden: hidden width of the MLP (256 in the paper).
        depth: its layers (3, as SAM's IoU head).
    """

    def __init__(self, token_width: int, hidden: int, depth: int = 3) -> None:
        super().__init__()
        self.mlp = mlp(2 * token_width, hidden, 1, depth)

    def forward(self, predictions: TokenPredictions) -> Tensor:
        """(M, 4) float32 refined scores; not clamped."""
        iou_token = predictions.iou_token[:, None].expand_as(predictions.mask_tokens)
        residual = self.mlp(torch.cat([iou_token, predictions.mask_tokens], dim=-1))[..., 0]
        return predictions.scores + residual.float()
