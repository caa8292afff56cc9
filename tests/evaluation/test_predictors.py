"""Baselines and models as methods of the evaluate command."""

from __future__ import annotations

import json

import numpy as np
import pytest

from uois_sam.evaluation.predictors import ComponentsBaseline, ModelPredictor, components
from uois_sam.pipeline import UOISSAM


def test_components_by_hand() -> None:
    probability = np.array(
        [
            [0.9, 0.9, 0.1, 0.0, 0.0],
            [0.1, 0.1, 0.7, 0.0, 0.9],
            [0.0, 0.0, 0.0, 0.0, 0.0],
        ],
        np.float32,
    )
    # Diagonal neighbours belong together; the lone pixel is less than 2 of 15.
    found = components(probability, threshold=0.5, min_fraction=2 / 15)
    assert found.labels.tolist() == [[1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0]]
    assert found.labels.dtype == np.uint16
    assert found.scores == {1: pytest.approx(2.5 / 3)}
    both = components(probability, threshold=0.5, min_fraction=0)
    assert both.scores == {1: pytest.approx(2.5 / 3), 2: pytest.approx(0.9)}


def test_no_component() -> None:
    found = components(np.zeros((3, 4), np.float32), 0.5, 0.0)
    assert (found.scores, found.labels.any()) == ({}, False)


def test_a_model_as_a_method(tiny_pipeline: UOISSAM) -> None:
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    model = tiny_pipeline.with_settings(score_threshold=-10.0, foreground_threshold=0.0, max_area_fraction=1.0)
    method = ModelPredictor(model)
    found = method(image)
    instances = model.predict(image)
    np.testing.assert_array_equal(found.labels, instances.label_map())
    assert found.scores is not None and len(found.scores) == len(instances)
    json.dumps(method.description)
    notes = ModelPredictor(model.with_request(max_objects=1))(image).notes
    assert any(note.startswith("too many: ") for note in notes)


def test_variants_have_names_and_descriptions_of_their_own(tiny_pipeline: UOISSAM) -> None:
    grid = tiny_pipeline.with_settings(prompts="grid", scores="sam")
    methods = [ModelPredictor(tiny_pipeline), ModelPredictor(grid), ComponentsBaseline(tiny_pipeline)]
    assert len({method.name for method in methods}) == 3
    assert methods[0].name == tiny_pipeline.name
    assert "grid prompts, sam scores" in methods[1].name
    assert len({json.dumps(method.description) for method in methods}) == 3


def test_components_of_a_model(tiny_pipeline: UOISSAM) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    everything = ComponentsBaseline(tiny_pipeline.with_settings(foreground_threshold=0.0))(image)
    assert set(np.unique(everything.labels)) == {1}
    assert not ComponentsBaseline(tiny_pipeline.with_settings(foreground_threshold=1.0))(image).labels.any()
