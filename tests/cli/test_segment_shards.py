"""``uois-sam segment`` over archives, lists and shards: the results are those of the same photos as files."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image
from rich.console import Console

from uois_sam import UOISSAM
from uois_sam.cli.segment.command import Segment, segment_inputs
from uois_sam.cli.segment.executors import _packed
from uois_sam.cli.segment.inputs import find_sources, photos_of
from uois_sam.cli.segment.outputs import PictureOptions
from uois_sam.cli.segment.sinks import ShardOptions
from uois_sam.errors import UOISError
from uois_sam.io.shards import read_shards

NAMES = ("a/one.png", "a/two.png", "three.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three photos, the same photos as a tar file and a table, and a list of their names."""
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(folder / name)
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for name in NAMES:
            tar.add(folder / name, name)
    contents = [(folder / name).read_bytes() for name in NAMES]
    pyarrow.parquet.write_table(pyarrow.table({"name": list(NAMES), "image": contents}), tmp_path / "set.parquet")
    (tmp_path / "set.txt").write_text("".join(f"{folder / name}\n" for name in NAMES))
    return folder


@pytest.fixture
def segment(tiny_pipeline: UOISSAM) -> Callable[..., tuple[int, str]]:
    """Run the command with random weights; returns the exit status and what it printed."""

    def run(given: object, out: Path, **options: Any) -> tuple[int, str]:
        console = Console(file=io.StringIO(), width=200)
        status = segment_inputs(Segment(str(given), (), out, **options), console, lambda: tiny_pipeline)
        return status, console.file.getvalue()  # type: ignore[attr-defined]

    return run


def rows_of(record: bytes) -> Any:
    return json.loads(record)["instances"]


@pytest.mark.parametrize(("given", "below"), [("set.tar", "set"), ("set.parquet", "set"), ("@set.txt", "")])
def test_archives_and_lists_give_what_files_give(
    photos: Path, segment: Callable[..., tuple[int, str]], given: str, below: str
) -> None:
    root = photos.parent
    source = f"@{root / 'set.txt'}" if given.startswith("@") else root / given
    assert segment(photos, root / "expected")[0] == 0
    assert segment(source, root / "out")[0] == 0
    for name in NAMES:
        stem = Path(name).with_suffix("")
        expected, found = root / "expected" / stem, root / "out" / below / stem
        for ending in ("_label.png", "_overlay.jpg"):
            assert Path(f"{found}{ending}").read_bytes() == Path(f"{expected}{ending}").read_bytes()
        assert rows_of(Path(f"{found}.json").read_bytes()) == rows_of(Path(f"{expected}.json").read_bytes())


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_shards_hold_what_files_would(photos: Path, segment: Callable[..., tuple[int, str]], kind: Any) -> None:
    root = photos.parent
    segment(photos, root / "expected")
    status, said = segment(photos, root / "out", sharding=ShardOptions(kind, 2))
    assert status == 0 and "3 photos" in said
    found = dict(read_shards(root / "out"))
    assert set(found) == {"a/one", "a/two", "three"}
    for name, files in found.items():
        assert set(files) == {".label.png", ".json"}
        assert files[".label.png"] == Path(f"{root / 'expected' / name}_label.png").read_bytes()
        assert rows_of(files[".json"]) == rows_of(Path(f"{root / 'expected' / name}.json").read_bytes())
    assert len(list((root / "out").glob(f"shard-*.{kind}"))) == 2


def test_shards_go_on(photos: Path, segment: Callable[..., tuple[int, str]]) -> None:
    out = photos.parent / "out"
    segment(photos / "a", out, sharding=ShardOptions("tar"))
    (photos / "one.png").write_bytes((photos / "three.png").read_bytes())
    _, said = segment(photos / "three.png", out, sharding=ShardOptions("tar"), overwrite=False)
    assert "1 photo," in said
    _, said = segment(photos / "one.png", out, sharding=ShardOptions("tar"), overwrite=False)
    assert "1 photo skipped" in said  # named "one", as a/one was
    assert [name for name, _ in read_shards(out)] == ["one", "two", "three"]


def test_a_photo_of_an_archive_that_fails_is_named(photos: Path, segment: Callable[..., tuple[int, str]]) -> None:
    path = photos.parent / "bad.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(photos / "three.png", "good.png")
        info = tarfile.TarInfo("bad.png")
        info.size = 5
        tar.addfile(info, io.BytesIO(b"hello"))
    status, said = segment(path, photos.parent / "out")
    assert status == 1
    assert f"{path}/bad.png" in said and "1 input failed" in said


def test_a_list_with_a_missing_photo_and_lists_that_are_none(
    photos: Path, segment: Callable[..., tuple[int, str]]
) -> None:
    listed = photos.parent / "list.txt"
    listed.write_text(f"{photos / 'three.png'}\n\n{photos / 'no.png'}\n")
    status, said = segment(f"@{listed}", photos.parent / "out")
    assert status == 1 and "no.png" in said
    listed.write_text("\n")
    with pytest.raises(UOISError, match="one name a line, found none"):
        segment(f"@{listed}", photos.parent / "out")
    with pytest.raises(UOISError, match="No such file"):
        segment("@nowhere.txt", photos.parent / "out")


@pytest.mark.parametrize("pictures", [PictureOptions(crops=True), PictureOptions(contact_sheet=True)])
def test_what_needs_files_does_not_go_with_shards(
    photos: Path, segment: Callable[..., tuple[int, str]], pictures: PictureOptions
) -> None:
    with pytest.raises(UOISError, match="--shards: expected no --c"):
        segment(photos, photos.parent / "out", pictures=pictures, sharding=ShardOptions("tar"))


def test_a_photo_of_an_archive_travels_without_it(photos: Path) -> None:
    archive = photos.parent / "set.tar"
    source = find_sources([archive], Path("out"))[0][2]
    sent = pickle.loads(pickle.dumps(_packed(next(photos_of(source)))))
    archive.unlink()
    np.testing.assert_array_equal(sent.photo.read(), np.asarray(Image.open(photos / "three.png")))


def test_archives_in_a_folder_are_told(
    photos: Path, segment: Callable[..., tuple[int, str]], caplog: pytest.LogCaptureFixture
) -> None:
    (photos / "set.tar").write_bytes((photos.parent / "set.tar").read_bytes())
    segment(photos, photos.parent / "out")
    assert "left out 1 file, first set.tar: archives" in caplog.text
