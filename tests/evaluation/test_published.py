"""The paper's tables, held against the paper where its text is at hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from uois_sam.evaluation.report.published import (
    OURS_IN_PAPER,
    TABLE_2,
    TABLE_3,
    TABLE_4,
    TABLE_5,
    TITLES,
    published_for,
)

PAPER = Path(__file__).resolve().parents[3] / "shared" / "reference" / "paper.txt"


def paper_table(number: str) -> list[list[float]]:
    """The rows of numbers of one table in the paper's text; Table II and III have fourteen to a row."""
    if not PAPER.is_file():
        pytest.skip("the paper's text is not beside this checkout")
    text = PAPER.read_text().split(f"TABLE {number}:")[1]
    rows = []
    for line in text.splitlines()[1:]:
        found = re.findall(r"(?<![\d.])\d+\.\d(?!\d)", line)
        if len(found) >= 7:
            rows.append([float(each) for each in found])
        elif rows:
            break
    return rows


@pytest.mark.parametrize(("number", "rows"), [("II", TABLE_2), ("III", TABLE_3)])
def test_comparisons_are_the_papers(number: str, rows: tuple) -> None:  # type: ignore[type-arg]
    ours = [[*first, *second] for first, second in (row.results.values() for row in rows)]
    assert ours == paper_table(number)


@pytest.mark.parametrize(("number", "rows"), [("IV", TABLE_4), ("V", TABLE_5)])
def test_ablations_are_the_papers(number: str, rows: tuple) -> None:  # type: ignore[type-arg]
    assert [list(row.result) for row in rows] == paper_table(number)


def test_rows_are_complete() -> None:
    assert [len(table) for table in (TABLE_2, TABLE_3, TABLE_4, TABLE_5)] == [8, 9, 4, 5]
    for row in (*TABLE_2, *TABLE_3):
        assert all(len(result) == 7 and all(0 < value < 100 for value in result) for result in row.results.values())
    # The full model stands in Table II, IV and V with the same numbers.
    assert TABLE_2[-1].results["ocid"] == TABLE_4[-1].result == TABLE_5[2].result


@pytest.mark.parametrize(("dataset", "count"), [("ocid", 8), ("osd", 8), ("phocal", 9), ("housecat6d", 9), ("tod", 0)])
def test_rows_for_a_data_set(dataset: str, count: int) -> None:
    rows = published_for(dataset)
    assert len(rows) == count
    if rows:
        assert rows[-1].method == OURS_IN_PAPER
        assert dataset in TITLES


def test_refined_methods_say_so() -> None:
    assert [row.name for row in TABLE_2 if row.refined] == ["UCN + refinement", "MSMFormer + refinement"]
