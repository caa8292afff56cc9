"""The paper in one command, from end to end on tiny random networks and tiny trees of every data set's layout."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paper_trees import TEST_SETS, command, write_base, write_trees
from tiny_base import TinyBase
from uois_sam.cli.main import main
from uois_sam.evaluation import components, run
from uois_sam.evaluation.report.published import TABLE_4
from uois_sam.evaluation.report.report import percentages, read_report
from uois_sam.reproduce import stages
from uois_sam.training import train_heads as heads_training

SHARES = ("--shares", 10, 100)


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyBase:
    return write_base(tmp_path / "weights", monkeypatch)


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    return write_trees(tmp_path / "trees")


def scores_of(out: Path) -> dict[str, tuple[float, ...]]:
    """Figures of every report by its folder."""
    return {
        path.parent.name: percentages(read_report(path)["scores"]["all_frames"])
        for path in sorted((out / "scores").rglob("report.json"))
    }


def rows_of(page: str, title: str) -> list[list[str]]:
    """Cells of a table's own rows on the page."""
    section = page[page.index(f">{title}</h2>") :]
    own = re.findall(r'<tr class="own">(.*?)</tr>', section[: section.index("</table>")], re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in own]


def test_everything_is_trained_scored_timed_and_put_beside_the_paper(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    assert main(command(base, trees, out, *SHARES)) == 0
    page, scores = (out / "reproduce.html").read_text(), scores_of(out)
    rows = {f"ocid-row-{row}" for row in (1, 2, 3)}
    assert set(scores) == {*TEST_SETS, *rows, "ocid-100-percent"}

    def cells(*folders: str) -> list[str]:
        return [f"{value:.1f}" for folder in folders for value in scores[folder]]

    name = "UOIS-SAM on sam-tiny, 10 %"
    for table, folder in {"II: OCID": "ocid", "II: OSD": "osd", "III: PhoCAL": "phocal",
                          "III: HouseCat6D": "housecat6d"}.items():  # fmt: skip
        assert rows_of(page, f"Table {table}") == [[name, "U-S", "RGB", *cells(folder)]]
    assert all(read_report(path)["scores"]["predicted_objects"] for path in (out / "scores").rglob("report.json"))
    folders = ("ocid-row-1", "ocid-row-2", "ocid-row-3", "ocid")
    assert rows_of(page, "Table IV: components") == [
        [row.name, "this run, OCID", *cells(folder)] for row, folder in zip(TABLE_4, folders, strict=True)
    ]
    assert rows_of(page, "Table V: training data") == [
        ["10 %", "this run, OCID", "1", *cells("ocid")],
        ["100 %", "this run, OCID", "10", *cells("ocid-100-percent")],
    ]
    assert "85.8</td><td>81.0</td><td>79.9" in page  # the paper's own row of Tables II, IV and V
    assert "1 image, 10 % of 10 UOAIS-Sim; 1 image chose the epoch" in page
    assert "<td>484</td>" in page and "640x480 pixels" not in page
    assert read_report(out / "scores" / "phocal" / "report.json")["protocol"]["sizes_hw"] == [[480, 640]]
    assert (out / "heads" / "cache").is_dir() and not (out / "heads-50" / "cache").exists()
    assert main(["tables", str(out / "scores")]) == 0  # every row has a name of its own
    assert f"**{name}**" in capsys.readouterr().out

    monkeypatch.setattr("uois_sam.reproduce.stages.evaluate", None)
    monkeypatch.setattr("uois_sam.reproduce.stages.fit_share", None)
    monkeypatch.setattr("uois_sam.reproduce.stages.measure", None)
    assert main(command(base, trees, out, *SHARES)) == 0
    assert capsys.readouterr().err.count("done before") == 12
    assert rows_of((out / "reproduce.html").read_text(), "Table III: PhoCAL")[0][3:] == cells("phocal")


def interrupting(call: Callable[..., Any]) -> Callable[..., Any]:
    """A call that interrupts once its work is done, the first time; later it only works."""
    interrupted: list[bool] = []

    def wrapped(*arguments: Any, **keywords: Any) -> Any:
        result = call(*arguments, **keywords)
        if not interrupted:
            interrupted.append(True)
            raise KeyboardInterrupt
        return result

    return wrapped


PLACES = (
    (heads_training, "fit_hdnet"),  # between the two fits
    (stages, "fit_share"),  # between work and its note
    (components, "_predict"),  # between two photos
    (run, "score_frame"),  # between two frames
    (stages, "measure"),
)


def test_a_run_that_is_stopped_everywhere_ends_as_one_that_is_not(
    base: TinyBase, trees: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert main(command(base, trees, whole, "--shares", 10, sets=("ocid",))) == 0
    for module, name in PLACES:
        monkeypatch.setattr(module, name, interrupting(getattr(module, name)))
    statuses = [main(command(base, trees, stopped, "--shares", 10, sets=("ocid",))) for _ in range(len(PLACES) + 1)]
    assert statuses == [130] * len(PLACES) + [0]
    assert scores_of(stopped) == scores_of(whole)
    heads = [(out / "heads" / "model" / "model.safetensors").read_bytes() for out in (whole, stopped)]
    assert heads[0] == heads[1]


def test_a_test_set_may_come_later(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(command(base, trees, out, "--shares", 100, sets=())) == 0
    said = capsys.readouterr().err
    assert "OCID: missing, its part of Tables II, IV and V is left out; --ocid ROOT; 2390 photos" in said
    assert "https://sites.google.com/view/housecat6d" in said and "licence: CC BY 4.0" in said
    page = (out / "reproduce.html").read_text()
    assert "No test set was given: nothing is scored." in page and 'class="own"' not in page
    assert not (out / "heads-100").exists()  # without a test set Table V has nothing to say
    assert main(command(base, trees, out, "--shares", 100, sets=("osd",))) == 0
    page = (out / "reproduce.html").read_text()
    assert "heads: done before" in capsys.readouterr().err
    assert "this run&#39;s are on OSD: compare only" in page
    assert [row[1] for row in rows_of(page, "Table IV: components")] == ["this run, OSD"] * 4


def test_without_data_scenes_are_rendered_and_all_of_them_are_learned_from(
    base: TinyBase, trees: Path, rectangles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def render(workers: int, folder: Path, scenes: int, seed: int, watch: object) -> None:
        assert (workers, scenes, seed) == (1, 6, 0)
        folder.mkdir(parents=True)
        for kind in ("rgb", "label"):
            (folder / kind).symlink_to(rectangles / kind)

    monkeypatch.setattr("uois_sam.cli.reproduce.render", render)
    words = command(base, trees, tmp_path / "run", "--scenes", 6, "--shares", 100, sets=("osd",))
    at = words.index("--data")
    assert main([*words[:at], *words[at + 2 :]]) == 0
    page = (tmp_path / "run" / "reproduce.html").read_text()
    assert "on 5 images, 100 % of 6 rendered scenes; 1 image chose the epoch (held out of them at random)" in page
    assert "The paper trained on UOAIS-Sim" in page
    assert rows_of(page, "Table II: OSD")[0][1] == "scenes"


def test_frames_that_fail_are_on_the_page_and_in_the_exit_status(
    base: TinyBase, trees: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (trees / "osd" / "image_color" / "result_1.png").write_bytes(b"torn")
    assert main(command(base, trees, tmp_path / "run", "--shares", 10, sets=("osd",))) == 1
    assert "score on OSD: + HDNet = UOIS-SAM, heads of 10 % of the images: 1 frames failed" in capsys.readouterr().err
    assert "left out because they failed: 1 frame" in (tmp_path / "run" / "reproduce.html").read_text()


def test_the_notes_of_a_stage_are_plain_json(base: TinyBase, trees: Path, tmp_path: Path) -> None:
    assert main(command(base, trees, tmp_path / "run", sets=())) == 0
    entry = json.loads((tmp_path / "run" / "stages" / "heads.json").read_text())
    assert entry["done"] and entry["facts"]["images"] == 1 and entry["facts"]["validation"] == 1
    assert entry["inputs"]["recipe"]["percent"] == 10 and str(tmp_path) not in json.dumps(entry["inputs"])
