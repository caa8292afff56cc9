"""Several folders as one data set."""

from __future__ import annotations

from pathlib import Path

from uois_sam.datasets import FolderDataset
from uois_sam.datasets.combine import JoinedDataset


def test_names_tell_the_parts_apart_and_samples_carry_them(rectangles: Path) -> None:
    joined = JoinedDataset([FolderDataset(rectangles), FolderDataset(rectangles)])
    assert len(joined) == 12
    assert (joined.names[0], joined.names[6]) == ("0/0", "1/0")
    assert [sample.name for sample in joined] == list(joined.names)
    assert (joined[7].labels == FolderDataset(rectangles)[1].labels).all()
