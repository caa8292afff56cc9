"""The compact model's mask decoder: SAM's anatomy (Sec. III-B, and Sec. A of SAM's paper) at half the width."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uois_sam.config import MASKS_PER_PROMPT
from uois_sam.models.compact.encoder import CompactConfig, grow
from uois_sam.models.compact.places import FINER
from uois_sam.models.compact.windows import WindowDrawing
from uois_sam.models.hdnet import mlp
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.runtime.device import is_traced
from uois_sam.types import TokenPredictions


class FourierPositions(nn.Module):
    """Random Fourier features of positions, as SAM's prompt encoder has them."""

    frequencies: Tensor

    def __init__(self, width: int, scale: float = 1.5) -> None:
        super().__init__()
        self.register_buffer("frequencies", scale * torch.randn(2, width // 2))

    def forward(self, unit_xy: Tensor) -> Tensor:
        """(..., 2) positions in [0, 1] to (..., width) sines and cosines."""
        x, y = (2 * unit_xy - 1).split(1, dim=-1)
        angles = 2 * torch.pi * (x * self.frequencies[0] + y * self.frequencies[1])  # no matmul: autocast would round
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def grid(self, height: int, width: int) -> Tensor:
        """(height * width, width_of_features) positions of grid-cell centres, row by row."""
        ys = (torch.arange(height, dtype=self.frequencies.dtype, device=self.frequencies.device) + 0.5) / height
        xs = (torch.arange(width, dtype=self.frequencies.dtype, device=self.frequencies.device) + 0.5) / width
        y, x = torch.meshgrid(ys, xs, indexing="ij")
        return self(torch.stack([x, y], dim=-1).reshape(-1, 2))


class Attention(nn.Module):
    """Multi-head attention with an inner width of half the outer one."""

    def __init__(self, width: int, heads: int, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or width // 2
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, inner) for _ in range(3))
        self.out = nn.Linear(inner, width)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; vectors that an image's prompts share are given once an image, and projected only once."""
        prompts = max(len(q), len(k))
        projected = ((self.query, q), (self.key, k), (self.value, v))
        q, k, v = (per_prompt(self._split(layer(x)), prompts) for layer, x in projected)
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.out(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class TwoWayLayer(nn.Module):
    """Tokens attend to themselves and to the image, pass an MLP, then the image attends to the tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.self_attention = Attention(width, heads, width)
        self.token_to_image = Attention(width, heads)
        self.image_to_token = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(4))

    def forward(self, tokens: Tensor, image: Tensor, tokens_at: Tensor, image_at: Tensor) -> tuple[Tensor, Tensor]:
        q = tokens + tokens_at
        tokens = self.norms[0](tokens + self.self_attention(q, q, tokens))
        tokens = self.norms[1](tokens + self.token_to_image(tokens + tokens_at, image + image_at, image))
        tokens = self.norms[2](tokens + self.mlp(tokens))
        answered = self.image_to_token(image + image_at, tokens + tokens_at, tokens)
        image = self.norms[3](per_prompt(image, len(tokens)) + answered)
        return tokens, image


class Look(nn.Conv2d):
    """Appearance vectors by which cells are compared: one of length 1 for each group of 8 channels."""

    def __init__(self, channels: int, groups_of_8: int) -> None:
        super().__init__(channels, 8 * groups_of_8, 1)

    def forward(self, fine: Tensor) -> Tensor:
        """(B, C, h, w) to (B, G, 8, h, w) float32."""
        return F.normalize(super().forward(fine).float().unflatten(1, (-1, 8)), dim=2)


class CompactDecoder(nn.Module):
    """Point prompts to four masks, the IoU token, four mask tokens and four scores (``interfaces.PointDecoder``).

    Takes a batch of B images too: features with batch size B, and M prompts, M / B for each image, image after image.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        width = config.width
        self.frame_hw = config.input_hw
        self.positions = FourierPositions(width)
        self.point_embedding = nn.Parameter(torch.randn(width) * 0.02)
        self.point_look = nn.Linear(config.fine_width, width)
        self.output_tokens = nn.Parameter(torch.randn(1 + MASKS_PER_PROMPT, width) * 0.02)
        self.layers = nn.ModuleList(TwoWayLayer(width, config.heads) for _ in range(config.decoder_depth))
        self.final_attention = Attention(width, config.heads)
        self.final_norm = nn.LayerNorm(width)
        self.iou_head = mlp(width, config.score_width, MASKS_PER_PROMPT, depth=3)
        mask_width = config.mask_width
        self.mask_heads = nn.ModuleList(mlp(width, width, mask_width, depth=3) for _ in range(MASKS_PER_PROMPT))
        self.state16 = nn.Conv2d(width, 2 * mask_width, 1)
        self.fine8 = nn.Conv2d(config.fine_width, 2 * mask_width, 1)
        self.mix8 = nn.Conv2d(2 * mask_width, mask_width, 3, padding=1)
        self.fine4 = nn.Conv2d(config.fine_width, mask_width, 1)
        self.embed4 = Look(config.fine_width, config.likeness_groups)
        self.relative4 = nn.Conv2d(3 + config.likeness_groups, mask_width, 1)
        self.mix4 = nn.Conv2d(mask_width, mask_width, 3, padding=1)
        self.in_windows: WindowDrawing | None = None

    def decode_tokens(self, features: MaskFeatures, points_xy: Tensor) -> TokenPredictions:
        """Run M prompts (see ``interfaces.PointDecoder``)."""
        grid = features.grid
        count, (height, width) = len(points_xy), grid.shape[-2:]
        unit_xy = self.unit(points_xy)
        at = self.positions(unit_xy)
        look = _sample(features.fine[-1], unit_xy)
        point = at + self.point_embedding + self.point_look(look)
        tokens = torch.cat([self.output_tokens.expand(count, -1, -1), point[:, None]], dim=1)
        tokens_at, image_at = tokens, self.positions.grid(height, width)[None]
        image = grid.flatten(2).transpose(1, 2)  # one for all prompts of an image until the first layer
        for layer in self.layers:
            tokens, image = layer(tokens, image, tokens_at, image_at)
        tokens = self.final_norm(tokens + self.final_attention(tokens + tokens_at, image + image_at, image))
        state = image.transpose(1, 2).unflatten(2, (height, width))
        iou_token, mask_tokens = tokens[:, 0], tokens[:, 1 : 1 + MASKS_PER_PROMPT]
        return TokenPredictions(iou_token, mask_tokens, self.iou_head(iou_token).float(), state)

    def upscale(
        self, features: MaskFeatures, predictions: TokenPredictions, points_xy: Tensor, token_index: Tensor
    ) -> Tensor:
        """(M, T, H / 4, W / 4) float32 logits for the chosen tokens (``interfaces.PointDecoder``)."""
        fine8, fine4 = features.fine
        x, weights = self.coarse(fine8, predictions.image_state), self.weights(predictions.mask_tokens)
        chosen = weights.gather(1, token_index[..., None].expand(-1, -1, weights.shape[-1]))
        embedding = self.embed4(fine4)
        under = self.under(embedding.flatten(1, 2), points_xy)
        if self.in_windows is not None and len(fine4) == 1 and self._fits_windows(x, fine4):
            drawn: Tensor | None = self.in_windows(x, fine4, self.unit(points_xy), under, chosen)
            if drawn is not None:
                return drawn
        relative = torch.cat([self.offsets(points_xy, fine4.shape[-2:]), self._likeness(embedding, under)], dim=1)
        shared = self.fine4(fine4) + cast(Tensor, self.relative4.bias)[:, None, None]
        x = _add_shared(_add_to(grow(x, fine4), self.relative4.weight, relative), shared).relu_()
        x = self.mix4(x).relu_()
        return torch.einsum("mtc,mchw->mthw", chosen, x).float()

    def coarse(self, fine8: Tensor, image_state: Tensor) -> Tensor:
        """(M, mask_width, H / 8, W / 8): each prompt's map before the finest layers."""
        x = grow(self.state16(image_state), fine8)
        return self.mix8(_add_shared(x, self.fine8(fine8)).relu_()).relu_()

    def weights(self, mask_tokens: Tensor) -> Tensor:
        """(M, 4, mask_width): what each mask is a sum of."""
        return torch.stack([head(mask_tokens[:, k]) for k, head in enumerate(self.mask_heads)], dim=1)

    def under(self, embedding: Tensor, points_xy: Tensor) -> Tensor:
        """(M, G, 8): what (B, 8 G, h, w) of :attr:`embed4` is under each point."""
        return _sample(embedding, self.unit(points_xy)).unflatten(1, (-1, 8))

    @staticmethod
    def _likeness(embedding: Tensor, under: Tensor) -> Tensor:
        """(M, G, h, w): cosine between the embedding under each point and that of every cell, for G groups.

        SAM's decoder has to find out from tokens alone what the prompted pixel looks like; shown where that look
        occurs, a small decoder learns in a tenth of the steps.
        """
        scaled = 4 * _by_image(under, len(embedding))
        return torch.einsum("bmgc,bgchw->bmghw", scaled, embedding).flatten(0, 1)

    @staticmethod
    def _fits_windows(x: Tensor, fine4: Tensor) -> bool:
        return fine4.shape[-2:] == (FINER * x.shape[-2], FINER * x.shape[-1])

    def unit(self, points_xy: Tensor) -> Tensor:
        """(M, 2) positions in the frame, from 0 to 1."""
        size = points_xy.new_tensor([self.frame_hw[1], self.frame_hw[0]])
        return (points_xy + 0.5) / size

    def offsets(self, points_xy: Tensor, grid_hw: torch.Size) -> Tensor:
        """(M, 3, h, w): x and y distance of every cell from the point and their length, in units of the frame."""
        height, width = grid_hw
        ys = (torch.arange(height, dtype=points_xy.dtype, device=points_xy.device) + 0.5) / height
        xs = (torch.arange(width, dtype=points_xy.dtype, device=points_xy.device) + 0.5) / width
        unit = self.unit(points_xy)
        dx = (xs[None, None, :] - unit[:, 0, None, None]).expand(-1, height, -1)
        dy = (ys[None, :, None] - unit[:, 1, None, None]).expand(-1, -1, width) * (self.frame_hw[0] / self.frame_hw[1])
        # ONNX has no hypot; the root of squares differs in the last digit.
        length = (dx * dx + dy * dy).sqrt() if is_traced() else torch.hypot(dx, dy)
        return 4 * torch.stack([dx, dy, length], dim=1)


def _add_to(x: Tensor, weight: Tensor, y: Tensor) -> Tensor:
    """Add a 1x1 convolution of (M, D, h, w) ``y`` to (M, C, h, w) ``x``, in place.

    With an odd number of channels a convolution is several times slower than a product that adds in the same pass. In
    lower precision, where PyTorch has no fast batched product, and in training, where the product's gradient copies
    whole maps, it is the other way round.
    """
    if x.dtype != torch.float32:
        return x.add_(F.conv2d(y.to(x.dtype), weight.to(x.dtype)))
    if x.requires_grad:
        return x.add_(F.conv2d(y.float().contiguous(memory_format=torch.channels_last), weight))
    weights = weight.flatten(1).expand(len(x), -1, -1)
    return x.flatten(2).baddbmm_(weights, y.float().flatten(2)).unflatten(2, x.shape[2:])


def per_prompt(x: Tensor, prompts: int) -> Tensor:
    """(B, ...) of B images to (M, ...) of M prompts, M / B for each image; a view for a single image."""
    return x if len(x) == prompts else x[:, None].expand(-1, prompts // len(x), *x.shape[1:]).flatten(0, 1)


def _by_image(x: Tensor, images: int) -> Tensor:
    """(M, ...) of prompts to (B, M / B, ...), a view."""
    return x.unflatten(0, (images, len(x) // images))


def _add_shared(x: Tensor, shared: Tensor) -> Tensor:
    """Add each image's (B, C, h, w) map to all its prompts' (M, C, h, w) maps, in place."""
    if is_traced():  # graphs have no views to write through
        return (_by_image(x, len(shared)) + shared[:, None]).flatten(0, 1)
    _by_image(x, len(shared)).add_(shared[:, None])
    return x


def _sample(features: Tensor, unit_xy: Tensor) -> Tensor:
    """Bilinear look-up of (B, C, h, w) features at (M, 2) unit positions: (M, C) float32."""
    if is_traced() or features.requires_grad:
        where = _by_image(2 * unit_xy - 1, len(features))[:, :, None]
        return F.grid_sample(features.float(), where, align_corners=False)[..., 0].transpose(1, 2).flatten(0, 1)
    return _looked_up(features, unit_xy).float()


def _looked_up(features: Tensor, unit_xy: Tensor) -> Tensor:
    """The same from the four cells around each point; a call of ``grid_sample`` would lay out whole maps anew."""
    size = torch.tensor([features.shape[-1], features.shape[-2]], device=unit_xy.device)
    at = unit_xy * size - 0.5
    first = at.floor()
    image = torch.arange(len(features), device=unit_xy.device).repeat_interleave(len(unit_xy) // len(features))
    found = torch.zeros(len(unit_xy), features.shape[1], device=unit_xy.device)
    for step in ((0, 0), (1, 0), (0, 1), (1, 1)):
        cell = first + first.new_tensor(step)
        weight = (1 - (at - cell).abs()).prod(dim=1) * ((cell >= 0) & (cell < size)).all(dim=1)
        x, y = torch.minimum(cell.clamp(min=0).long(), size - 1).unbind(1)
        found += weight[:, None] * features[image, :, y, x].float()
    return found
