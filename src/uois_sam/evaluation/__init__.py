"""How good predictions are: the paper's metrics on label maps."""

from uois_sam.evaluation.boundaries import PixelCounts
from uois_sam.evaluation.metrics import (
    BOUNDARY_TOLERANCE,
    UCN,
    UOIS,
    ImageScores,
    PrecisionRecallF,
    Protocol,
    score_image,
)
from uois_sam.evaluation.overlaps import LabelMapError
from uois_sam.evaluation.summary import DatasetScores, MeanScores, ScoreAccumulator

__all__ = [
    "BOUNDARY_TOLERANCE",
    "UCN",
    "UOIS",
    "DatasetScores",
    "ImageScores",
    "LabelMapError",
    "MeanScores",
    "PixelCounts",
    "PrecisionRecallF",
    "Protocol",
    "ScoreAccumulator",
    "score_image",
]
