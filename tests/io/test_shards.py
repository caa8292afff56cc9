"""Shards of results: what went in comes out, in few files that appear whole, and a stopped run goes on."""

from __future__ import annotations

import json
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uois_sam.errors import OutputError
from uois_sam.io.shards import INDEX, ShardKind, ShardWriter, read_shards

MADE_BY = {"model": "m", "selection": {"a": 1}}
KINDS: tuple[ShardKind, ...] = ("tar", "parquet")
NAMES = st.text(st.sampled_from("ab.%-_é "), min_size=1, max_size=8).filter(lambda name: name.strip(". ") != "")


def files(text: str) -> dict[str, bytes]:
    return {"_label.png": b"\x89PNG" + text.encode(), ".json": json.dumps({"image": text}).encode()}


def fill(folder: Path, kind: ShardKind, names: list[str], size: int = 3, *, go_on: bool = False) -> None:
    with ShardWriter(folder, kind, size, MADE_BY, go_on=go_on) as writer:
        for name in names:
            if name not in writer.done:
                writer.add(name, files(name))


@pytest.mark.parametrize("kind", KINDS)
def test_what_went_in_comes_out_in_order(tmp_path: Path, kind: ShardKind) -> None:
    names = [f"day {index % 2}/photo.{index}" for index in range(8)]
    fill(tmp_path, kind, names)
    found = list(read_shards(tmp_path))
    assert [name for name, _ in found] == names
    assert all(content == {".label.png": files(name)["_label.png"], ".json": files(name)[".json"]}
               for name, content in found)  # fmt: skip
    index = json.loads((tmp_path / INDEX).read_text())
    assert [entry["photos"] for entry in index["shards"]] == [3, 3, 2]
    assert index["photos"] == 8 and index["model"] == "m"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *(f"shard-{number:06d}.{kind}" for number in range(3)), INDEX,
    ]  # fmt: skip


@settings(max_examples=25)
@given(names=st.lists(NAMES, unique=True, min_size=1, max_size=6))
def test_names_with_dots_stay_apart_in_tar_files(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("shards")
    fill(folder, "tar", names, size=100)
    assert [name for name, _ in read_shards(folder)] == names
    with tarfile.open(folder / "shard-000000.tar") as tar:  # WebDataset's rule: a name ends at its first dot
        assert len({member.name.partition(".")[0] for member in tar}) == len(names)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_even_without_the_last_entry(tmp_path: Path, kind: ShardKind) -> None:
    fill(tmp_path, kind, list("abcde"))
    index = json.loads((tmp_path / INDEX).read_text())
    index["shards"].pop()  # as if killed between the shard and the index
    (tmp_path / INDEX).write_text(json.dumps(index))
    before = (tmp_path / f"shard-000000.{kind}").stat().st_mtime_ns
    fill(tmp_path, kind, list("abcdefg"), go_on=True)
    assert [name for name, _ in read_shards(tmp_path)] == list("abcdefg")
    assert json.loads((tmp_path / INDEX).read_text())["photos"] == 7
    assert (tmp_path / f"shard-000000.{kind}").stat().st_mtime_ns == before


def test_what_is_gathered_is_written_when_a_run_is_interrupted(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), ShardWriter(tmp_path, "tar", 100, MADE_BY, go_on=False) as writer:
        writer.add("a", files("a"))
        raise KeyboardInterrupt
    assert [name for name, _ in read_shards(tmp_path)] == ["a"]


def test_a_new_run_replaces_earlier_shards_of_any_kind(tmp_path: Path) -> None:
    fill(tmp_path, "parquet", list("abcdefg"))
    fill(tmp_path, "tar", ["x"])
    assert [name for name, _ in read_shards(tmp_path)] == ["x"]


def test_shards_of_another_model_are_not_added_to(tmp_path: Path) -> None:
    fill(tmp_path, "tar", ["a"])
    with pytest.raises(OutputError, match="same kind, model and settings"):
        ShardWriter(tmp_path, "tar", 3, {"model": "other"}, go_on=True)
    with pytest.raises(OutputError, match="same kind"):
        ShardWriter(tmp_path, "parquet", 3, MADE_BY, go_on=True)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_shards_are_named(tmp_path: Path, kind: ShardKind) -> None:
    fill(tmp_path, kind, list("abc"))
    path = tmp_path / f"shard-000000.{kind}"
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(OutputError, match=r"shard-000000.*damaged"):
        list(read_shards(tmp_path))


def test_an_empty_shard_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "shard-000000.tar", "w"):
        pass
    with pytest.raises(OutputError, match=r"shard-000000\.tar: expected a shard of photos, found none in it"):
        ShardWriter(tmp_path, "tar", 10, {}, go_on=True)


def test_a_folder_without_shards(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="expected shards"):
        list(read_shards(tmp_path))
