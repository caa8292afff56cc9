"""Scenes whose labels can be worked out by hand, and small data sets to read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from uois_sam.cli.main import main
from uois_sam.synth.dataset.annotations import SceneAnnotation
from uois_sam.synth.dataset.config import GenerateConfig
from uois_sam.synth.dataset.generate import Run
from uois_sam.synth.sampling.config import Variety

TINY = GenerateConfig(
    scenes=3, seed=7, height=48, width=64, samples=1, amodal=True, variant="scalar",
    variety=Variety(most_objects=8, distractors=False, cloths=False),
)  # fmt: skip
"""A data set that takes seconds: a few scalar rays need less time than LLVM's compiler."""


def make(out: Path, config: GenerateConfig, workers: int = 1) -> list[SceneAnnotation]:
    """Make a whole data set."""
    return list(Run(config, out, workers))


@pytest.fixture(scope="session")
def tiny_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three small scenes with amodal masks; tests must not change it."""
    out = tmp_path_factory.mktemp("tiny_scenes")
    make(out, TINY)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    """Every file that has to be the same on each run of one machine."""
    kept = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "dataset.json"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in kept}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a command line with status 2 prints."""
    assert main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line
