"""``uois-sam-light`` asks for what ``uois-sam`` does, with ONNX Runtime in place of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def project(path: Path) -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="came with Python 3.11")
    return dict(tomllib.loads(path.read_text(encoding="utf-8"))["project"])


@pytest.mark.skipif(not (ROOT / "light").is_dir(), reason="an sdist has no second distribution")
def test_the_light_distribution_differs_in_what_computes_alone() -> None:
    full, light = project(ROOT / "pyproject.toml"), project(ROOT / "light" / "pyproject.toml")
    runtime = set(full["optional-dependencies"]["onnxruntime"])
    assert set(light["dependencies"]) == {each for each in full["dependencies"] if "torch" not in each} | runtime
    for extra, needed in light["optional-dependencies"].items():
        assert needed == full["optional-dependencies"][extra]
    for name in ("requires-python", "license", "scripts"):
        assert light[name] == full[name]
