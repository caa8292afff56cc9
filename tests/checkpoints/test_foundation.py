"""Frozen bases from files: the same weights in any format are the same base, and what is wrong is told by name."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tiny_base import DINOV2, NAME, SAM, TinyBase, random_photo, write_tiny_base
from uois_sam.checkpoints import foundation as bases
from uois_sam.checkpoints.bases import BASES, OFFICIAL_SHA256
from uois_sam.checkpoints.key_mapping.sam import sam_for_transformers
from uois_sam.checkpoints.loading import load_base
from uois_sam.errors import MissingExtraError, UOISError, WeightsError
from uois_sam.models.hpg import HPG
from uois_sam.models.networks import HeadSizes, Networks, hash_weights
from uois_sam.validation import validated


def load(sam: Path | str, dinov2: Path | str) -> Networks:
    return load_base(NAME, sam=sam, dinov2=dinov2, device="cpu", precision="float32")


# --- formats


def as_safetensors(path: Path) -> Path:
    save_file(torch.load(path, weights_only=True), path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def as_old_torch_file(path: Path) -> Path:
    """Before torch 1.6 files were no zip archives, and cannot be mapped."""
    torch.save(torch.load(path, weights_only=True), path.with_suffix(".pt"), _use_new_zipfile_serialization=False)
    return path.with_suffix(".pt")


def as_half(path: Path) -> Path:
    tensors = {key: value.half() for key, value in torch.load(path, weights_only=True).items()}
    torch.save(tensors, path.with_suffix(".bin"))
    return path.with_suffix(".bin")


def as_folder(path: Path) -> Path:
    folder = path.parent / f"{path.stem}_folder"
    folder.mkdir()
    torch.save(torch.load(path, weights_only=True), folder / "pytorch_model.bin")
    return folder


def as_checkpoint(path: Path) -> Path:
    torch.save({"model": torch.load(path, weights_only=True)}, path.with_suffix(".pth.tar.pth"))
    return path.with_suffix(".pth.tar.pth")


@pytest.mark.parametrize("change", [as_safetensors, as_old_torch_file, as_folder, as_checkpoint])
def test_the_format_does_not_change_the_base(tiny_base: TinyBase, change: Callable[[Path], Path]) -> None:
    expected, found = tiny_base.load(), load(change(tiny_base.sam), change(tiny_base.dinov2))
    assert found.sha256 == expected.sha256
    features, same = (base.encoder(random_photo()) for base in (expected, found))
    assert torch.equal(features.mask_features.grid, same.mask_features.grid)
    assert torch.equal(features.prompt_features, same.prompt_features)


def test_half_precision_files_load_as_float32_and_are_other_weights(tiny_base: TinyBase) -> None:
    found = load(as_half(tiny_base.sam), tiny_base.dinov2)
    assert {p.dtype for p in found.decoder.parameters()} == {torch.float32}  # type: ignore[attr-defined]
    assert found.sha256 != tiny_base.load().sha256


def test_other_weights_are_another_base(tiny_base: TinyBase, tmp_path: Path) -> None:
    other = write_tiny_base(tmp_path / "other", seed=7)
    sums = {load(sam, dino).sha256 for sam in (tiny_base.sam, other.sam) for dino in (tiny_base.dinov2, other.dinov2)}
    assert len(sums) == 4


def test_identity_is_the_values_not_their_names_or_order() -> None:
    one, other = torch.nn.Module(), torch.nn.Module()
    a, b = torch.nn.Parameter(torch.arange(3.0)), torch.nn.Parameter(torch.ones(2, 2))
    one.first, one.second = a, b
    other.x, other.y = b, a
    assert hash_weights([one]) == hash_weights([other])
    other.y = torch.nn.Parameter(torch.arange(3.0)[None])  # same values, another shape
    assert hash_weights([one]) != hash_weights([other])


def test_a_loaded_base_is_frozen_and_says_what_heads_fit(tiny_base: TinyBase) -> None:
    base = tiny_base.load()
    for part in (base.encoder, base.decoder):
        assert isinstance(part, torch.nn.Module)
        assert not part.training
        assert not any(parameter.requires_grad or parameter.is_meta for parameter in part.parameters())
    assert (base.heads.prompt_channels, base.heads.token_width) == (DINOV2.width, SAM.token_width)
    with base.computing():
        features = base.encoder(random_photo())
        tokens = base.decoder.decode_tokens(features.mask_features, torch.tensor([[1.0, 2.0]]))
        assert base.fresh_hpg().eval().predict(features.prompt_features).heatmap.shape == (1, 336, 448)
        assert base.fresh_hdnet()(tokens).shape == (1, 4)


def test_parameters_are_the_files_own_tensors_not_copies(tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch) -> None:
    read: dict[int, Path] = {}
    original = bases.read_tensors

    def reading(path: Path) -> Any:
        tensors = original(path)
        read.update({value.untyped_storage().data_ptr(): path for value in tensors.values()})
        return tensors

    monkeypatch.setattr(bases, "read_tensors", reading)
    base = tiny_base.load()
    for part in (base.encoder, base.decoder):
        for parameter in part.parameters():  # type: ignore[attr-defined]
            assert parameter.untyped_storage().data_ptr() in read


def test_the_papers_heads_are_the_default() -> None:
    """Sec. III-A: 1x1 to 256 channels, three doublings and one step to the exact size; Sec. III-B: 3 layers of 256."""
    heads = BASES["sam-vit-l"].heads
    assert heads == HeadSizes(prompt_channels=384, token_width=256)
    with torch.device("meta"):  # shapes only: 250 GFLOP otherwise
        hpg: HPG = heads.fresh_hpg()
        logits, heatmap = hpg.eval()(torch.zeros(1, 384, 24, 32))
    assert (hpg.project.in_channels, hpg.project.out_channels, hpg.project.kernel_size) == (384, 256, (1, 1))
    assert [block.scale for block in hpg.blocks] == [2, 2, 2, 1.75]
    assert (logits.shape, heatmap.shape) == ((1, 2, 336, 448), (1, 1, 336, 448))
    widths = [layer.in_features for layer in heads.fresh_hdnet().mlp if isinstance(layer, torch.nn.Linear)]
    assert widths == [512, 256, 256]


def test_heads_sizes_survive_json() -> None:
    config = HeadSizes(prompt_channels=7, hpg_scales=(2, 1.5))
    assert validated(config.to_json(), HeadSizes, "card") == config


def test_compact_is_a_base_too() -> None:
    base = load_base("compact", device="cpu", precision="float32")
    again = load_base("compact", device="cpu", precision="float32")
    assert base.sha256 == again.sha256
    features = base.encoder(random_photo())
    assert base.fresh_hpg().eval().predict(features.prompt_features).heatmap.shape == (1, 480, 640)


# --- bad input


def test_a_file_of_another_size_says_what_it_holds(tiny_base: TinyBase) -> None:
    with pytest.raises(
        WeightsError, match=r"sam\.pth: tensors do not fit.*missing.*of another shape.*SAM with 32 chan"
    ):
        load_base("sam-vit-b", sam=tiny_base.sam, dinov2=tiny_base.dinov2)


def test_swapped_files_are_told_apart(tiny_base: TinyBase) -> None:
    with pytest.raises(WeightsError, match=r"missing.*unexpected.*the file holds DINOv2 with 24 channels and 2 layers"):
        load(tiny_base.dinov2, tiny_base.sam)
    with pytest.raises(WeightsError, match="the file holds SAM with 32 channels and 3 layers"):
        load(tiny_base.sam, tiny_base.sam)


def test_missing_and_unexpected_tensors_are_listed(tiny_base: TinyBase) -> None:
    tensors = torch.load(tiny_base.sam, weights_only=True)
    tensors["extra"] = tensors.pop("mask_decoder.iou_token.weight")
    torch.save(tensors, tiny_base.sam)
    with pytest.raises(WeightsError, match=r"1 missing \(mask_decoder\.iou_token\.weight\); 1 unexpected \(extra\)"):
        tiny_base.load()


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("format_", [Path, as_safetensors, as_old_torch_file])
def test_truncated_files_are_refused_in_one_line(
    tiny_base: TinyBase, format_: Callable[[Path], Path], share: float
) -> None:
    path = format_(tiny_base.sam)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match="truncated") as caught:
        load(path, tiny_base.dinov2)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {"a": "text"}, torch.zeros(3), {"model": 7}, "text"])
def test_files_that_hold_no_dictionary_of_tensors_are_refused(tiny_base: TinyBase, content: object) -> None:
    torch.save(content, tiny_base.sam)
    with pytest.raises(WeightsError, match="expected a dictionary of tensors"):
        tiny_base.load()


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_runs_code_is_refused_and_never_runs(
    tiny_base: TinyBase, tmp_path: Path, zipped: bool
) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"cls_token": Trap(sprung)}, tiny_base.dinov2, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match="expected tensors saved by torch") as caught:
        tiny_base.load()
    assert "In PyTorch 2.6" not in str(caught.value)  # torch goes on at length
    assert not sprung.exists()
    torch.load(tiny_base.dinov2, weights_only=False)
    assert sprung.exists()  # the trap was a live one


def test_a_plain_pickle_is_refused(tiny_base: TinyBase) -> None:
    tiny_base.sam.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(WeightsError, match="expected"):
        tiny_base.load()


def test_missing_files_and_empty_folders_are_named(tiny_base: TinyBase, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere\.pth: expected a file with weights, found nothing"):
        load(tmp_path / "nowhere.pth", tiny_base.dinov2)
    with pytest.raises(WeightsError, match=r"expected model\.safetensors or pytorch_model\.bin in this folder"):
        load(tmp_path, tiny_base.dinov2)


def test_a_file_that_goes_by_an_official_name_must_have_its_sum(
    tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    official = tiny_base.sam.rename(tiny_base.sam.with_name("sam_vit_l_0b3195.pth"))
    with pytest.raises(WeightsError, match=r"expected SHA256 3adcc4315b642a4d\.\.\. of Meta's file.*truncated or alt"):
        load(official, tiny_base.dinov2)
    real = hashlib.sha256(official.read_bytes()).hexdigest()
    monkeypatch.setattr(bases, "OFFICIAL_SHA256", {**OFFICIAL_SHA256, official.name: real})
    assert load(official, tiny_base.dinov2).name == NAME


@pytest.mark.parametrize(
    ("name", "nearest"), [("sam-vit-x", "sam-vit-"), ("sam_vit_l", "sam-vit-l"), ("compcat", "compact")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(
        WeightsError, match=rf"unknown model.*did you mean .*{nearest}.*expected one of compact, sam-vit"
    ):
        load_base(name)


def test_compact_takes_no_other_weights(tiny_base: TinyBase) -> None:
    with pytest.raises(UOISError, match="compact has its own weights"):
        load_base("compact", sam=tiny_base.sam)


def test_without_the_extra_the_error_says_how_to_get_it(tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        MissingExtraError, match=r"SAM needs the package 'transformers': pip install -c constraints.txt '.\[full\]'"
    ):
        tiny_base.load()


def test_metas_sam_names_all_change_or_stay_on_purpose(tiny_base: TinyBase) -> None:
    tensors = torch.load(tiny_base.sam, weights_only=True)
    converted = sam_for_transformers(tensors)
    assert len(converted) == len(tensors)
    assert {id(value) for value in converted.values()} == {id(value) for value in tensors.values()}
