"""Attention between a few tokens and a whole image, without projecting the image for every prompt.

A prompt has a handful of tokens and, from the decoder's first layer on, its own copy of the image's vectors. Products
are regrouped around the tokens, which gives the same numbers up to rounding for a third of the arithmetic:

    q . (Wk x + bk)      = (Wk' q) . x + const       scores of tokens that attend to the image; const drops out
    sum_i p_i (Wv x_i)   = Wv (sum_i p_i x_i)        what they gather
    Wo (sum_t p_t v_t)   = sum_t p_t (Wo v_t)        what the image gathers from tokens
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from uois_sam.models.point_decoder import Attention


class FewTokens(nn.Module):
    """An :class:`~uois_sam.models.point_decoder.Attention` for inference; one of its sides has few vectors.

    The scale of the scores is part of the query projection.
    """

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        heads = attention.heads
        inner = attention.query.out_features // heads
        self.plain = attention
        scale = inner**-0.5
        parts = [(attention.query, scale), (attention.key, 1.0), (attention.value, 1.0)]
        weights = [(layer.weight.detach() * by).unflatten(0, (heads, inner)).contiguous() for layer, by in parts]
        biases = [(layer.bias.detach() * by).unflatten(0, (heads, inner)).contiguous() for layer, by in parts]
        self.query, self.key, self.value = (nn.Buffer(weight) for weight in weights)  # (H, D, C)
        self.query_bias, self.key_bias, self.value_bias = (nn.Buffer(bias) for bias in biases)  # (H, D)
        out = attention.out.weight.detach().T.unflatten(0, (heads, inner)).contiguous()
        self.out, self.out_bias = nn.Buffer(out), nn.Buffer(attention.out.bias.detach().clone())  # (H, D, C), (C,)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(M or 1, n, C) queries, (M or 1, P, C) keys and values to (M, n, C), as the plain attention."""
        if q.shape[1] > k.shape[1]:
            return self._image_from_tokens(q, k, v)
        if len(k) == 1 == len(v):
            return self.plain(q, k, v)  # an image that all prompts share is projected once
        return self._tokens_from_image(q, k, v)

    def _tokens_from_image(self, tokens: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        heads = len(self.query)
        asking = torch.einsum("mnc,hdc->mhnd", tokens, self.query) + self.query_bias[:, None]
        folded = (asking @ self.key).flatten(1, 2)  # (M, H n, C)
        weights = (folded @ keys.transpose(1, 2)).softmax(dim=-1)  # (M, H n, P)
        vectors = (weights @ values).unflatten(1, (heads, -1))  # (M, H, n, C)
        gathered = vectors @ self.value.transpose(1, 2) + self.value_bias[:, None]  # (M, H, n, D)
        return (gathered @ self.out).sum(dim=1) + self.out_bias

    def _image_from_tokens(self, image: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        heads = len(self.query)
        answering = torch.einsum("mnc,hdc->mhnd", keys, self.key) + self.key_bias[:, None]
        folded = (answering @ self.query).flatten(1, 2)  # (M, H n, C)
        constant = (answering * self.query_bias[:, None]).sum(dim=-1).flatten(1, 2)[..., None]  # (M, H n, 1)
        scores = folded @ image.transpose(1, 2) + constant.to(folded.dtype)  # (M, H n, P)
        weights = scores.unflatten(1, (heads, -1)).softmax(dim=2).flatten(1, 2)
        offered = torch.einsum("mnc,hdc->mhnd", values, self.value) + self.value_bias[:, None]
        offered = (offered @ self.out + self.out_bias / heads).flatten(1, 2)  # (M, H n, C)
        return weights.transpose(1, 2) @ offered.to(weights.dtype)
