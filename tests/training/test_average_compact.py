"""An average of trainings: a model folder that segments, its record, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from conftest import TINY
from uois_sam import UOISSAM
from uois_sam.checkpoints.folder import read_folder, save_folder
from uois_sam.cli.main import main
from uois_sam.datasets.folder import FolderDataset
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.model import CompactModel
from uois_sam.training.train_compact import make_card

ARCHITECTURE = replace(TINY, evidence_width=8)


def leave_model(folder: Path, seed: int, architecture: CompactConfig = ARCHITECTURE) -> Path:
    """A random model: its answers mean nothing."""
    torch.manual_seed(seed)
    model = CompactModel(architecture)
    save_folder(dict(model.state_dict()), make_card(architecture, {"seed": seed}, name=folder.name), folder)
    return folder


@pytest.fixture
def models(tmp_path: Path) -> list[Path]:
    """A start and two trainings."""
    return [leave_model(tmp_path / name, seed) for seed, name in enumerate(("start", "one", "two"))]


def average(start: Path, *rest: object) -> int:
    return main(["train", "average", str(start), *map(str, rest)])


def test_the_mean_of_two_trainings_is_written_with_where_it_comes_from(
    models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, one, two = models
    assert average(start, f"{one}:0.5", f"{two}:0.25", "--out", tmp_path / "mean") == 0
    assert "0.25 of" in " ".join(capsys.readouterr().err.split())
    card, tensors = read_folder(tmp_path / "mean" / "model")
    expected = {path: read_folder(path)[1] for path in models}
    for name, value in tensors.items():
        if value.is_floating_point():
            by_hand = 0.25 * expected[start][name] + 0.5 * expected[one][name] + 0.25 * expected[two][name]
            torch.testing.assert_close(value.float(), by_hand.float(), rtol=2e-3, atol=1e-3)  # kept in float16
    assert (card.name, card.parent) == ("mean", "start")
    assert card.training["started_from"]["training"] == {"seed": 0}
    assert [(each["name"], each["share"]) for each in card.training["average_of"]] == [("one", 0.5), ("two", 0.25)]


def test_scores_are_fitted_to_what_the_average_draws(models: list[Path], rectangles: Path, tmp_path: Path) -> None:
    start, one, two = models
    asked = (start, f"{one}:0.5", f"{two}:0.5")
    assert average(*asked, "--out", tmp_path / "plain") == 0
    fitting = (*asked, "--out", tmp_path / "fitted", "--data", rectangles, "--head-images", 6, "--device", "cpu")
    assert average(*fitting) == 0
    (_, plain), (card, fitted) = (read_folder(tmp_path / name / "model") for name in ("plain", "fitted"))
    for name, value in plain.items():
        same = torch.equal(value, fitted[name])
        assert same or name.startswith(("hdnet", "evidence")), name
    assert any(not torch.equal(value, fitted[name]) for name, value in plain.items())
    assert set(card.training["losses"]) == {"hdnet", "evidence"}
    assert card.training["images"] == 6
    assert "base" not in card.training["recipe"]
    UOISSAM.from_pretrained(tmp_path / "fitted" / "model", device="cpu").predict(FolderDataset(rectangles)[0].image)
    before = (tmp_path / "fitted" / "model" / "model.safetensors").read_bytes()
    assert average(*fitting) == 0  # all is there already
    assert (tmp_path / "fitted" / "model" / "model.safetensors").read_bytes() == before


def test_a_damaged_image_is_left_out_and_counted(
    models: list[Path], rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (rectangles / "rgb" / "4.png").write_bytes(b"torn")
    start, one, _ = models
    fitting = ("--out", tmp_path / "run", "--data", rectangles, "--head-images", 6, "--device", "cpu")
    assert average(start, f"{one}:1", *fitting) == 1
    assert "1 of 6 images left out" in " ".join(capsys.readouterr().err.split())
    assert read_folder(tmp_path / "run" / "model")[0].training["images"] == 5


@pytest.mark.parametrize(
    ("run", "told"),
    [
        ("one", "expected FOLDER:SHARE, such as runs/one/model:0.5, found"),
        ("one:half", "expected FOLDER:SHARE, such as runs/one/model:0.5, found"),
        ("one:1.5", "expected a share of 0 to 1, found 1.5"),
        ("one:-0.1", "expected a share of 0 to 1, found -0.1"),
        ("one:nan", "expected a share of 0 to 1, found nan"),
        ("nothing:0.5", "nothing"),
        ("other:0.5", "expected the architecture of"),
    ],
)
def test_what_cannot_be_averaged_is_told_in_one_line(
    models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], run: str, told: str
) -> None:
    leave_model(tmp_path / "other", 3, replace(ARCHITECTURE, evidence_width=16))
    assert average(models[0], f"{tmp_path}/{run}", "--out", tmp_path / "out") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("error: ") and told in said
    assert not (tmp_path / "out" / "model").exists()


def test_shares_beyond_one_are_refused_and_thirds_are_not(
    models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, one, two = models
    assert average(start, f"{one}:0.75", f"{two}:0.5", "--out", tmp_path / "out") == 2
    assert "expected shares that add up to 1 at most, found 1.25" in capsys.readouterr().err
    assert average(start, f"{one}:0.6666667", f"{two}:0.3333334", "--out", tmp_path / "out") == 0
    assert f"0 of {start}, " in capsys.readouterr().err
    assert average(start, f"{one}:0.3334", f"{two}:0.3334", f"{one}:0.3334", "--out", tmp_path / "three") == 0


def test_a_model_that_is_no_average_is_not_written_over(
    models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start, one, _ = models
    trained, other = (leave_model(tmp_path / name / "model", 7) for name in ("run", "another"))
    before = {path: (path / "model.safetensors").read_bytes() for path in (trained, other)}
    for data in ((), ("--data", tmp_path / "data")):
        assert average(start, f"{trained}:0.5", "--out", trained.parent, *data) == 2
        assert "--out: expected another folder than that of" in capsys.readouterr().err or data
    assert average(start, f"{one}:0.5", "--out", other.parent) == 2
    assert "expected a folder without a model, or with an average, found another model" in capsys.readouterr().err
    assert {path: (path / "model.safetensors").read_bytes() for path in before} == before
    for share in (0.5, 0.25):  # an earlier average is made anew
        assert average(start, f"{one}:{share}", "--out", tmp_path / "mean") == 0
    assert average(tmp_path / "mean" / "model", f"{one}:0.5", "--out", tmp_path / "mean") == 2


def test_names_are_told_as_they_are_on_one_line(
    models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = leave_model(tmp_path / f"[red]{'long' * 30}", 1)
    assert average(models[0], f"{folder}:0.5", "--out", tmp_path / "out") == 0
    said = f"0.5 of {models[0]}, 0.5 of {folder}; model in {tmp_path / 'out' / 'model'}\n"
    assert capsys.readouterr().err == said


def test_a_training_at_another_size_is_averaged(models: list[Path], tmp_path: Path) -> None:
    smaller = leave_model(tmp_path / "small", 5, replace(ARCHITECTURE, input_hw=(64, 96)))
    assert average(models[0], f"{smaller}:1", "--out", tmp_path / "out") == 0
    assert read_folder(tmp_path / "out" / "model")[0].architecture["input_hw"] == list(ARCHITECTURE.input_hw)
