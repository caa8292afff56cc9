"""Heads travel without their base, name it, and work with no other; a base without heads does what it can."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tiny_base import NAME, TinyBase, random_photo, write_tiny_base
from uois_sam import UOISSAM
from uois_sam.checkpoints.folder import CARD_FILE, WEIGHTS_FILE, read_folder
from uois_sam.checkpoints.heads import save_heads
from uois_sam.checkpoints.loading import load_base
from uois_sam.config import InferenceConfig
from uois_sam.errors import UOISError, WeightsError
from uois_sam.models.networks import Networks
from uois_sam.types import ImageArray

LOOSE: dict[str, Any] = {
    "score_threshold": -100.0, "max_area_fraction": 1.0, "foreground_threshold": 0.0, "heatmap_threshold": -100.0,
    "max_prompts": 5, "grid_side": 4,
}  # fmt: skip


def photo() -> ImageArray:
    return random_photo().permute(1, 2, 0).numpy()


def save_random_heads(base: Networks, folder: Path, **settings: Any) -> Path:
    torch.manual_seed(0)
    save_heads(base, base.fresh_hpg(), base.fresh_hdnet(), folder, training={"random": True}, **settings)
    return folder


@pytest.fixture
def heads(tiny_base: TinyBase, tmp_path: Path) -> Path:
    """A folder of untrained heads for the tiny base."""
    return save_random_heads(tiny_base.load(), tmp_path / "heads")


def load(folder: Path | str, base: TinyBase) -> UOISSAM:
    return UOISSAM.from_pretrained(folder, sam=base.sam, dinov2=base.dinov2, device="cpu", precision="float32")


# --- heads


def test_heads_and_base_make_a_model_that_segments(tiny_base: TinyBase, heads: Path) -> None:
    model = load(heads, tiny_base).with_settings(**LOOSE)
    instances = model.predict(photo())
    assert len(instances) > 0
    assert instances.masks.shape[1:] == (50, 70)
    assert instances.model == NAME
    assert model.encode_image(photo()).maps.heatmap.shape == (1, 336, 448)


def test_a_saved_model_is_its_heads_and_predicts_the_same_when_loaded(
    tiny_base: TinyBase, heads: Path, tmp_path: Path
) -> None:
    model = load(heads, tiny_base)
    model.save_pretrained(tmp_path / "again")
    for name in (CARD_FILE, WEIGHTS_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (heads / name).read_bytes()
    expected, found = (m.with_settings(**LOOSE).predict(photo()) for m in (model, load(tmp_path / "again", tiny_base)))
    assert np.array_equal(expected.masks, found.masks)
    assert np.array_equal(expected.scores, found.scores)


def test_heads_are_small_and_name_their_base(tiny_base: TinyBase, heads: Path) -> None:
    card, tensors = read_folder(heads)
    assert {name.split(".")[0] for name in tensors} == {"hpg", "hdnet"}
    assert card.architecture["base"] == NAME
    assert card.architecture["base_sha256"] == tiny_base.load().sha256
    assert card.training == {"random": True}


def test_settings_travel_with_heads(tiny_base: TinyBase, tmp_path: Path) -> None:
    folder = save_random_heads(tiny_base.load(), tmp_path / "box", selection=InferenceConfig(nms="box"), name="seven")
    model = load(folder, tiny_base)
    assert (model.settings.nms, model.name) == ("box", "seven")


def test_heads_refuse_other_weights_of_the_same_base(tiny_base: TinyBase, heads: Path, tmp_path: Path) -> None:
    other = write_tiny_base(tmp_path / "other", seed=7)
    with pytest.raises(WeightsError, match=rf"these heads were trained on {NAME} with SHA256 .*but the base given has"):
        load(heads, other)
    with pytest.raises(WeightsError, match="these heads were trained on"):
        load(heads, TinyBase(tiny_base.sam, other.dinov2))


def test_heads_for_the_compact_base_load_over_it(tmp_path: Path) -> None:
    base = load_base("compact", device="cpu", precision="float32")
    folder = save_random_heads(base, tmp_path / "heads")
    model = UOISSAM.from_pretrained(folder, device="cpu", precision="float32")
    assert model.name == "compact"
    with pytest.raises(UOISError, match="compact has its own weights"):
        UOISSAM.from_pretrained(folder, sam="x.pth")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": "sam-vit-xxl"}, "unknown model 'sam-vit-xxl'"),
        ({"base_sha256": "0" * 64}, "these heads were trained on"),
        ({"colour": "red"}, "architecture: unknown field 'colour'"),
        ({"hpg_width": 9}, "tensors do not fit.*of another shape"),
        ({"token_width": 8}, "expected heads for 24 prompt channels and tokens of 16, got 24 and 8"),
        ({"base": None}, "expected base and base_sha256 as text, found None"),
        ({"hpg_scales": [1e9]}, r"hpg_scales\[0\]: expected .*from 1 to 4.* found 1000000000.0"),
        ({"frame_hw": [336, 10**7]}, r"frame_hw\[1\]: expected .*from 32 to 2048.* found 10000000"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(
    tiny_base: TinyBase, heads: Path, changes: dict[str, Any], message: str
) -> None:
    card = json.loads((heads / CARD_FILE).read_text())
    card["architecture"] = {k: v for k, v in {**card["architecture"], **changes}.items() if v is not None}
    (heads / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(WeightsError, match=message):
        load(heads, tiny_base)


def test_truncated_heads_are_refused_before_the_base_is_loaded(tiny_base: TinyBase, heads: Path) -> None:
    (heads / WEIGHTS_FILE).write_bytes((heads / WEIGHTS_FILE).read_bytes()[:-1])
    with pytest.raises(WeightsError, match="truncated or altered"):
        UOISSAM.from_pretrained(heads, sam="does-not-exist.pth")


# --- no heads


def test_a_base_without_heads_runs_sams_automatic_scheme(tiny_base: TinyBase) -> None:
    model = load(NAME, tiny_base)
    assert (model.settings.prompts, model.settings.scores) == ("grid", "sam")
    scene = model.with_settings(**LOOSE, nms_iou=1.0).encode_image(photo())
    assert len(scene.prompts) == 16
    found = scene.predict()
    assert 0 < len(found) <= 16
    assert found.model == NAME
    assert (found.points >= 0).all() and (found.points <= [69, 49]).all()


def test_its_grid_covers_the_photo_evenly(tiny_base: TinyBase) -> None:
    scene = load(NAME, tiny_base).with_settings(grid_side=2).encode_image(photo())
    points = scene.points_in_mask_frame
    expected = [[15.5, 11.0], [47.5, 11.0], [15.5, 34.0], [47.5, 34.0]]  # 46 x 64 of the frame show the photo
    assert torch.allclose(points, torch.tensor(expected))


@pytest.mark.parametrize(
    ("settings", "needing"),
    [
        ({"prompts": "heatmap"}, "prompts='heatmap' needs"),
        ({"prompts": "foreground-grid"}, "prompts='foreground-grid' needs"),
        ({"scores": "hdnet"}, "scores='hdnet' needs"),
        ({"prompts": "heatmap", "scores": "hdnet"}, "prompts='heatmap' and scores='hdnet' need"),
    ],
)
def test_what_needs_heads_says_what_works_and_what_trains_them(
    tiny_base: TinyBase, settings: dict[str, str], needing: str
) -> None:
    command = f"uois-sam train heads --base {NAME} --data DIR --out DIR"
    with pytest.raises(UOISError, match=f"lacks trained heads, which {needing}; prompts='grid' .*{command}"):
        load(NAME, tiny_base).with_settings(**settings)


def test_maps_need_heads_and_so_does_saving(tiny_base: TinyBase, tmp_path: Path) -> None:
    model = load(NAME, tiny_base)
    with pytest.raises(UOISError, match="lacks trained heads, which foreground and heatmap need"):
        _ = model.encode_image(photo()).maps
    with pytest.raises(UOISError, match=f"cannot save {NAME}"):
        model.save_pretrained(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
