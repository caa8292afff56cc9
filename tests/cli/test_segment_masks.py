"""`uois-sam segment --masks`: the bundled model finds, a foundation model draws; and every way in which it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tiny_base import NAME, TinyBase, write_tiny_base
from uois_sam import UOISSAM, UOISError
from uois_sam.checkpoints.heads import save_heads
from uois_sam.cli.main import main
from uois_sam.evaluation import ModelPredictor

COFFEE = Path(__file__).parents[2] / "examples" / "coffee.jpg"


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A real photo, small enough to be quick."""
    with Image.open(COFFEE) as picture:
        picture.resize((240, 160)).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def segment(photo: Path, *options: str, out: str = "out") -> int:
    return main(["segment", str(photo), "--out", str(photo.parent / out), "--device", "cpu", *options])


def test_random_weights_draw_nothing_that_agrees_and_it_is_said(
    photo: Path, tiny_base: TinyBase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(photo, out="plain") == 0
    assert segment(photo, "--masks", NAME, "--sam", str(tiny_base.sam), "--mask-agreement", "0.99") == 0
    records = [json.loads((photo.parent / name / "photo.json").read_text()) for name in ("plain", "out")]
    assert records[1]["model"] == f"{records[0]['model']}+{NAME}"
    assert records[1]["selection"]["mask_agreement"] == 0.99
    count = len(records[0]["instances"])
    assert count > 0
    assert f"masks: {count} of {count} object" in records[1]["notes"][-1]
    assert "no mask of sam-tiny agrees by 99%" in capsys.readouterr().err
    labels = [np.asarray(Image.open(photo.parent / name / "photo_label.png")) for name in ("plain", "out")]
    assert np.array_equal(*labels)


def test_masks_of_random_weights_by_name_need_no_file(photo: Path, tiny_base: TinyBase) -> None:
    model = UOISSAM.from_pretrained("compact", masks=f"{NAME}-random", device="cpu")
    found = model.with_settings(mask_agreement=0.0, max_area_fraction=1.0).predict(photo)
    plain = UOISSAM.from_pretrained("compact", device="cpu").predict(photo)
    assert 0 < len(found) <= len(plain)
    assert not any(np.array_equal(mask, other) for mask in found.masks for other in plain.masks)


def test_what_draws_is_part_of_a_methods_identity(tiny_base: TinyBase) -> None:
    plain = UOISSAM.from_pretrained("compact", device="cpu")
    drawing = UOISSAM.from_pretrained("compact", masks=NAME, sam=tiny_base.sam, device="cpu")
    method = ModelPredictor(drawing)
    assert method.name.startswith(f"{plain.name}+{NAME}")
    assert method.description["masks"]["by"] == NAME
    assert len(method.description["masks"]["sha256"]) == 64
    assert "masks" not in ModelPredictor(plain).description


def test_a_saved_model_is_the_one_that_finds(tiny_base: TinyBase, tmp_path: Path) -> None:
    UOISSAM.from_pretrained("compact", masks=NAME, sam=tiny_base.sam, device="cpu").save_pretrained(tmp_path / "saved")
    assert UOISSAM.from_pretrained(tmp_path / "saved", device="cpu").networks.redrawer is None


def test_heads_trained_on_a_base_bring_it_and_their_score_and_refuse_another(
    photo: Path, tiny_base: TinyBase, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tiny_base.load()
    save_heads(base, base.fresh_hpg(), base.fresh_hdnet(), tmp_path / "heads", training={})
    weights = {"sam": tiny_base.sam, "dinov2": tiny_base.dinov2}
    drawing = UOISSAM.from_pretrained("compact", masks=str(tmp_path / "heads"), **weights, device="cpu")  # type: ignore[arg-type]
    assert drawing.networks.redrawer is not None and drawing.networks.redrawer.hdnet is not None
    given = ("--masks", str(tmp_path / "heads"), "--sam", str(tiny_base.sam), "--dinov2", str(tiny_base.dinov2))
    assert segment(photo, *given) == 0
    other = write_tiny_base(tmp_path / "other", seed=7)
    given = ("--masks", str(tmp_path / "heads"), "--sam", str(other.sam), "--dinov2", str(tiny_base.dinov2))
    capsys.readouterr()
    assert segment(photo, *given) == 2
    told = capsys.readouterr().err.strip()
    assert "these heads were trained on sam-tiny with SHA256" in told and len(told.splitlines()) == 1


def test_heads_without_a_sam_cannot_draw(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    UOISSAM.from_pretrained("compact", device="cpu").save_pretrained(tmp_path / "saved")
    assert segment(photo, "--masks", str(tmp_path / "saved")) == 2
    told = capsys.readouterr().err.strip()
    assert "expected heads that were trained on a SAM, found compact-" in told and len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--masks", "sam-vit-x"), "masks: unknown model 'sam-vit-x' (did you mean sam-vit-"),
        (("--masks", "compact"), "masks: unknown model 'compact'"),
        (("--masks", NAME, "--sam", "nowhere.pth"), "nowhere.pth: expected a file with weights, found nothing"),
        (("--masks", f"{NAME}-random", "--sam", "some.pth"), "has random weights: expected no file"),
        (("--mask-agreement", "0.7"), "expected --mask-agreement with --masks"),
        (("--masks", NAME, "--mask-agreement", "7"), "mask_agreement"),
        (("--sam", "some.pth"), "compact has its own weights"),
    ],
)
def test_what_cannot_draw_is_told_in_one_line(
    photo: Path, tiny_base: TinyBase, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    if "7" in options:
        options = (*options, "--sam", str(tiny_base.sam))
    assert segment(photo, *options) == 2
    told = capsys.readouterr().err.strip()
    assert said in told
    assert len(told.splitlines()) == 1


def test_another_networks_file_is_told_in_one_line(
    photo: Path, tiny_base: TinyBase, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(photo, "--masks", NAME, "--sam", str(tiny_base.dinov2)) == 2
    told = capsys.readouterr().err.strip()
    assert "sam-tiny needs SAM with 32 channels" in told
    assert len(told.splitlines()) == 1


def test_weights_that_cannot_be_had_are_told_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UOISError, match="facebook/sam-vit-base is not in the cache") as caught:
        UOISSAM.from_pretrained(tmp_path / "no such model", masks="sam-vit-b", device="cpu")
    assert len(str(caught.value).splitlines()) == 1
