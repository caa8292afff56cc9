"""The metrics against a naive implementation, stored outputs of the reference implementation, and properties."""

from __future__ import annotations

import dataclasses
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import naive_metric as naive
from uois_sam.evaluation import UCN, UOIS, ImageScores, PrecisionRecallF, Protocol, score_image

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY.parent / "shared" / "golden"

PERFECT = PrecisionRecallF(1.0, 1.0, 1.0)


def flat(scores: ImageScores) -> dict[str, float]:
    return {
        **{f"overlap_{n[0]}": v for n, v in dataclasses.asdict(scores.overlap).items()},
        **{f"boundary_{n[0]}": v for n, v in dataclasses.asdict(scores.boundary).items()},
        "over_75": scores.over_75,
    }


class TestGolden:
    """Outputs of the reference implementation on stored pairs."""

    def test_all_pairs(self) -> None:
        if not (GOLDEN / "metric_pairs.npz").is_file():
            pytest.skip("the folder with reference outputs is not beside this checkout")
        expected = json.loads((GOLDEN / "metric_expected.json").read_text())
        with np.load(GOLDEN / "metric_pairs.npz") as pairs:
            for i, wanted in enumerate(expected):
                scores = score_image(pairs[f"pred_{i:02d}"], pairs[f"gt_{i:02d}"])
                found = {
                    "Objects Precision": scores.overlap.precision,
                    "Objects Recall": scores.overlap.recall,
                    "Objects F-measure": scores.overlap.f_measure,
                    "Boundary Precision": scores.boundary.precision,
                    "Boundary Recall": scores.boundary.recall,
                    "Boundary F-measure": scores.boundary.f_measure,
                    "obj_detected": scores.predicted_objects,
                    "obj_detected_075": scores.objects_over_75,
                    "obj_gt": scores.true_objects,
                    "obj_detected_075_percentage": scores.over_75,
                }
                assert found == pytest.approx(wanted, rel=0, abs=1e-9), f"pair {i}"


@st.composite
def label_maps(draw: st.DrawFn, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """Up to four rectangles painted over one another, or pixel noise."""
    height, width = shape
    if draw(st.booleans()):
        return draw(hnp.arrays(np.uint16, shape, elements=st.integers(0, 3)))
    drawn = np.zeros(shape, np.uint16)
    for label in range(1, draw(st.integers(0, 4)) + 1):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        bottom, right = draw(st.integers(top + 1, height)), draw(st.integers(left + 1, width))
        drawn[top:bottom, left:right] = label
    return drawn


SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12))
MAPS = SHAPES.flatmap(label_maps)
PAIRS = SHAPES.flatmap(lambda shape: st.tuples(label_maps(shape), label_maps(shape)))
TRIPLES = SHAPES.flatmap(
    lambda shape: st.tuples(label_maps(shape), label_maps(shape), st.none() | hnp.arrays(np.bool_, shape))
)
Pair = tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]


class TestProperties:
    @given(TRIPLES, st.sampled_from([0.003, 0.1, 0.2]), st.sampled_from([UCN, UOIS]), st.booleans())
    @settings(max_examples=400, deadline=None)
    def test_equals_the_naive_implementation(
        self, maps: tuple[Any, Any, Any], tolerance: float, base: Protocol, strict: bool
    ) -> None:
        prediction, truth, ignore = maps
        protocol = dataclasses.replace(base, boundary_tolerance=tolerance, strict_75=strict)
        fast = score_image(prediction, truth, ignore=ignore, protocol=protocol)
        slow = naive.score(prediction, truth, ignore, tolerance, base.name, strict)
        assert flat(fast) == pytest.approx(slow, rel=0, abs=1e-12)

    def test_equals_the_naive_implementation_at_full_size(self) -> None:
        rng = np.random.default_rng(0)
        maps = []
        for _ in range(2):
            drawn = np.zeros((480, 640), np.uint16)
            for label in range(1, 9):
                top, left = rng.integers(0, 400), rng.integers(0, 540)
                drawn[top : top + rng.integers(10, 200), left : left + rng.integers(10, 200)] = label
            maps.append(drawn)
        for protocol in (UCN, UOIS):
            expected = naive.score(maps[0], maps[1], protocol=protocol.name)
            assert flat(score_image(maps[0], maps[1], protocol=protocol)) == pytest.approx(expected, rel=0, abs=1e-12)

    @given(MAPS)
    def test_perfect_is_one(self, truth: npt.NDArray[np.uint16]) -> None:
        scores = score_image(truth, truth)
        assert (scores.overlap, scores.boundary, scores.over_75) == (PERFECT, PERFECT, 1.0)

    @given(PAIRS)
    def test_ratios_and_counts_are_in_range(self, pair: Pair) -> None:
        scores = score_image(*pair)
        assert all(0 <= value <= 1 for value in flat(scores).values())
        for ratios in (scores.overlap, scores.boundary):
            assert ratios.f_measure <= max(ratios.precision, ratios.recall) + 1e-12
        for counts in (scores.overlap_pixels, scores.boundary_pixels):
            assert counts.matched_predicted <= counts.predicted
            assert counts.matched_true <= counts.true

    @given(PAIRS, st.permutations(range(1, 5)), st.permutations([3, 70000, 2**20 + 5, 2**40]))
    def test_label_ids_do_not_matter(self, pair: Pair, small: list[int], large: list[int]) -> None:
        prediction, truth = pair
        renumbered = np.array([0, *small], np.int64)[prediction], np.array([0, *large], np.int64)[truth]
        assert score_image(*renumbered) == score_image(prediction, truth)

    @given(PAIRS)
    def test_swapping_the_maps_swaps_precision_and_recall(self, pair: Pair) -> None:
        # True only where one matching is best: among equals the two directions may choose differently.
        assume(best_matching_is_unique(*pair))
        there, back = score_image(*pair), score_image(pair[1], pair[0])
        for a, b in ((there.overlap, back.overlap), (there.boundary, back.boundary)):
            assert (a.precision, a.recall) == (b.recall, b.precision)
        assert there.objects_over_75 == back.objects_over_75

    @given(PAIRS)
    def test_a_larger_tolerance_never_hurts(self, pair: Pair) -> None:
        near, far = (score_image(*pair, protocol=dataclasses.replace(UCN, boundary_tolerance=px)) for px in (1, 2))
        assert near.boundary.precision <= far.boundary.precision
        assert near.boundary.recall <= far.boundary.recall


def best_matching_is_unique(a: npt.NDArray[np.uint16], b: npt.NDArray[np.uint16]) -> bool:
    """By trying all; unmatched objects of the smaller side do not exist, as in the Hungarian method."""
    few, many = sorted((naive.objects(a), naive.objects(b)), key=len)
    pair_f = [[2 * (x & y).sum() / (x.sum() + y.sum()) for y in many] for x in few]
    sums = sorted(
        sum(pair_f[i][j] for i, j in enumerate(order)) for order in itertools.permutations(range(len(many)), len(few))
    )
    return len(sums) < 2 or sums[-1] - sums[-2] > 1e-9
