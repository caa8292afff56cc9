"""The paper's frozen backbones together: DINOv2 for prompts, SAM's image encoder for masks (Fig. 2)."""

from __future__ import annotations

from torch import Tensor, nn

from uois_sam.models.dinov2 import Dinov2Encoder
from uois_sam.models.protocols import SceneFeatures
from uois_sam.models.sam import SamImageEncoder


class FoundationEncoder(nn.Module):
    """``protocols.SceneEncoder`` over two networks."""

    def __init__(self, sam: SamImageEncoder, dinov2: Dinov2Encoder) -> None:
        super().__init__()
        self.sam = sam
        self.dinov2 = dinov2

    def __call__(self, image: Tensor) -> SceneFeatures:
        """Encode one (3, H, W) uint8 RGB image of any size."""
        mask_features, frame = self.sam(image)
        return SceneFeatures(self.dinov2(image), mask_features, frame)
