"""``uois-sam train``: options, what it says, what it refuses."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
from PIL import Image

from uois_sam import UOISSAM
from uois_sam.checkpoints.folder import read_folder
from uois_sam.cli.main import main
from uois_sam.cli.train_heads import TrainHeads


def heads(data: Path, out: Path, *options: object) -> int:
    fixed = ("--base", "compact", "--data", data, "--out", out, "--device", "cpu")
    return main(["train", "heads", *map(str, (*fixed, *options))])


def test_heads_are_trained_and_segment(rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert heads(rectangles, out, "--epochs", 1, "--interior", "--sigma", 5, "--nms", "box", "--percent", 50) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "caching 3 views (0 are there) in" in said
    assert "MB needed" in said
    card, _ = read_folder(out / "model")
    assert card.architecture["base"] == "compact"
    assert card.selection["nms"] == "box"
    assert card.selection["max_area_fraction"] == 0.5  # as for the bundled model, on the same networks
    recipe = json.loads((out / "run.json").read_text())["recipe"]
    assert (recipe["target"]["interior"], recipe["target"]["sigma_px"], recipe["percent"]) == (True, 5.0, 50.0)
    UOISSAM.from_pretrained(out / "model", device="cpu").predict(rectangles / "rgb" / "3.png")


def test_the_defaults_are_the_papers() -> None:
    recipe = TrainHeads(data=(), out=Path()).recipe()
    assert (recipe.fit.epochs, recipe.fit.rate, recipe.fit.decay, recipe.fit.decay_every) == (30, 1e-3, 0.1, 10)
    assert (recipe.fit.hpg_images, recipe.fit.hdnet_images, recipe.features.prompts) == (32, 30, 30)
    assert (recipe.features.views, recipe.features.own_peaks) == (1, 0)
    assert not recipe.target.interior
    assert recipe.selection.nms == "mask"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--base", "sam-vit-m"), "did you mean sam-vit-"),
        (("--dataset", "foldr"), "did you mean folder?"),
        (("--percent", 0), "expected above 0, at most 100"),
        (("--data", "/nowhere"), "expected a folder with rgb"),
        (("--sam", "x.pth"), "compact has its own weights"),
        (("--set", "every"), "expected --set with key=value"),
        (("--val-set", "splitt=val"), "found 'splitt'"),
        (("--epochs", 0), "--epochs: expected 1 or more, found 0"),
        (("--sigma", 0), "--sigma: expected above 0, found 0"),
        (("--at-once", 0), "--at-once: expected 1 or more, found 0"),
        (("--rate", "nan"), "--rate: expected above 0, found nan"),
    ],
)
def test_bad_options_are_told_in_one_line(
    rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, object], told: str
) -> None:
    assert heads(rectangles, tmp_path / "run", *options) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith("error: ")
    assert told in said
    assert not list(tmp_path.rglob("*.safetensors"))


def test_validation_images_may_be_other_ones_of_the_same_folder(rectangles: Path, tmp_path: Path) -> None:
    options = {"every": 2, "offset": 0}, {"every": 2, "offset": 1}
    said = [tuple(f"{key}={value}" for key, value in chosen.items()) for chosen in options]
    command = TrainHeads(data=(rectangles,), out=Path(), set=said[0], val_set=said[1])
    training, validation = command.images()
    assert list(training.names) == ["0", "2", "4"]
    assert validation is not None
    assert list(validation.names) == ["1", "3", "5"]
    other = shutil.copytree(rectangles, tmp_path / "other")
    assert TrainHeads(data=(rectangles, other), out=Path()).images()[0].names[6] == "1/0"


def empty_images(root: Path, number: int) -> Path:
    """A data set without an object."""
    for kind, pixels in (("rgb", np.zeros((8, 8, 3), np.uint8)), ("label", np.zeros((8, 8), np.uint8))):
        (root / kind).mkdir(parents=True)
        for index in range(number):
            Image.fromarray(pixels).save(root / kind / f"{index}.png")
    return root


def refuse(*_arguments: object, **_options: object) -> None:
    raise AssertionError("long work has started")


@pytest.mark.parametrize(
    ("images", "options", "told"),
    [
        (3, (), "expected labelled objects to learn from, found none in 3 images"),
        (1, (), "training needs at least 2 labelled images"),
        (3, ("--percent", 200), "percent=200: expected above 0, at most 100"),
        (3, ("--device", "cuda:77"), "no such device here: 'cuda:77'"),
        (3, ("--base", "sam-vit-b", "--sam", "not/there.pth"), "not/there.pth: expected a file with weights"),
        (3, ("--base", "sam-vit-b"), "HF_HUB_OFFLINE"),
    ],
)
def test_what_can_be_told_is_told_before_a_base_is_loaded(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    images: int,
    options: tuple[object, ...],
    told: str,
) -> None:
    monkeypatch.setattr("uois_sam.checkpoints.loading.load_base", refuse)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert heads(empty_images(tmp_path / "data", images), tmp_path / "run", *options) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert told in said and "Traceback" not in said


def test_an_out_that_is_a_file_is_told(rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert heads(rectangles, tmp_path / "file") == 2
    assert "expected a folder, found a file" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("images", "steps", "told"),
    [
        (3, -1, "--steps: expected 1 or more, found -1"),
        (3, 0, "--steps: expected 1 or more, found 0"),
        (3, 10, "expected labelled objects to learn from, found none in 3 images"),
        (1, 10, "training needs at least 2 labelled images"),
    ],
)
def test_what_the_compact_model_cannot_be_trained_on_is_told_before_the_work(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    images: int,
    steps: int,
    told: str,
) -> None:
    monkeypatch.setattr("uois_sam.training.train_compact.train_network", refuse)
    data, out = empty_images(tmp_path / "data", images), tmp_path / "run"
    assert main(["train", "compact", "--data", str(data), "--out", str(out), "--steps", str(steps)]) == 2
    assert told in " ".join(capsys.readouterr().err.split())


def test_a_context_of_a_width_that_its_heads_cannot_share_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "compact", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--context", "6"]) == 2
    assert "--context: expected 0 or a multiple of 4, found 6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--random-textures", "1.5"), "--random-textures: expected 0 to 1, found 1.5"),
        (("--average-from", "nan"), "--average-from: expected 0 to 1, found nan"),
        (("--rate-floor", "-1"), "--rate-floor: expected 0 to 1, found -1"),
        (("--seed", "-1"), "--seed: expected 0 to 9223372036854775807, found -1"),
        (("--images", "0"), "--images: expected 1 or more, found 0"),
        (("--images", "1000000"), "--images: expected at most 1024, found 1000000"),
        (("--mixed-styles", "0.5", "--images", "1"), "--mixed-styles: expected --images of 2 or more"),
        (("--start-share", "0.5"), "--start-share: expected --start"),
    ],
)
def test_shares_that_are_none_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], told: str
) -> None:
    assert main(["train", "compact", "--data", str(tmp_path), "--out", str(tmp_path / "out"), *options]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("again", ["data", "./other/../data", "link"])
def test_a_folder_that_is_given_twice_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], again: str) -> None:
    """Scores would be validated on images that they were fitted to."""
    data = empty_images(tmp_path / "data", 2)
    empty_images(tmp_path / "other", 2)
    (tmp_path / "link").symlink_to(data)
    folders = [str(data), str(tmp_path / "other"), str(tmp_path / again)]
    assert main(["train", "compact", "--data", *folders, "--out", str(tmp_path / "out")]) == 2
    assert f"{Path(folders[2])}: expected each folder once, found it twice" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("train", "average", "compact", "DATA:0.5"),
        ("train", "heads", "--base", "sam-vit-b", "--data", "DATA"),
        ("finetune", "DATA"),
        ("reproduce", "--data", "DATA"),
        ("demo", "grasp"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("seed", [-1, 10**30])
def test_a_seed_that_no_generator_takes_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...], seed: int
) -> None:
    words = [word.replace("DATA", str(tmp_path)) for word in command]
    assert main([*words, "--out", str(tmp_path / "out"), "--seed", str(seed)]) == 2
    assert f"--seed: expected 0 to 9223372036854775807, found {seed}" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_missing_extra_is_told_with_the_command(
    rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    assert heads(rectangles, tmp_path / "run") == 2
    assert "pip install -c constraints.txt '.[train]'" in " ".join(capsys.readouterr().err.split())


def test_an_image_that_cannot_be_read_is_left_out_told_and_counted(
    rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (rectangles / "rgb" / "4.png").write_bytes(b"torn")
    used: list[int] = []

    def train(base: object, images: Any, *_: object, **__: object) -> Path:
        used.append(len(images.split.data))
        return tmp_path

    monkeypatch.setattr("uois_sam.checkpoints.loading.load_base", lambda *_, **__: None)
    monkeypatch.setattr("uois_sam.training.train_heads.train_heads", train)
    assert heads(rectangles, tmp_path / "run") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "left out 4: " in said and "1 of 6 images left out, which cannot be read" in said
    assert used == [5]
