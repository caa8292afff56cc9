"""Every texture kind paints, repeats for a seed, tiles where it must; users' pictures join in."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.assets.textures import TEXTURES, desaturate, in_split, load_textures
from uois_sam.synth.assets.textures.fields import clouds, mix, noise
from uois_sam.synth.sampling.materials import FLOORS, SUPPORTS


@pytest.mark.parametrize("kind", TEXTURES)
def test_a_texture_is_the_same_for_the_same_seed_and_differs_for_another(kind: str) -> None:
    first, again, other = BUILT_IN.paint(kind, 3, 96), BUILT_IN.paint(kind, 3, 96), BUILT_IN.paint(kind, 4, 96)
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.uint8
    assert first.flags.writeable and first.flags.c_contiguous
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("scale", [0.5, 1.7, 6, (0.6, 12.0), (30.0, 2.0)])
def test_noise_tiles_and_has_unit_deviation(scale: float | tuple[float, float]) -> None:
    field = noise(np.random.default_rng(0), 128, scale)
    assert field.mean() == pytest.approx(0, abs=1e-4)
    assert field.std() == pytest.approx(1, abs=1e-3)
    for axis in (0, 1):
        inner = np.abs(np.diff(field, axis=axis)).mean()
        seam = np.abs(np.take(field, 0, axis) - np.take(field, -1, axis)).mean()
        assert seam < 2.5 * inner, "a seam where the texture repeats"


def test_coarse_noise_is_smoother_than_fine_noise() -> None:
    rough = [np.abs(np.diff(noise(np.random.default_rng(1), 128, s), axis=1)).mean() for s in (1.0, 4.0, 16.0)]
    assert rough[0] > 2 * rough[1] > 4 * rough[2]


def test_mixing_goes_from_one_colour_to_the_other() -> None:
    share = np.array([[0.0, 0.5], [1.0, 2.0]])
    assert mix((0, 0, 0), (200, 100, 50), share).tolist() == [[[0, 0, 0], [100, 50, 25]], [[200, 100, 50]] * 2]


def test_wear_changes_a_texture_but_leaves_most_of_it() -> None:
    new, worn = BUILT_IN.paint("plain", 2, 128), BUILT_IN.paint("plain", 2, 128, wear=0.6)
    assert not np.array_equal(new, worn)
    assert np.abs(new.astype(int) - worn).mean() < 60


def test_desaturating_fully_leaves_grey() -> None:
    grey = desaturate(BUILT_IN.paint("label", 1, 64), 0.0)
    assert (np.ptp(grey, axis=2) == 0).all()
    colourful = BUILT_IN.paint("label", 1, 64)
    assert np.array_equal(desaturate(colourful, 1.0), colourful)


def test_train_and_val_share_no_texture_kind_but_plain() -> None:
    train = {kind for kind in TEXTURES if in_split(kind, "train")}
    val = {kind for kind in TEXTURES if in_split(kind, "val")}
    assert train & val == {"plain"}
    assert train | val == set(TEXTURES)
    assert all(in_split(kind, "all") for kind in TEXTURES)


@pytest.mark.parametrize("weights", [SUPPORTS, FLOORS])
def test_supports_exist_in_both_splits(weights: dict[str, float]) -> None:
    for split in ("train", "val"):
        assert sum(in_split(kind, split) for kind in weights) >= 4


def test_clouds_have_detail_at_several_scales() -> None:
    assert clouds(np.random.default_rng(0), 64, 20).std() == pytest.approx(1, abs=1e-3)


def test_own_pictures_become_textures(tmp_path: Path) -> None:
    Image.new("RGB", (10, 20), (10, 200, 30)).save(tmp_path / "green.png")
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    (tmp_path / "notes.txt").write_text("ignored")
    assets = Assets.load(textures=tmp_path)
    assert assets.own_textures == ["file/green.png"]
    assert assets.paint("file/green.png", 0, 32).tolist() == [[[10, 200, 30]] * 32] * 32


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected a folder with pictures"):
        load_textures(tmp_path)


def test_an_unknown_texture_is_an_error() -> None:
    with pytest.raises(DatasetError, match="unknown texture 'file/nowhere.png'"):
        BUILT_IN.paint("file/nowhere.png", 0, 32)


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_pictures_that_cannot_be_used_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(0)
    save(tmp_path / "good.jpg", np.full((6, 8, 3), 200, dtype=np.uint8))
    for name in ("cut.jpg", "cut.png"):
        save(tmp_path / name, rng.integers(0, 255, (64, 64, 3), dtype=np.uint8))
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-900])
    (tmp_path / "text.png").write_text("no picture")
    save(tmp_path / "inner" / "deeper.png", np.full((6, 8, 3), 200, dtype=np.uint8))
    with caplog.at_level(logging.WARNING):
        assert list(load_textures(tmp_path)) == ["file/good.jpg"]
    skipped = [record.getMessage() for record in caplog.records]
    assert [line.split(":")[0] for line in skipped] == [
        f"skipped {tmp_path / name}" for name in ("cut.jpg", "cut.png", "text.png")
    ]


def test_a_pipe_among_pictures_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Opening a pipe would wait for a writer that never comes."""
    os.mkfifo(tmp_path / "a.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "b.png")
    assert list(load_textures(tmp_path)) == ["file/b.png"]
    assert "a pipe or device" in caplog.text
