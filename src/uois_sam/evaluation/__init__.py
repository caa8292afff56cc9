"""Scores of predictions against labels: the paper's metrics, whole evaluations and their reports."""

from uois_sam.evaluation.boundaries import PixelCounts
from uois_sam.evaluation.evaluate import evaluate
from uois_sam.evaluation.frame_scores import Prediction
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
from uois_sam.evaluation.peers import HuggingFacePeer
from uois_sam.evaluation.predictions import PredictionFolder
from uois_sam.evaluation.predictors import ComponentsBaseline, DepthPredictor, ModelPredictor
from uois_sam.evaluation.report.report import Report
from uois_sam.evaluation.run import Predictor, Scoring
from uois_sam.evaluation.summary import DatasetScores, MeanScores, ScoreAccumulator

__all__ = [
    "BOUNDARY_TOLERANCE",
    "UCN",
    "UOIS",
    "ComponentsBaseline",
    "DatasetScores",
    "DepthPredictor",
    "HuggingFacePeer",
    "ImageScores",
    "LabelMapError",
    "MeanScores",
    "ModelPredictor",
    "PixelCounts",
    "PrecisionRecallF",
    "Prediction",
    "PredictionFolder",
    "Predictor",
    "Protocol",
    "Report",
    "ScoreAccumulator",
    "Scoring",
    "evaluate",
    "score_image",
]
