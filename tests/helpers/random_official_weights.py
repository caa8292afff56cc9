"""Write random weights in the format of Meta's files: same names, shapes and container.

    python tests/helpers/random_official_weights.py OUT [--base sam-vit-l] [--seed 0]

For testing loading, memory and speed without the real checkpoints. OUT gets ``sam.pth`` and
``dinov2.pth``, for ``--sam`` and ``--dinov2``. Masks from such weights are noise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from uois_sam.checkpoints.bases import BACKBONES, BASES
from uois_sam.models.dino import DinoSize
from uois_sam.models.sam.modules import SamSize

Shapes = dict[str, tuple[int, ...]]
MASK_TOKENS = 4
MASK_INPUT_CHANNELS = 16
"""Channels of SAM's mask prompt, which is in its files but unused here."""


def sam_shapes(size: SamSize) -> Shapes:
    """Names and shapes of the tensors in a ``sam_vit_*.pth``."""
    grid, token = size.image_side // size.patch, size.token_width
    shapes: Shapes = {
        "image_encoder.pos_embed": (1, grid, grid, size.width),
        **_layer("image_encoder.patch_embed.proj", size.width, 3, size.patch, size.patch),
        "image_encoder.neck.0.weight": (token, size.width, 1, 1),
        **_norm("image_encoder.neck.1", token),
        "image_encoder.neck.2.weight": (token, token, 3, 3),
        **_norm("image_encoder.neck.3", token),
    }
    for index in range(size.layers):
        block = f"image_encoder.blocks.{index}"
        side = grid if index in size.global_layers else size.window
        relative = (2 * side - 1, size.width // size.heads)
        shapes |= {
            **_norm(f"{block}.norm1", size.width),
            f"{block}.attn.rel_pos_h": relative,
            f"{block}.attn.rel_pos_w": relative,
            **_layer(f"{block}.attn.qkv", 3 * size.width, size.width),
            **_layer(f"{block}.attn.proj", size.width, size.width),
            **_norm(f"{block}.norm2", size.width),
            **_layer(f"{block}.mlp.lin1", 4 * size.width, size.width),
            **_layer(f"{block}.mlp.lin2", size.width, 4 * size.width),
        }
    return {**shapes, **_prompt_encoder_shapes(token), **_mask_decoder_shapes(size)}


def dinov2_shapes(size: DinoSize) -> Shapes:
    """Names and shapes of the tensors in a ``dinov2_vit*14_pretrain.pth``."""
    width, patches = size.width, (size.trained_side // size.patch) ** 2
    shapes: Shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, patches + 1, width),
        "mask_token": (1, width),
        **_layer("patch_embed.proj", width, 3, size.patch, size.patch),
        **_norm("norm", width),
    }
    for index in range(size.layers):
        block = f"blocks.{index}"
        shapes |= {
            **_norm(f"{block}.norm1", width),
            **_layer(f"{block}.attn.qkv", 3 * width, width),
            **_layer(f"{block}.attn.proj", width, width),
            f"{block}.ls1.gamma": (width,),
            **_norm(f"{block}.norm2", width),
            **_layer(f"{block}.mlp.fc1", 4 * width, width),
            **_layer(f"{block}.mlp.fc2", width, 4 * width),
            f"{block}.ls2.gamma": (width,),
        }
    return shapes


def random_tensors(shapes: Shapes, seed: int) -> dict[str, Tensor]:
    """Draw normal numbers, small enough for moderate activations; scales are around one."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, shape in shapes.items():
        if not shape:  # a counter of batches
            tensors[name] = torch.tensor(0)
            continue
        values = torch.randn(shape, generator=generator)
        fan_in = max(1, values[0].numel()) if len(shape) > 1 else shape[0]
        if name.endswith("positional_encoding_gaussian_matrix"):
            tensors[name] = values
        elif len(shape) == 1 and name.endswith(("weight", "gamma", "running_var")):
            tensors[name] = 1 + 0.1 * values
        else:
            tensors[name] = values * (fan_in**-0.5 if len(shape) > 1 else 0.02)
    return tensors


def write_base(folder: Path, sam: SamSize, dinov2: DinoSize, seed: int = 0) -> tuple[Path, Path]:
    """Write ``sam.pth`` and ``dinov2.pth``; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / "sam.pth", folder / "dinov2.pth"
    torch.save(random_tensors(sam_shapes(sam), seed), paths[0])
    torch.save(random_tensors(dinov2_shapes(dinov2), seed + 1), paths[1])
    return paths


def _prompt_encoder_shapes(token: int) -> Shapes:
    quarter, full = MASK_INPUT_CHANNELS // 4, MASK_INPUT_CHANNELS
    shapes: Shapes = {"prompt_encoder.pe_layer.positional_encoding_gaussian_matrix": (2, token // 2)}
    shapes |= {f"prompt_encoder.point_embeddings.{index}.weight": (1, token) for index in range(4)}
    return {
        **shapes,
        "prompt_encoder.not_a_point_embed.weight": (1, token),
        **_layer("prompt_encoder.mask_downscaling.0", quarter, 1, 2, 2),
        **_norm("prompt_encoder.mask_downscaling.1", quarter),
        **_layer("prompt_encoder.mask_downscaling.3", full, quarter, 2, 2),
        **_norm("prompt_encoder.mask_downscaling.4", full),
        **_layer("prompt_encoder.mask_downscaling.6", token, full, 1, 1),
        "prompt_encoder.no_mask_embed.weight": (1, token),
    }


def _mask_decoder_shapes(size: SamSize) -> Shapes:
    token, root = size.token_width, "mask_decoder"
    shapes: Shapes = {f"{root}.iou_token.weight": (1, token), f"{root}.mask_tokens.weight": (MASK_TOKENS, token)}
    for index in range(2):
        layer = f"{root}.transformer.layers.{index}"
        shapes |= _attention(f"{layer}.self_attn", token, token)
        shapes |= _attention(f"{layer}.cross_attn_token_to_image", token, token // 2)
        shapes |= _attention(f"{layer}.cross_attn_image_to_token", token, token // 2)
        shapes |= _layer(f"{layer}.mlp.lin1", size.decoder_mlp, token)
        shapes |= _layer(f"{layer}.mlp.lin2", token, size.decoder_mlp)
        for norm in range(1, 5):
            shapes |= _norm(f"{layer}.norm{norm}", token)
    shapes |= _attention(f"{root}.transformer.final_attn_token_to_image", token, token // 2)
    shapes |= _norm(f"{root}.transformer.norm_final_attn", token)
    # Transposed convolutions: inputs first.
    shapes |= {f"{root}.output_upscaling.0.weight": (token, token // 4, 2, 2)}
    shapes |= {f"{root}.output_upscaling.0.bias": (token // 4,)}
    shapes |= _norm(f"{root}.output_upscaling.1", token // 4)
    shapes |= {f"{root}.output_upscaling.3.weight": (token // 4, token // 8, 2, 2)}
    shapes |= {f"{root}.output_upscaling.3.bias": (token // 8,)}
    for index in range(MASK_TOKENS):
        shapes |= _mlp(f"{root}.output_hypernetworks_mlps.{index}", token, token, token // 8)
    return {**shapes, **_mlp(f"{root}.iou_prediction_head", token, size.iou_hidden, MASK_TOKENS)}


def _layer(name: str, outputs: int, *inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, *inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _attention(name: str, width: int, inner: int) -> Shapes:
    shapes = _layer(f"{name}.out_proj", width, inner)
    for projection in ("q_proj", "k_proj", "v_proj"):
        shapes |= _layer(f"{name}.{projection}", inner, width)
    return shapes


def _mlp(name: str, inputs: int, hidden: int, outputs: int) -> Shapes:
    widths = (inputs, hidden, hidden, outputs)
    shapes: Shapes = {}
    for index in range(3):
        shapes |= _layer(f"{name}.layers.{index}", widths[index + 1], widths[index])
    return shapes


def main() -> None:
    """Write the files of one base."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--base", choices=list(BASES), default="sam-vit-l")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    spec = BASES[options.base]
    for path in write_base(options.out, spec.sam, BACKBONES[spec.prompts].size, options.seed):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
