"""Opening data sets by name, and what all of them share: sampling, notes, errors."""

from __future__ import annotations

import ast
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

import uois_sam.datasets
from uois_sam.datasets import DATASETS, Dataset, dataset_options, open_dataset
from uois_sam.errors import DatasetError


def test_what_it_returns_follows_the_protocol(rectangles: Path) -> None:
    dataset: Dataset = open_dataset("folder", rectangles)
    assert dataset.names == tuple("012345")
    assert dataset[5].name == "5"


@pytest.mark.parametrize(("given", "meant"), [("ocdi", "ocid"), ("OCID", "ocid"), ("foldr", "folder")])
def test_unknown_names_get_the_nearest(tmp_path: Path, given: str, meant: str) -> None:
    with pytest.raises(DatasetError, match=f"expected a data set out of .*found '{given}'; did you mean {meant}"):
        open_dataset(given, tmp_path)


def test_nonsense_gets_the_list_only(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="found 'xyzzy'$"):
        open_dataset("xyzzy", tmp_path)


def test_unknown_options_get_the_nearest(rectangles: Path) -> None:
    with pytest.raises(
        DatasetError, match="options out of every, offset, depth, partial, depth_unit_m, void, found 'ofset'; .* offset"
    ):
        open_dataset("folder", rectangles, ofset=1)


@pytest.mark.parametrize(
    ("name", "options", "wanted"),
    [
        ("ocid", {"rebase_ids": "yes"}, "rebase_ids as bool, found 'yes'"),
        ("folder", {"offset": 1.5}, "offset as int, found 1.5"),
        ("folder", {"offset": True}, "offset as int, found True"),
        ("folder", {"every": "ten"}, "every as int or None, found 'ten'"),
        ("phocal", {"frame_list": 3}, "frame_list as str or PathLike or None, found 3"),
        ("osd", {"annotations": 3}, "annotations as str, found 3"),
        ("bop", {"min_visible": "0.1"}, "min_visible as int or float, found '0.1'"),
        ("tod", {"views": 2}, "views as tuple or list, found 2"),
        ("tod", {"views": [[1], 2]}, "views as a list of int, found"),
    ],
)
def test_options_of_another_type(tmp_path: Path, name: str, options: dict[str, object], wanted: str) -> None:
    with pytest.raises(DatasetError, match=f"{name}: expected {wanted}"):
        open_dataset(name, tmp_path, **options)


@pytest.mark.parametrize("name", DATASETS)
def test_options_are_listed_with_their_defaults(name: str) -> None:
    assert {"every": None, "offset": 0, "depth": False, "partial": False}.items() <= dataset_options(name).items()


def test_own_options_are_listed() -> None:
    assert dataset_options("ocid")["rebase_ids"] is False


class TestSampling:
    def test_every_nth_from_an_offset(self, rectangles: Path) -> None:
        dataset = open_dataset("folder", rectangles, every=4, offset=1)
        assert dataset.names == ("1", "5")
        assert dataset[1].name == "5"
        assert dataset.notes == ("one in 4 of 6 frames, from frame 1 on",)

    @pytest.mark.parametrize(("every", "offset"), [(0, 0), (-1, 0), (3, 3), (3, -1)])
    def test_senseless(self, rectangles: Path, every: int, offset: int) -> None:
        with pytest.raises(DatasetError, match=f"found every={every} and offset={offset}"):
            open_dataset("folder", rectangles, every=every, offset=offset)

    def test_nothing_left(self, rectangles: Path) -> None:
        with pytest.raises(DatasetError, match="found 6 and none of them from 8 on"):
            open_dataset("folder", rectangles, every=9, offset=8)


def test_pickles_with_its_options(rectangles: Path) -> None:
    dataset = pickle.loads(pickle.dumps(open_dataset("folder", rectangles, every=2)))
    assert dataset.names == ("0", "2", "4")
    with pytest.raises(IndexError):
        dataset[3]


def test_a_folder_that_may_not_be_read(rectangles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("rgb"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(DatasetError, match="rectangles/rgb: expected a readable folder, found: Permission denied"):
        open_dataset("folder", rectangles)


SOURCES = sorted(Path(uois_sam.datasets.__file__).parent.glob("*.py"))
MANUAL = Path(__file__).parents[2] / "docs" / "reference" / "datasets.md"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_is_ever_unpickled(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"pickle", "_pickle", "dill", "joblib", "torch"}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if ast.unparse(call.func) == "np.load":
            assert "allow_pickle=False" in ast.unparse(call)


@pytest.mark.parametrize("name", DATASETS)
def test_the_manual_has_every_data_set_and_option(name: str) -> None:
    text = MANUAL.read_text(encoding="utf-8")
    section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
    assert DATASETS[name].info.homepage in section
    for option in dataset_options(name):
        assert f"`{option}" in section or f"`{option}" in text.split("\n## ")[1]
