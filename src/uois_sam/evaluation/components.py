"""Table IV: what each component of the method adds. All rows of a photo share one encoding."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from uois_sam.config import PromptMode, ScoreMode
from uois_sam.datasets.base import Dataset
from uois_sam.errors import OutputError
from uois_sam.evaluation.evaluate import claimed_by
from uois_sam.evaluation.predictions import PredictionFolder
from uois_sam.evaluation.predictors import ModelPredictor, as_prediction
from uois_sam.evaluation.report.published import TABLE_4, Row
from uois_sam.evaluation.run import failure_reason, read_sample

if TYPE_CHECKING:
    from uois_sam.instances import Instances
    from uois_sam.pipeline import UOISSAM, EncodedImage


@dataclass(frozen=True)
class Variant:
    """One row of Table IV, as settings of the pipeline."""

    name: str
    prompts: PromptMode
    scores: ScoreMode
    paper: Row | None = None
    """The paper's result on OCID, in percent; None without such a row."""
    vote_iou: float = 0.0
    zoom: bool = False
    follow_edges: bool = False

    def settings(self) -> dict[str, Any]:
        """Return the inference settings of the row."""
        return {name: getattr(self, name) for name in ("prompts", "scores", "vote_iou", "zoom", "follow_edges")}


PAPER_VARIANTS = tuple(
    Variant(row.name, cast(PromptMode, row.settings["prompts"]), cast(ScoreMode, row.settings["scores"]), row.result)
    for row in TABLE_4
)
"""The four rows of the paper, from SAM's automatic scheme to the whole method."""
WHOLE_METHOD = PAPER_VARIANTS[-1]
"""The last row: heatmap peaks, masks chosen by HDNet; what Tables II, III and V score."""


def find_with(encoded: EncodedImage, variants: Sequence[Variant]) -> dict[str, Instances]:
    """Return the instances that each variant finds in one encoded photo, by name of the variant."""
    return {each.name: encoded.with_settings(**each.settings()).predict() for each in variants}


def predict_together(
    dataset: Dataset,
    indices: Sequence[int],
    model: UOISSAM,
    folders: Mapping[Variant, PredictionFolder],
    size_hw: tuple[int, int] | None = None,
) -> Iterator[None]:
    """Predict what several variants lack, encoding every photo once; :func:`evaluate` then finds it all there.

    A frame that fails is passed over: the evaluation of each variant meets it again and reports it.

    Args:
        dataset: labelled photos; the labels are not used.
        indices: samples to predict.
        model: model with trained heads.
        folders: folder of each variant's predictions.
        size_hw: height and width to which photos are resized first.

    Yields:
        None for each index.

    Raises:
        PredictionError: if a folder holds the predictions of another method.
        OutputError: if predictions cannot be written.
    """
    for variant, folder in folders.items():
        folder.claim(claimed_by(ModelPredictor(model.with_settings(**variant.settings())), size_hw))
    for index in indices:
        missing = {each: folder for each, folder in folders.items() if not folder.has(dataset.names[index])}
        if missing:
            try:
                _predict(dataset, index, model, missing, size_hw)
            except OutputError:
                raise
            except Exception as error:
                failure_reason(error)  # raises what is no fault of the frame
        yield None


def _predict(
    dataset: Dataset, index: int, model: UOISSAM, folders: Mapping[Variant, PredictionFolder],
    size_hw: tuple[int, int] | None,
) -> None:  # fmt: skip
    """Write the predictions of one photo; each one's seconds include the encoding."""
    sample = read_sample(dataset, index, size_hw)
    start = time.perf_counter()
    encoded = model.encode_image(sample.image)
    encoding = time.perf_counter() - start
    for variant, folder in folders.items():
        start = time.perf_counter()
        found = encoded.with_settings(**variant.settings()).predict()
        prediction = as_prediction(found)
        folder.write(sample.name, replace(prediction, seconds=encoding + time.perf_counter() - start))
