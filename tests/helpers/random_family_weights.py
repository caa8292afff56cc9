"""Random weights of SAM's successors and of newer DINOs under their authors' names: shapes written down anew."""

from __future__ import annotations

from random_official_weights import (
    Shapes,
    _layer,
    _mask_decoder_shapes,
    _mlp,
    _norm,
    _prompt_encoder_shapes,
    dinov2_shapes,
    sam_shapes,
)
from uois_sam.models.dino import DinoSize
from uois_sam.models.edgetam.modules import EdgeTamSize
from uois_sam.models.sam.modules import SamSize
from uois_sam.models.sam2.modules import DecoderSize, Sam2Size


def sam2_shapes(size: Sam2Size) -> Shapes:
    """Names and shapes of the tensors in a ``sam2.1_hiera_*.pt``, under its key ``model``; of the memory only a few."""
    trunk, token = "image_encoder.trunk", size.token_width
    shapes: Shapes = {
        f"{trunk}.pos_embed": (1, size.width, size.background, size.background),
        f"{trunk}.pos_embed_window": (1, size.width, size.windows[0], size.windows[0]),
        **_layer(f"{trunk}.patch_embed.proj", size.width, 3, 7, 7),
    }
    before, index = size.width, 0
    for stage, blocks in enumerate(size.blocks):
        width = size.width << stage
        for _ in range(blocks):
            block = f"{trunk}.blocks.{index}"
            shapes |= {
                **_norm(f"{block}.norm1", before),
                **_layer(f"{block}.attn.qkv", 3 * width, before),
                **_layer(f"{block}.attn.proj", width, width),
                **_norm(f"{block}.norm2", width),
                **_layer(f"{block}.mlp.layers.0", 4 * width, width),
                **_layer(f"{block}.mlp.layers.1", width, 4 * width),
            }
            if before != width:
                shapes |= _layer(f"{block}.proj", width, before)
            before, index = width, index + 1
        shapes |= _layer(f"image_encoder.neck.convs.{len(size.blocks) - 1 - stage}.conv", token, width, 1, 1)
    return {**shapes, **sam2_decoder_shapes(size), **video_shapes(token)}


def sam2_decoder_shapes(size: DecoderSize) -> Shapes:
    """Prompt encoder and mask decoder of SAM 2.1 and EdgeTAM."""
    token, root = size.token_width, "sam_mask_decoder"
    as_sam = SamSize(
        8, 1, 1, (), token_width=token, decoder_mlp=size.decoder_mlp, iou_hidden=size.iou_hidden
    )  # fmt: skip
    shapes = {f"sam_{name}": shape for name, shape in _prompt_encoder_shapes(token).items()}
    for name, shape in _mask_decoder_shapes(as_sam).items():
        shapes[f"sam_{name}".replace(".mlp.lin1.", ".mlp.layers.0.").replace(".mlp.lin2.", ".mlp.layers.1.")] = shape
    shapes |= {f"{root}.obj_score_token.weight": (1, token), "no_mem_embed": (1, 1, token)}
    shapes |= _layer(f"{root}.conv_s0", token // 8, token, 1, 1) | _layer(f"{root}.conv_s1", token // 4, token, 1, 1)
    for index, (outputs, inputs) in enumerate([(token, token), (token, token), (1, token)]):
        shapes |= _layer(f"{root}.pred_obj_score_head.layers.{index}", outputs, inputs)
    return shapes


def video_shapes(token: int) -> Shapes:
    """Some of what remembers earlier frames."""
    return {
        "maskmem_tpos_enc": (7, 1, 1, token), "no_mem_pos_enc": (1, 1, token), "no_obj_ptr": (1, token),
        "no_obj_embed_spatial": (1, token), **_layer("obj_ptr_proj.layers.0", token, token),
        **_layer("obj_ptr_tpos_proj", token, token), **_layer("mask_downsample", 1, 1, 4, 4),
        **_norm("memory_attention.norm", token), **_layer("memory_encoder.out_proj", token, token, 1, 1),
    }  # fmt: skip


def registers_shapes(size: DinoSize) -> Shapes:
    """Names and shapes of the tensors in a ``dinov2_vit*14_reg4_pretrain.pth``."""
    return {**dinov2_shapes(size), "register_tokens": (1, size.registers, size.width)}


def sam_hq_shapes(size: SamSize) -> Shapes:
    """Names and shapes of the tensors in a ``sam_hq_vit_*.pth``."""
    token, root = size.token_width, "mask_decoder"
    up = [("compress_vit_feat", size.width, token), ("embedding_encoder", token, token // 4)]
    shapes: Shapes = {**sam_shapes(size), f"{root}.hf_token.weight": (1, token)}
    for name, inputs, between in up:  # transposed convolutions: inputs first
        shapes |= {f"{root}.{name}.0.weight": (inputs, between, 2, 2), f"{root}.{name}.0.bias": (between,)}
        shapes |= _norm(f"{root}.{name}.1", between)
        shapes |= {f"{root}.{name}.3.weight": (between, token // 8, 2, 2), f"{root}.{name}.3.bias": (token // 8,)}
    shapes |= _layer(f"{root}.embedding_maskfeature.0", token // 4, token // 8, 3, 3)
    shapes |= _norm(f"{root}.embedding_maskfeature.1", token // 4)
    shapes |= _layer(f"{root}.embedding_maskfeature.3", token // 8, token // 4, 3, 3)
    return {**shapes, **_mlp(f"{root}.hf_mlp", token, token, token // 8)}


def edgetam_shapes(size: EdgeTamSize) -> Shapes:
    """Names and shapes of the tensors in an ``edgetam.pt``, under its key ``model``."""
    body, shapes = "image_encoder.trunk.body", {}
    half = size.widths[0] // 2
    shapes |= _conv_norm(f"{body}.stem.conv1", half, 3, 3) | _conv_norm(f"{body}.stem.conv2", size.widths[0], half, 3)
    before = size.widths[0]
    for stage, (width, depth) in enumerate(zip(size.widths, size.depths, strict=True)):
        root = f"{body}.stages_{stage}"
        if stage:
            shapes |= _mixers(f"{root}.downsample.pre_block", before)
            shapes |= _conv_norm(f"{root}.downsample.spatial_downsample", before, 1, 3)
            shapes |= _conv_norm(f"{root}.downsample.channel_downsample", width, before, 1)
            shapes |= _channel_mixer(f"{root}.downsample.ffn", width)
        for index in range(depth):
            shapes |= _mixers(f"{root}.blocks.{index}", width)
            if index % 2 == 0:
                between = max(8, int(width * 0.25 + 4) // 8 * 8)
                shapes |= _layer(f"{root}.blocks.{index}.se.fc1", between, width, 1, 1)
                shapes |= _layer(f"{root}.blocks.{index}.se.fc2", width, between, 1, 1)
        before = width
        shapes |= _layer(f"image_encoder.neck.convs.{3 - stage}.conv", size.token_width, width, 1, 1)
    return {**shapes, **sam2_decoder_shapes(size), "spatial_perceiver.latents": (4, size.token_width)}


def dinov3_shapes(size: DinoSize) -> Shapes:
    """Names and shapes of the tensors in a ``dinov3_vit*16_pretrain_*.pth``."""
    width = size.width
    shapes: Shapes = {
        "cls_token": (1, 1, width), "storage_tokens": (1, size.registers, width), "mask_token": (1, width),
        "rope_embed.periods": (width // size.heads // 4,), **_norm("norm", width),
        **_layer("patch_embed.proj", width, 3, size.patch, size.patch),
    }  # fmt: skip
    for index in range(size.layers):
        block = f"blocks.{index}"
        shapes |= {
            **_norm(f"{block}.norm1", width), **_layer(f"{block}.attn.qkv", 3 * width, width),
            f"{block}.attn.qkv.bias_mask": (3 * width,), **_layer(f"{block}.attn.proj", width, width),
            f"{block}.ls1.gamma": (width,), **_norm(f"{block}.norm2", width),
            **_layer(f"{block}.mlp.fc1", 4 * width, width), **_layer(f"{block}.mlp.fc2", width, 4 * width),
            f"{block}.ls2.gamma": (width,),
        }  # fmt: skip
    return shapes


def _mixers(name: str, width: int) -> Shapes:
    mixer = _conv_norm(f"{name}.token_mixer.conv", width, 1, 3) | _conv_norm(f"{name}.token_mixer.conv1", width, 1, 1)
    return mixer | _channel_mixer(f"{name}.channel_mixer", width)


def _channel_mixer(name: str, width: int) -> Shapes:
    return _conv_norm(f"{name}.conv1", 2 * width, width, 1) | _conv_norm(f"{name}.conv2", width, 2 * width, 1)


def _conv_norm(name: str, outputs: int, inputs: int, kernel: int) -> Shapes:
    counted: Shapes = {f"{name}.c.weight": (outputs, inputs, kernel, kernel), f"{name}.bn.num_batches_tracked": ()}
    return {**counted, **_norm(f"{name}.bn", outputs), f"{name}.bn.running_mean": (outputs,),
            f"{name}.bn.running_var": (outputs,)}  # fmt: skip
