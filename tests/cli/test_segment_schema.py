"""What `uois-sam segment` writes is what the published JSON schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from uois_sam.cli.main import main

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="an sdist has no schema")


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads((ROOT / "docs" / "reference" / "segment.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("out")
    assert main(["segment", str(ROOT / "examples" / "coffee.jpg"), "--out", str(out)]) == 0
    loaded: dict[str, Any] = json.loads((out / "coffee.json").read_text(encoding="utf-8"))
    return loaded


def test_a_record_fits_the_schema(validator: Draft202012Validator, record: dict[str, Any]) -> None:
    assert record["instances"]
    assert not list(validator.iter_errors(record))


def test_a_frame_of_a_video_and_an_empty_scene_fit(validator: Draft202012Validator, record: dict[str, Any]) -> None:
    assert not list(validator.iter_errors({**record, "frame": 3, "instances": []}))


@pytest.mark.parametrize("change", [{"width": "640"}, {"unknown": 1}, {"instances": [{"score": 2.0}]}])
def test_what_does_not_fit_is_told(
    validator: Draft202012Validator, record: dict[str, Any], change: dict[str, Any]
) -> None:
    assert list(validator.iter_errors({**record, **change}))
