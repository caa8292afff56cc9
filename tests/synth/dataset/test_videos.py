"""``uois-sam generate --video``: folders that every reader of scenes reads, with ids that stay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synth.conftest import refused
from uois_sam.cli.main import main
from uois_sam.datasets.folder import FolderDataset
from uois_sam.synth.dataset.reader import read_annotations

pytestmark = pytest.mark.slow
SMALL = ["--height", "48", "--width", "64", "--samples", "1", "--variant", "scalar", "--workers", "1", "--seed", "3"]
PLAIN = [
    "--variety.most-objects",
    "6",
    "--variety.no-distractors",
    "--variety.no-cloths",
    "--variety.surroundings",
    "0",
]


def test_a_video_is_a_data_set_whose_labels_are_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["generate", "--out", str(tmp_path), "--scenes", "2", "--video", "3", *SMALL, *PLAIN]
    assert main(asked) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["video_000000", "video_000001"]
    still, pushed = (FolderDataset(tmp_path / name) for name in ("video_000000", "video_000001"))
    assert len(still) == len(pushed) == 3
    assert all(np.array_equal(still[0].labels, still[index].labels) for index in range(3))
    assert not np.array_equal(still[0].image, still[1].image)  # noise
    for folder in sorted(tmp_path.iterdir()):
        families = [{one.label: one.family for one in each.objects} for each in read_annotations(folder)]
        seen = {**families[0], **families[1], **families[2]}
        assert len(families[0]) >= 2
        assert all(seen[label] == family for each in families for label, family in each.items())
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("rgb/*.png")}
    capsys.readouterr()
    assert main(asked) == 0
    assert "is there already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("rgb/*.png")} == before
    line = refused(capsys, *asked[: -len(SMALL + PLAIN) - 1], "4", *SMALL, *PLAIN)
    assert "holds a video of 3 frames, but asked for was 4" in line


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--video", "1"], "video: expected 2 frames or more, got 1"),
        (["--video", "5", "--preset", "tabletop-val"], "expected no --preset"),
        (["--video", "5", "--format", "bop"], "expected no --preset or --format"),
        (["--video", "5", "--from-scenes", "x.jsonl"], "expected no --from-scenes"),
    ],
)
def test_what_a_video_cannot_be(
    more: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert expected in refused(capsys, "generate", "--out", str(tmp_path / "new"), *more)
    assert not (tmp_path / "new").exists()
