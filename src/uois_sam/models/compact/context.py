"""Context from the photo as a whole for every place in it: the table, or the room behind it.

The pyramid sees far, but weighs what is near. Here the coarsest map's few hundred cells attend to each other, and the
result is added to the maps that prompts and masks are made from. Its last layers begin at zero: a model that gets this
branch answers as before, to the bit, until it is trained.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

HEADS = 4
DEPTH = 2


class SceneContext(nn.Module):
    """Attention over all cells of the map at stride 32.

    Args:
        inputs: channels of that map.
        width: channels inside; a multiple of ``HEADS``.
        grid: channels of the embedding grid that masks are decoded from.
        prompts: channels of the map that the prompt generator reads.
    """

    def __init__(self, inputs: int, width: int, grid: int, prompts: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 1)
        self.place = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(DEPTH))
        self.norm = nn.LayerNorm(width)
        self.to_grid = nn.Conv2d(width, grid, 1)
        self.to_prompts = nn.Conv2d(width, prompts, 1)
        for last in (self.to_grid, self.to_prompts):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, h, w) to what is added to grid (B, grid, h, w) and prompt map (B, prompts, h, w)."""
        maps = self.enter(coarse)
        maps = maps + self.place(maps)  # the border of zeros tells cells where they are
        tokens = maps.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = layer(tokens)
        maps = self.norm(tokens).transpose(1, 2).reshape(maps.shape)
        return self.to_grid(maps), self.to_prompts(maps)


class _Layer(nn.Module):
    """Self-attention, then a two-layer network at every cell."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.ask, self.answer = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, tokens: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        asked = self.ask(self.norm_attention(tokens)).reshape(batch, count, 3, HEADS, width // HEADS)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        heard = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(tokens.shape)
        tokens = tokens + self.answer(heard)
        return tokens + self.mlp(self.norm_mlp(tokens))
