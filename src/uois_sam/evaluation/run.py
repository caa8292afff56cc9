"""The two halves of an evaluation: predict photos to disk, and score predictions from disk.

Both process one frame at a time, so memory does not grow with the data set. A frame that fails is reported, and the
others continue.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol

import cv2
import numpy as np

from uois_sam.datasets.base import Dataset
from uois_sam.errors import OutputError, UOISError, WorkerError, is_out_of_memory
from uois_sam.evaluation.asked import standing_inside
from uois_sam.evaluation.frame_scores import FrameResult, Prediction, resize_labels, resize_sample, score_frame
from uois_sam.evaluation.metrics import UCN
from uois_sam.evaluation.metrics import Protocol as MetricProtocol
from uois_sam.evaluation.predictions import PredictionError, PredictionFolder
from uois_sam.evaluation.predictors import DepthPredictor
from uois_sam.request import Request
from uois_sam.runtime.executors import in_order, on_processes
from uois_sam.types import ImageArray, Sample

MissingPolicy = Literal["error", "empty", "skip"]
_FEW = 24
"""Up to this number of frames, scoring in one process is faster than starting others."""


class Predictor(Protocol):
    """A method: its name in tables, its description, and a call from photo to labels."""

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> Mapping[str, Any]:
        """JSON-ready; equal descriptions give equal predictions."""
        ...

    def __call__(self, image: ImageArray) -> Prediction: ...


@dataclass(frozen=True)
class Scoring:
    """Settings of scoring."""

    protocol: MetricProtocol = UCN
    """The metric's protocol. Its label rule is not applied: 0 is the only background of loaded labels."""
    size_hw: tuple[int, int] | None = None
    """Height and width to which photos and labels are resized first; None keeps their size."""
    missing: MissingPolicy = "error"
    """Treatment of frames without prediction: failure, nothing predicted, or left out."""
    request: Request | None = None
    """What was asked to be found: objects that do not stand in its region are left out."""


@dataclass(frozen=True)
class FrameFailure:
    """A frame that could not be predicted or scored, with the reason in one line."""

    name: str
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A frame without prediction, left out on request."""

    name: str


FrameOutcome = FrameResult | FrameFailure | Skipped


def evenly_spaced(frames: int, limit: int | None) -> list[int]:
    """Return indices of at most ``limit`` frames, one from each of as many equal stretches, always the same.

    Drawn at random rather than every n-th, which would give the same place in each of many sequences of equal length.
    """
    if limit is None or limit >= frames:
        return list(range(frames))
    draw = random.Random(0)  # Python keeps this generator's numbers the same from version to version
    return [draw.randrange(frames * i // limit, frames * (i + 1) // limit) for i in range(limit)]


def predict_missing(
    dataset: Dataset,
    indices: Sequence[int],
    predictor: Predictor,
    folder: PredictionFolder,
    size_hw: tuple[int, int] | None = None,
    anew: bool = False,
) -> Iterator[FrameFailure | None]:
    """Predict the samples that have no prediction yet, and write each one immediately.

    Args:
        dataset: labelled photos; the labels are not used.
        indices: samples to predict.
        predictor: the method.
        folder: folder of the predictions.
        size_hw: height and width to which photos are resized first.
        anew: predict every sample again.

    Yields:
        None, or the failure, for each index.

    Raises:
        OutputError: if predictions cannot be written.
    """
    for index in indices:
        name = dataset.names[index]
        if not anew and folder.has(name):
            yield None
            continue
        try:
            sample = read_sample(dataset, index, size_hw)
            start = time.perf_counter()
            prediction = (
                predictor.of_sample(sample) if isinstance(predictor, DepthPredictor) else predictor(sample.image)
            )
            folder.write(name, replace(prediction, seconds=time.perf_counter() - start))
        except OutputError:
            raise
        except Exception as error:
            yield FrameFailure(name, failure_reason(error))
            continue
        yield None


def score_all(
    dataset: Dataset, indices: Sequence[int], folder: PredictionFolder, scoring: Scoring, workers: int = 1
) -> Iterator[FrameOutcome]:
    """Score predictions from disk.

    Args:
        dataset: labelled photos; pickled into every process.
        indices: samples to score.
        folder: predictions.
        scoring: protocol, size, and treatment of missing predictions.
        workers: number of processes; few frames are scored in this one.

    Yields:
        The outcome of each frame, in the order of the indices.

    Raises:
        UOISError: if processes died over the same frame ``MAX_DEATHS`` times.
    """
    if workers <= 1 or len(indices) <= _FEW:
        yield from map(partial(score_sample, dataset, folder, scoring), indices)
        return
    with on_processes(partial(_score_alone, dataset, folder, scoring), min(workers, len(indices))) as executor:
        try:
            for future in in_order(map(executor.submit, indices), executor.capacity):
                yield future.result()
        except WorkerError as error:
            raise UOISError(
                "scoring processes were ended from outside, perhaps for lack of memory; use fewer --workers"
            ) from error


def score_sample(dataset: Dataset, folder: PredictionFolder, scoring: Scoring, index: int) -> FrameOutcome:
    """Read one sample and its prediction and score them."""
    name = dataset.names[index]
    if scoring.missing == "skip" and not folder.has(name):
        return Skipped(name)
    try:
        return score_frame(*read_pair(dataset, folder, scoring, index), scoring.protocol)
    except UOISError as error:
        return FrameFailure(name, str(error))


def read_pair(dataset: Dataset, folder: PredictionFolder, scoring: Scoring, index: int) -> tuple[Sample, Prediction]:
    """Read a sample and its prediction at the size they are scored at.

    Raises:
        DatasetError: if a file of the data set cannot be read.
        PredictionError: if the prediction is missing or ambiguous, or has another size.
    """
    sample = dataset[index]
    if scoring.missing == "empty" and not folder.has(sample.name):
        prediction = Prediction(np.zeros_like(sample.labels), {})
    else:
        prediction = folder.read(sample.name)
        _check_size(prediction, sample, scoring, folder)
    if scoring.size_hw is not None:
        sample = resize_sample(sample, scoring.size_hw)
        prediction = replace(prediction, labels=resize_labels(prediction.labels, scoring.size_hw))
    return standing_inside(sample, scoring.request), prediction


def read_sample(dataset: Dataset, index: int, size_hw: tuple[int, int] | None) -> Sample:
    """Read one sample, resized if a height and width are given."""
    sample = dataset[index]
    return sample if size_hw is None else resize_sample(sample, size_hw)


def failure_reason(error: Exception) -> str:
    """Return the reason of a failure in one line; raise errors that are neither the frame's nor the machine's fault."""
    if is_out_of_memory(error):
        return "no free memory for this photo"
    if not isinstance(error, UOISError):
        raise error
    return str(error)


def _check_size(prediction: Prediction, sample: Sample, scoring: Scoring, folder: PredictionFolder) -> None:
    allowed = {sample.labels.shape, scoring.size_hw or sample.labels.shape}
    if prediction.labels.shape not in allowed:
        expected = " or ".join(f"{width}x{height}" for height, width in sorted(allowed))
        height, width = prediction.labels.shape
        raise PredictionError(
            f"{folder.root / sample.name}.png: expected a prediction of {expected} pixels like its photo, "
            f"found {width}x{height}; --size brings both to another size"
        )


def _score_alone(dataset: Dataset, folder: PredictionFolder, scoring: Scoring, index: int) -> FrameOutcome:
    """Score one sample on one thread: the processes are the parallelism."""
    cv2.setNumThreads(1)
    return score_sample(dataset, folder, scoring, index)
