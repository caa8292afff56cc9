"""The benchmark at full size, at the smallest."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from scripts import load_script
from tiny_base import NAME, TinyBase, random_photo
from uois_sam.errors import UOISError

full_size = load_script("benchmarks/full_size.py")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small picture on disk."""
    Image.fromarray(random_photo().permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_every_step_does_what_it_says(
    tiny_base: TinyBase, photo: Path, rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(full_size, "IMAGES", 3)
    job = full_size.Job(photo, tiny_base.sam.parent, NAME, rectangles, tmp_path)
    for step in full_size.STEPS.values():
        step(job)
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("sum of all parameters: ")
    assert told[1] == tiny_base.load().sha256
    count, word = told[2].split()
    assert word == "masks" and 1 <= int(count) <= full_size.GRID_SIDE**2
    assert told[-5].startswith("3 cached, ")
    epochs = [line.split(", train=")[0] for line in told[-4:]]
    assert epochs == [f"Epoch(head='{head}', number={n}" for head in ("hdnet", "hpg") for n in (0, 1)]


def test_a_job_is_said_again_on_the_command_line(tmp_path: Path, photo: Path) -> None:
    job = full_size.Job(photo, tmp_path, "sam-vit-b", None, None)
    assert job.arguments() == [str(photo), "--weights", str(tmp_path), "--base", "sam-vit-b"]
    with pytest.raises(UOISError, match="expected --data and --work"):
        full_size.fit_hdnet(job)


@pytest.mark.slow
def test_a_step_that_fails_is_told_with_its_reason(tmp_path: Path, photo: Path) -> None:
    with pytest.raises(UOISError, match=r"step load failed: .*sam\.pth: expected a file with weights, found nothing"):
        full_size.measure("load", full_size.Job(photo, tmp_path, "sam-vit-b", None, None))
