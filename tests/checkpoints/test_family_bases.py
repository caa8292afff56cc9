"""SAM's successors as bases: every format of their files, official sizes, random weights, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from random_family_weights import (
    dinov3_shapes,
    edgetam_shapes,
    registers_shapes,
    sam2_shapes,
    sam_hq_shapes,
)
from random_official_weights import Shapes, random_tensors
from sam_references import dino_features
from tiny_base import TinyBase, random_photo
from tiny_family import FAMILIES, TINY_BACKBONES
from uois_sam import UOISSAM
from uois_sam.checkpoints.bases import BACKBONES, BASES, find_base
from uois_sam.checkpoints.heads import save_heads
from uois_sam.checkpoints.loading import load_base
from uois_sam.errors import UOISError, WeightsError
from uois_sam.models.networks import Networks
from uois_sam.models.sam2.modules import Sam2Size

OF_AUTHORS: dict[str, Any] = {
    "sam2-tiny": sam2_shapes, "edgetam-tiny": edgetam_shapes, "sam-hq-tiny": sam_hq_shapes,
}  # fmt: skip


@pytest.fixture(autouse=True)
def family(tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch) -> TinyBase:
    """Tiny bases of all families, and tiny backbones, among the known ones."""
    for name, spec in FAMILIES.items():
        monkeypatch.setitem(BASES, name, spec)
    for name, backbone in TINY_BACKBONES.items():
        monkeypatch.setitem(BACKBONES, name, backbone)
    return tiny_base


def load(name: str, sam: Path | str | None, base: TinyBase, **options: Any) -> Networks:
    return load_base(name, sam=sam, dinov2=base.dinov2, device="cpu", precision="float32", **options)


def write(name: str, folder: Path, seed: int = 0) -> Path:
    """A file as the authors publish it."""
    tensors = random_tensors(OF_AUTHORS[name](FAMILIES[name].sam), seed)
    torch.save(tensors if name == "sam-hq-tiny" else {"model": tensors}, folder / "authors.pt")
    return folder / "authors.pt"


def as_hugging_face_folder(name: str, authors: Path, folder: Path) -> Path:
    """The same numbers as transformers would save them, with a second table of positions and a video's memory."""
    spec = FAMILIES[name]
    content = torch.load(authors, weights_only=True)
    tensors = spec.convert(content.get("model", content), spec.sam.build().state_dict().keys())
    positions = tensors["prompt_encoder.shared_embedding.positional_embedding"]
    extra = {"shared_image_embedding.positional_embedding": positions.clone()}
    if name != "sam-hq-tiny":
        extra |= {"memory_encoder.projection.weight": torch.ones(3), "no_object_pointer": torch.ones(1, 16)}
    folder.mkdir()
    save_file({key: value.contiguous() for key, value in {**tensors, **extra}.items()}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("name", OF_AUTHORS)
def test_authors_files_and_hugging_face_folders_are_the_same_base(name: str, family: TinyBase, tmp_path: Path) -> None:
    authors = write(name, tmp_path)
    expected = load(name, authors, family)
    found = load(name, as_hugging_face_folder(name, authors, tmp_path / "folder"), family)
    assert found.sha256 == expected.sha256
    assert found.sha256 != load(name, write(name, tmp_path, seed=5), family).sha256
    features = found.encoder(random_photo())
    tokens = found.decoder.decode_tokens(features.mask_features, torch.tensor([[1.0, 2.0]]))
    assert found.fresh_hdnet()(tokens).shape == (1, 4)
    assert not any(tensor.is_meta for part in found.modules() for tensor in [*part.parameters(), *part.buffers()])


def test_the_tracker_is_taken_out_of_the_file_of_the_whole_sam3(family: TinyBase, tmp_path: Path) -> None:
    """Hugging Face's file of SAM 3 holds the detector, whose backbone the tracker shares, and its own neck."""
    spec = FAMILIES["sam3-tiny"]
    own = random_tensors({key: tuple(v.shape) for key, v in spec.sam.build().state_dict().items()}, seed=1)
    whole: dict[str, Tensor] = {"detector_model.detr_encoder.weight": torch.ones(2)}
    for key, value in own.items():
        inside = key.removeprefix("vision_encoder.")
        place = {"backbone": "detector_model.vision_encoder.", "neck": "tracker_"}.get(inside.split(".")[0])
        whole[f"{place}{inside}" if key.startswith("vision_encoder.") else f"tracker_model.{key}"] = value
    whole["tracker_neck.fpn_layers.3.proj1.weight"] = torch.ones(2)
    whole["tracker_model.memory_encoder.projection.weight"] = torch.ones(2)
    save_file(own, tmp_path / "own.safetensors")
    save_file(whole, tmp_path / "whole.safetensors")
    expected, found = (load("sam3-tiny", tmp_path / f"{part}.safetensors", family) for part in ("own", "whole"))
    assert found.sha256 == expected.sha256


# --- official sizes


def sizes_of(name: str) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in BASES[name].sam.build().state_dict().items()}


OFFICIAL = [name for name in BASES if not name.startswith("sam-vit") and name not in FAMILIES]


@pytest.mark.parametrize("name", OFFICIAL)
def test_listed_parameter_counts_are_true(name: str) -> None:
    parameters = sum(value.numel() for value in BASES[name].sam.build().parameters())
    assert abs(parameters / 1e6 - BASES[name].published.millions) < 0.5


@pytest.mark.parametrize("name", [name for name in OFFICIAL if name.startswith("sam2.1")])
def test_every_tensor_of_metas_sam2_files_has_its_place(name: str) -> None:
    spec = BASES[name]
    assert isinstance(spec.sam, Sam2Size)
    empty = {key: torch.empty(shape, device="meta") for key, shape in sam2_shapes(spec.sam).items()}
    wanted = sizes_of(name)
    converted = {key: tuple(value.shape) for key, value in spec.convert(empty, wanted.keys()).items()}
    assert converted == wanted


def test_hiera_tiny_is_the_model_that_transformers_has_as_its_default() -> None:
    from transformers import Sam2Config
    from transformers.models.sam2.modeling_sam2 import Sam2Model

    with torch.device("meta"):
        published = Sam2Model(Sam2Config())
    del published.shared_image_embedding
    assert sizes_of("sam2.1-hiera-tiny") == {key: tuple(v.shape) for key, v in published.state_dict().items()}


@pytest.mark.parametrize(("name", "shapes"), [("edgetam", edgetam_shapes), ("sam-hq-vit-b", sam_hq_shapes)])
def test_every_tensor_of_the_authors_files_has_its_place(name: str, shapes: Any) -> None:
    spec, wanted = BASES[name], sizes_of(name)
    empty = {key: torch.empty(shape, device="meta") for key, shape in shapes(spec.sam).items()}
    assert {key: tuple(v.shape) for key, v in spec.convert(empty, wanted.keys()).items()} == wanted


# --- backbones for prompts


@pytest.mark.parametrize("name", TINY_BACKBONES)
def test_backbones_give_what_transformers_gives_for_the_patches(name: str, family: TinyBase, tmp_path: Path) -> None:
    backbone = TINY_BACKBONES[name]
    shapes: Shapes = (dinov3_shapes if backbone.size.version == 3 else registers_shapes)(backbone.size)
    tensors = random_tensors(shapes, seed=2)
    if backbone.size.version == 3:
        tensors["blocks.0.attn.qkv.bias_mask"] = torch.zeros(3 * backbone.size.width)
    torch.save(tensors, tmp_path / "dino.pth")
    base = load_base(
        "sam-tiny", sam=family.sam, dinov2=tmp_path / "dino.pth", prompts_backbone=name, device="cpu",
        precision="float32",
    )  # fmt: skip
    patch = backbone.size.patch
    found, expected = dino_features(base.encoder.dinov2, random_photo(120, 160))  # type: ignore[attr-defined]
    assert found.shape == (1, backbone.size.width, 336 // patch, 448 // patch)
    assert expected.std() > 0.1
    assert (found - expected).abs().max() <= 1e-4
    with torch.inference_mode():
        assert base.fresh_hpg().eval().predict(found).heatmap.shape == (1, 336, 448)


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in TINY_BACKBONES])
def test_listed_backbones_have_their_parameters_and_heads_reach_the_frame(name: str) -> None:
    backbone = BACKBONES[name]
    parameters = sum(value.numel() for value in backbone.size.build().parameters())
    assert abs(parameters / 1e6 - backbone.published.millions) < 1
    heads = BASES["sam2.1-hiera-tiny"].heads_on(backbone)
    rows, columns = (side // backbone.size.patch for side in (336, 448))
    for scale in heads.hpg_scales:
        rows, columns = int(rows * scale), int(columns * scale)
    assert (rows, columns) == (336, 448)
    assert heads.prompt_channels == backbone.size.width


def test_heads_remember_their_backbone(family: TinyBase, tmp_path: Path) -> None:
    base = load_base("sam2-tiny-random", prompts_backbone="dinov3-tiny", device="cpu")
    torch.manual_seed(0)
    save_heads(base, base.fresh_hpg(), base.fresh_hdnet(), tmp_path / "heads", training={})
    model = UOISSAM.from_pretrained(tmp_path / "heads", device="cpu")
    assert model.networks.prompts_backbone == "dinov3-tiny"
    assert model.networks.sha256 == base.sha256
    assert len(model.predict(random_photo().permute(1, 2, 0).numpy()).masks) >= 0


# --- random weights, and what is refused


def test_random_weights_are_the_same_every_time_and_say_so(caplog: pytest.LogCaptureFixture) -> None:
    bases = [load_base("edgetam-tiny-random", device="cpu") for _ in range(2)]
    assert bases[0].sha256 == bases[1].sha256
    assert bases[0].name == "edgetam-tiny-random"
    assert "edgetam-tiny-random has RANDOM weights" in caplog.text
    with pytest.raises(UOISError, match="edgetam-tiny-random has random weights: expected no file, found x.pt"):
        load_base("edgetam-tiny-random", sam="x.pt", device="cpu")


def test_no_base_of_another_name_is_random() -> None:
    assert find_base("sam-vit-l-random") == (BASES["sam-vit-l"], True)
    assert find_base("compact-random") is None
    assert find_base("-random") is None
    with pytest.raises(WeightsError, match=r"unknown model 'sam2.1-hiera-tinny' \(did you mean sam2.1-hiera-tiny"):
        load_base("sam2.1-hiera-tinny")


def test_weights_of_another_family_are_told_by_name(family: TinyBase, tmp_path: Path) -> None:
    sam2 = write("sam2-tiny", tmp_path)
    with pytest.raises(WeightsError, match="holds SAM 2 with 8 channels and 5 blocks; sam-hq-tiny needs SAM-HQ with"):
        load("sam-hq-tiny", sam2, family)
    with pytest.raises(WeightsError, match=r"holds SAM with 32 channels.*sam2-tiny needs SAM 2.1 with 8 channels"):
        load("sam2-tiny", family.sam, family)
    with pytest.raises(WeightsError, match="dinov3-tiny needs DINOv3 with registers of 24 channels"):
        load("sam2-tiny", sam2, family, prompts_backbone="dinov3-tiny")


def test_half_a_file_is_one_line(family: TinyBase, tmp_path: Path) -> None:
    path = write("edgetam-tiny", tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsError, match=r"authors.pt: expected tensors saved by torch, found a file that is trunc"):
        load("edgetam-tiny", path, family)


def test_metas_names_need_metas_sums(family: TinyBase, tmp_path: Path) -> None:
    official = write("sam2-tiny", tmp_path).rename(tmp_path / "sam2.1_hiera_tiny.pt")
    with pytest.raises(WeightsError, match=r"expected SHA256 7402e0d864fa8270\.\.\. of Meta's file of this name"):
        load("sam2-tiny", official, family)


def test_unknown_backbones_are_told(family: TinyBase) -> None:
    with pytest.raises(UOISError, match="unknown backbone for prompts 'dino': expected one of dinov2-small, "):
        load_base("sam2-tiny-random", prompts_backbone="dino", device="cpu")
    with pytest.raises(UOISError, match="compact has its own encoder for prompts"):
        load_base("compact", prompts_backbone="dinov2-small", device="cpu")


def test_licences_that_limit_use_are_said_and_kept(
    family: TinyBase, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = FAMILIES["sam3-tiny"]
    shapes = {key: tuple(value.shape) for key, value in spec.sam.build().state_dict().items()}
    save_file(random_tensors(shapes, seed=1), tmp_path / "sam3.safetensors")
    base = load("sam3-tiny", tmp_path / "sam3.safetensors", family)
    assert "sam3.safetensors is under the SAM License, which limits what it may be used for" in caplog.text
    assert base.licence == "SAM License (tests/sam3-tiny), Apache-2.0 (tests/dinov2-tiny)"
