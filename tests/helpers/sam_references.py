"""Outputs of SAM and DINOv2 by their references, and ours in the same form: pixels, embeddings, masks, features."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from uois_sam.geometry import Frame
from uois_sam.models.interfaces import ObjectPrompts
from uois_sam.models.networks import Networks
from uois_sam.models.sam.modules import PIXEL_MEAN, PIXEL_STD


def meta_pixels(image: Tensor, side: int) -> Tensor:
    """Pre-process as Meta's ``ResizeLongestSide(side).apply_image`` and ``Sam.preprocess`` do, in Pillow and NumPy.

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
    """Return the input of our SAM encoder for a photo: (1, 3, side, side) float32."""
    encoder: Any = base.encoder
    return encoder.sam.prepare(image, Frame.padded((image.shape[1], image.shape[2]), encoder.sam.side))


@torch.inference_mode()
def our_sam(base: Networks, image: Tensor, points: Tensor) -> dict[str, Tensor]:
    """Return embedding, all four masks and scores of M points in the mask frame."""
    encoder: Any = base.encoder
    features, _ = encoder.sam(image)
    predictions = base.decoder.decode_tokens(features, points)
    masks = base.decoder.upscale(features, predictions, points, torch.arange(4).expand(len(points), 4))
    return {"embedding": features.grid, "masks": masks, "scores": predictions.scores}


@torch.inference_mode()
def transformers_sam(model: Any, pixels: Tensor, points: Tensor) -> dict[str, Tensor]:
    """Return the same from transformers, which gives the first mask and the other three in separate calls."""
    embedding = model.get_image_embeddings(pixels)
    arguments = {"image_embeddings": embedding, "input_points": points[None, :, None]}
    one, three = (model(**arguments, multimask_output=several) for several in (False, True))
    masks = torch.cat([one.pred_masks[0], three.pred_masks[0]], dim=1)
    return {"embedding": embedding, "masks": masks, "scores": torch.cat([one.iou_scores[0], three.iou_scores[0]], 1)}


@torch.inference_mode()
def our_prompted(base: Networks, image: Tensor, prompts: ObjectPrompts) -> dict[str, Tensor]:
    """Return all four masks and scores of M prompts of any kind."""
    encoder: Any = base.encoder
    decoder: Any = base.decoder
    features, _ = encoder.sam(image)
    predictions = decoder.decode_prompts(features, prompts)
    every = torch.arange(4).expand(len(prompts), 4)
    masks = decoder.upscale(features, predictions, prompts.anchors_xy, every)
    return {"masks": masks, "scores": predictions.scores}


@torch.inference_mode()
def transformers_prompted(model: Any, pixels: Tensor, prompts: ObjectPrompts) -> dict[str, Tensor]:
    """Return the same from transformers; its model takes one mask an image, hence one prompt at a time."""
    embedding, found = model.get_image_embeddings(pixels), []
    for row in range(len(prompts)):
        one = prompts[row : row + 1]
        points = one.points_xy.shape[1] > 0
        arguments = {
            "image_embeddings": embedding,
            "input_points": one.points_xy[None] if points else None,
            "input_labels": one.labels[None] if points else None,
            "input_boxes": None if one.boxes_xyxy is None else one.boxes_xyxy[None],
            "input_masks": None if one.mask_logits is None else one.mask_logits[None],
        }
        several = [model(**arguments, multimask_output=three) for three in (False, True)]
        masks = torch.cat([each.pred_masks[0] for each in several], dim=1)
        found.append((masks, torch.cat([each.iou_scores[0] for each in several], dim=1)))
    return {"masks": torch.cat([masks for masks, _ in found]), "scores": torch.cat([scores for _, scores in found])}


@torch.inference_mode()
def meta_prompted(model: Any, pixels: Tensor, prompts: ObjectPrompts) -> dict[str, Tensor]:
    """Return the same from Meta's modules."""
    masks = None if prompts.mask_logits is None else prompts.mask_logits[:, None]
    points = (prompts.points_xy, prompts.labels) if prompts.points_xy.shape[1] else None
    # Meta's boxes are shifted by half a pixel inside, as its points are
    sparse, dense = model.prompt_encoder(points, prompts.boxes_xyxy, masks)
    embedding, positions = model.image_encoder(pixels), model.prompt_encoder.get_dense_pe()
    found = [
        model.mask_decoder.predict_masks(embedding, positions, sparse[row : row + 1], dense[row : row + 1])
        for row in range(len(prompts))
    ]
    return {"masks": torch.cat([masks for masks, _ in found]), "scores": torch.cat([scores for _, scores in found])}


@torch.inference_mode()
def meta_sam(model: Any, pixels: Tensor, points: Tensor) -> dict[str, Tensor]:
    """Return the same from Meta's modules."""
    embedding = model.image_encoder(pixels)
    sparse, dense = model.prompt_encoder((points[:, None], torch.ones(len(points), 1)), None, None)
    masks, scores = model.mask_decoder.predict_masks(embedding, model.prompt_encoder.get_dense_pe(), sparse, dense)
    return {"embedding": embedding, "masks": masks, "scores": scores}


@torch.inference_mode()
def dino_features(encoder: Any, image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the features of a ``DinoEncoder``, and those of transformers with eager attention: (1, C, h, w) both."""
    model = encoder.model
    config = type(model.config)(**{**model.config.to_dict(), "attn_implementation": "eager"})
    reference: Any = type(model)(config)
    reference.eval().load_state_dict(model.state_dict())
    tokens = reference(pixel_values=encoder.prepare(image)).last_hidden_state[:, 1 + encoder.registers :]
    rows, columns = encoder.grid_hw
    return encoder(image), tokens.reshape(1, rows, columns, -1).permute(0, 3, 1, 2)


def errors(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> dict[str, dict[str, float]]:
    """Return the largest difference of each quantity, and the reference's root mean square as its scale."""
    return {
        name: {
            "largest_difference": float((ours[name] - value).abs().max()),
            "reference_rms": float(value.square().mean().sqrt()),
        }
        for name, value in theirs.items()
    }
