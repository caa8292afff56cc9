"""Of a model that is asked for a region only what stands in it is scored, and notes of limits reach the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from uois_sam.cli.main import main
from uois_sam.datasets import FolderDataset
from uois_sam.errors import ImageError
from uois_sam.evaluation.asked import OUTSIDE, standing_inside
from uois_sam.evaluation.evaluate import evaluate
from uois_sam.evaluation.frame_scores import Prediction
from uois_sam.evaluation.report.markdown import report_page
from uois_sam.request import Request
from uois_sam.types import ImageArray, Sample

IMAGE = np.zeros((4, 8, 3), np.uint8)
LABELS = np.array([[1, 1, 0, 2, 2, 2, 0, 3]] * 4, np.uint16)


def asked(**words: object) -> Sample:
    return standing_inside(Sample("a", IMAGE, LABELS, notes={"b": 2}), Request().changed(words))


def test_objects_with_less_than_half_of_them_in_the_region_are_ignored() -> None:
    """Columns 0 to 3: all of object 1, a third of object 2, nothing of object 3."""
    left = asked(region=(0, 0, 4, 4))
    assert left.labels.tolist() == [[1, 1, 0, 0, 0, 0, 0, 0]] * 4
    assert left.ignore is not None and left.ignore.tolist() == [[False] * 3 + [True] * 3 + [False, True]] * 4
    assert left.notes == {"b": 2, OUTSIDE: 2}
    assert asked(region=(0, 0, 5, 4)).labels.tolist() == [[1, 1, 0, 2, 2, 2, 0, 0]] * 4
    assert asked(exclude=[(0, 0, 1, 4)]).labels.tolist() == LABELS.tolist()


def test_without_a_region_nothing_changes() -> None:
    sample = Sample("a", IMAGE, LABELS)
    assert standing_inside(sample, None) is sample and standing_inside(sample, Request(min_score=0.5)) is sample
    with pytest.raises(ImageError, match="region: expected it inside"):
        asked(region=(0, 0, 9, 4))


class Asked:
    """Finds the whole truth in the left half and nothing else, and says that a limit left something out."""

    name, description, request = "asked", {"kind": "test"}, Request().changed({"region": (0, 0, 0.5, 1)})

    def __call__(self, image: ImageArray) -> Prediction:
        labels = (image.max(axis=2) > 110).astype(np.uint16)
        labels[:, labels.shape[1] // 2 :] = 0
        return Prediction(labels, {1: 0.5}, notes=("too many: 3 objects left out",))


def test_only_the_region_is_scored_and_limits_are_in_the_report(rectangles: Path, tmp_path: Path) -> None:
    report = evaluate(FolderDataset(rectangles), Asked(), tmp_path / "out", pictures=0)
    all_over = evaluate(FolderDataset(rectangles), everywhere(), tmp_path / "all", pictures=0)
    assert report["scores"]["true_objects"] < all_over["scores"]["true_objects"]
    assert any(note.startswith(f"{OUTSIDE}: ") for note in report["dataset"]["notes"])
    assert report["method"]["notes"] == ["too many in 6 photos, first " + FolderDataset(rectangles).names[0] +
                                         ": 3 objects left out"]  # fmt: skip
    assert "too many in 6 photos" in report_page(report)


def everywhere() -> Asked:
    """The same method without a request."""
    plain = Asked()
    plain.request = Request()
    return plain


def test_the_command_prints_them(rectangles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--out",
        str(tmp_path / "out"),
        "--pictures",
        "0",
        "--limit",
        "1",
        "--max-prompts",
        "1",
        "--workers",
        "1",
    ]
    assert main(["evaluate", "folder", str(rectangles), *options, "--min-foreground", "0"]) == 0
    assert "note: prompts used up in 1 photo" in " ".join(capsys.readouterr().err.split())
