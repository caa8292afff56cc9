"""Photos to network input: resizing as Pillow does it, and normalising."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resize_rgb(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resize one (3, H, W) uint8 image as Pillow does: antialiased bilinear, columns first, each pass rounded.

    The official SAM resizes 8-bit pictures with Pillow, so its weights have seen such pictures.

    Returns:
        (1, 3, *size_hw) float32, whole levels of 0..255.
    """
    narrow = _pass(image[None].float(), (image.shape[1], size_hw[1]))
    return _pass(narrow, size_hw)


def _pass(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    resized = F.interpolate(image, size_hw, mode="bilinear", align_corners=False, antialias=True)
    return (resized + 0.5).floor().clamp(0, 255)  # halves go up, as in Pillow's fixed-point arithmetic
