"""``uois-sam-light`` asks for what ``uois-sam`` does, with ONNX Runtime in place of torch."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from uois_sam.errors import LIGHT_EXTRAS, MissingExtraError, install_command

ROOT = Path(__file__).parents[2]


def project(path: Path) -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="came with Python 3.11")
    return dict(tomllib.loads(path.read_text(encoding="utf-8"))["project"])


@pytest.mark.skipif(not (ROOT / "light").is_dir(), reason="an sdist has no second distribution")
def test_the_light_distribution_differs_in_what_computes_alone() -> None:
    full, light = project(ROOT / "pyproject.toml"), project(ROOT / "light" / "pyproject.toml")
    runtime = set(full["optional-dependencies"]["onnxruntime"])
    assert set(light["dependencies"]) == {each for each in full["dependencies"] if "torch" not in each} | runtime
    assert tuple(sorted(light["optional-dependencies"])) == LIGHT_EXTRAS
    for extra, needed in light["optional-dependencies"].items():
        assert needed == full["optional-dependencies"][extra]
    for name in ("requires-python", "license", "scripts"):
        assert light[name] == full[name]


def test_what_is_missing_is_installed_into_the_distribution_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two hold the same package: a command that brings the other one beside it would break both."""
    elsewhere = ", in an environment without uois-sam-light"
    assert install_command("serve") == "pip install -c constraints.txt '.[serve]' in a clone of uois-sam"

    def version(name: str) -> str:
        if name != "uois-sam-light":
            raise metadata.PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(metadata, "version", version)
    assert str(MissingExtraError("uois-sam serve", "serve", "uvicorn")).endswith(
        "pip install -c constraints.txt './light[serve]' in a clone of uois-sam"
    )
    assert install_command("synth").endswith(f"'.[synth]' in a clone of uois-sam{elsewhere}")
    assert install_command() == f"pip install -c constraints.txt . in a clone of uois-sam{elsewhere}"
