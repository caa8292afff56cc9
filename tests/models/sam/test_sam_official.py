"""Meta's own SAM modules (package segment-anything) against ours, on the same file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image

from random_official_weights import sam_shapes
from sam_references import errors, meta_pixels, meta_prompted, meta_sam, our_pixels, our_prompted, our_sam
from scripts import load_script
from tiny_base import NAME, SAM, TinyBase, random_photo
from uois_sam.benchmark.peers import build_official_sam, official_modules
from uois_sam.checkpoints.bases import BASES
from uois_sam.checkpoints.key_mapping.sam import sam_for_transformers
from uois_sam.models.interfaces import ObjectPrompts

pytestmark = pytest.mark.slow
OFFICIAL = ["sam-vit-b", "sam-vit-l", "sam-vit-h"]
POINTS = torch.tensor([[3.0, 4.0], [20.5, 30.0], [63.0, 0.0], [31.5, 31.5]])


@pytest.fixture
def meta() -> Iterator[ModuleType]:
    """``segment_anything.modeling``."""
    with official_modules() as modeling:
        yield modeling


@pytest.mark.parametrize("name", OFFICIAL)
def test_our_random_files_have_the_names_and_shapes_of_the_official_ones(meta: ModuleType, name: str) -> None:
    size = BASES[name].sam
    with torch.device("meta"):
        expected = {key: tuple(value.shape) for key, value in build_official_sam(meta, size).state_dict().items()}
    assert sam_shapes(size) == expected
    wanted = {key: tuple(value.shape) for key, value in size.build().state_dict().items()}
    empty = {key: torch.empty(shape, device="meta") for key, shape in expected.items()}
    assert {key: tuple(value.shape) for key, value in sam_for_transformers(empty).items()} == wanted


@pytest.mark.parametrize("name", OFFICIAL)
def test_listed_parameter_counts_are_true(name: str) -> None:
    spec = BASES[name]
    shapes = sam_shapes(spec.sam).values()
    assert abs(sum(torch.Size(shape).numel() for shape in shapes) / 1e6 - spec.published.millions) < 1


def test_a_file_loads_into_both_and_gives_the_same_masks_and_scores(meta: ModuleType, tiny_base: TinyBase) -> None:
    theirs = build_official_sam(meta, SAM)
    theirs.load_state_dict(torch.load(tiny_base.sam, weights_only=True))
    ours, image = tiny_base.load(), random_photo()
    expected = meta_sam(theirs, our_pixels(ours, image), POINTS)
    for name, error in errors(our_sam(ours, image, POINTS), expected).items():
        assert error["reference_rms"] > 0.05, name
        assert error["largest_difference"] <= 1e-4, name


def test_our_stand_in_for_metas_preprocessing_pads_and_normalises_as_meta_does(meta: ModuleType) -> None:
    levels = random_photo(46, 64)  # needs no resizing
    assert torch.allclose(
        build_official_sam(meta, SAM).preprocess(levels.float())[None], meta_pixels(levels, 64), atol=1e-5
    )


def test_the_script_compares_everything(tiny_base: TinyBase, tmp_path: Path) -> None:
    Image.fromarray(random_photo().permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    parity = load_script("benchmarks/parity.py")
    result = parity.compare(tmp_path / "photo.png", tiny_base.sam.parent, NAME, count=3)
    rows = [row for part in ("sam_to_transformers", "sam_to_meta", "dinov2_to_transformers") for row in result[part]]
    assert rows == ["embedding", "masks", "scores"] * 2 + ["features"]
    assert len(parity.markdown(result).splitlines()) == 2 + 1 + len(rows)


def test_boxes_points_and_masks_as_prompts_are_those_of_the_official_modules(
    meta: ModuleType, tiny_base: TinyBase
) -> None:
    theirs = build_official_sam(meta, SAM)
    theirs.load_state_dict(torch.load(tiny_base.sam, weights_only=True))
    ours, image = tiny_base.load(), random_photo()
    several, labels = torch.stack([POINTS, POINTS + 3], dim=1), torch.tensor([[1, 0]]).expand(len(POINTS), -1)
    boxes = torch.cat([POINTS - 5, POINTS + 5], dim=1)
    masks = 8 * torch.randn((len(POINTS), 16, 16), generator=torch.Generator().manual_seed(1))
    for prompts in (
        ObjectPrompts(several, labels),
        ObjectPrompts(several[:, :0], labels[:, :0], boxes),
        ObjectPrompts(several, labels, boxes, masks),
    ):
        expected = meta_prompted(theirs, our_pixels(ours, image), prompts)
        for name, error in errors(our_prompted(ours, image, prompts), expected).items():
            assert error["reference_rms"] > 0.05, name
            assert error["largest_difference"] <= 1e-4, name
