"""How good predictions are: the paper's metrics on label maps."""

from uois_sam.evaluation.boundaries import PixelCounts
from uois_sam.evaluation.metrics import (
    BOUNDARY_TOLERANCE,
    DatasetScores,
    ImageScores,
    LabelMapError,
    MeanScores,
    PrecisionRecallF,
    ScoreAccumulator,
    score_image,
)

__all__ = [
    "BOUNDARY_TOLERANCE",
    "DatasetScores",
    "ImageScores",
    "LabelMapError",
    "MeanScores",
    "PixelCounts",
    "PrecisionRecallF",
    "ScoreAccumulator",
    "score_image",
]
