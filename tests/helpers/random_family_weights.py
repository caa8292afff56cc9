"""Random weights of SAM's successors and of newer DINOs under their authors' names: shapes written down anew."""

from __future__ import annotations

from random_official_weights import Shapes, _layer, _mask_decoder_shapes, _norm, _prompt_encoder_shapes, dinov2_shapes
from uois_sam.models.dino import DinoSize
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
