"""Masks drawn where they are: most of a photo is far outside of any one object, as a glance at half resolution shows.

The finest convolutions take most of the time of drawing, and the four masks of a prompt fill a tenth of a crowded
photo. They are therefore computed in a window around what the glance sees; elsewhere its own logits stand, which say
"outside" there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.models.compact.places import FINER, OUTSIDE, Window, too_large, windows_around


@dataclass(frozen=True)
class Ground:
    """What all prompts of an image share, channels last."""

    shared: Tensor
    """(2 h, 2 w, C): what is added to each."""
    look: Tensor
    """(2 h, 2 w, 8 G): the embedding by which cells are compared."""
    coarse_shared: Tensor
    """(h w, C): every other row and column."""
    coarse_look: Tensor
    ys: Tensor
    xs: Tensor
    """(2 h,) and (2 w,): where middles of cells lie, in columns of the frame."""


class MakeGround(nn.Module):
    """From an image's finest map to what its prompts share.

    Args:
        shared: 1x1 convolution that gives what is added to every prompt's map.
        look: gives (1, G, 8, h, w).
        relative: 1x1 convolution of what each cell is to a prompt: x and y distance, their length, and by look.
        aspect: rows of the frame for each of its columns.
    """

    def __init__(self, shared: nn.Module, look: nn.Module, relative: nn.Conv2d, aspect: float) -> None:
        super().__init__()
        self.shared, self.look, self.relative, self.aspect = shared, look, relative, aspect

    def forward(self, fine: Tensor) -> Ground:
        """(1, C, h, w) to its ground."""
        shared, look = (each.permute(0, 2, 3, 1)[0] for each in (self.shared(fine), self.look(fine).flatten(1, 2)))
        height, width = shared.shape[:2]
        # Distance to a point is a sum of what depends on the cell, which is part of this, and of what on the point.
        ys, xs = self.aspect * (torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width
        by_x, by_y = (4 * self.relative.weight[:, :2, 0, 0]).unbind(1)
        assert self.relative.bias is not None
        shared = shared + (xs[:, None] * by_x + (ys[:, None] * by_y)[:, None] + self.relative.bias)
        coarse_shared, coarse_look = (each[::FINER, ::FINER].flatten(0, 1) for each in (shared, look))
        return Ground(shared.contiguous(), look.contiguous(), coarse_shared, coarse_look, ys, xs)


class WindowDrawing(nn.Module):
    """The decoder's finest layers, for prompts of one image.

    Args:
        ground: gives what an image's prompts share.
        relative: as of :class:`MakeGround`.
        mix: 3x3 convolution of the finest map.
        aspect: rows of the frame for each of its columns.
    """

    by_xy: Tensor
    by_length: Tensor
    by_look: Tensor
    summed: Tensor
    bias: Tensor

    def __init__(self, ground: nn.Module, relative: nn.Conv2d, mix: nn.Conv2d, aspect: float) -> None:
        super().__init__()
        assert mix.bias is not None
        self.ground, self.mix, self.aspect, self.bias = ground, mix, aspect, nn.Buffer(mix.bias.detach().clone())
        weights = 4 * relative.weight.detach()[:, :, 0, 0].T
        self.by_xy, self.by_length = nn.Buffer(weights[:2].clone()), nn.Buffer(weights[2].clone())  # (2, C), (C,)
        self.by_look = nn.Buffer(weights[3:].clone())  # (G, C)
        self.summed = nn.Buffer(mix.weight.detach().sum(dim=(2, 3)).T.contiguous())

    def forward(self, x: Tensor, fine: Tensor, unit_xy: Tensor, under: Tensor, weights: Tensor) -> Tensor | None:
        """Draw masks.

        Args:
            x: (M, C, h, w) float32 of M prompts.
            fine: (1, D, 2 h, 2 w) of their image.
            unit_xy: (M, 2) where the prompts lie in the frame, from 0 to 1.
            under: (M, G, 8) the embedding there.
            weights: (M, T, C), what each mask is a sum of.

        Returns:
            (M, T, 2 h, 2 w) float32 logits; None where the masks fill so much of the frame that windows do not pay.
        """
        ground: Ground = self.ground(fine)
        at = unit_xy * unit_xy.new_tensor([1.0, self.aspect])
        looks = (under[..., None] * self.by_look[:, None]).flatten(1, 2)  # (M, 8 G, C): from a cell's look to its part
        x = x - (at @ self.by_xy)[:, :, None, None]
        seen = self._glance(x, ground, at, looks, weights)
        windows = list(windows_around((seen.amax(dim=1) > OUTSIDE).numpy()))
        if too_large(windows):
            return None
        logits = F.interpolate(seen, scale_factor=FINER, mode="bilinear", align_corners=False)
        for row, window in enumerate(windows):
            drawn = self._draw(x[row : row + 1], window, ground, at[row], looks[row]) @ weights[row].T
            drawn = drawn.view(*window.size(FINER), -1).permute(2, 0, 1)
            rows, columns = window.inner()
            top, left = FINER * window.top, FINER * window.left
            inner = drawn[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
            logits[row, :, rows, columns] = inner
        return logits

    def _glance(self, x: Tensor, ground: Ground, at: Tensor, looks: Tensor, weights: Tensor) -> Tensor:
        """(M, T, h, w): as the finest layers would draw if neighbouring cells were alike."""
        flat = x.permute(0, 2, 3, 1).flatten(1, 2)
        y = torch.baddbmm(flat, ground.coarse_look.expand(len(x), -1, -1), looks).add_(ground.coarse_shared)
        length = torch.hypot(ground.ys[::FINER, None] - at[:, 1, None, None], ground.xs[::FINER] - at[:, :1, None])
        y = y.baddbmm_(length.flatten(1)[..., None], self.by_length.expand(len(x), 1, -1)).relu_()
        mixed = torch.matmul(y, self.summed).add_(self.bias).relu_()
        return torch.bmm(weights, mixed.transpose(1, 2)).unflatten(2, x.shape[2:])

    def _draw(self, x: Tensor, window: Window, ground: Ground, at: Tensor, looks: Tensor) -> Tensor:
        """(P, C): the cells of a window of one prompt, from its (1, C, h, w) map."""
        rows, columns = window.rows(FINER), window.columns(FINER)
        part = x[..., window.rows(), window.columns()].contiguous(memory_format=torch.channels_last)
        part = F.interpolate(part, scale_factor=FINER, mode="bilinear", align_corners=False)
        part = part.permute(0, 2, 3, 1).add_(ground.shared[rows, columns])
        length = torch.hypot(ground.ys[rows, None] - at[1], ground.xs[columns] - at[0])
        flat = part.flatten(0, 2).addmm_(ground.look[rows, columns].flatten(0, 1), looks)
        part = flat.addr_(length.flatten(), self.by_length).relu_().view_as(part).permute(0, 3, 1, 2)
        return F.conv2d(part, self.mix.weight, self.mix.bias, padding=1).relu_().permute(0, 2, 3, 1).flatten(0, 2)
