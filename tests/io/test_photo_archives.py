"""Photos in tar files and Parquet tables: which are found, under which names, and what damaged archives say."""

from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from uois_sam.errors import ImageError
from uois_sam.io.images import read_image
from uois_sam.io.photo_archives import members_of


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), (value, value, value)).save(file, "PNG")
    return file.getvalue()


def tar_of(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def table_of(path: Path, columns: dict[str, Any], rows_a_group: int = 2) -> Path:
    pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=rows_a_group)
    return path


def values(path: Path) -> dict[str, int]:
    """Grey value of every photo, by name, through a pickle, as on its way to a cluster."""
    members = [pickle.loads(pickle.dumps(member)) for member in members_of(path)]
    return {member.name: int(np.unique(read_image(member.read())).item()) for member in members}


def test_photos_of_a_tar_file(tmp_path: Path) -> None:
    files = {"a/1.png": png(1), "a/1.json": b"{}", "2.PNG": png(2), "a/._1.png": b"x", "../../out.png": png(3)}
    assert values(tar_of(tmp_path / "t.tar", files)) == {"a/1.png": 1, "2.PNG": 2, "out.png": 3}


@pytest.mark.parametrize(("columns", "names"), [
    ({"__key__": ["x", "y", "z"], "jpg": [png(1), png(2), png(3)]}, ["x", "y", "z"]),
    ({"image": [{"bytes": png(1), "path": "p/1.png"}, {"bytes": png(2), "path": None}, {"bytes": png(3), "path": ""}]},
     ["p/1.png", "00000001", "00000002"]),
    ({"label": [1, 2, 3], "scan": [png(1), png(2), png(3)]}, ["00000000", "00000001", "00000002"]),
    ({"id": [7, 8, 9], "content": [png(1), png(2), png(3)], "thumbnail": [b"", b"", b""]}, ["7", "8", "9"]),
], ids=["keys", "hugging face", "one binary column", "ids"])  # fmt: skip
def test_photos_of_a_table(tmp_path: Path, columns: dict[str, Any], names: list[str]) -> None:
    assert values(table_of(tmp_path / "t.parquet", columns)) == dict(zip(names, (1, 2, 3), strict=True))


def test_archives_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_bytes(b"no tar file at all" * 60)
    (tmp_path / "text.parquet").write_bytes(b"no table")
    packed = tar_of(tmp_path / "gz.tar", {"a.png": png(1)}, "w:gz")
    whole = tar_of(tmp_path / "whole.tar", {"a.png": png(1), "b.png": png(2)}).read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[:1300])
    numbers = table_of(tmp_path / "numbers.parquet", {"a": [1, 2]})
    for path, said in (
        (tmp_path / "text.tar", "uncompressed tar"),
        (packed, "compressed"),
        (tmp_path / "cut.tar", "damaged|cut off"),
        (tmp_path / "text.parquet", "expected a Parquet table"),
        (numbers, "column of photos"),
        (tmp_path / "missing.tar", "No such file"),
    ):
        with pytest.raises(ImageError, match=said) as caught:
            members_of(path)
        assert path.name in str(caught.value) and "\n" not in str(caught.value)


def test_a_cell_without_a_photo_and_an_archive_that_changed(tmp_path: Path) -> None:
    table = members_of(table_of(tmp_path / "t.parquet", {"image": [png(1), None]}))
    assert read_image(table[0].read()).shape == (6, 8, 3)
    with pytest.raises(ImageError, match=r"t\.parquet/00000001"):
        table[1].read()
    path = tar_of(tmp_path / "t.tar", {"a.png": png(1)})
    member = members_of(path)[0]
    path.write_bytes(b"short")
    with pytest.raises(ImageError, match=r"t\.tar/a\.png"):
        member.read()
