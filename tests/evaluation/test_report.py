"""Reports: figures, markdown, the page, and the paper's tables with reports in them."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from uois_sam.evaluation import UCN, UOIS
from uois_sam.evaluation.frame_scores import FrameResult, Prediction, score_frame
from uois_sam.evaluation.report import html, markdown
from uois_sam.evaluation.report.gallery import KIND_COLOURS, choose, draw
from uois_sam.evaluation.report.per_image import FIELDS, to_csv
from uois_sam.evaluation.report.report import (
    MethodInfo,
    Report,
    ReportError,
    ScoredDataset,
    make_report,
    percentages,
    protocol_json,
    read_report,
)
from uois_sam.evaluation.run import FrameFailure, FrameOutcome, Scoring, Skipped
from uois_sam.io.overlay import FILL_OPACITY
from uois_sam.types import Sample

SIZE = (40, 60)


def sample(name: str, objects: int) -> Sample:
    labels = np.zeros(SIZE, np.uint16)
    for value in range(1, objects + 1):
        labels[5:30, 12 * value - 8 : 12 * value] = value
    return Sample(name, np.full((*SIZE, 3), 90, np.uint8), labels)


def frame(name: str, objects: int, shift: int = 0, extra: bool = False) -> tuple[Sample, Prediction]:
    """Objects found ``shift`` columns to the right, perhaps with a mask of background."""
    true = sample(name, objects)
    found = np.roll(true.labels, shift, axis=1)
    if extra:
        found[33:38, 2:9] = 9
    return true, Prediction(found, {value: value / 10 for value in range(1, 10)}, seconds=0.25)


PAIRS = {
    "perfect": frame("perfect", 3),
    "loose": frame("loose", 2, shift=2),
    "missed": (sample("missed", 4), Prediction(np.zeros(SIZE, np.uint16), {})),
    "background": frame("background", 1, extra=True),
    "empty": frame("empty", 0),
    "<b>&amp;": frame("<b>&amp;", 1),
}
RESULTS = [score_frame(*pair) for pair in PAIRS.values()]


def report(
    outcomes: list[FrameOutcome] | None = None, dataset: str = "folder", title: str = "shapes", **method: Any
) -> Report:
    details = {"kind": "model", "selection": {"prompts": "heatmap", "scores": "hdnet"}, **method}
    name = details.pop("name", "mine")
    info = ScoredDataset(dataset, title, frames=20, notes=("every 10th frame",))
    return make_report(outcomes or list(RESULTS), MethodInfo(name, details), info, Scoring(), seconds=1.5)


def test_figures_survive_json_and_agree_with_the_frames(tmp_path: Path) -> None:
    made = report([*RESULTS, FrameFailure("broken", "no reason"), Skipped("left")])
    (tmp_path / "report.json").write_text(json.dumps(made))
    read = read_report(tmp_path / "report.json")
    assert read == json.loads(json.dumps(made))
    assert (read["dataset"]["asked"], read["dataset"]["scored"], read["dataset"]["frames"]) == (8, 6, 20)
    assert read["failures"] == [{"name": "broken", "reason": "no reason"}]
    assert read["left_out"] == ["left"]
    overlap = [result.scores.overlap.f_measure for result in RESULTS]
    assert percentages(read["scores"]["all_frames"])[2] == pytest.approx(100 * np.mean(overlap))
    assert read["scores"]["non_empty_frames"]["frames"] == 5
    assert (read["errors"]["missed"], read["errors"]["background_masks"], read["errors"]["loose"]) == (4, 1, 2)
    assert sum(each["objects"] for each in read["recall_by_size"]) == read["scores"]["true_objects"] == 11
    assert read["coco"]["ap"] is not None
    assert read["seconds"] == {"predicting_median": 0.25, "scoring": 1.5}
    assert read["versions"]["uois-sam"]


def test_nothing_to_report() -> None:
    with pytest.raises(ReportError, match="none of 1 that could be: broken: no reason"):
        report([FrameFailure("broken", "no reason")])


@pytest.mark.parametrize("content", ["{}", "[]", '{"format": 99}', "no JSON"])
def test_files_that_are_no_reports(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ReportError, match="expected a report"):
        read_report(tmp_path / "report.json")


def test_the_protocol_in_words() -> None:
    words = protocol_json(UCN, [(480, 640), (852, 1096)], [3, 5])["words"]
    assert "640x480, 1096x852" in words and "F > 0.75" in words and "3, 5 px" in words
    assert "contours" in protocol_json(UOIS, [(480, 640)], [3])["words"]


def test_one_line_a_frame() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(RESULTS).decode())))
    assert [row["name"] for row in rows] == list(PAIRS)
    assert tuple(rows[0]) == FIELDS
    assert (rows[0]["overlap_f"], rows[0]["height"], rows[0]["width"]) == ("1.0", "40", "60")
    assert (rows[2]["missed"], rows[3]["background_masks"], rows[4]["true_objects"]) == ("4", "1", "0")
    assert rows[2]["seconds"] == ""


def test_markdown_beside_the_paper() -> None:
    page = markdown.report_page(report(dataset="osd", title="OSD"))
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert any(line.startswith("| **mine** |") for line in rows)
    assert "| UOIS-SAM (paper) | U-S | RGB | 75.4 | 84.8 | 78.9 | 58.3 | 81.3 | 66.1 | 82.5 |" in rows
    assert "a sample of 6 frames, drawn from all over 20; every 10th frame." in page
    assert "5 non-empty frames" in page
    assert "| missed | 4 |" in page


def test_markdown_of_a_set_the_paper_has_not() -> None:
    page = markdown.report_page(report())
    assert "paper" not in page and "| training |" not in page


def test_cells_cannot_break_a_table() -> None:
    assert markdown.table(["a"], [["x|y"]]).splitlines()[-1] == r"| x\|y |"


def test_tables_have_every_published_row_and_our_own_where_they_belong() -> None:
    reports = [
        report(dataset="ocid", title="OCID"),
        report(dataset="ocid", title="OCID", name="grid", selection={"prompts": "grid", "scores": "sam"}),
        report(dataset="ocid", title="OCID", name="five", training={"recipe": {"percent": 5.0}}),
        report(dataset="housecat6d", title="HouseCat6D"),
        report(name="other", title="shapes"),
    ]
    text = markdown.paper_tables(reports)
    parts = {part.split(":")[0].split("\n")[0]: part for part in text.split("## ")[1:]}
    assert list(parts) == ["Table II", "Table III", "Table IV", "Table V", "shapes"]
    ours = [line for line in parts["Table II"].splitlines() if line.startswith("| **")]
    assert [line.count("| –") for line in ours] == [7, 7, 7], "nothing on OSD"
    assert all(f"**{name}**" in parts["Table II"] for name in ("mine", "grid", "five"))
    assert "**mine**" in parts["Table III"] and "**grid**" not in parts["Table III"]
    assert "| grid (SAM baseline) | **grid** |" in parts["Table IV"]
    assert "| + HDNet = UOIS-SAM | **mine** |" in parts["Table IV"]
    assert "| 5 % | **five** |" in parts["Table V"] and parts["Table V"].count("**") == 2
    assert "| other |" in parts["shapes"]
    assert "sample of 6 frames" in parts["shapes"]


class Page(HTMLParser):
    """What a test wants to know of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(results: list[FrameResult], made: Report) -> Page:
    shown = [(choice, draw(*PAIRS[choice.result.name])) for choice in choose(results, 2)]
    return Page(html.render(made, results, shown))


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    page = page_of(RESULTS, report(dataset="ocid", title="OCID"))
    assert not page.open
    assert not page.all("link") and all("src" not in script for script in page.all("script"))
    images = page.all("img")
    assert images and all((image["src"] or "").startswith("data:image/jpeg;base64,") for image in images)
    assert all(image["alt"] for image in images)
    assert page.all("html")[0]["lang"] == "en"


def test_the_page_can_be_filtered() -> None:
    page = page_of(RESULTS, report())
    cards = [attributes for attributes in page.all("article")]
    by_kind = {kind: [c for c in cards if f"data-{kind}" in c] for kind in ("missed", "background", "loose", "split")}
    assert [len(found) for found in by_kind.values()] == [1, 1, 1, 0]
    assert by_kind["missed"][0]["data-missed"] == "4"
    assert any("worst" in (card["data-groups"] or "") for card in cards)
    values = [field["value"] for field in page.all("input")]
    assert values == ["all", "worst", "median", "best", "any outcome", *html.ERROR_KINDS]


def test_names_cannot_inject() -> None:
    shown = [(choice, draw(*PAIRS[choice.result.name])) for choice in choose(RESULTS, 6)]
    text = html.render(report(name="<script>alert(1)</script>"), RESULTS, shown)
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text
    assert "<b>&amp;" not in text and "&lt;b&gt;&amp;amp;" in text


def test_a_page_without_pictures_scores_or_objects() -> None:
    true, found = PAIRS["missed"][0], Prediction(np.zeros(SIZE, np.uint16))
    results = [score_frame(true, found)]
    assert not page_of([], report(list(results))).all("article")
    assert "AP needs scores" in markdown.report_page(report(list(results)))


def test_frames_without_any_true_object_are_no_report() -> None:
    with pytest.raises(ReportError, match="expected true objects to score against, found none in 1 frame"):
        report([score_frame(sample("none", 0), Prediction(np.zeros(SIZE, np.uint16)))])


def test_notes_on_frames_are_summed_and_stand_with_those_on_the_data_set() -> None:
    true, found = PAIRS["perfect"]
    noted = [score_frame(replace(true, notes={"left out": times}), found) for times in (2, 1)]
    assert report(noted)["dataset"]["notes"][-1] == "left out: 3 in 2 frames, first perfect"


def test_failures_are_on_the_page_and_in_the_text() -> None:
    made = report([*RESULTS, FrameFailure("broken", "no reason")])
    assert "broken: no reason" in markdown.report_page(made)
    assert "1 frame failed" in html.render(made, RESULTS, [])


def test_chosen_frames() -> None:
    choices = choose(RESULTS, 1)
    by_group = {group: [c.result.name for c in choices if group in c.groups] for group in ("worst", "best")}
    assert by_group["worst"] == ["missed"] and by_group["best"] == ["perfect"]
    typical = {c.result.name for c in choices if "typical of an error" in c.groups}
    assert typical == {"missed", "loose", "background"}
    assert [choice.rank for choice in choices] == sorted(choice.rank for choice in choices)
    assert len(choose(RESULTS, 100)) == len(RESULTS) and choose([], 3) == []


def test_pictures_show_what_happened() -> None:
    true, found = PAIRS["background"]
    large = [np.kron(labels, np.ones((4, 4), np.uint16)) for labels in (true.labels, found.labels)]
    photo = np.full((*large[0].shape, 3), 90, np.uint8)
    pictures = draw(Sample("large", photo, large[0]), Prediction(large[1]))
    truth, prediction = (
        cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB).astype(float)
        for jpeg in (pictures.truth, pictures.prediction)
    )
    assert truth.shape == prediction.shape == photo.shape
    inside = (truth[68, 32], prediction[68, 32], prediction[142, 22])
    nearest = [min(KIND_COLOURS, key=lambda kind: float(np.abs(pixel - _tinted(kind)).sum())) for pixel in inside]
    assert nearest == ["good", "good", "background"]
    assert np.abs(truth[142, 22] - 90).max() < 12


def _tinted(kind: str) -> Any:
    """A kind's colour over grey 90, at the opacity of visualize.py."""
    rgb = np.array([int(KIND_COLOURS[kind][i : i + 2], 16) for i in (1, 3, 5)])
    return 90 * (1 - FILL_OPACITY) + FILL_OPACITY * rgb


class Tags(HTMLParser):
    """Counts the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, int] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[tag] = self.found.get(tag, 0) + 1
        assert not any(name.startswith("on") for name, _ in attrs)


HOSTILE = """<img src=x onerror=alert(1)>"'&{{7*7}}<script>alert(2)</script>|`\u2028"""


def test_names_of_files_methods_and_data_sets_are_text_on_the_pages() -> None:
    def page(name: str) -> tuple[Tags, str, str]:
        true, found = frame(name, 2, shift=2)
        result = score_frame(true, found, UCN)
        outcomes: list[FrameOutcome] = [result, FrameFailure(f"{name}2", f"{name} cannot be read")]
        details = {"name": name, "model": name}
        scored = ScoredDataset(name, name, 2, (name,))
        report = make_report(outcomes, MethodInfo(name, details), scored, Scoring(), 1.0)
        text = html.render(report, [result], [(choice, draw(true, found)) for choice in choose([result], 1)])
        tags = Tags()
        tags.feed(text)
        return tags, text, markdown.report_page(report)

    (plain, _, plain_markdown), (hostile, text, hostile_markdown) = page("name"), page(HOSTILE)
    assert hostile.found == plain.found
    assert "alert(1)" in text and "49" not in text.split("alert(1)")[1][:60]
    assert "<script" not in hostile_markdown and "<img" not in hostile_markdown
    assert len(hostile_markdown.splitlines()) == len(plain_markdown.splitlines())
