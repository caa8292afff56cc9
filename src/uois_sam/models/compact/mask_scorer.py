"""Scores from the drawn masks. Goes beyond the paper, whose HDNet (Sec. III-B) reads the decoder's tokens only."""

from __future__ import annotations

from torch import Tensor, nn

from uois_sam.models.compact.evidence import evidence_width
from uois_sam.models.hdnet import mlp


class MaskScorer(nn.Module):
    """S^'' = S^ + MLP(evidence): refined scores of masks that are drawn already.

    The last layer starts at zero, so an untrained one leaves the decoder's own scores as they are.

    Args:
        token_width: C, channels of the decoder's tokens and of the embedding.
        hidden: hidden width of the MLP.
    """

    def __init__(self, token_width: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(evidence_width(token_width), affine=False)
        self.drop = nn.Dropout(0.1)
        self.mlp = mlp(evidence_width(token_width), hidden, 1, depth=3)
        last = self.mlp[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, evidence: Tensor) -> Tensor:
        """(..., E) float32 evidence to (...) float32 scores; not clamped."""
        flat = evidence.flatten(0, -2)
        residual = self.mlp(self.drop(self.norm(flat)))[:, 0]
        return evidence[..., 0] + residual.unflatten(0, evidence.shape[:-1])
