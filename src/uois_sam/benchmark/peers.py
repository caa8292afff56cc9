"""Peers for timing: the same SAM or SAM 2.1 weights in transformers' model, and SAM's in Meta's modules.

Importing this loads neither; building a peer needs the extra ``full`` (transformers) or ``parity`` (Meta's modules).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from uois_sam.checkpoints.bases import RANDOM, find_base
from uois_sam.checkpoints.foundation import load_foundation
from uois_sam.checkpoints.heads import UNTRAINED_SETTINGS, base_card
from uois_sam.checkpoints.key_mapping.sam import sam_for_transformers
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.geometry import Frame
from uois_sam.models.foundation import FoundationEncoder
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.models.sam.modules import SamImageEncoder, SamPointDecoder, SamSize, transformers_config
from uois_sam.models.sam2.modules import HieraPyramid, Sam2ImageEncoder, Sam2Size
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.device import inference_precision

OURS = "uois-sam"
PEERS = ("transformers-float32", "transformers-bfloat16", "official-float32", "official-bfloat16")
"""Names for ``against``; ``"transformers"`` and ``"official"`` mean both of their precisions."""


@dataclass(frozen=True)
class Peer:
    """One implementation of SAM in one precision; both calls run without gradients."""

    name: str
    encode: Callable[[Tensor], Any]
    """Prepared pixels, (1, 3, side, side) float32 (see :func:`prepared_pixels`), to the image embedding."""
    decode: Callable[[Any, Tensor], Any]
    """What ``encode`` gave and (M, 2) float32 xy points in the mask frame to masks and scores.

    Ours upscales the best of four masks of every prompt; the others their three.
    """


def sam_peers(model: UOISSAM, against: Sequence[str]) -> dict[str, Peer]:
    """Build our implementation (``OURS``, always first) and the named peers with the same weights, by name.

    bfloat16 follows the usual practice of each: transformers' model is cast as a whole (``dtype=torch.bfloat16``);
    Meta's, which cannot be, runs under autocast.

    Args:
        model: a model on SAM or SAM 2.1, with our precision.
        against: names from ``PEERS``, or ``"transformers"``, ``"official"`` for both precisions of each.

    Raises:
        UOISError: if the model is on neither, a peer is unknown, or Meta's modules are asked for SAM 2.1.
        MissingExtraError: if a peer's package is not installed.
    """
    encoder, decoder = _sam_parts(model)
    names = [name for given in against for name in PEERS if given in (name, name.rsplit("-", 1)[0])]
    known = {*PEERS, *(name.rsplit("-", 1)[0] for name in PEERS)}
    if unknown := [name for name in against if name not in known]:
        raise UOISError(f"no such peer: {', '.join(unknown)}; expected one of {', '.join(sorted(known))}")
    peers = {OURS: _ours(model, encoder, decoder)}
    for name in dict.fromkeys(names):
        kind, precision = name.rsplit("-", 1)
        dtype, tensors = getattr(torch, precision), _tensors(encoder, decoder)
        if kind == "transformers":
            peers[name] = transformers_peer(_in_transformers(model, encoder, decoder, tensors), dtype, name)
        elif isinstance(encoder, SamImageEncoder):
            peers[name] = official_peer(sam_size(encoder, decoder), tensors, dtype, name)
        else:
            raise UOISError(f"{name}: Meta's modules are a peer of SAM only, found {model.name}; use transformers")
    return peers


def prepared_pixels(model: UOISSAM, image: Tensor) -> Tensor:
    """Return the input of every peer's encoder for a (3, H, W) uint8 photo: (1, 3, side, side) float32, normalised.

    Raises:
        UOISError: if the model is on neither SAM nor SAM 2.1.
    """
    encoder, _ = _sam_parts(model)
    image = image.to(encoder.mean.device)
    if isinstance(encoder, SamImageEncoder):
        return encoder.prepare(image, mask_frame(model, (image.shape[1], image.shape[2])))
    return encoder.prepare(image)


def mask_frame(model: UOISSAM, image_hw: tuple[int, int]) -> Frame:
    """Return how a photo lies in the input of every peer's encoder; errors as for :func:`prepared_pixels`."""
    encoder, _ = _sam_parts(model)
    padded = isinstance(encoder, SamImageEncoder)
    return Frame.padded(image_hw, encoder.side) if padded else Frame.stretched((encoder.side, encoder.side))


def sam_size(encoder: SamImageEncoder, decoder: SamPointDecoder) -> SamSize:
    """Return the size of a SAM from its encoder and decoder."""
    vision: Any = encoder.vision_encoder.config
    mask: Any = decoder.mask_decoder.config
    return SamSize(
        vision.hidden_size, vision.num_hidden_layers, vision.num_attention_heads, tuple(vision.global_attn_indexes),
        vision.image_size, vision.patch_size, vision.window_size, vision.output_channels, mask.mlp_dim,
        mask.num_attention_heads, mask.iou_head_hidden_dim,
    )  # fmt: skip


def random_sam(name: str, precision: torch.dtype = torch.float32, device: str = "cpu") -> UOISSAM:
    """Build a model of full size with RANDOM weights, for timing only: its masks are noise.

    Args:
        name: name in ``BASES``, such as ``sam-vit-l``.
        precision: precision of the networks.
        device: device of the networks.

    Raises:
        UOISError: if there is no such base.
        MissingExtraError: if the extra ``full`` is not installed.
    """
    base = load_foundation(f"{name}{RANDOM}", None, None, torch.device(device), precision)
    return UOISSAM(base, base_card(base), UNTRAINED_SETTINGS)


def transformers_peer(model: Any, dtype: torch.dtype, name: str) -> Peer:
    """Time transformers' ``SamModel`` or ``Sam2Model`` with its fastest attention and all weights in ``dtype``."""
    model.to(next(model.parameters()).device, dtype)  # its constants, too

    @torch.inference_mode()
    def encode(pixels: Tensor) -> Any:
        return model.get_image_embeddings(pixels.to(dtype))

    @torch.inference_mode()
    def decode(embedding: Any, points_xy: Tensor) -> Any:
        maps = embedding.to(dtype) if isinstance(embedding, Tensor) else embedding
        return model(image_embeddings=maps, input_points=points_xy[None, :, None].to(dtype), multimask_output=True)

    return Peer(name, encode, decode)


def official_peer(size: SamSize, tensors: Mapping[str, Tensor], dtype: torch.dtype, name: str) -> Peer:
    """Build Meta's modules (package segment-anything), under autocast unless ``dtype`` is float32."""
    with official_modules() as modeling, torch.device("meta"):
        model = build_official_sam(modeling, size)
    model.load_state_dict(official_tensors(model, tensors), assign=True)
    device = next(iter(tensors.values())).device
    model.to(device)  # its constants

    def encode(pixels: Tensor) -> Tensor:
        with inference_precision(device, dtype):
            return model.image_encoder(pixels)

    def decode(embedding: Tensor, points_xy: Tensor) -> Any:
        with inference_precision(device, dtype):
            labels = torch.ones(len(points_xy), 1, device=device)
            sparse, dense = model.prompt_encoder((points_xy[:, None], labels), None, None)
            return model.mask_decoder(embedding, model.prompt_encoder.get_dense_pe(), sparse, dense, True)

    return Peer(name, encode, decode)


def build_transformers_sam(size: SamSize, tensors: Mapping[str, Tensor]) -> Any:
    """Build transformers' model around tensors under its own names or Meta's, without copying."""
    try:
        from transformers import SamConfig, SamModel
    except ImportError as error:
        raise MissingExtraError("the comparison with transformers", "full", "transformers") from error
    with torch.device("meta"):
        model: Any = SamModel(SamConfig(**transformers_config(size)))
    model.eval()
    converted = sam_for_transformers(tensors)
    positions = converted["prompt_encoder.shared_embedding.positional_embedding"]
    model.load_state_dict({**converted, "shared_image_embedding.positional_embedding": positions}, assign=True)
    return model


def build_transformers_sam2(size: Sam2Size, tensors: Mapping[str, Tensor]) -> Any:
    """Build transformers' ``Sam2Model`` around tensors under its own names, without copying."""
    model: Any = size.build().eval()
    model.load_state_dict(tensors, assign=True)
    model.shared_image_embedding = model.prompt_encoder.shared_embedding
    return model


@contextmanager
def official_modules() -> Iterator[ModuleType]:
    """Import ``segment_anything.modeling`` without its package, which needs torchvision for other parts."""
    spec = importlib.util.find_spec("segment_anything")
    if spec is None or spec.submodule_search_locations is None:
        raise MissingExtraError("the comparison with Meta's modules", "parity", "segment-anything")
    package = ModuleType("segment_anything")
    package.__path__ = list(spec.submodule_search_locations)
    sys.modules["segment_anything"] = package
    try:
        yield importlib.import_module("segment_anything.modeling")
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "segment_anything"]:
            del sys.modules[name]


def build_official_sam(modeling: Any, size: SamSize) -> Any:
    """Build Meta's model at any size, as its ``build_sam`` does."""
    grid = size.image_side // size.patch
    return modeling.Sam(
        image_encoder=modeling.ImageEncoderViT(
            depth=size.layers, embed_dim=size.width, img_size=size.image_side, mlp_ratio=4, num_heads=size.heads,
            norm_layer=lambda width: torch.nn.LayerNorm(width, eps=1e-6), patch_size=size.patch, qkv_bias=True,
            use_rel_pos=True, global_attn_indexes=size.global_layers, window_size=size.window,
            out_chans=size.token_width,
        ),
        prompt_encoder=modeling.PromptEncoder(
            embed_dim=size.token_width, image_embedding_size=(grid, grid),
            input_image_size=(size.image_side, size.image_side), mask_in_chans=16,
        ),
        mask_decoder=modeling.MaskDecoder(
            num_multimask_outputs=3, transformer_dim=size.token_width, iou_head_depth=3,
            iou_head_hidden_dim=size.iou_hidden,
            transformer=modeling.TwoWayTransformer(
                depth=2, embedding_dim=size.token_width, mlp_dim=size.decoder_mlp, num_heads=size.decoder_heads
            ),
        ),
    ).eval()  # fmt: skip


def official_tensors(model: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors from transformers' names to those of Meta's ``model``."""
    names = list(model.state_dict())
    numbered = sam_for_transformers({name: torch.tensor(index) for index, name in enumerate(names)})
    return {names[int(index)]: tensors[theirs] for theirs, index in numbered.items()}


def _ours(model: UOISSAM, encoder: SamImageEncoder | Sam2ImageEncoder, decoder: SamPointDecoder) -> Peer:
    def encode(pixels: Tensor) -> Any:
        with model.networks.computing():
            return encoder.embed(pixels) if isinstance(encoder, SamImageEncoder) else encoder.features(pixels)

    def decode(embedding: Any, points_xy: Tensor) -> Any:
        with model.networks.computing():
            features = MaskFeatures(embedding) if isinstance(embedding, Tensor) else embedding
            predictions = decoder.decode_tokens(features, points_xy)
            best = predictions.scores.argmax(dim=1, keepdim=True)
            return decoder.upscale(features, predictions, points_xy, best), predictions.scores.gather(1, best)

    return Peer(OURS, encode, decode)


def _sam_parts(model: UOISSAM) -> tuple[SamImageEncoder | Sam2ImageEncoder, SamPointDecoder]:
    encoder, decoder = model.networks.encoder, model.networks.decoder
    sam = encoder.sam if isinstance(encoder, FoundationEncoder) else None
    one = type(sam) is SamImageEncoder  # SAM-HQ's is another
    two = isinstance(sam, Sam2ImageEncoder) and isinstance(sam.pyramid, HieraPyramid)
    if not (one or two) or not isinstance(decoder, SamPointDecoder):
        raise UOISError(f"expected a model on SAM or SAM 2.1, found {model.name}")
    assert isinstance(sam, SamImageEncoder | Sam2ImageEncoder)
    return sam, decoder


def _in_transformers(
    model: UOISSAM,
    encoder: SamImageEncoder | Sam2ImageEncoder,
    decoder: SamPointDecoder,
    tensors: Mapping[str, Tensor],
) -> Any:
    if isinstance(encoder, SamImageEncoder):
        return build_transformers_sam(sam_size(encoder, decoder), tensors)
    base = find_base(model.networks.name)
    if base is None or not isinstance(base[0].sam, Sam2Size):
        raise UOISError(f"{model.networks.name}: expected the name of a SAM 2.1, such as sam2.1-hiera-tiny")
    return build_transformers_sam2(base[0].sam, tensors)


def _tensors(encoder: SamImageEncoder | Sam2ImageEncoder, decoder: SamPointDecoder) -> dict[str, Tensor]:
    """The weights under transformers' names, shared with the model."""
    pyramid: Any = None if isinstance(encoder, SamImageEncoder) else encoder.pyramid
    parts = {
        "vision_encoder": encoder.vision_encoder if pyramid is None else pyramid.parts["vision_encoder"],
        "prompt_encoder": decoder.prompt_encoder,
        "mask_decoder": decoder.mask_decoder,
    }
    tensors = {f"{part}.{key}": value for part, module in parts.items() for key, value in module.state_dict().items()}
    return tensors if isinstance(encoder, SamImageEncoder) else {**tensors, "no_memory_embedding": encoder.no_memory}
