"""The graphs that come with the package: made of today's code, and good for all compact models of the bundled sizes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from conftest import TINY
from uois_sam import UOISSAM, Instances
from uois_sam.backends.bundled import FOLDER
from uois_sam.checkpoints.compact import compact_architecture, compact_networks
from uois_sam.checkpoints.folder import BUNDLED, CARD_FILE, WEIGHTS_FILE
from uois_sam.errors import UOISError, WeightsError
from uois_sam.models.compact.model import CompactModel
from uois_sam.training.train_compact import make_card

ROOT = Path(__file__).parents[2]
COFFEE, CROWDED = (ROOT / "examples" / name for name in ("coffee.jpg", "scene_crowded.jpg"))

pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def models() -> tuple[UOISSAM, UOISSAM]:
    return UOISSAM.from_pretrained("compact", device="cpu"), UOISSAM.from_pretrained("compact", backend="onnxruntime")


def assert_same(found: Instances, expected: Instances) -> None:
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    pairs = [
        (np.count_nonzero(a & b), np.count_nonzero(a | b)) for a, b in zip(found.masks, expected.masks, strict=True)
    ]
    assert np.mean([shared / max(1, joint) for shared, joint in pairs]) >= 0.999
    np.testing.assert_allclose(found.points, expected.points, atol=0.01)
    assert [note.partition(":")[0] for note in found.notes] == [note.partition(":")[0] for note in expected.notes]


@pytest.mark.skipif(not COFFEE.is_file(), reason="an sdist has no photos")
@pytest.mark.parametrize(
    "words",
    [
        {},
        {"points": [(320, 240), (200, 150)]},
        {"boxes": [(150, 100, 420, 380)], "labels": None},
        {"points": [[(320, 240), (420, 240), (100, 380)]], "labels": [[1, 1, 0]]},
        {"region": (0.1, 0.1, 0.7, 0.9), "max_prompts": 5},
        {"tiles": 2},
    ],
)
def test_everything_that_can_be_asked_gives_what_torch_gives(
    models: tuple[UOISSAM, UOISSAM], words: dict[str, object]
) -> None:
    words = {name: value for name, value in words.items() if value is not None}
    plain, light = (model.predict(COFFEE, **words) for model in models)
    assert_same(light, plain)
    assert len(plain) > 0


@pytest.mark.skipif(not CROWDED.is_file(), reason="an sdist has no photos")
@pytest.mark.parametrize(
    "settings",
    [{}, {"prompts": "foreground-grid", "grid_side": 8}, {"scores": "hdnet"}, {"scores": "sam", "nms": "box"}],
)
def test_every_setting_gives_what_torch_gives(models: tuple[UOISSAM, UOISSAM], settings: dict[str, object]) -> None:
    plain, light = (model.with_settings(**settings).predict(CROWDED) for model in models)
    assert_same(light, plain)


@pytest.mark.skipif(not COFFEE.is_file(), reason="an sdist has no photos")
def test_depth_gives_what_torch_gives(models: tuple[UOISSAM, UOISSAM]) -> None:
    """Objects stand on a tilted plane, but for one that lies in it."""
    rows = np.mgrid[:400, :600][0].astype(np.float32)
    masks = models[0].predict(COFFEE).masks
    depth = (1.5 - 0.001 * rows - 0.08 * masks[:-1].any(axis=0)).astype(np.float32)
    plain, light = (model.predict(COFFEE, depth=depth, camera=(600, 600, 300, 200)) for model in models)
    assert_same(light, plain)
    assert len(plain) > 0


@pytest.mark.slow
def test_the_graphs_are_those_of_todays_code(models: tuple[UOISSAM, UOISSAM]) -> None:
    """Made again by: python -m uois_sam.export.bundled."""
    pytest.importorskip("onnx")
    from uois_sam.export.bundled import bundled_files

    made = bundled_files(UOISSAM.from_pretrained("compact", device="cpu", precision="float32"))
    kept = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert made.keys() == kept.keys()
    assert not [name for name in made if made[name] != kept[name]]


def test_graphs_are_there_until_new_ones_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    from uois_sam.export import bundled

    for name in ("a.onnx", "b.onnx"):
        (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(bundled, "bundled_files", Mock(side_effect=[UOISError("stopped"), {"a.onnx": b"new"}]))
    with pytest.raises(UOISError, match="stopped"):
        bundled.main(tmp_path)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old", b"old"]
    bundled.main(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.onnx": b"new"}


def test_they_are_small_and_hold_no_weights() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1_500_000


def test_they_are_plain_onnx_which_any_processor_and_version_runs() -> None:
    onnx = pytest.importorskip("onnx")
    for path in FOLDER.glob("*.onnx"):
        graph = onnx.load(path, load_external_data=False)
        assert {node.domain for node in graph.graph.node} == {""}, path.name
        assert [(each.domain, each.version) for each in graph.opset_import] == [("", 17)], path.name


@pytest.mark.skipif(not COFFEE.is_file(), reason="an sdist has no photos")
def test_a_model_of_ones_own_needs_no_graphs(models: tuple[UOISSAM, UOISSAM], tmp_path: Path) -> None:
    """Fine-tuned weights of the bundled sizes, here merely moved a little."""
    plain, _ = models
    saved = plain.networks.saved
    assert saved is not None and isinstance(saved.decoder, torch.nn.Module)
    before = {name: value.clone() for name, value in saved.decoder.state_dict().items()}
    try:
        with torch.no_grad():
            for parameter in saved.decoder.parameters():
                parameter.mul_(1.01)
        plain.save_pretrained(tmp_path)
    finally:
        saved.decoder.load_state_dict(before)
    mine, light = (UOISSAM.from_pretrained(tmp_path, backend=each) for each in ("torch", "onnxruntime"))
    assert_same(light.predict(COFFEE), mine.predict(COFFEE))
    assert not np.array_equal(mine.predict(COFFEE).scores, plain.predict(COFFEE).scores)


def test_models_that_the_graphs_do_not_fit_are_refused(tmp_path: Path) -> None:
    model = CompactModel(TINY)
    card = make_card(model.config, {"random": True}, name="tiny")
    networks = compact_networks(model, "tiny", torch.device("cpu"))
    tiny = UOISSAM(networks, replace(card, architecture=compact_architecture(TINY)), UOISSAM.from_pretrained().settings)
    tiny.save_pretrained(tmp_path / "tiny")
    with pytest.raises(WeightsError, match=r"expected a compact model of the bundled sizes, found others \(.*width"):
        UOISSAM.from_pretrained(tmp_path / "tiny", backend="onnxruntime")
    with pytest.raises(UOISError, match="expected device auto or cpu with onnxruntime, found 'cuda'"):
        UOISSAM.from_pretrained("compact", backend="onnxruntime", device="cuda")
    with pytest.raises(UOISError, match="expected precision auto or float32 with onnxruntime, found 'bfloat16'"):
        UOISSAM.from_pretrained("compact", backend="onnxruntime", precision="bfloat16")
    broken = tmp_path / "broken"
    shutil.copytree(BUNDLED["compact"], broken)
    (broken / WEIGHTS_FILE).write_bytes(b"short")
    with pytest.raises(WeightsError, match=r"expected SHA256 .* truncated or altered"):
        UOISSAM.from_pretrained(broken, backend="onnxruntime")
    content = json.loads((broken / CARD_FILE).read_text())
    (broken / CARD_FILE).write_text(json.dumps({**content, "architecture": {"kind": "heads"}}))
    with pytest.raises(WeightsError):
        UOISSAM.from_pretrained(broken, backend="onnxruntime")
