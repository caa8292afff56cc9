"""`uois-sam models` for real: names, sizes, what is cached, what is trained."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest
import torch

from tiny_base import NAME, TinyBase
from uois_sam.checkpoints.bases import BACKBONES, BASES
from uois_sam.checkpoints.folder import CARD_FILE, WEIGHTS_FILE
from uois_sam.checkpoints.heads import save_heads
from uois_sam.cli.main import main

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and an empty working folder."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "cache"


def put_in_cache(cache: Path, repo: str, files: dict[str, bytes]) -> None:
    """As the client leaves downloads."""
    folder = cache / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    for name, content in files.items():
        (folder / "snapshots" / COMMIT / name).write_bytes(content)


def line_of(output: str, name: str) -> str:
    return next(line for line in output.splitlines() if line.startswith(name))


def test_names_sizes_and_licences_are_listed_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    assert "Apache-2.0" in line_of(output, "compact")
    for name, entry in (*BASES.items(), *BACKBONES.items()):
        assert entry.published.licence in line_of(output, f"{name} ")
        assert ("gated" in line_of(output, f"{name} ")) is entry.published.gated
    assert "gated: accept the licence at https://huggingface.co/facebook/sam3, then hf auth login" in output
    assert "not downloaded (0.2 GB)" in line_of(output, "sam2.1-hiera-tiny")
    assert "facebook/dinov3-vits16-pretrain-lvd1689m" in line_of(output, "dinov3-vits16")
    assert "4.0 M" in line_of(output, "compact") and "bundled" in line_of(output, "compact")
    assert "334 M" in line_of(output, "sam-vit-l") and "not downloaded (1.3 GB)" in line_of(output, "sam-vit-l")
    assert "facebook/sam-vit-large" in line_of(output, "sam-vit-l")
    assert "trained models" not in output


def test_what_is_cached_is_told(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_in_cache(cache, "facebook/sam-vit-base", {"model.safetensors": bytes(375_000_000 // 100)})
    main(["models"])
    assert "cached: SAM 0.00 GB; DINOv2 missing" in line_of(capsys.readouterr().out, "sam-vit-b")
    put_in_cache(cache, "facebook/dinov2-small", {"model.safetensors": b"x"})
    main(["models"])
    output = capsys.readouterr().out
    assert "cached: SAM 0.00 GB, DINOv2 0.00 GB" in line_of(output, "sam-vit-b")
    assert "cached: DINOv2 0.00 GB; SAM missing" in line_of(output, "sam-vit-l")


def test_trained_heads_are_found_in_runs_in_given_folders_and_in_the_cache(
    tiny_base: TinyBase, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = tiny_base.load()
    torch.manual_seed(0)
    folder = tmp_path / "here" / "runs" / "mine" / "model"
    save_heads(base, base.fresh_hpg(), base.fresh_hdnet(), folder, training={})
    put_in_cache(cache, "lab/bins", {name: (folder / name).read_bytes() for name in (CARD_FILE, WEIGHTS_FILE)})
    expected = f"heads for {NAME} (base SHA256 {base.sha256[:16]}...), named {NAME}"
    main(["models"])
    output = capsys.readouterr().out
    assert f"runs/mine/model: {expected}" in output
    assert f"lab/bins: {expected}, in the hub cache" in output
    main(["models", str(tmp_path / "here")])
    assert f"{folder}: {expected}" in capsys.readouterr().out
    (folder / CARD_FILE).write_text("{")
    main(["models"])
    assert "runs/mine/model: broken: " in capsys.readouterr().out


def test_without_the_extra_the_list_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["models"]) == 0
    output = capsys.readouterr().out
    assert "needs the extra full" in line_of(output, "sam-vit-l")
    assert "pip install -c constraints.txt '.[full]'" in line_of(output, "the extra full:")


def test_folders_that_are_not_there_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", str(tmp_path / "nowhere")]) == 2
    assert "expected folders, found none at" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (PermissionError(13, "Permission denied", "/data/x"), "error: /data/x: Permission denied"),
        (OSError(28, "No space left on device"), "error: No space left on device"),
        (MemoryError(), "error: no free memory"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: Exception, told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, console: object) -> int:
        raise error

    monkeypatch.setattr("uois_sam.cli.models.Models.run", refuse)
    assert main(["models"]) == 2
    assert capsys.readouterr().err.strip() == told
