"""Walking through JSON files of any size: the same objects as the json module finds, and the bytes they take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uois_sam.errors import DatasetError
from uois_sam.io import json_index
from uois_sam.io.json_index import iterate_objects, read_objects

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=6)


@settings(max_examples=40)
@given(
    images=OBJECTS,
    annotations=OBJECTS,
    other=VALUES,
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    chunk=st.sampled_from([1, 7, 1 << 20]),
)
def test_finds_what_json_finds_at_any_window_size(
    tmp_path_factory: pytest.TempPathFactory,
    images: list[dict[str, Any]],
    annotations: list[dict[str, Any]],
    other: object,
    indent: int | None,
    ascii_only: bool,
    chunk: int,
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    content = {"info": other, "images": images, "n": 12, "annotations": annotations, "x": [other]}
    text = json.dumps(content, indent=indent, ensure_ascii=ascii_only)
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_index, "_CHUNK", chunk)
        found = list(iterate_objects(path, ("images", "annotations")))
    assert [each.value for each in found if each.key == "images"] == images
    assert [each.value for each in found if each.key == "annotations"] == annotations
    assert read_objects(path, [(each.start, each.length) for each in found]) == [each.value for each in found]


def test_a_byte_order_mark_and_umlauts(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b"\xef\xbb\xbf" + '{"images": [{"file_name": "tür/日本.png"}]}'.encode())
    (found,) = iterate_objects(path, ["images"])
    assert found.value == {"file_name": "tür/日本.png"}
    assert read_objects(path, [(found.start, found.length)]) == [found.value]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON at byte 0, found the end of the file"),
        ("[1]", r"expected '\{' at byte 0, found '\[1\]'"),
        ('{"images": [{"id": 1}', "at byte 21, found the end of the file"),
        ('{"images": [{"id": 1, "x', 'expected JSON at byte 12, found \'{"id": 1, "x\''),
        ('{"images": [{"id": 1} {"id": 2}]}', "expected ',' at byte 22"),
        ('{"images": [1]}', "expected an object at byte 12, found '1]}'"),
        ('{"images": {"id": 1}}', r"expected '\[' at byte 11"),
        ('{"images": [{"id": nonsense}]}', "expected JSON at byte 12"),
    ],
)
def test_damaged_files_are_told_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=f"a.json: .*{message}"):
        list(iterate_objects(path, ["images"]))


def test_nesting_too_deep_to_be_meant(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"info": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(DatasetError, match="expected JSON at byte 9"):
        list(iterate_objects(tmp_path / "a.json", ["images"]))


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"images": [{"name": "\xff"}]}')
    with pytest.raises(DatasetError, match="expected UTF-8 at byte"):
        list(iterate_objects(tmp_path / "a.json", ["images"]))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected a JSON file, found: No such file"):
        list(iterate_objects(tmp_path / "a.json", ["images"]))


@pytest.mark.parametrize("content", ["", '{"images": []}', "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]"])
def test_a_file_that_changed_after_opening(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"images": [{"id": 1}]}')
    (found,) = iterate_objects(path, ["images"])
    path.write_text(content)
    with pytest.raises(DatasetError, match="expected the content it had when it was opened"):
        read_objects(path, [(found.start, found.length)])
