"""A small fixed share of the campaign: nothing but our own errors, within limits of memory and time."""

from __future__ import annotations

import pytest

from fuzz.cases import CLASSES
from fuzz.worker import run_cases

CASES = {"photos": 40, "coco": 40, "data sets": 30, "models": 6, "meshes": 4}
"""Of each class; 12 of the others."""


@pytest.mark.slow
def test_no_case_ends_but_in_a_result_or_an_error_of_ours() -> None:
    cases = [(kind, number) for kind in CLASSES for number in range(CASES.get(kind, 12))]
    outcomes = list(run_cases(cases, seconds=60))
    assert [outcome for outcome in outcomes if outcome.what not in ("read", "refused")] == []
    assert {outcome.kind for outcome in outcomes if outcome.what == "read"} == set(CLASSES)
