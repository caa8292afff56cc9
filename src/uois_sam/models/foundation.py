"""The encoder of models that stand on a SAM: its image encoder, and a backbone for prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from uois_sam.models.interfaces import ImageEncoder, SceneFeatures

if TYPE_CHECKING:
    from uois_sam.models.dino import DinoEncoder


class FoundationEncoder(nn.Module):
    """``interfaces.SceneEncoder`` over two networks: a SAM's image encoder, and a backbone for prompts."""

    def __init__(self, sam: ImageEncoder, dinov2: DinoEncoder) -> None:
        super().__init__()
        self.sam = sam
        self.dinov2 = dinov2

    def __call__(self, image: Tensor) -> SceneFeatures:
        """Encode one (3, H, W) uint8 RGB image of any size."""
        mask_features, frame = self.sam(image)
        return SceneFeatures(self.dinov2(image), mask_features, frame)
