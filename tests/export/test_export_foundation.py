"""Exported tiny models on SAM and its kin: the same masks as in torch, weights once and apart, no torch needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from tiny_base import BACKBONE, NAME, SPEC, TinyBase, random_photo
from tiny_family import FAMILIES
from uois_sam import UOISSAM
from uois_sam.backends.manifest import MANIFEST
from uois_sam.backends.networks import in_levels, padded
from uois_sam.checkpoints.bases import BACKBONES, BASES, RANDOM
from uois_sam.checkpoints.heads import save_heads
from uois_sam.checkpoints.loading import load_base
from uois_sam.cli.main import main
from uois_sam.errors import UOISError
from uois_sam.export import write
from uois_sam.export.graphs import Graph
from uois_sam.export.write import export_model
from uois_sam.geometry import Frame
from uois_sam.models.networks import hash_weights
from uois_sam.models.sam.modules import PIXEL_MEAN, resize_rgb
from uois_sam.types import ImageArray

HELPERS = Path(__file__).parents[1] / "helpers"
LOOSE: dict[str, Any] = {
    "score_threshold": -100.0, "max_area_fraction": 1.0, "foreground_threshold": 0.0, "heatmap_threshold": -100.0,
    "max_prompts": 13, "grid_side": 4, "nms_iou": 1.0,
}  # fmt: skip
BOTH = (NAME, "sam2-tiny")


def photo() -> ImageArray:
    """Of the size that the tiny SAM takes: a level more or less, as two ways of resizing round, is much to 64."""
    return random_photo(48, 64).permute(1, 2, 0).numpy()


@pytest.fixture(scope="module", autouse=True)
def _known() -> Iterator[None]:
    """The tiny bases among those that have a name; one batch, which compact models' tests have more of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "BATCHES", (4,))
        patch.setattr(write, "traced", remembering(write.traced))
        for name, spec in {NAME: SPEC, **FAMILIES}.items():
            patch.setitem(BASES, name, spec)
        patch.setitem(BACKBONES, SPEC.prompts, BACKBONE)
        yield


def remembering(record: Callable[[Graph], bytes]) -> Callable[[Graph], bytes]:
    """Record a graph of the same weights once, whatever it is written as: that is most of these tests' time."""
    known: dict[tuple[str, str], bytes] = {}

    def traced(graph: Graph) -> bytes:
        key = graph.name, hash_weights([graph.module])
        if key not in known:
            known[key] = record(graph)
        return known[key]

    return traced


def random_heads(name: str, folder: Path) -> Path:
    """A folder of random heads on a tiny base with random weights."""
    base = load_base(name + RANDOM, device="cpu", precision="float32")
    torch.manual_seed(0)
    save_heads(base, base.fresh_hpg(), base.fresh_hdnet(), folder, training={"random": True})
    return folder


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of heads on SAM and SAM 2, by the base's name."""
    folder = tmp_path_factory.mktemp("heads")
    for name in BOTH:
        random_heads(name, folder / name)
    return folder


def in_torch(model: Path | str) -> UOISSAM:
    return UOISSAM.from_pretrained(model, device="cpu", precision="float32", backend="torch").with_settings(**LOOSE)


@pytest.fixture(scope="module")
def exported(heads: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ONNX folders of SAM and SAM 2."""
    folder = tmp_path_factory.mktemp("exported")
    for name in BOTH:
        export_model(in_torch(heads / name), "onnx", folder / name)
    return folder


def assert_same(plain: UOISSAM, other: UOISSAM, **settings: Any) -> None:
    """The same instances but for the last pixels of an outline: mean IoU of at least 0.999."""
    other = other.with_settings(**asdict(plain.settings))
    expected, found = (each.with_settings(**settings).predict(photo()) for each in (plain, other))
    assert len(found) == len(expected) > 2
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    pairs = zip(found.masks, expected.masks, strict=True)
    assert np.mean([np.count_nonzero(a & b) / np.count_nonzero(a | b) for a, b in pairs]) >= 0.999


@pytest.mark.parametrize(("name", "backend"), [(NAME, "onnxruntime"), (NAME, "openvino"), ("sam2-tiny", "onnxruntime")])
def test_an_onnx_folder_gives_the_same_masks(exported: Path, heads: Path, name: str, backend: str) -> None:
    plain, other = in_torch(heads / name), UOISSAM.from_pretrained(exported / name, backend=backend)
    assert_same(plain, other)
    assert_same(plain, other, prompts="grid", scores="sam")
    encoded, found = (each.with_settings(**asdict(plain.settings)).encode_image(photo()) for each in (plain, other))
    np.testing.assert_allclose(found.maps.heatmap, encoded.maps.heatmap.numpy(), atol=1e-3)
    clicks = [(10, 10), (50, 30), (60, 45)]
    assert np.count_nonzero(found.predict(clicks).masks != encoded.predict(clicks).masks) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sam-hq-tiny", "edgetam-tiny", "sam3-tiny"])
def test_others_of_the_family_give_the_same_masks(tmp_path: Path, name: str) -> None:
    plain = in_torch(random_heads(name, tmp_path / "heads"))
    export_model(plain, "onnx", tmp_path / "exported")
    assert_same(plain, UOISSAM.from_pretrained(tmp_path / "exported"))


@pytest.mark.parametrize(("to", "name"), [("openvino", "sam2-tiny"), ("torchscript", NAME)])
def test_other_targets_give_the_same_masks(heads: Path, tmp_path: Path, to: Any, name: str) -> None:
    plain = in_torch(heads / name)
    export_model(plain, to, tmp_path)
    assert_same(plain, UOISSAM.from_pretrained(tmp_path))


@pytest.mark.parametrize("name", BOTH)
def test_weights_lie_beside_the_graphs_once(exported: Path, heads: Path, name: str) -> None:
    """In files that onnx's checker takes, of graphs that hold next to nothing: so a graph may be of any size."""
    networks = in_torch(heads / name).networks
    needed = sum(4 * p.numel() for part in networks.modules() for p in part.state_dict().values())
    assert 0.5 * needed < (exported / name / "weights.bin").stat().st_size < 1.1 * needed
    for path in (exported / name).glob("*.onnx"):
        onnx.checker.check_model(str(path))
        outside = onnx.load(str(path), load_external_data=False).graph.initializer
        assert {each.data_location for each in outside if len(each.raw_data) > 256} == set()
        assert any(each.external_data for each in outside)
    manifest = json.loads((exported / name / MANIFEST).read_text())
    assert manifest["card"]["architecture"]["base"] == name + RANDOM and manifest["has"] == ["hpg", "hdnet"]
    assert "weights.bin" in manifest["files"] and manifest["prompts_hw"] == [336, 448]
    assert (manifest["padding"] is None) == (name != NAME)


def test_the_command_exports_a_base_from_files_and_the_folder_segments(tiny_base: TinyBase, tmp_path: Path) -> None:
    files = ("--sam", str(tiny_base.sam), "--dinov2", str(tiny_base.dinov2))
    assert main(["export", NAME, *files, "--out", str(tmp_path / "exported")]) == 0
    assert not list((tmp_path / "exported").glob("prompts_1.*"))  # a base has no heads
    Image.fromarray(photo()).save(tmp_path / "photo.png")
    for model, more in ((tmp_path / "exported", ()), (NAME, (*files, "--device", "cpu", "--backend", "torch"))):
        out = tmp_path / "out" / Path(model).name
        assert main(["segment", str(tmp_path / "photo.png"), "--model", str(model), "--out", str(out), *more]) == 0
    records = [json.loads((tmp_path / "out" / each / "photo.json").read_text()) for each in ("exported", NAME)]
    assert records[0]["model"] == records[1]["model"] == NAME
    assert records[0]["selection"] == records[1]["selection"]


def test_no_torch_is_needed_to_segment(exported: Path, heads: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "photo.npy", photo())
    code = f"""
import sys
from without_packages import hide
hide("torch")
import numpy as np
from uois_sam import UOISSAM
for name in {BOTH}:
    model = UOISSAM.from_pretrained({str(exported)!r} + "/" + name).with_settings(**{LOOSE})
    print(len(model.predict(np.load({str(tmp_path / "photo.npy")!r}))))
assert "torch" not in sys.modules
"""
    path = os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(len(in_torch(heads / name).predict(photo()))) for name in BOTH]


def test_what_is_not_exported_is_refused_before_anything_is_written(
    heads: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = in_torch(heads / NAME)
    with pytest.raises(UOISError, match="expected a photo size for a compact model only, found sam-tiny"):
        export_model(model, "onnx", tmp_path / "out", photo_hw=(480, 640))
    redrawn: Any = replace(model.networks, redrawer=SimpleNamespace(name="other"))
    with pytest.raises(UOISError, match="without masks by another, found sam-tiny"):
        export_model(UOISSAM(redrawn, model.card, model.settings), "onnx", tmp_path / "out")
    for name in (NAME, str(heads / NAME)):
        assert main(["export", name, "--photo-size", "640x480", "--out", str(tmp_path / "out")]) == 2
        assert "expected a photo size for a compact model only" in capsys.readouterr().err
    assert main(["export", "sam-vit-l", "--sam", "nowhere.pth", "--out", str(tmp_path / "out")]) == 2
    assert "nowhere.pth: expected a file with weights, found nothing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_photo_is_padded_as_in_torch() -> None:
    image = random_photo(30, 70)
    frame = Frame.padded((30, 70), 64)
    found = padded(image.numpy(), frame, PIXEL_MEAN)
    assert found.shape == (3, 64, 64) and found.dtype == np.float32
    expected = resize_rgb(image, frame.content_hw)[0].numpy()
    inside = found[:, : frame.content_hw[0], : frame.content_hw[1]]
    assert np.abs(inside - expected).max() <= 1 and np.count_nonzero(inside != expected) < 0.05 * expected.size
    assert np.array_equal(found[:, -1, -1], np.array(PIXEL_MEAN, dtype=np.float32))
    np.testing.assert_array_equal(in_levels(image.numpy(), (30, 70)), image.numpy())
