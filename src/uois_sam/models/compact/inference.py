"""Networks as they compute fastest once nothing is trained any more. Copies: what is saved stays as it was.

Five steps, each for networks that were loaded to predict with:

- *Folding*: a batch norm after a convolution is a scale and a shift for each channel, which become part of the
  convolution's own weights. One pass over every map less: a sixth of the compact encoder's time on a processor.
- *One call for a block's step* (processors only): convolution, ReLU6 and the sum of a skip connection together, so that
  a map is written once instead of three times: another third.
- *Folding* attention between a prompt's few tokens and its copy of the image (:class:`FoldedAttention`): half of the
  time that prompts take up to their tokens.
- *Caching* the decoder's convolutions of the image itself (:class:`CachedConv`), which every few prompts ask for again.
- *Windows* (processors only, in float32): the finest map of each prompt where its masks are only
  (:mod:`uois_sam.models.compact.windows`).
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.weak import WeakIdKeyDictionary

from uois_sam.models.compact.efficientnet import InvertedResidual
from uois_sam.models.compact.mask_decoder import Attention, CompactDecoder
from uois_sam.models.compact.windows import MakeGround, WindowDrawing

NORMED = (("_conv_stem", "_bn0"), ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"),
          ("conv", "norm"))  # fmt: skip
"""Attribute names of a convolution and of the batch norm that follows it, in one module."""

NetworkT = TypeVar("NetworkT")


def fused(network: NetworkT, device: torch.device, precision: torch.dtype) -> NetworkT:
    """The network for inference: the same function up to rounding.

    Args:
        network: in evaluation mode, on the device; its parameters are not touched.
        device: where it runs.
        precision: dtype of its convolutions.

    Returns:
        A copy, or the network itself where no faster form is known.
    """
    if not isinstance(network, nn.Module) or not any(map(_can_gain, network.modules())):
        return network
    faster = copy.deepcopy(network)
    for module in list(faster.modules()):
        _fold(module)
        _regroup(module)
        _remember(module)
    if device.type == "cpu" and precision == torch.float32 and isinstance(faster, CompactDecoder):
        aspect = faster.frame_hw[0] / faster.frame_hw[1]
        ground = CachedConv(MakeGround(faster.fine4, faster.embed4, faster.relative4, aspect))
        faster.in_windows = WindowDrawing(ground, faster.relative4, faster.mix4, aspect)
    if device.type == "cpu" and _has_joint_convolutions(precision):
        _join(faster, precision)
    return faster


def traceable(network: NetworkT) -> NetworkT:
    """The network as it is best exported: folded attention, whose weights are derived from the parameters in every
    call. An exported graph holds the parameters themselves, once for all graphs, and its run time derives the rest when
    it is loaded."""
    if not isinstance(network, nn.Module):
        return network
    copied = copy.deepcopy(network)
    for module in list(copied.modules()):
        for name in _crossing(module):
            setattr(module, name, _DerivedAttention(getattr(module, name)))
    return copied


def _can_gain(module: nn.Module) -> bool:
    return bool(_pairs(module)) or bool(_crossing(module))


def _pairs(module: nn.Module) -> list[tuple[str, str]]:
    """Return the pairs of ``NORMED`` that the module has."""
    found = []
    for conv, norm in NORMED:
        convolution, batch_norm = getattr(module, conv, None), getattr(module, norm, None)
        if isinstance(convolution, nn.Conv2d) and isinstance(batch_norm, nn.BatchNorm2d):
            found.append((conv, norm))
    return found


def _fold(module: nn.Module) -> None:
    for conv, norm in _pairs(module):
        setattr(module, conv, fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm)))
        setattr(module, norm, nn.Identity())


def _crossing(module: nn.Module) -> list[str]:
    """Names of the attentions between tokens and the image."""
    return [name for name, part in module.named_children() if isinstance(part, Attention) and name != "self_attention"]


def _regroup(module: nn.Module) -> None:
    for name in _crossing(module):
        setattr(module, name, FoldedAttention(getattr(module, name)))


def _remember(module: nn.Module) -> None:
    if isinstance(module, CompactDecoder):
        for name in ("fine8", "fine4", "embed4"):
            setattr(module, name, CachedConv(getattr(module, name)))


class CachedConv(nn.Module):
    """A module whose result for the very same input (not an equal one), a batch of one, is kept and given again.

    What it gave goes with the input: a photo's maps are dropped with its features. For the decoder's convolutions of
    the image, and what all of its windows share (:class:`~uois_sam.models.compact.windows.MakeGround`).
    """

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution
        self.given = WeakIdKeyDictionary()

    def forward(self, x: Tensor) -> Any:
        """Apply the module, or return its earlier result for the same tensor."""
        if len(x) != 1:
            return self.convolution(x)
        known = self.given.get(x)
        if known is None:
            known = self.convolution(x)
            self.given[x] = known
        return known

    def __getstate__(self) -> dict[str, object]:
        """Without what it has given, which belongs to the inputs of this process."""
        return {**self.__dict__, "given": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update({**state, "given": WeakIdKeyDictionary()})


def _join(network: nn.Module, precision: torch.dtype) -> None:
    for name, child in network.named_children():
        if isinstance(child, InvertedResidual):
            setattr(network, name, JointResidual(child, precision))
        else:
            _join(child, precision)


class JointResidual(nn.Module):
    """An inverted residual block whose norms are folded: three calls, or two if it does not expand."""

    def __init__(self, block: InvertedResidual, precision: torch.dtype) -> None:
        super().__init__()
        self.skips = block.skips
        expand = getattr(block, "_expand_conv", None)
        self.expand = None if expand is None else _Joint(expand, precision)
        self.depthwise = _Joint(block._depthwise_conv, precision)
        self.project = _Joint(block._project_conv, precision)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w), any precision, to a map in the precision of the block."""
        x = x.to(self.project.precision)
        y = x if self.expand is None else self.expand.then_relu6(x)
        y = self.depthwise.then_relu6(y)
        return self.project.plus(y, x) if self.skips else self.project(y)


class _Joint(nn.Module):
    """A convolution that does what follows it in the same call."""

    def __init__(self, convolution: nn.Conv2d, precision: torch.dtype) -> None:
        super().__init__()
        self.precision = precision
        self.geometry = (
            list(convolution.padding), list(convolution.stride), list(convolution.dilation), convolution.groups,
        )  # fmt: skip
        weight = convolution.weight.detach().to(precision)
        self.weight = nn.Buffer(weight.contiguous(memory_format=torch.channels_last))
        bias = convolution.bias
        self.bias = None if bias is None else nn.Buffer(bias.detach().to(precision))

    def forward(self, x: Tensor) -> Tensor:
        return _convolve()(x, self.weight, self.bias, *self.geometry, "none", [], "")

    def then_relu6(self, x: Tensor) -> Tensor:
        return _convolve()(x, self.weight, self.bias, *self.geometry, "hardtanh", [0.0, 6.0], "")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        return _convolve().binary(x, other, self.weight, self.bias, *self.geometry, "add", 1.0, None, [], None)


def _convolve() -> Any:
    return torch.ops.mkldnn._convolution_pointwise


@cache
def _has_joint_convolutions(precision: torch.dtype) -> bool:
    """Return whether this build of PyTorch, on this processor, has the calls that its own compiler uses, in
    ``precision``; tried on a small map, because the names are private."""
    try:
        x = torch.ones(1, 8, 4, 4, dtype=precision)
        weight = torch.full((8, 8, 1, 1), 0.5, dtype=precision)
        geometry = ([0, 0], [1, 1], [1, 1], 1)
        cut = _convolve()(x, weight, None, *geometry, "hardtanh", [0.0, 3.0], "")
        summed = _convolve().binary(x, x, weight, None, *geometry, "add", 1.0, None, [], None)
    except (AttributeError, RuntimeError, TypeError):
        return False
    return bool((cut == 3.0).all() and (summed == 5.0).all())


class FoldedAttention(nn.Module):
    """An :class:`~uois_sam.models.compact.mask_decoder.Attention` for inference; one of its sides has few vectors.

    The scale of the scores is part of the query projection.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    out: Tensor
    query_bias: Tensor
    key_bias: Tensor
    value_bias: Tensor
    out_bias: Tensor

    def __init__(self, attention: Attention) -> None:
        super().__init__()
        self.plain = attention
        for name, value in derived(attention, _scale(attention)).items():
            setattr(self, name, nn.Buffer(value.detach().clone()))

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


class _DerivedAttention(FoldedAttention):
    """The same with its weights derived in every call."""

    def __init__(self, attention: Attention) -> None:
        nn.Module.__init__(self)
        self.plain = attention
        self.scale = nn.Buffer(_scale(attention))  # a number in the code would be traced as float64

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        for name, value in derived(self.plain, self.scale).items():
            self.__dict__[name] = value
        return super().forward(q, k, v)


def derived(attention: Attention, scale: Tensor) -> dict[str, Tensor]:
    """Weights of a :class:`FoldedAttention`.

    Args:
        attention: H heads of D channels, on vectors of C.
        scale: of the scores, a number.

    Returns:
        (H, D, C) query, key, value and out, (H, D) biases of the first three, and the (C,) bias of the last.
    """
    heads, found = attention.heads, {}
    for name, layer in (("query", attention.query), ("key", attention.key), ("value", attention.value)):
        weight, bias = (layer.weight * scale, layer.bias * scale) if name == "query" else (layer.weight, layer.bias)
        found[name] = weight.unflatten(0, (heads, -1)).contiguous()
        found[f"{name}_bias"] = bias.unflatten(0, (heads, -1)).contiguous()
    found["out"] = attention.out.weight.T.unflatten(0, (heads, -1)).contiguous()
    found["out_bias"] = attention.out.bias
    return found


def _scale(attention: Attention) -> Tensor:
    return attention.query.weight.new_tensor((attention.query.out_features // attention.heads) ** -0.5)
