"""`uois-sam evaluate` and `uois-sam tables` as users call them, on tiny data and with random weights."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uois_sam.cli.main import main
from uois_sam.cli.options import parse_option
from uois_sam.datasets import FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation import ScoreAccumulator, score_image
from uois_sam.evaluation.report.report import percentages
from uois_sam.pipeline import UOISSAM

FILES = {"per_image.csv", "report.html", "report.json", "report.md"}


@pytest.fixture
def model_folder(tiny_pipeline: UOISSAM, tmp_path: Path) -> Path:
    """Random weights that find something: their answers mean nothing."""
    folder = tmp_path / "model"
    selection = {"score_threshold": -10.0, "foreground_threshold": 0.0, "max_area_fraction": 1.0, "max_prompts": 3}
    tiny_pipeline.with_settings(**selection).save_pretrained(folder)
    return folder


@pytest.fixture
def own_labels(rectangles: Path, tmp_path: Path) -> Path:
    """Predictions of a made-up method: the truth with one column less of every object."""
    folder = tmp_path / "their method"
    for sample in FolderDataset(rectangles):
        labels = np.where(np.roll(sample.labels, 1, axis=1) == sample.labels, sample.labels, 0)
        folder.mkdir(exist_ok=True)
        Image.fromarray(labels.astype(np.uint16)).save(folder / f"{sample.name}.png")
    return folder


def evaluate(*arguments: object) -> int:
    return main(["evaluate", "--workers", "1", "--pictures", "1", *(str(argument) for argument in arguments)])


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text())


def test_a_model(rectangles: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert evaluate("folder", rectangles, "--model", model_folder, "--device", "cpu", "--out", out) == 0
    assert {path.name for path in out.iterdir()} == FILES | {"predictions"}
    names = {path.name for path in (out / "predictions").iterdir()}
    assert names == {f"{i}.{suffix}" for i in range(6) for suffix in ("png", "json")} | {"method.json"}
    report = report_of(out)
    assert report["dataset"]["title"] == "rectangles" and report["dataset"]["scored"] == 6
    assert report["method"]["kind"] == "model" and report["method"]["selection"]["score_threshold"] == -10
    assert report["coco"]["ar"] is not None and report["seconds"]["predicting_median"] > 0
    said = capsys.readouterr().err
    assert "overlap F" in said and "6 frames scored" in said and str(out) in said


def test_scores_are_those_of_the_metric_on_the_same_files(rectangles: Path, own_labels: Path, tmp_path: Path) -> None:
    assert evaluate("folder", rectangles, "--predictions", own_labels, "--out", tmp_path / "out") == 0
    accumulator = ScoreAccumulator()
    for sample in FolderDataset(rectangles):
        with Image.open(own_labels / f"{sample.name}.png") as picture:
            accumulator.update(score_image(np.asarray(picture), sample.labels))
    report = report_of(tmp_path / "out")
    assert percentages(report["scores"]["all_frames"]) == pytest.approx(accumulator.compute().all_frames.percentages())
    assert report["method"] == {"name": "their method", "kind": "predictions"}
    assert report["coco"]["ap"] is None and report["coco"]["ar"] > 0.5
    assert not (tmp_path / "out" / "predictions").exists()
    rows = list(csv.DictReader((tmp_path / "out" / "per_image.csv").open()))
    assert [row["name"] for row in rows] == [str(i) for i in range(6)]


def test_a_cache_is_scored_again_without_its_model(rectangles: Path, model_folder: Path, tmp_path: Path) -> None:
    first, again = tmp_path / "out", tmp_path / "again"
    evaluate("folder", rectangles, "--model", model_folder, "--out", first)
    shutil.rmtree(model_folder)
    options = ("--protocol", "uois", "--inclusive-75", "--tolerance", "2")
    assert evaluate("folder", rectangles, "--predictions", first / "predictions", "--out", again, *options) == 0
    one, other = report_of(first), report_of(again)
    assert other["method"] == one["method"]
    assert other["scores"]["all_frames"]["overlap"] == one["scores"]["all_frames"]["overlap"]
    protocol = other["protocol"]
    assert (protocol["boundary"], protocol["strict_75"], protocol["boundary_radii_px"]) == ("contours", False, [2])


def test_an_interrupted_run_goes_on_and_methods_do_not_mix(
    rectangles: Path, model_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    common = ("folder", rectangles, "--model", model_folder, "--out", out)
    evaluate(*common)
    kept = (out / "predictions" / "3.png").stat().st_mtime_ns
    (out / "predictions" / "4.png").unlink()
    assert evaluate(*common) == 0
    assert (out / "predictions" / "3.png").stat().st_mtime_ns == kept
    assert (out / "predictions" / "4.png").is_file()
    assert evaluate(*common, "--prompts", "grid", "--scores", "sam") == 2
    said = capsys.readouterr().err
    assert "made in the same way, found name" in said and "--overwrite" in said
    assert evaluate(*common, "--baseline", "components", "--overwrite") == 0
    assert report_of(out)["method"]["kind"] == "components"


def test_a_sample_of_the_frames_at_another_size(rectangles: Path, own_labels: Path, tmp_path: Path) -> None:
    options = ("--limit", 3, "--every", 2, "--offset", 1, "--size", 48, 64, "--name", "half", "--title", "boxes")
    assert evaluate("folder", rectangles, "--predictions", own_labels, "--out", tmp_path / "out", *options) == 0
    report = report_of(tmp_path / "out")
    assert (report["dataset"]["frames"], report["dataset"]["asked"]) == (3, 3)
    assert report["protocol"]["sizes_hw"] == [[48, 64]]
    assert (report["method"]["name"], report["dataset"]["title"]) == ("half", "boxes")


@pytest.mark.parametrize(("policy", "status", "scored"), [("error", 2, 0), ("empty", 0, 6), ("skip", 0, 5)])
def test_missing_predictions(
    rectangles: Path,
    own_labels: Path,
    tmp_path: Path,
    policy: str,
    status: int,
    scored: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (own_labels / "2.png").unlink()
    out = tmp_path / "out"
    assert evaluate("folder", rectangles, "--predictions", own_labels, "--out", out, "--missing", policy) == status
    if scored:
        report = report_of(out)
        assert report["dataset"]["scored"] == scored and report["missing_predictions"] == policy
        assert report["left_out"] == (["2"] if policy == "skip" else [])
        what = {"skip": "left out", "empty": "counted as nothing found"}[policy]
        assert f"note: 1 of 6 frames without a prediction {what}, first 2\n" in capsys.readouterr().err


def test_bad_files_fail_alone(
    rectangles: Path, own_labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.zeros((96, 128, 3), np.uint8)).save(own_labels / "1.png")
    Image.fromarray(np.zeros((10, 10), np.uint8)).save(own_labels / "2.png")
    (rectangles / "rgb" / "5.png").write_bytes(b"no photo")
    out = tmp_path / "out"
    assert evaluate("folder", rectangles, "--predictions", own_labels, "--out", out) == 1
    report = report_of(out)
    assert [failure["name"] for failure in report["failures"]] == ["1", "2", "5"]
    assert report["dataset"]["scored"] == 3
    said = capsys.readouterr().err
    assert "found Pillow mode 'RGB'" in said and "expected a prediction of 128x96 pixels" in said
    assert "3 frames failed" in said and "3 frames failed" in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ocdi", "{data}"], "did you mean ocid"),
        (["ocid", "{data}"], "expected OCID's"),
        (["folder", "{data}/nowhere"], "nowhere"),
        (["folder", "{data}", "--predictions", "{data}/label", "--prompts", "grid"], "found both"),
        (["folder", "{data}", "--predictions", "{data}/label", "--model", "compact"], "found both"),
        (["folder", "{data}", "--missing", "skip"], "with --predictions only"),
        (["folder", "{data}", "--predictions", "{data}/nowhere"], "found no folder"),
        (["folder", "{data}", "--predictions", "{data}/nowhere", "--missing", "skip"], "found no folder"),
        (["folder", "{data}", "--limit", "0"], "--limit: expected 1 or more, found 0"),
        (["folder", "{data}", "--pictures", "-1"], "--pictures: expected 0 or more, found -1"),
        (["folder", "{data}", "--size", "0", "4"], "height and width in pixels, found 0 4"),
        (["folder", "{data}", "--set", "split"], "key=value"),
        (["folder", "{data}", "--set", "partail=1"], "did you mean partial"),
        (["folder", "{data}", "--tolerance", "-1", "--predictions", "{data}/label"], "finite number >= 0"),
        (["folder", "{data}", "--model", "compcat"], "compcat"),
    ],
)
def test_bad_input_is_told_in_one_line(
    rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    filled = [argument.format(data=rectangles) for argument in arguments]
    assert evaluate(*filled, "--out", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and message in said
    assert not (tmp_path / "out" / "report.json").exists()


def test_an_output_folder_that_cannot_be(rectangles: Path, own_labels: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert evaluate("folder", rectangles, "--predictions", own_labels, "--out", tmp_path / "file" / "out") == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a=1", ("a", 1)), ("a=true", ("a", True)), ("a=b=c", ("a", "b=c")), ("split=test", ("split", "test"))],
)
def test_options(text: str, expected: tuple[str, object]) -> None:
    assert parse_option(text) == expected


def test_options_need_a_key() -> None:
    with pytest.raises(UOISError, match="found '=1'"):
        parse_option("=1")


# --- tables


def test_tables_without_reports_are_the_papers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables"]) == 0
    printed = capsys.readouterr().out
    assert [line for line in printed.splitlines() if line.startswith("## ")] == [
        "## Table II: OCID and OSD",
        "## Table III: PhoCAL and HouseCat6D",
        "## Table IV: components, on OCID",
        "## Table V: share of the training data, on OCID",
    ]
    assert "| UOAIS-Net [resized] | U-S# | RGBD | 68.6 | 81.6 |" in printed


def test_tables_of_saved_reports(
    rectangles: Path, own_labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        out = tmp_path / "runs" / name
        evaluate("folder", rectangles, "--predictions", own_labels, "--out", out, "--name", name)
    assert main(["tables", str(tmp_path / "runs"), "--out", str(tmp_path / "tables.md")]) == 0
    text = (tmp_path / "tables.md").read_text()
    own = text.split("## rectangles")[1]
    assert "| one | " in own and "| two | " in own
    capsys.readouterr()
    shutil.copytree(tmp_path / "runs" / "one", tmp_path / "runs" / "copy")
    assert main(["tables", str(tmp_path / "runs")]) == 2
    assert "expected one report of one on rectangles" in capsys.readouterr().err


def test_tables_of_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tables", str(tmp_path)]) == 2
    assert "found none" in capsys.readouterr().err
    assert main(["tables", str(tmp_path / "nothere")]) == 2
    assert "nothere: expected a report or a folder of reports, found neither" in capsys.readouterr().err


def test_one_frame_is_one_frame(
    rectangles: Path, own_labels: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate("folder", rectangles, "--predictions", own_labels, "--limit", 1, "--out", tmp_path / "out")
    assert "1 frame scored" in capsys.readouterr().err
    assert "1 frame, " in (tmp_path / "out" / "report.md").read_text()
