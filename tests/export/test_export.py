"""Exported tiny models through the same pipeline: the same masks, and bad folders refused in one line."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import TINY
from uois_sam import UOISSAM
from uois_sam.backends.manifest import MANIFEST
from uois_sam.backends.networks import batch_for, stretched
from uois_sam.checkpoints.compact import compact_networks
from uois_sam.checkpoints.folder import card_settings
from uois_sam.cli.main import main
from uois_sam.errors import MissingExtraError, OutputError, UOISError, WeightsError
from uois_sam.export.write import export_model
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.compact.places import Window
from uois_sam.models.interfaces import MaskFeatures
from uois_sam.training.train_compact import make_card

LOOSE = {"foreground_threshold": 0.0, "heatmap_threshold": -10.0, "score_threshold": -10.0, "max_area_fraction": 1.0}


def make_tiny() -> UOISSAM:
    """A tiny model with scores that see the masks and a view of the whole; it finds much in anything."""
    torch.manual_seed(0)
    model = CompactModel(replace(TINY, evidence_width=8, context_width=8))
    assert model.evidence is not None
    for parameter in model.evidence.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    card = make_card(model.config, {"random": True}, name="tiny")
    networks = compact_networks(model, "tiny", torch.device("cpu"))
    return UOISSAM(networks, card, card_settings(card)).with_settings(**LOOSE, scores="evidence", vote_iou=0.5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "onnx"
    export_model(make_tiny(), "onnx", folder)
    return folder


def photo(seed: int = 0) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (60, 90, 3)).astype(np.uint8)


def assert_same(plain: UOISSAM, other: UOISSAM) -> None:
    """The same instances but for the last pixels of an outline: mean IoU of at least 0.999."""
    other = other.with_settings(**asdict(plain.settings))
    for scores in ("evidence", "hdnet", "sam"):
        expected, found = (each.with_settings(scores=scores).predict(photo()) for each in (plain, other))
        assert len(found) == len(expected) > 3
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
        pairs = zip(found.masks, expected.masks, strict=True)
        assert np.mean([np.count_nonzero(a & b) / np.count_nonzero(a | b) for a, b in pairs]) >= 0.999
    expected, found = (each.encode_image(photo()).predict([(10, 10), (50, 30), (80, 50)]) for each in (plain, other))
    assert np.count_nonzero(found.masks != expected.masks) <= 3


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_an_onnx_folder_gives_the_same_masks(exported: Path, backend: str) -> None:
    assert_same(make_tiny(), UOISSAM.from_pretrained(exported, backend=backend))


def test_torchscript_gives_the_same_masks(tmp_path: Path) -> None:
    export_model(make_tiny(), "torchscript", tmp_path)
    assert_same(make_tiny(), UOISSAM.from_pretrained(tmp_path))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_inside_of_windows_masks_are_those_of_the_whole_frame(
    exported: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = UOISSAM.from_pretrained(exported, backend=backend).networks
    features = networks.encoder(photo().transpose(2, 0, 1)).mask_features
    points = np.array([[3.0, 5.0], [40.0, 9.0], [20.0, 30.0]], dtype=np.float32)
    predictions, every = networks.decoder.decode_tokens(features, points), np.tile(np.arange(4), (3, 1))
    plain = networks.decoder.upscale(MaskFeatures(features.grid, features.fine), predictions, points, every)
    grid = plain.shape[2] // 2, plain.shape[3] // 2
    assert min(grid) >= 6
    chosen = [Window(0, 4, 1, 5, grid), Window(2, grid[0], 0, 3, grid), Window(0, grid[0], 0, grid[1], grid)]
    monkeypatch.setattr("uois_sam.backends.drawing.windows_around", lambda seen: chosen)
    found = networks.decoder.upscale(features, predictions, points, every)
    for row, window in enumerate(chosen):
        rows, columns = window.inner()
        np.testing.assert_allclose(found[row, :, rows, columns], plain[row, :, rows, columns], atol=1e-5, rtol=1e-4)
        outside = np.ones(plain.shape[-2:], dtype=np.bool_)
        outside[rows, columns] = False
        assert not outside.any() or not np.allclose(found[row, :, outside], plain[row, :, outside], atol=1e-3)


def test_weights_are_stored_once_and_the_card_travels(exported: Path) -> None:
    manifest = json.loads((exported / MANIFEST).read_text())
    assert manifest["card"]["name"] == "tiny" and manifest["opset"] == 17 and manifest["batches"] == [1, 4, 8]
    weights = (exported / "model.safetensors").stat().st_size
    assert weights > 50_000
    assert not (exported / "weights.bin").exists() or (exported / "weights.bin").stat().st_size < weights / 4


def test_the_weights_of_another_model_are_not_replaced(tmp_path: Path) -> None:
    model = make_tiny()
    model.save_pretrained(tmp_path)
    kept = (tmp_path / "model.safetensors").read_bytes()
    other = make_tiny()
    with torch.no_grad():
        next(other.networks.modules()[0].parameters()).add_(1)
    with pytest.raises(OutputError, match="expected a folder without a model, or with the one to export"):
        export_model(other, "onnx", tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == kept


def test_a_photos_graph_takes_it_as_it_is(tmp_path: Path) -> None:
    """Preprocessing included: the same features as of the stretched photo."""
    export_model(make_tiny(), "torchscript", tmp_path, photo_hw=(60, 90))
    graph = torch.jit.load(str(tmp_path / "photo_1.ts"))  # type: ignore[no-untyped-call]
    found = graph(torch.from_numpy(photo())[None])
    features = make_tiny().encode_image(photo()).features
    torch.testing.assert_close(found[0], features.mask_features.grid, atol=1e-5, rtol=1e-4)


def broken(exported: Path, tmp_path: Path, **changes: object) -> Path:
    folder = tmp_path / "broken"
    shutil.copytree(exported, folder)
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 9}, "expected an export in format 1, found 9"),
        ({"opset": 12}, "expected graphs in opset 17, found 12"),
        ({"batches": "many"}, "batches: expected"),
        ({"target": "tflite"}, "target: expected"),
    ],
)
def test_exports_of_another_version_are_refused(
    exported: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        UOISSAM.from_pretrained(broken(exported, tmp_path, **changes))


def test_an_unfinished_and_an_altered_folder_are_refused(exported: Path, tmp_path: Path) -> None:
    folder = broken(exported, tmp_path)
    (folder / "tokens_4.onnx").write_bytes(b"short")
    with pytest.raises(WeightsError, match=r"tokens_4.onnx: expected SHA256 .* truncated or altered"):
        UOISSAM.from_pretrained(folder)
    (folder / "tokens_4.onnx").unlink()
    with pytest.raises(WeightsError, match=r"tokens_4.onnx: expected a file of this export, found none"):
        UOISSAM.from_pretrained(folder)
    (folder / MANIFEST).unlink()
    with pytest.raises(WeightsError, match="found an unfinished export"):
        UOISSAM.from_pretrained(folder)


def test_backends_that_do_not_fit_are_refused(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UOISError, match="unknown backend 'fast'"):
        UOISSAM.from_pretrained(exported, backend="fast")
    with pytest.raises(UOISError, match="expected an export that it runs, found onnx"):
        UOISSAM.from_pretrained(exported, backend="torchscript")
    with pytest.raises(WeightsError, match="uois-sam export MODEL --out DIR"):
        UOISSAM.from_pretrained("compact", backend="openvino")
    with pytest.raises(UOISError, match="expected device auto or cpu"):
        UOISSAM.from_pretrained(exported, device="cuda")
    monkeypatch.setattr("uois_sam.backends.sessions.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="the backend tensorrt needs the package 'tensorrt'"):
        UOISSAM.from_pretrained(exported, backend="tensorrt")


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "compact", "--photo-size", "640", "--out", str(tmp_path / "out")]) == 2
    assert "expected WIDTHxHEIGHT" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("prompts", "expected"), [(0, [1]), (1, [1]), (2, [1, 1]), (3, [4]), (5, [4, 1]), (6, [8]), (13, [8, 4, 1])]
)
def test_prompts_are_split_into_batches_that_they_nearly_fill(prompts: int, expected: list[int]) -> None:
    found, left = [], prompts
    while left > 0 or not found:
        found.append(batch_for(left, (1, 4, 8)))
        left -= found[-1]
    assert found == expected


def test_a_photo_of_the_networks_size_goes_in_as_it_is() -> None:
    given = photo().transpose(2, 0, 1)
    found = stretched(given, (60, 90))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, given)
