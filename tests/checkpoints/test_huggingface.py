"""Weights through the Hugging Face client, against a hub on this machine: progress, resume, sums, cache, offline."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import huggingface_hub.constants
import numpy as np
import pytest
import torch
from safetensors.torch import save

from hub_server import HubServer, hub_for_client
from tiny_base import BACKBONE, NAME, SPEC, TinyBase, random_photo
from uois_sam import UOISSAM
from uois_sam.checkpoints.bases import BASES
from uois_sam.checkpoints.folder import CARD_FILE, WEIGHTS_FILE
from uois_sam.checkpoints.heads import save_heads
from uois_sam.checkpoints.huggingface import cached_weights, looks_like_hub_id
from uois_sam.checkpoints.loading import load_base
from uois_sam.errors import MissingExtraError, UOISError, WeightsError


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """An empty hub, and an empty cache."""
    with hub_for_client(monkeypatch, tmp_path / "cache") as server:
        yield server


def as_bytes(path: Path) -> bytes:
    return save(torch.load(path, weights_only=True))


@pytest.fixture
def published(hub: HubServer, tiny_base: TinyBase) -> HubServer:
    """A hub that has the tiny base's two networks."""
    hub.files[SPEC.published.repo] = {"model.safetensors": as_bytes(tiny_base.sam)}
    hub.files[BACKBONE.published.repo] = {"pytorch_model.bin": tiny_base.dinov2.read_bytes()}
    return hub


def load() -> Any:
    return load_base(NAME, device="cpu", precision="float32")


def downloads(hub: HubServer) -> list[str]:
    return [name for method, name, _ in hub.asked if method == "GET"]


# --- bases


def test_a_base_is_downloaded_once_by_its_name(published: HubServer, tiny_base: TinyBase) -> None:
    assert load().sha256 == tiny_base.load().sha256
    assert downloads(published) == ["model.safetensors", "pytorch_model.bin"]
    published.asked.clear()
    load()
    assert published.asked == []  # not even whether there is a newer one: these weights never change


def test_the_licence_and_the_place_are_named_once(
    published: HubServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="uois_sam"):
        load()
        load()
    told = [record.getMessage() for record in caplog.records if record.name == "uois_sam"]
    assert len(told) == 2
    assert all(f"(licence Apache-2.0) into {tmp_path / 'cache'}" in line for line in told)


def test_another_id_may_be_given(published: HubServer, tiny_base: TinyBase) -> None:
    published.files["someone/sam-copy"] = published.files.pop(SPEC.published.repo)
    base = load_base(NAME, sam="someone/sam-copy", dinov2=tiny_base.dinov2, device="cpu", precision="float32")
    assert base.sha256 == tiny_base.load().sha256


def test_a_broken_download_goes_on_where_it_stopped(
    published: HubServer, tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 5_000)  # it goes on after whole chunks
    published.break_after = 20_000
    assert load().sha256 == tiny_base.load().sha256
    ranges = [asked for method, name, asked in published.asked if method == "GET" and name == "model.safetensors"]
    assert ranges == [None, "bytes=20000-"]


def test_what_arrives_altered_is_refused_and_not_kept(published: HubServer) -> None:
    published.announced_sha256 = "ab" * 32
    with pytest.raises(WeightsError, match=r"expected SHA256 abababababababab\.\.\. of model\.safetensors, downloaded"):
        load()
    assert cached_weights(SPEC.published.repo) is None
    published.announced_sha256 = None
    load()


def test_offline_the_cache_works_and_what_is_missing_is_told(
    published: HubServer, tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    load_base(NAME, dinov2=tiny_base.dinov2, device="cpu", precision="float32")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    published.asked.clear()
    load_base(NAME, dinov2=tiny_base.dinov2, device="cpu", precision="float32")
    caplog.clear()
    with (
        caplog.at_level(logging.INFO, logger="uois_sam"),
        pytest.raises(
            WeightsError, match=rf"{BACKBONE.published.repo} is not in the cache .*HF_HUB_OFFLINE.*--dinov2 FILE"
        ) as e,
    ):
        load()
    assert "\n" not in str(e.value) and len(str(e.value)) < 400
    assert "downloading" not in caplog.text
    with pytest.raises(WeightsError, match=r"model\.json of lab/bins is not in the cache .*HF_HUB_OFFLINE.*folder"):
        UOISSAM.from_pretrained("lab/bins")
    assert published.asked == []


def test_ids_that_are_not_there_are_told(published: HubServer) -> None:
    with pytest.raises(WeightsError, match="the Hugging Face hub has no model 'no/such'"):
        load_base(NAME, sam="no/such")
    published.files["an/empty"] = {}
    with pytest.raises(
        WeightsError, match=r"an/empty .*expected model\.safetensors or pytorch_model\.bin, found neith"
    ):
        load_base(NAME, sam="an/empty")


def test_a_hub_that_does_not_answer_is_told_in_one_line(
    hub: HubServer, tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    constants, nobody = huggingface_hub.constants, "http://127.0.0.1:9"
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(hub.address, nobody)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)  # between its attempts
    with pytest.raises(WeightsError) as caught:
        load()
    told = str(caught.value)
    assert f"cannot get model.safetensors of {SPEC.published.repo}: not in the cache" in told
    assert "onnection refused" in told and "give files that you have" in told and "\n" not in told
    assert [record for record in caplog.records if record.name.startswith("huggingface_hub")] == []


def test_gated_weights_say_where_to_accept_their_licence(published: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    gated = replace(SPEC, published=replace(SPEC.published, gated=True, licence="SAM License"))
    monkeypatch.setitem(BASES, NAME, gated)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    expected = rf"^{SPEC.published.repo} is gated: .*accept it at https://huggingface.co/{SPEC.published.repo}, then"
    with pytest.raises(WeightsError, match=expected) as nobody:
        load()
    assert published.asked == []  # nobody is logged in: no server has to say so
    published.gated.add(SPEC.published.repo)
    monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")
    with pytest.raises(WeightsError, match=expected) as refused:
        load()
    assert "\n" not in str(refused.value) and str(refused.value) == str(nobody.value)
    published.gated.clear()
    assert load().licence.startswith("SAM License (")


@pytest.mark.parametrize(
    ("name", "is_id"), [("org/name", True), ("a-b/c_d.e", True), ("compact", False), ("a/b/c", False), ("/a", False)]
)
def test_ids_look_like_org_slash_name(name: str, is_id: bool) -> None:
    assert looks_like_hub_id(name) is is_id


def test_without_the_client_the_error_says_how_to_get_it(tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"'huggingface_hub': pip install -c constraints.txt '.\[full\]'"):
        load()


# --- models


@pytest.fixture
def model(tiny_base: TinyBase, tmp_path: Path) -> UOISSAM:
    """Untrained heads on the tiny base."""
    base = tiny_base.load()
    torch.manual_seed(0)
    save_heads(base, base.fresh_hpg(), base.fresh_hdnet(), tmp_path / "heads", training={})
    return load_model(tmp_path / "heads", tiny_base)


def load_model(name: Path | str, base: TinyBase) -> UOISSAM:
    return UOISSAM.from_pretrained(name, sam=base.sam, dinov2=base.dinov2, device="cpu", precision="float32")


def publish_on(server: HubServer, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let the client's two calls that publish put files on our hub; returns what they were given."""
    calls: list[dict[str, Any]] = []

    def create_repo(self: Any, repo_id: str, **options: Any) -> None:
        calls.append({"repo_id": repo_id, "token": self.token, **options})
        server.files.setdefault(repo_id, {})

    def upload_folder(self: Any, *, repo_id: str, folder_path: Path, commit_message: str) -> str:
        server.files[repo_id] = {path.name: path.read_bytes() for path in folder_path.iterdir()}
        return f"{server.address}/{repo_id}/commit/1"

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create_repo)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload_folder)
    return calls


def test_what_is_pushed_comes_back_and_predicts_the_same(
    hub: HubServer, model: UOISSAM, tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = publish_on(hub, monkeypatch)
    assert model.push_to_hub("lab/bins", private=True, token="secret").endswith("/lab/bins/commit/1")
    assert calls == [{"repo_id": "lab/bins", "token": "secret", "private": True, "exist_ok": True}]
    assert set(hub.files["lab/bins"]) == {WEIGHTS_FILE, CARD_FILE, "README.md"}
    readme = hub.files["lab/bins"]["README.md"].decode()
    assert readme.startswith("---\nlicense: apache-2.0\n")
    assert 'from_pretrained("lab/bins")' in readme
    found = load_model("lab/bins", tiny_base)
    photo = random_photo().permute(1, 2, 0).numpy()
    loose = {"foreground_threshold": 0.0, "heatmap_threshold": -100.0, "score_threshold": -100.0, "max_prompts": 3}
    expected, same = (m.with_settings(**loose).predict(photo) for m in (model, found))
    assert np.array_equal(expected.masks, same.masks)


def test_a_newer_version_on_the_hub_is_taken_and_the_cached_one_without_a_network(
    hub: HubServer, model: UOISSAM, tiny_base: TinyBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_on(hub, monkeypatch)
    model.push_to_hub("lab/bins")
    load_model("lab/bins", tiny_base)
    model.with_settings(nms="box").push_to_hub("lab/bins")
    assert load_model("lab/bins", tiny_base).settings.nms == "box"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert load_model("lab/bins", tiny_base).settings.nms == "box"


def test_a_hub_model_of_another_kind_is_refused(hub: HubServer) -> None:
    hub.files["lab/other"] = {"config.json": b"{}"}
    with pytest.raises(WeightsError, match=r"lab/other .*expected model\.json and model\.safetensors"):
        UOISSAM.from_pretrained("lab/other")


def test_a_refusing_hub_is_told_in_one_line(hub: HubServer, model: UOISSAM, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, *args: Any, **options: Any) -> None:
        raise OSError("403 Forbidden\nmore")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    with pytest.raises(UOISError, match=r"cannot publish lab/bins on the Hugging Face hub: 403 Forbidden$"):
        model.push_to_hub("lab/bins")


def test_a_mistyped_path_does_not_ask_the_network(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="unknown model 'runs/mine'"):
        UOISSAM.from_pretrained("runs/mine")
    assert hub.asked == []
    shutil.rmtree(tmp_path / "runs")
    with pytest.raises(WeightsError, match="hub has no model 'runs/mine'"):
        UOISSAM.from_pretrained("runs/mine")
