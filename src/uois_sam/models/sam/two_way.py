"""SAM's two-way transformer: transformers' weights, our own forward pass for many prompts of one image.

A prompt has seven tokens, and from the first layer on its own copy of the image's 4096 vectors. What touches only
tokens is cheap and goes through transformers' modules in float32. What touches the image is written so that its vectors
are never projected for each prompt; products are regrouped around the few tokens instead:

    q . (Wk x + bk)      = (Wk' q) . x + const       scores of tokens that attend to the image; const drops out
    sum_i p_i (Wv x_i)   = Wv (sum_i p_i x_i)        what they gather
    Wo (sum_t p_t v_t)   = sum_t p_t (Wo v_t)        what the image gathers from tokens

A third of the arithmetic, and the same numbers up to rounding. Until the first layer updates the image, all prompts
share one copy, projected once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uois_sam.models.sam.layers import Norm
from uois_sam.runtime import device as runtime_device

PROMPTS_AT_ONCE = 2
"""On a processor: their image vectors (4 MiB in bfloat16) stay in its cache. A GPU takes all at once."""


@dataclass(frozen=True)
class HeadProjection:
    """A linear layer by head, in float32."""

    weight: Tensor
    """(heads, D, C)."""
    bias: Tensor
    """(heads, D)."""

    @classmethod
    def of(cls, module: Any, heads: int, scale: float = 1.0) -> HeadProjection:
        parts = (tensor.detach().float() * scale for tensor in (module.weight, module.bias))
        return cls(*(part.unflatten(0, (heads, -1)) for part in parts))

    def __call__(self, x: Tensor) -> Tensor:
        """(M, n, C) float32 to (heads, M * n, D)."""
        return x.flatten(0, 1) @ self.weight.transpose(1, 2) + self.bias[:, None]


@dataclass(frozen=True)
class CrossAttention:
    """The weights of one cross attention; the scale of scores is part of ``q``."""

    q: HeadProjection
    k: HeadProjection
    v: HeadProjection
    out: Tensor
    """(heads, D, C)."""
    out_bias: Tensor
    """(C,)."""

    @classmethod
    def of(cls, module: Any) -> CrossAttention:
        heads = module.num_attention_heads
        q, k, v = (HeadProjection.of(layer, heads) for layer in (module.q_proj, module.k_proj, module.v_proj))
        q = HeadProjection(q.weight * module.scaling, q.bias * module.scaling)
        last = module.out_proj if hasattr(module, "out_proj") else module.o_proj  # SAM's name, that of its successors
        out = last.weight.detach().float().T.unflatten(0, (heads, -1)).contiguous()
        return cls(q, k, v, out, last.bias.detach().float())


@dataclass(frozen=True)
class Shared:
    """Projections shared by all prompts of one image, computed once per image."""

    image: Tensor
    """(P, C), in the dtype of the pass: the embedding with the no-mask embedding added."""
    first_keys: Tensor
    """(heads, P, D): what the first layer's tokens see of it."""
    first_values: Tensor
    positions_as_keys: tuple[Tensor, ...]
    """(heads, D, P) for each later attention of tokens to the image: what positions add to its keys."""
    asked: tuple[Tensor, ...]
    """(heads, D, P) for each attention of the image to tokens: the first layer's queries, then what positions and
    bias add to queries."""


@dataclass(frozen=True)
class TwoWay:
    """A ``SamTwoWayTransformer`` prepared for one dtype."""

    module: Any
    to_image: tuple[CrossAttention, ...]
    """Tokens attend to the image: one in each layer, and the final one."""
    to_tokens: tuple[CrossAttention, ...]
    """The image attends to tokens: one in each layer."""
    image_norms: tuple[Norm, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, module: Any, dtype: torch.dtype) -> TwoWay:
        layers = list(module.layers)
        to_image = [*(layer.cross_attn_token_to_image for layer in layers), module.final_attn_token_to_image]
        return cls(
            module,
            tuple(map(CrossAttention.of, to_image)),
            tuple(CrossAttention.of(layer.cross_attn_image_to_token) for layer in layers),
            tuple(Norm.of(layer.layer_norm4, dtype) for layer in layers),
            dtype,
        )

    def __call__(self, image: Tensor, positions: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Run M prompts.

        Args:
            image: (P, C) float32, of one image; or (M, P, C) where prompts are masks, which change the image itself.
            positions: (P, C) float32.
            tokens: (M, n, C) float32.

        Returns:
            (M, n, C) float32 tokens, and (M, P, C) image vectors in the dtype of the pass.
        """
        if image.dim() == 3:
            return self._apart(image, positions, tokens)
        shared = self._share(image, positions)
        step = PROMPTS_AT_ONCE if runtime_device.in_small_blocks(image.device) else max(1, len(tokens))
        if 0 < len(tokens) <= step:
            return self._run(shared, tokens)
        state = shared.image.new_empty(len(tokens), *image.shape)
        done = []
        for start in range(0, len(tokens), step):
            some = slice(start, start + step)
            queries, state[some] = self._run(shared, tokens[some])
            done.append(queries)
        return torch.cat(done) if done else torch.empty_like(tokens), state

    def _apart(self, image: Tensor, positions: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Prompts that share nothing, one after the other: each its own (P, C) image of (M, P, C)."""
        queries, states = torch.empty_like(tokens), torch.empty_like(image, dtype=self.dtype)
        for row in range(len(tokens)):
            some = slice(row, row + 1)
            queries[some], states[some] = self(image[row], positions, tokens[some])
        return queries, states

    def _share(self, image: Tensor, positions: Tensor) -> Shared:
        placed = image + positions
        first = self.to_image[0]
        asked = [(self.to_tokens[0].q(placed[None])).transpose(1, 2)]
        asked += [a.q(positions[None]).transpose(1, 2) for a in self.to_tokens[1:]]
        keys = [a.k.weight @ positions.T for a in self.to_image[1:]]
        cast = self.dtype
        return Shared(
            image.to(cast), first.k(placed[None]).to(cast), first.v(image[None]).to(cast),
            tuple(x.to(cast) for x in keys), tuple(x.to(cast) for x in asked),
        )  # fmt: skip

    def _run(self, shared: Shared, start: Tensor) -> tuple[Tensor, Tensor]:
        """A few prompts: (M, n, C) tokens, which also serve as their own positions."""
        tokens, image = start, shared.image[None]
        for index, layer in enumerate(self.module.layers):
            tokens = layer.layer_norm1(_attend_to_each_other(layer, tokens, start))
            asking = tokens + start
            if index == 0:
                gathered = from_shared_image(self.to_image[0], asking, shared)
            else:
                gathered = from_own_image(self.to_image[index], asking, image, shared.positions_as_keys[index - 1])
            tokens = layer.layer_norm2(tokens + gathered)
            tokens = layer.layer_norm3(tokens + layer.mlp(tokens))
            answering = self.to_tokens[index].k(tokens + start)
            if index == 0:
                scores = _first(torch.bmm(answering.to(self.dtype), shared.asked[0]), len(tokens))
            else:
                weight = self.to_tokens[index].q.weight
                scores = scores_with_image(answering, weight, image, shared.asked[index])
            weights, values = gathered_by_image(self.to_tokens[index], scores, tokens)
            if index == 0:
                updated = torch.baddbmm(image.expand(len(tokens), -1, -1), weights, values)
            else:
                updated = image.baddbmm_(weights, values)  # its own by now: written over
            image = self.image_norms[index](updated)
        gathered = from_own_image(self.to_image[-1], tokens + start, image, shared.positions_as_keys[-1])
        return self.module.layer_norm_final_attn(tokens + gathered), image


def from_shared_image(attention: CrossAttention, asking: Tensor, shared: Shared) -> Tensor:
    """Attend from (M, n, C) float32 tokens to the image they share: (M, n, C) float32.

    One attention call in which the tokens of all prompts are the queries.
    """
    q = attention.q(asking).to(shared.image.dtype)[None]
    gathered = F.scaled_dot_product_attention(q, shared.first_keys[None], shared.first_values[None], scale=1.0)
    return (gathered[0].float() @ attention.out).sum(dim=0).view_as(asking) + attention.out_bias


def from_own_image(attention: CrossAttention, asking: Tensor, image: Tensor, positions: Tensor) -> Tensor:
    """Attend from (M, n, C) float32 tokens to their prompt's own image vectors: (M, n, C) float32.

    Args:
        attention: tokens to image.
        asking: (M, n, C) float32.
        image: (M, P, C).
        positions: (heads, D, P), what positions add to keys.
    """
    scores = scores_with_image(attention.q(asking), attention.k.weight, image, positions)
    weights = scores.softmax(dim=-1).flatten(1, 2)
    vectors = torch.bmm(weights, image).float().unflatten(1, scores.shape[1:3])  # (M, heads, n, C)
    values = vectors @ attention.v.weight.transpose(1, 2) + attention.v.bias[:, None]
    return (values @ attention.out).sum(dim=1) + attention.out_bias


def gathered_by_image(attention: CrossAttention, scores: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Attend from image vectors to their prompt's tokens; return the two factors of a product to be added to them.

    Args:
        attention: image to tokens.
        scores: (M, heads, n, P).
        tokens: (M, n, C) float32, whose values are gathered.

    Returns:
        (M, P, heads * n) and (M, heads * n, C), in the dtype of the scores.
    """
    weights = scores.softmax(dim=2).flatten(1, 2)  # over tokens; those of each head sum to 1
    per_head = attention.out_bias / len(attention.out)
    values = _first(attention.v(tokens) @ attention.out + per_head, len(tokens)).flatten(1, 2)
    return weights.transpose(1, 2), values.to(weights.dtype)


def scores_with_image(tokens: Tensor, weight: Tensor, image: Tensor, positions: Tensor) -> Tensor:
    """(M, heads, n, P) scores between tokens and each prompt's own image vectors.

    Args:
        tokens: (heads, M * n, D) float32, projected.
        weight: (heads, D, C) float32, what would project the image.
        image: (M, P, C).
        positions: (heads, D, P), what positions add to the projected image.
    """
    prompts = len(image)
    folded = _first(tokens @ weight, prompts).flatten(1, 2).to(image.dtype)
    content = torch.bmm(folded, image.transpose(1, 2)).unflatten(1, (len(weight), -1))
    return content.add_(_first(torch.bmm(tokens.to(positions.dtype), positions), prompts))


def _first(x: Tensor, prompts: int) -> Tensor:
    """(heads, M * n, K) to (M, heads, n, K), a view."""
    return x.unflatten(1, (prompts, -1)).transpose(0, 1)


def _attend_to_each_other(layer: Any, tokens: Tensor, start: Tensor) -> Tensor:
    """Self attention of each prompt's tokens, before the norm; the first layer's has no residual, as SAM's."""
    if layer.skip_first_layer_pe:
        return layer.self_attn(query=tokens[:, None], key=tokens[:, None], value=tokens[:, None])[0][:, 0]
    placed = (tokens + start)[:, None]
    return tokens + layer.self_attn(query=placed, key=placed, value=tokens[:, None])[0][:, 0]
