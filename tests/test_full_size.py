"""The benchmark at full size, at the smallest."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import full_size
from tiny_base import NAME, TinyBase, random_photo
from uois_sam.errors import UOISError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture on disk."""
    Image.fromarray(random_photo().permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_every_stage_does_what_it_says(tiny_base: TinyBase, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = tiny_base.sam.parent
    for stage in ("load", "identify", "segment"):
        full_size.STAGES[stage](weights, NAME, photo)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("sum of all parameters: ")
    assert told[1] == tiny_base.load().sha256
    count, word = told[2].split()
    assert word == "masks" and 1 <= int(count) <= full_size.GRID_SIDE**2


@pytest.mark.slow
def test_a_stage_that_fails_is_told_with_its_reason(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(UOISError, match=r"stage load failed: .*sam\.pth: expected a file with weights, found nothing"):
        full_size.measure("load", tmp_path, "sam-vit-b", photo)
