"""Cached features on disk: what they hold, that a killed run goes on where it was, and what is made anew."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.filesize import decimal
from safetensors.torch import load_file, save_file

from conftest import TINY
from uois_sam.datasets.folder import FolderDataset
from uois_sam.errors import OutputError, UOISError
from uois_sam.models.compact.model import CompactModel
from uois_sam.models.networks import Networks
from uois_sam.training.feature_cache import shards as cache
from uois_sam.training.feature_cache.features import FeatureConfig, ViewRows, view_rows
from uois_sam.training.feature_cache.rows import Rows, join_rows
from uois_sam.training.feature_cache.shards import CacheRequest, CacheState, fill_cache, open_cache
from uois_sam.training.splits import look_through

CONFIG = FeatureConfig(views=2, view_hw=TINY.input_hw, prompts=8, own_peaks=3)


@pytest.fixture
def request_(base: Networks, model: CompactModel, data: FolderDataset) -> CacheRequest:
    """Twelve views of six images, five a shard."""
    return CacheRequest(base, data, look_through(data).sha256, CONFIG, model.hpg, shard=5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def fill(request: CacheRequest, folder: Path, processes: Any) -> tuple[CacheState, list[int]]:
    state = open_cache(request, folder)
    return state, list(fill_cache(request, state, processes))


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


SHARDS = [f"{part}/{start:07d}.safetensors" for part in ("maps", "tokens") for start in (0, 5, 10)]


def assert_equal(rows: Rows, others: Rows) -> None:
    for name, value in vars(rows).items():
        assert torch.equal(value, getattr(others, name)), name


def test_every_view_is_cached_in_order_and_progress_counts_them(
    request_: CacheRequest, folder: Path, processes: Any
) -> None:
    state, counts = fill(request_, folder, processes)
    assert counts == [0, 5, 10, 12, 12]
    assert list(contents(folder)) == ["cache.json", *SHARDS]
    computed = [view_rows(request_.base, request_.proposer, request_.data, CONFIG, item) for item in range(12)]
    for source, wanted in (
        (state.maps(), join_rows([rows.maps for rows in computed])),
        (state.tokens(), join_rows([rows.tokens for rows in computed])),
    ):
        assert source.bounds == [range(0, 5), range(5, 10), range(10, 12)]
        assert_equal(join_rows([source.read(shard) for shard in range(3)]), wanted)


def test_what_it_takes_on_disk_is_known_before(request_: CacheRequest, folder: Path, processes: Any) -> None:
    state = open_cache(request_, folder)
    foretold = state.bytes_needed
    list(fill_cache(request_, state, processes))
    written = sum(len(content) for name, content in contents(folder).items() if name != "cache.json")
    assert foretold <= written <= foretold + 6 * 700  # six headers
    assert state.bytes_needed == 0


def test_a_disk_that_is_too_small_is_told_before_anything_is_computed(
    request_: CacheRequest, folder: Path, processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = open_cache(request_, folder)
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(OutputError, match=rf"needs {decimal(state.bytes_needed)} in .*cache, 1.0 kB are free"):
        next(fill_cache(request_, state, processes))
    assert list(contents(folder)) == ["cache.json"]


def test_a_disk_that_fills_up_stops_the_run_cleanly_and_it_goes_on_later(
    request_: CacheRequest, folder: Path, tmp_path: Path, processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system says so where many file systems do: when the second shard is flushed."""
    state = open_cache(request_, folder)
    flushed: list[int] = []

    def fsync(descriptor: int) -> None:
        flushed.append(descriptor)
        if len(flushed) > 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(OutputError, match=r"No space left on device; 5 of 12 views cached.*start the same"):
            list(fill_cache(request_, state, processes))
    assert [name for name in contents(folder) if "0000000" not in name] == ["cache.json"]
    assert fill(request_, folder, processes)[1] == [5, 10, 12, 12]
    fill(request_, tmp_path / "whole", processes)
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_run_stopped_after_some_shards_does_not_compute_them_again(
    request_: CacheRequest, folder: Path, processes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = fill_cache(request_, open_cache(request_, folder), processes)
    assert [next(running), next(running)] == [0, 5]
    running.close()  # type: ignore[attr-defined]
    items: list[int] = []

    def noting(*args: Any, **options: Any) -> ViewRows:
        items.append(args[-1])
        return view_rows(*args, **options)

    monkeypatch.setattr(cache, "view_rows", noting)
    assert fill(request_, folder, processes)[1] == [5, 10, 12, 12]
    assert items == list(range(5, 12))


KILLED = """
import sys, time
from pathlib import Path
import torch
from conftest import TINY
from uois_sam.datasets.folder import FolderDataset
from uois_sam.checkpoints.compact import compact_base
from uois_sam.models.compact.model import CompactModel
from uois_sam.training.feature_cache import shards as cache
from uois_sam.training.feature_cache.shards import CacheRequest, fill_cache, open_cache
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.distributed import start_processes
root, folder, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
torch.manual_seed(0)
model = CompactModel(TINY).eval().requires_grad_(False)
write = cache.write_together
def slow(contents):
    def whole(content):
        def writing(file):
            file.write(content[:1000]); file.flush(); print("writing", flush=True); time.sleep(seconds)
            file.write(content[1000:])
        return writing
    write({path: whole(content) for path, content in contents.items()})
cache.write_together = slow
config = FeatureConfig(views=2, view_hw=TINY.input_hw, prompts=8)
request = CacheRequest(compact_base(model, "tiny", torch.device("cpu")), FolderDataset(root), "0", config, shard=2)
for done in fill_cache(request, open_cache(request, folder), start_processes("cpu")):
    pass
"""


def start(rectangles: Path, folder: Path, seconds: float) -> subprocess.Popen[str]:
    tests = Path(__file__).parents[1]
    paths = [str(tests), str(tests / "helpers"), str(Path(cache.__file__).parents[3])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILLED, str(rectangles), str(folder), str(seconds)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
def test_kill_9_in_the_middle_of_a_shard_and_going_on_gives_the_same_bytes(rectangles: Path, tmp_path: Path) -> None:
    killed = start(rectangles, tmp_path / "killed", 0.3)
    assert killed.stdout is not None
    for _ in range(5):  # two shards are whole, the third's first file is half written
        assert killed.stdout.readline() == "writing\n"
    time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    left = list(contents(tmp_path / "killed"))
    assert [name for name in left if name.endswith(".tmp")], "it was not killed while writing"
    assert len([name for name in left if name.endswith(".safetensors")]) == 4
    assert start(rectangles, tmp_path / "killed", 0).wait() == 0
    assert start(rectangles, tmp_path / "whole", 0).wait() == 0
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")
    assert len(contents(tmp_path / "whole")) == 1 + 2 * 6


def test_the_same_request_finds_its_cache_again(
    request_: CacheRequest, model: CompactModel, folder: Path, processes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Also with another HDNet, which is fitted on the cache."""
    fill(request_, folder, processes)
    next(model.hdnet.parameters()).data += 1
    with caplog.at_level(logging.INFO):
        assert fill(request_, folder, processes)[1] == [12, 12]
    assert not caplog.records


@pytest.mark.parametrize("part", ["encoder", "decoder", "hpg"])
def test_a_cache_of_other_weights_is_made_anew(
    request_: CacheRequest, model: CompactModel, folder: Path, processes: Any, caplog: pytest.LogCaptureFixture,
    part: str, tmp_path: Path,
) -> None:  # fmt: skip
    fill(request_, folder, processes)
    next(getattr(model, part).parameters()).data.flatten()[0].add_(0.5)
    changed = replace(request_, base=replace(request_.base))  # a base remembers its hash
    with caplog.at_level(logging.INFO):
        assert fill(changed, folder, processes)[1] == [0, 5, 10, 12, 12]
    assert [record.message for record in caplog.records] == [f"{folder}: cached features of other weights, made anew"]
    fill(changed, tmp_path / "fresh", processes)
    assert contents(folder) == contents(tmp_path / "fresh")


def test_a_cache_of_other_data_or_settings_is_made_anew(
    request_: CacheRequest, rectangles: Path, folder: Path, processes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    fill(request_, folder, processes)
    caplog.set_level(logging.INFO)
    (rectangles / "label" / "3.png").write_bytes((rectangles / "label" / "4.png").read_bytes())
    relabelled = replace(request_, data_sha256=look_through(request_.data).sha256)
    assert fill(relabelled, folder, processes)[1] == [0, 5, 10, 12, 12]
    for kind in ("rgb", "label"):
        (rectangles / kind / "5.png").rename(rectangles / kind / "9.png")
    renamed = replace(relabelled, data=FolderDataset(rectangles))
    for request in (renamed, replace(renamed, config=replace(CONFIG, seed=1))):
        assert fill(request, folder, processes)[1] == [0, 5, 10, 12, 12]
    said = [record.message.split("features of ")[1] for record in caplog.records]
    assert said == ["other data, made anew", "other data, made anew", "other settings, made anew"]


@pytest.mark.parametrize("marker", [None, "", "[]", '{"weights": "of an earlier version"}'])
def test_shards_that_nobody_knows_the_origin_of_are_made_anew(
    request_: CacheRequest, folder: Path, processes: Any, marker: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    fill(request_, folder, processes)
    wanted = contents(folder)
    (folder / "0000000.safetensors").write_bytes(b"where shards once lay")
    (folder / "maps" / "notes.safetensors").write_bytes(b"somebody else's")
    (folder / "cache.json").unlink()
    if marker is not None:
        (folder / "cache.json").write_text(marker)
    with caplog.at_level(logging.INFO):
        fill(request_, folder, processes)
    assert "an unknown make" in caplog.text
    assert contents(folder) == {**wanted, "maps/notes.safetensors": b"somebody else's"}


def test_a_damaged_shard_is_named(request_: CacheRequest, folder: Path, processes: Any) -> None:
    state, _ = fill(request_, folder, processes)
    path = folder / "tokens" / "0000005.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UOISError, match=r"tokens/0000005.safetensors: expected a shard.*delete it"):
        state.tokens().read(1)
    path.write_bytes((folder / "tokens" / "0000010.safetensors").read_bytes())
    with pytest.raises(UOISError, match="expected 5 views, found 2"):
        state.tokens().read(1)


def test_an_image_that_cannot_be_read_stops_before_its_shard(
    request_: CacheRequest, rectangles: Path, folder: Path, processes: Any
) -> None:
    state = open_cache(request_, folder)
    (rectangles / "label" / "3.png").write_bytes(b"no image")
    with pytest.raises(UOISError, match=r"3\.png"):
        list(fill_cache(request_, state, processes))
    assert state.cached == 5


def test_the_marker_says_what_the_cache_is_made_of(request_: CacheRequest, folder: Path) -> None:
    state = open_cache(request_, folder)
    identity = json.loads((folder / "cache.json").read_text())["identity"]
    assert identity == state.identity
    assert identity["weights"]["base"] == request_.base.sha256
    assert identity["data"]["images"] == 6
    assert identity["settings"]["prompts"] == 8


def test_a_pipe_or_another_kind_of_tensors_among_the_shards_is_named(
    request_: CacheRequest, folder: Path, processes: Any
) -> None:
    state, _ = fill(request_, folder, processes)
    path = folder / "tokens" / "0000005.safetensors"
    tensors = load_file(path)
    save_file({**tensors, "scores": tensors["scores"].float()}, path)
    with pytest.raises(UOISError, match=r"scores: expected F16 of .*as in the first shard, found F32"):
        state.tokens().read(1)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UOISError, match="a pipe or device"):
        state.tokens().read(1)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"identity": 1, "view_bytes": 1}', b'{"identity": {}, "view_bytes": -1}']
)
def test_a_damaged_marker_has_the_cache_made_anew(
    request_: CacheRequest, folder: Path, processes: Any, content: bytes
) -> None:
    fill(request_, folder, processes)
    wanted = contents(folder)
    (folder / cache.MARKER).write_bytes(content)
    fill(request_, folder, processes)
    assert contents(folder) == wanted


def test_a_folder_in_place_of_the_marker_is_named(request_: CacheRequest, folder: Path, processes: Any) -> None:
    fill(request_, folder, processes)
    (folder / cache.MARKER).unlink()
    (folder / cache.MARKER).mkdir()
    with pytest.raises(OutputError, match=r"cache\.json: expected a file that can be removed"):
        open_cache(request_, folder)
