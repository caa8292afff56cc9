"""Photos to network input: resizing as Pillow does it, and normalising."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def resize_rgb(image: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Resize one (3, H, W) uint8 image; antialiased bilinear, rounded to whole levels.

    The official SAM resizes 8-bit pictures with Pillow, so its weights have seen rounded levels.

    Returns:
        (1, 3, *size_hw) float32 in 0..255.
    """
    resized = F.interpolate(image[None].float(), size_hw, mode="bilinear", align_corners=False, antialias=True)
    return resized.round().clamp(0, 255)
