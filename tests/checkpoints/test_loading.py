"""Model folders: what is saved comes back; what is missing, broken, altered or malicious is refused by name."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from uois_sam import UOISSAM
from uois_sam.checkpoints.compact import load_compact
from uois_sam.checkpoints.folder import BUNDLED, CARD_FILE, WEIGHTS_FILE, read_folder, save_folder
from uois_sam.errors import OutputError, UOISError, WeightsError
from uois_sam.runtime import device as devices
from uois_sam.runtime.device import Capability, choose_device, choose_precision
from uois_sam.types import ImageArray

LOOSE: dict[str, Any] = {"prompts": "grid", "grid_side": 8, "score_threshold": -10.0, "max_area_fraction": 1.0}


def photo() -> ImageArray:
    return np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)


@pytest.fixture
def folder(tiny_pipeline: UOISSAM, tmp_path: Path) -> Path:
    """A saved model."""
    tiny_pipeline.save_pretrained(tmp_path / "saved" / "model")
    return tmp_path / "saved" / "model"


def load(folder: Path) -> UOISSAM:
    return UOISSAM.from_pretrained(folder, device="cpu", precision="float32")


def change_card(folder: Path, **changes: Any) -> None:
    card = json.loads((folder / CARD_FILE).read_text())
    (folder / CARD_FILE).write_text(json.dumps({**card, **changes}))


def put_weights(folder: Path, content: bytes) -> None:
    """Replace the weights, and the card's SHA256 with theirs: the check of the sum cannot help."""
    (folder / WEIGHTS_FILE).write_bytes(content)
    change_card(folder, weights_sha256=hashlib.sha256(content).hexdigest())


# --- round trip


def test_the_folder_of_a_training_says_where_its_model_is(folder: Path) -> None:
    with pytest.raises(WeightsError, match="found no model.json; .*model has one"):
        load(folder.parent)
    (folder / CARD_FILE).unlink()
    with pytest.raises(WeightsError, match="found no model.json$"):
        load(folder.parent)


def test_a_saved_model_predicts_the_same_when_loaded(tiny_pipeline: UOISSAM, folder: Path) -> None:
    expected, found = (model.with_settings(**LOOSE).predict(photo()) for model in (tiny_pipeline, load(folder)))
    assert len(expected) > 0
    assert found.model == expected.model
    for name in ("masks", "scores", "boxes", "points"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=1e-5), name  # norms are folded


def test_card_and_settings_come_back(tiny_pipeline: UOISSAM, tmp_path: Path) -> None:
    tiny_pipeline.with_settings(nms="box", score_threshold=0.125).save_pretrained(tmp_path)
    model = load(tmp_path)
    assert (model.settings.nms, model.settings.score_threshold) == ("box", 0.125)
    assert model.card.training == {"random": True}
    assert model.card.licence == "Apache-2.0"
    assert model.name == "tiny"


def test_saving_what_was_loaded_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    load(folder).save_pretrained(tmp_path / "again")
    for name in (CARD_FILE, WEIGHTS_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_a_model_folder_holds_exactly_two_files_and_the_sum_of_one_in_the_other(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {WEIGHTS_FILE, CARD_FILE}
    card = json.loads((folder / CARD_FILE).read_text())
    assert card["weights_sha256"] == hashlib.sha256((folder / WEIGHTS_FILE).read_bytes()).hexdigest()
    assert set(card) == {
        "name", "version", "licence", "architecture", "preprocessing", "selection", "training", "weights_sha256",
        "parent",
    }  # fmt: skip


def test_a_loaded_model_is_frozen_and_ready(folder: Path) -> None:
    for module in load(folder).networks.modules():
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())


def test_a_folder_that_cannot_be_written_is_an_output_error(tiny_pipeline: UOISSAM, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        tiny_pipeline.save_pretrained(tmp_path / "file" / "model")


# --- names and devices


def test_an_unknown_model_is_answered_with_those_there_are(tmp_path: Path) -> None:
    for name in ("sam-vit-xxl", str(tmp_path / "nowhere")):
        with pytest.raises(WeightsError, match="unknown model.*expected one of compact"):
            UOISSAM.from_pretrained(name)


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "mps:3"])
def test_an_unknown_device_is_answered_with_those_there_are(folder: Path, name: str) -> None:
    with pytest.raises(UOISError, match=r"unknown device.*auto, cpu"):
        UOISSAM.from_pretrained(folder, device=name)


@pytest.mark.parametrize(
    ("gpus", "mps", "known", "unknown"),
    [
        (0, False, {"auto": "cpu", "cpu": "cpu"}, ["cuda", "cuda:0", "mps"]),
        (2, False, {"auto": "cuda:0", "cpu": "cpu", "cuda": "cuda", "cuda:1": "cuda:1"}, ["cuda:2", "mps"]),
        (0, True, {"auto": "cpu", "mps": "mps"}, ["cuda", "cuda:0"]),
    ],
)
def test_devices_are_those_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, gpus: int, mps: bool, known: dict[str, str], unknown: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert {name: str(choose_device(name)) for name in known} == known
    for name in unknown:
        with pytest.raises(UOISError, match=rf"no such device here: '{name}'; this machine has: auto, cpu"):
            choose_device(name)


@pytest.mark.parametrize(
    ("computes", "fast", "asked", "auto"),
    [
        (False, False, torch.float32, torch.float32),  # AVX2, older ARM
        (True, False, torch.bfloat16, torch.float32),  # AVX-512 without its bfloat16 part
        (True, True, torch.bfloat16, torch.bfloat16),  # AVX-512 with it, AMX, newer ARM
    ],
)
def test_precision_is_what_the_processor_can(
    computes: bool, fast: bool, asked: torch.dtype, auto: torch.dtype, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(devices, "capability", lambda device_type: Capability(computes, fast))
    cpu = torch.device("cpu")
    assert choose_precision("float32", cpu) == torch.float32
    assert choose_precision("auto", cpu) == auto
    assert not caplog.records
    assert choose_precision("bfloat16", cpu) == asked
    assert ("does not compute in bfloat16" in caplog.text) == (not computes)


@pytest.mark.slow
@pytest.mark.parametrize("level", ["AVX2", "AVX512_CORE", "AVX512_CORE_BF16", "DEFAULT"])
def test_bfloat16_works_whatever_the_processor(level: str) -> None:
    """oneDNN is told which instructions it may use; on processors other than x86 it ignores that."""
    code = """
import numpy as np, torch
from uois_sam import UOISSAM
from uois_sam.models.compact.inference import fused
model = UOISSAM.from_pretrained("compact", device="cpu", precision="bfloat16")
print(len(model.predict("examples/scene_bowl.jpg")))
plain = UOISSAM.from_pretrained("compact", device="cpu").networks.saved.encoder
with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
    fused(plain, torch.device("cpu"), torch.bfloat16)(torch.zeros(3, 48, 64, dtype=torch.uint8))
"""
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": level, "OMP_NUM_THREADS": "1"}
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0
    if level == "AVX2" and platform.machine() == "x86_64":
        assert "does not compute in bfloat16" in result.stderr


def test_an_unknown_precision_is_refused(folder: Path) -> None:
    with pytest.raises(UOISError, match="unknown precision 'half': expected auto, float32, bfloat16"):
        UOISSAM.from_pretrained(folder, device="cpu", precision="half")


# --- broken files


@pytest.mark.parametrize("name", [CARD_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=f"found no {name}"):
        load(folder)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_truncated_weights_are_refused_by_their_sum(folder: Path, share: float) -> None:
    content = (folder / WEIGHTS_FILE).read_bytes()
    (folder / WEIGHTS_FILE).write_bytes(content[: int(share * len(content))])
    with pytest.raises(WeightsError, match=r"expected SHA256 .*truncated or altered"):
        load(folder)


def test_truncated_weights_with_a_matching_sum_are_refused_as_no_safetensors(folder: Path) -> None:
    put_weights(folder, (folder / WEIGHTS_FILE).read_bytes()[:-100])
    with pytest.raises(WeightsError, match="expected safetensors"):
        load(folder)


def test_one_altered_byte_is_refused(folder: Path) -> None:
    content = bytearray((folder / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(WeightsError, match="SHA256"):
        load(folder)


def compact(**changes: Any) -> dict[str, Any]:
    """Changes of a card: a compact model's architecture with other sizes."""
    return {"architecture": {"kind": "compact", **changes}}


NO_CARDS = ["", "{", "[1, 2]", "7", '{"name": "compact"}', '{"nonsense": 1}', "\udcff"]
HOSTILE = ["[" * 100_000, "1" * 5000, '{"name": NaN}', '{"name": ' + "[" * 500 + "]" * 500 + "}"]


@pytest.mark.parametrize("text", NO_CARDS + HOSTILE)
def test_a_card_that_is_no_model_card_is_refused(folder: Path, text: str) -> None:
    (folder / CARD_FILE).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(WeightsError, match=r"model\.json: expected a model card in JSON"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": {"kind": "yolo"}}, "expected architecture kind 'compact', got 'yolo'"),
        ({"architecture": {}}, "got None"),
        ({"architecture": "compact"}, "architecture: expected named entries, found 'compact'"),
        ({"architecture": {"kind": "compact", "colour": "red"}}, "architecture: unknown field 'colour'"),
        (
            {"architecture": {"kind": "compact", "stages": [[1, 2]]}},
            r"architecture: stages\[0\]: expected .* found \[1, 2\]",
        ),
        (compact(decoder_depth=10**6), "decoder_depth: expected a whole number from 1 to 12, found 1000000"),
        (compact(width=10**9), "width: expected a whole number from 1 to 1024, found 1000000000"),
        (compact(width=100, heads=40), "width: expected a multiple of twice the 40 heads, found 100"),
        (compact(heads=0), "heads: expected a whole number from 1 to 64, found 0"),
        (compact(input_hw=[1, 1]), r"input_hw\[0\]: expected .*from 32 to 2048 in steps of 16.* found 1"),
        (compact(input_hw=["480", "640"]), r"input_hw\[0\]: expected .* found '480'"),
        (compact(input_hw=480), "input_hw: expected .* found 480"),
        (compact(stages=[[1, 3, 1, 1, 16]] * 17), "stages: expected .*at most 16 entries"),
        (compact(stages=[[1, 3, 1, 1, 16]]), "does not describe a compact model"),
        ({"name": ["a"]}, r"name: expected text.* found \['a'\]"),
        ({"training": 7}, "training: expected named entries, found 7"),
        ({"selection": {"score_threshold": "a"}}, "score_threshold: expected a number of at most 1, found 'a'"),
        ({"selection": {"max_prompts": 2.5}}, "max_prompts: expected a whole number from 0 to 1024, found 2.5"),
        ({"selection": {"colour": "red"}}, "selection: unknown field 'colour'"),
        ({"selection": {"nms": "circle"}}, "selection: nms: expected one of mask, box, found 'circle'"),
    ],
)
def test_a_card_of_another_model_is_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    change_card(folder, **changes)
    with pytest.raises(WeightsError, match=message):
        load(folder)


# --- tensors that do not fit


def resave(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    """Write the model again with other tensors and a valid card."""
    card, tensors = read_folder(folder)
    change(tensors)
    save_folder(tensors, card, folder)


def test_missing_tensors_are_counted_and_named(folder: Path) -> None:
    resave(folder, lambda tensors: tensors.pop("hdnet.mlp.0.weight"))
    with pytest.raises(WeightsError, match=r"1 missing \(hdnet\.mlp\.0\.weight\)"):
        load(folder)


def test_unexpected_tensors_are_counted_and_the_first_named(folder: Path) -> None:
    resave(folder, lambda tensors: tensors.update({f"z{k}": torch.zeros(1) for k in range(5)}))
    with pytest.raises(WeightsError, match=r"5 unexpected \(z0, z1, z2, \.\.\.\)"):
        load(folder)


def test_tensors_of_another_shape_are_named_with_both_shapes(folder: Path) -> None:
    resave(folder, lambda tensors: tensors.update({"hpg.out.bias": torch.zeros(4)}))
    with pytest.raises(WeightsError, match=r"1 of another shape \(hpg\.out\.bias expected \(3,\) got \(4,\)\)"):
        load(folder)


def test_all_misfits_are_told_at_once(folder: Path) -> None:
    def change(tensors: dict[str, Tensor]) -> None:
        tensors["more"] = tensors.pop("hpg.out.bias")

    resave(folder, change)
    with pytest.raises(WeightsError, match=r"1 missing \(hpg\.out\.bias\); 1 unexpected \(more\)"):
        load(folder)


# --- malicious files


class Trap:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickle_that_runs_code_is_refused_and_never_runs(folder: Path, tmp_path: Path, kind: str) -> None:
    sprung = tmp_path / "sprung"
    buffer = io.BytesIO()
    if kind == "pickle":
        pickle.dump(Trap(sprung), buffer)
    else:
        torch.save({"encoder.weight": Trap(sprung)}, buffer)
    put_weights(folder, buffer.getvalue())
    with pytest.raises(WeightsError, match="expected safetensors"):
        load(folder)
    assert not sprung.exists()
    buffer.seek(0)
    pickle.load(buffer) if kind == "pickle" else torch.load(buffer, weights_only=False)
    assert sprung.exists()  # the trap was a live one


# --- what the package carries


class TestBundledModel:
    """The compact model's own folder."""

    def test_it_loads_by_name_and_segments(self) -> None:
        model = UOISSAM.from_pretrained("compact", device="cpu")
        assert model.name.startswith("compact-")
        assert model.predict(photo()).image_hw == (50, 70)

    def test_it_is_at_most_25_mb(self) -> None:
        assert sum(path.stat().st_size for path in BUNDLED["compact"].rglob("*")) <= 25_000_000

    def test_its_card_says_licence_and_training_record(self) -> None:
        card, _ = read_folder(BUNDLED["compact"])
        assert card.licence == "Apache-2.0"
        assert card.training["images"] > 0
        assert {"recipe", "data_sha256", "losses", "uois_sam"} <= set(card.training)
        assert {"input_hw", "mean", "std", "resize", "channels"} <= set(card.preprocessing)
        assert card.selection == asdict(UOISSAM.from_pretrained("compact", device="cpu").settings)


def test_a_card_gets_the_sum_of_the_tensors_it_is_saved_with(folder: Path, tmp_path: Path) -> None:
    card, tensors = read_folder(folder)
    save_folder(tensors, replace(card, weights_sha256="of something else"), tmp_path / "other")
    assert read_folder(tmp_path / "other")[0] == card


def test_a_base_where_a_compact_model_is_expected_is_not_called_unknown() -> None:
    with pytest.raises(WeightsError, match="sam-vit-l has no folder: .*expected one of compact"):
        load_compact("sam-vit-l")


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", f"{'y' * 300}/model"])
def test_names_that_no_folder_can_have_are_unknown_models(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError):
        UOISSAM.from_pretrained(name)


def test_wrong_settings_in_a_card_are_told_with_its_file(tmp_path: Path, tiny_pipeline: UOISSAM) -> None:
    tiny_pipeline.save_pretrained(tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    card["selection"]["score_threshold"] = "x"
    (tmp_path / "model.json").write_text(json.dumps(card))
    with pytest.raises(WeightsError, match=r"model\.json: selection: score_threshold: expected .* found 'x'"):
        UOISSAM.from_pretrained(tmp_path)
