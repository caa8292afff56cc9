"""Learning curves: a table, a picture and TensorBoard files."""

from __future__ import annotations

import csv
import io
import logging
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uois_sam.errors import MissingExtraError
from uois_sam.training.learning_curves import Curves, Epoch

EPOCHS = [
    Epoch(head, number, float("nan") if number == 0 else 1 / number, 1 + (number - 2) ** 2, 1e-3, 0.5)
    for head in ("hdnet", "hpg")
    for number in range(5)
]


def test_the_table_has_a_line_an_epoch_to_all_digits(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    for count, epoch in enumerate(EPOCHS, start=1):
        curves.add(epoch)
        rows = list(csv.DictReader(io.StringIO((tmp_path / "curves.csv").read_text())))
        assert len(rows) == count
    assert rows[3] == {
        "head": "hdnet", "number": "3", "train": repr(1 / 3), "validation": "2", "rate": "0.001", "seconds": "0.5",
    }  # fmt: skip


@pytest.mark.filterwarnings("error")
def test_losses_of_nothing_are_drawn_without_a_warning(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    for number in range(3):
        curves.add(Epoch("evidence", number, 0.0, 0.0, 1e-3, 0.5))
    curves.draw()
    assert (tmp_path / "curves.png").exists()


def test_the_picture_shows_both_heads(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    for epoch in EPOCHS:
        curves.add(epoch)
    curves.draw()
    picture = np.asarray(Image.open(tmp_path / "curves.png").convert("RGB")).astype(int)
    assert picture.shape[1] > 1.5 * picture.shape[0]
    for half in np.array_split(picture, 2, axis=1):
        for colour in ((0x44, 0x77, 0xAA), (0xEE, 0x66, 0x77)):
            assert (np.abs(half - colour).sum(axis=2) < 12).any()


def test_a_fit_that_only_saw_nan_can_be_drawn(tmp_path: Path) -> None:
    curves = Curves(tmp_path)
    curves.add(Epoch("hpg", 0, float("nan"), float("nan"), 1e-3, 1.0))
    curves.draw()
    assert (tmp_path / "curves.png").exists()


def test_without_matplotlib_one_line_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    curves = Curves(tmp_path)
    curves.add(EPOCHS[0])
    with caplog.at_level(logging.INFO):
        curves.draw()
    assert "pip install -c constraints.txt '.[plot]'" in caplog.text
    assert not (tmp_path / "curves.png").exists()


def test_tensorboard_files_hold_every_epoch(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves = Curves(tmp_path, tensorboard=True)
    for epoch in EPOCHS:
        curves.add(epoch)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("hpg/validation")] == [5, 2, 1, 2, 5]
    assert {"hdnet/train", "hdnet/rate"} <= set(events.Tags()["scalars"])


def test_tensorboard_that_is_not_there_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard.writer", None)
    with pytest.raises(MissingExtraError, match=r"pip install -c constraints.txt '.\[tensorboard\]'"):
        Curves(tmp_path, tensorboard=True)
