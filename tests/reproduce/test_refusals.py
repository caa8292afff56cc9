"""What a reproduction refuses: one clear line, nothing half done."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from paper_trees import command, write_base, write_trees
from tiny_base import TinyBase
from uois_sam.cli.main import main
from uois_sam.io.files import only_run
from uois_sam.reproduce.ledger import Ledger, Stage


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyBase:
    return write_base(tmp_path / "weights", monkeypatch)


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    return write_trees(tmp_path / "trees")


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error, after what was said before it."""
    capsys.readouterr()
    assert main(words) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in said].count(True) == 1 and "Traceback" not in " ".join(said)
    return said[-1]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--base", "sam-vit-m"), "did you mean sam-vit-"),
        (("--scenes", 5), "expected --data or --scenes to train on, found both"),
        (("--percent", 0), "percent: expected above 0, at most 100, found 0"),
        (("--shares", 1, 200), "percent: expected above 0, at most 100, found 200"),
        (("--epochs", 0), "epochs: expected 1 or more, found 0"),
        (("--ocid", "/nowhere"), "/nowhere: expected a folder with OCID's"),
        (("--data", "/nowhere"), "/nowhere: expected a folder with UOAIS-Sim's"),
        (("--dataset", "foldr"), "did you mean folder?"),
        (("--sam", "not/there.pth"), "not/there.pth: expected a file with weights, found nothing"),
    ],
)
def test_what_can_be_told_is_told_before_the_work(
    options: tuple[object, ...], line: str, base: TinyBase, trees: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "run"
    assert line in told(command(base, trees, out, *options, sets=()), capsys)
    assert not out.exists()


def test_a_base_without_weights_is_told_what_to_give(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    words = command(base, trees, tmp_path / "run", sets=())
    at = words.index("--sam")
    line = told([*words[:at], *words[at + 4 :]], capsys)
    assert "tests/sam-tiny is not in the cache" in line and "--sam FILE --dinov2 FILE" in line


def test_a_test_set_of_another_layout_is_told_even_in_a_dry_run(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trees / "osd" / "annotation").rename(trees / "osd" / "labels")
    assert "osd: expected OSD's" in told(command(base, trees, tmp_path / "run", "--dry-run", sets=("osd",)), capsys)


def test_an_out_that_cannot_be_written_is_told(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert "expected a folder, found a file" in told(command(base, trees, tmp_path / "file", sets=()), capsys)


def test_an_out_that_another_run_writes_into_is_told(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_run(tmp_path):
        assert "another run is writing into this folder" in told(command(base, trees, tmp_path, sets=()), capsys)


def test_a_full_disk_stops_the_run_and_room_lets_it_go_on(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = command(base, trees, tmp_path / "run", sets=())
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10, 10, 0))
        line = told(words, capsys)
    assert "the cache needs " in line and "0 bytes are free; make room or choose another --out" in line
    assert main(words) == 0
    assert "stage heads: go on to cache and fit the heads" in capsys.readouterr().err


def test_stages_of_another_run_are_told(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    ledger = Ledger(out)
    ledger.run(Stage("heads", "", {"base": "sam-vit-b", "recipe": {"percent": 5.0}}, dict, out / "heads"))
    line = told(command(base, trees, out, sets=()), capsys)
    assert f"{out}: holds another run's stage heads, with base 'sam-vit-b' instead of 'sam-tiny'" in line
    assert f"choose another --out, or remove {out / 'heads'} and {out / 'stages' / 'heads.json'}" in line
    (out / "stages" / "heads.json").write_text("{")
    assert "heads.json: expected a stage of uois-sam reproduce" in told(command(base, trees, out, sets=()), capsys)


def test_a_stage_is_done_once_and_tells_what_it_found(tmp_path: Path) -> None:
    done: list[int] = []

    def work() -> dict[str, int]:
        done.append(1)
        return {"frames": 3}

    stage = Stage("a", "count frames", {"size": (480, 640)}, work, tmp_path / "a")
    first, second = Ledger(tmp_path).run(stage), Ledger(tmp_path).run(stage)
    assert done == [1] and first.facts == second.facts == {"frames": 3} and second.done
