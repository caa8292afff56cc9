"""How far our SAM and DINOv2 are from their references, in float32 on the same weights.

    python benchmarks/parity.py PHOTO --weights WEIGHTS [--base sam-vit-l] [--points 4] [--out results.json]

WEIGHTS holds ``sam.pth`` and ``dinov2.pth`` in Meta's format (``random_official_weights.py`` writes such). References:
transformers' ``SamModel`` and ``Dinov2Model``, the modules of Meta's package segment-anything, and Pillow's resize.
Needs the extra ``parity``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from uois_sam.benchmark.peers import build_official_sam, build_transformers_sam, official_modules
from uois_sam.checkpoints.foundation import BASES
from uois_sam.checkpoints.loading import load_base
from uois_sam.errors import UOISError
from uois_sam.geometry import Frame
from uois_sam.io.files import write_atomically
from uois_sam.io.images import read_image
from uois_sam.models.networks import Networks
from uois_sam.models.sam.modules import PIXEL_MEAN, PIXEL_STD
from uois_sam.runtime.provenance import describe_machine, summary


def meta_pixels(image: Tensor, side: int) -> Tensor:
    """What Meta's ``ResizeLongestSide(side).apply_image`` and ``Sam.preprocess`` do, in Pillow and NumPy.

    Args:
        image: (3, H, W) uint8.
        side: of the padded square.

    Returns:
        (1, 3, side, side) float32.
    """
    height, width = image.shape[1:]
    scale = side / max(height, width)
    size = (int(width * scale + 0.5) or 1, int(height * scale + 0.5) or 1)
    picture = Image.fromarray(image.permute(1, 2, 0).numpy()).resize(size, Image.Resampling.BILINEAR)
    padded = np.zeros((side, side, 3), np.float32)
    padded[: size[1], : size[0]] = (np.asarray(picture, np.float32) - PIXEL_MEAN) / PIXEL_STD
    return torch.from_numpy(padded).permute(2, 0, 1)[None]


def our_pixels(base: Networks, image: Tensor) -> Tensor:
    """What our SAM encoder sees of a photo: (1, 3, side, side) float32."""
    encoder: Any = base.encoder
    return encoder.sam.prepare(image, Frame.padded((image.shape[1], image.shape[2]), encoder.sam.side))


@torch.inference_mode()
def our_sam(base: Networks, image: Tensor, points: Tensor) -> dict[str, Tensor]:
    """Embedding, all four masks and scores of M points in the mask frame."""
    encoder: Any = base.encoder
    features, _ = encoder.sam(image)
    predictions = base.decoder.decode_tokens(features, points)
    masks = base.decoder.upscale(features, predictions, points, torch.arange(4).expand(len(points), 4))
    return {"embedding": features.grid, "masks": masks, "scores": predictions.scores}


@torch.inference_mode()
def transformers_sam(model: Any, pixels: Tensor, points: Tensor) -> dict[str, Tensor]:
    """The same from transformers, which gives the first mask and the other three in separate calls."""
    embedding = model.get_image_embeddings(pixels)
    arguments = {"image_embeddings": embedding, "input_points": points[None, :, None]}
    one, three = (model(**arguments, multimask_output=several) for several in (False, True))
    masks = torch.cat([one.pred_masks[0], three.pred_masks[0]], dim=1)
    return {"embedding": embedding, "masks": masks, "scores": torch.cat([one.iou_scores[0], three.iou_scores[0]], 1)}


@torch.inference_mode()
def meta_sam(model: Any, pixels: Tensor, points: Tensor) -> dict[str, Tensor]:
    """The same from Meta's modules."""
    embedding = model.image_encoder(pixels)
    sparse, dense = model.prompt_encoder((points[:, None], torch.ones(len(points), 1)), None, None)
    masks, scores = model.mask_decoder.predict_masks(embedding, model.prompt_encoder.get_dense_pe(), sparse, dense)
    return {"embedding": embedding, "masks": masks, "scores": scores}


@torch.inference_mode()
def dinov2_features(base: Networks, image: Tensor) -> tuple[Tensor, Tensor]:
    """Ours, and transformers' on the same pixels with its plainest attention: (1, C, h, w) both."""
    from transformers import Dinov2Model

    encoder: Any = base.encoder.dinov2  # type: ignore[attr-defined]
    config = encoder.model.config.__class__(**{**encoder.model.config.to_dict(), "attn_implementation": "eager"})
    with torch.device("meta"):
        reference: Any = Dinov2Model(config)
    reference.eval().load_state_dict(encoder.model.state_dict(), assign=True)
    tokens = reference(pixel_values=encoder.prepare(image)).last_hidden_state
    rows, columns = encoder.grid_hw
    return encoder(image), tokens[:, 1:].reshape(1, rows, columns, -1).permute(0, 3, 1, 2)


def errors(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """Per quantity: largest difference, and the reference's root mean square to judge it by."""
    return {
        name: {
            "largest_difference": float((ours[name] - value).abs().max()),
            "reference_rms": float(value.square().mean().sqrt()),
        }
        for name, value in theirs.items()
    }


def compare(photo: Path, weights: Path, base_name: str, count: int) -> dict[str, Any]:
    """All comparisons on one photo, ready for JSON."""
    size = BASES[base_name].sam
    base = load_base(
        base_name, sam=weights / "sam.pth", dinov2=weights / "dinov2.pth", device="cpu", precision="float32"
    )
    image = torch.from_numpy(np.array(read_image(photo))).permute(2, 0, 1)
    points = torch.rand((count, 2), generator=torch.Generator().manual_seed(0)) * size.image_side * 0.7
    pixels, reference = our_pixels(base, image), meta_pixels(image, size.image_side)
    levels = (pixels - reference).abs() * torch.tensor(PIXEL_STD)[:, None, None]
    ours = our_sam(base, image, points)
    tensors = torch.load(weights / "sam.pth", weights_only=True, mmap=True)
    result: dict[str, Any] = {
        "pixels": {"largest_difference_levels": float(levels.max()), "mean_levels": float(levels.mean())},
        "sam_to_transformers": errors(
            ours, transformers_sam(build_transformers_sam(size, tensors), pixels, points)
        ),
    }  # fmt: skip
    with official_modules() as modeling:
        with torch.device("meta"):
            model = build_official_sam(modeling, size)
        model.load_state_dict(tensors, assign=True)
        result["sam_to_meta"] = errors(ours, meta_sam(model, pixels, points))
    found, expected = dinov2_features(base, image)
    result["dinov2_to_transformers"] = errors({"features": found}, {"features": expected})
    return result


def markdown(result: dict[str, Any]) -> str:
    """A table of all comparisons."""
    lines = ["| comparison | quantity | largest difference | reference RMS |", "|---|---|---|---|"]
    pixels = result["pixels"]
    lines.append(
        f"| Pillow's resize | levels of 0..255 | {pixels['largest_difference_levels']:.3f} "
        f"(mean {pixels['mean_levels']:.5f}) | |"
    )
    for comparison in ("sam_to_transformers", "sam_to_meta", "dinov2_to_transformers"):
        for name, row in result[comparison].items():
            label = comparison.replace("_", " ")
            lines.append(f"| {label} | {name} | {row['largest_difference']:.1e} | {row['reference_rms']:.2f} |")
    return "\n".join(lines)


def main() -> int:
    """Run the script; 2 on bad input, told in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="folder with sam.pth and dinov2.pth")
    parser.add_argument("--base", choices=list(BASES), default="sam-vit-l")
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        result = compare(options.photo, options.weights, options.base, options.points)
        machine = describe_machine()
        record = {"benchmark": "parity", "base": options.base, **result, "machine": machine}
        if options.out:
            write_atomically(options.out, (json.dumps(record, indent=2) + "\n").encode())
    except UOISError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    print(markdown(result))
    print(f"\n{options.base}, float32\n{summary(machine)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
