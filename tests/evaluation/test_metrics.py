"""The metrics against hand-counted masks and the protocol's edge cases; properties are in another file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from uois_sam.errors import UOISError
from uois_sam.evaluation import (
    UCN,
    UOIS,
    ImageScores,
    LabelMapError,
    PrecisionRecallF,
    Protocol,
    ScoreAccumulator,
    score_image,
)
from uois_sam.evaluation.boundaries import boundary_map, boundary_radius, contour_map, disk

PERFECT = PrecisionRecallF(1.0, 1.0, 1.0)
INCLUSIVE = dataclasses.replace(UCN, strict_75=False)
EXACT = dataclasses.replace(UCN, boundary_tolerance=0)


def labels(*rows: str) -> npt.NDArray[np.uint16]:
    """A label map from one string of digits a row; '.' is background."""
    return np.array([[int(c) for c in row.replace(".", "0")] for row in rows], dtype=np.uint16)


class TestBoundaryMap:
    def test_square_inside(self) -> None:
        # North and west the boundary lies one pixel outside the square, south and east on its last pixel.
        square = labels("....", ".11.", ".11.", "....")
        assert boundary_map(square.astype(np.uint8)).tolist() == labels("111.", "1.1.", "111.", "....").tolist()

    def test_image_frame_is_no_boundary(self) -> None:
        # Touching the east frame: the last column compares with the south only.
        square = labels("....", "..11", "..11", "....")
        assert boundary_map(square.astype(np.uint8)).tolist() == labels(".111", ".1..", ".111", "....").tolist()

    def test_last_row_compares_with_the_east_only(self) -> None:
        square = labels("....", ".11.", ".11.")
        assert boundary_map(square.astype(np.uint8)).tolist() == labels("111.", "1.1.", "1.1.").tolist()

    def test_south_east_neighbour_counts(self) -> None:
        corner = labels("...", "..1", "...")
        assert boundary_map(corner.astype(np.uint8)).tolist() == labels(".11", ".11", "...").tolist()

    def test_full_frame_has_none(self) -> None:
        assert not boundary_map(np.ones((4, 5), np.uint8)).any()

    @pytest.mark.parametrize(("size", "radius"), [((480, 640), 3), ((852, 1096), 5), ((4, 4), 1), ((720, 1280), 5)])
    def test_radius(self, size: tuple[int, int], radius: int) -> None:
        assert boundary_radius(size, 0.003) == radius  # 0.003 * 800 = 2.4, 0.003 * 1388.2 = 4.2, ...

    def test_radius_in_pixels_from_one_on(self) -> None:
        assert [boundary_radius((480, 640), tolerance) for tolerance in (0, 1, 2, 2.5)] == [0, 1, 2, 3]

    def test_disk(self) -> None:
        assert disk(0).tolist() == [[1]]
        assert disk(1).tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
        assert disk(3).sum() == 29


class TestHandDrawn:
    TRUTH = labels("....", ".11.", ".11.", "....")
    SHIFTED = labels("....", "..11", "..11", "....")

    def test_shifted_square(self) -> None:
        # 2 of 4 and 4 pixels shared. Boundaries (drawn in TestBoundaryMap) of 7 and 8 pixels; r = ceil(0.003 * 5.7) = 1
        # and every boundary pixel has one of the other's beside or on it.
        scores = score_image(self.SHIFTED, self.TRUTH)
        assert scores.overlap == PrecisionRecallF(0.5, 0.5, 0.5)
        assert scores.boundary == PERFECT
        assert dataclasses.astuple(scores.overlap_pixels) == (4, 4, 2, 2)
        assert dataclasses.astuple(scores.boundary_pixels) == (7, 8, 7, 8)
        assert (scores.over_75, scores.objects_over_75) == (0.0, 0)
        assert (scores.image_hw, scores.boundary_radius_px, scores.protocol) == ((4, 4), 1, UCN)

    def test_without_tolerance_only_common_boundary_pixels_match(self) -> None:
        # Common: the middle two of rows 0 and 2. P = 4/7, R = 4/8, F = 2 * 4 / (7 + 8).
        scores = score_image(self.SHIFTED, self.TRUTH, protocol=EXACT)
        assert dataclasses.astuple(scores.boundary_pixels) == (7, 8, 4, 4)
        assert scores.boundary.precision == 4 / 7
        assert scores.boundary.recall == 0.5
        assert scores.boundary.f_measure == pytest.approx(8 / 15)

    def test_exactly_75_counts_only_when_not_strict(self) -> None:
        # 3 shared of 4 and 4: F = 6/8.
        prediction = labels("....", ".111", ".1..", "....")
        assert score_image(prediction, self.TRUTH).over_75 == 0.0
        assert score_image(prediction, self.TRUTH, protocol=INCLUSIVE).over_75 == 1.0

    def test_over_75_divides_by_true_objects(self) -> None:
        truth = labels("11..22", "11..22", "......", "33..44", "33..44")
        prediction = labels("55..66", "55..6.", "......", "......", "......")
        # Object 1 has F 1, object 2 has F 6/7; 3 and 4 are missed: 2 of 4. P = 7/7, R = 7/16.
        scores = score_image(prediction, truth)
        assert (scores.over_75, scores.predicted_objects, scores.true_objects) == (0.5, 2, 4)
        assert scores.overlap.precision == 1.0
        assert scores.overlap.recall == 7 / 16
        assert scores.overlap.f_measure == pytest.approx(2 * 7 / (7 + 16))

    def test_object_found_in_two_halves(self) -> None:
        # Only one half is matched, the other's 4 pixels are false: P = 4/8, R = 4/8.
        scores = score_image(labels("1122", "1122"), labels("1111", "1111"))
        assert scores.overlap == PrecisionRecallF(0.5, 0.5, 0.5)
        # F of the matched half is 8/12.
        assert scores.over_75 == 0.0

    def test_matching_maximises_the_sum_of_f(self) -> None:
        # F(1,1) = 2*4/13 = 0.62 is the best pair, but F(1,2) + F(2,1) = 0.6 + 0.5 is more: 3 + 2 pixels shared of 9.
        scores = score_image(labels("221111111"), labels("111111222"))
        assert scores.overlap_pixels.matched_predicted == 5
        assert scores.overlap.precision == 5 / 9

    def test_matched_without_overlap_can_share_a_boundary(self) -> None:
        # Side by side, F = 0, still the only pair. Boundaries: predicted 1 at column 1; true at 1 and 3.
        scores = score_image(labels("11...", "11...", "11..."), labels("..11.", "..11.", "..11."), protocol=EXACT)
        assert scores.overlap == PrecisionRecallF(0.0, 0.0, 0.0)
        assert dataclasses.astuple(scores.boundary_pixels) == (3, 6, 3, 3)


class TestUOISProtocol:
    def test_contour_is_the_masks_own_outline(self) -> None:
        square = labels(".....", ".111.", ".111.", ".111.")
        assert contour_map(square.astype(np.uint8)).tolist() == labels(".....", ".111.", ".1.1.", ".111.").tolist()

    def test_holes_and_what_lies_in_them_have_no_contour(self) -> None:
        ring = np.pad(np.pad(np.pad(np.ones((1, 1), np.uint8), 1), 1, constant_values=1), 1)
        expected = ring.copy()
        expected[3, 3] = 0
        assert contour_map(ring).tolist() == expected.tolist()

    def test_label_one_is_the_table(self) -> None:
        # Objects 2 and 3 of the truth and 5 of the prediction; label 1, the table, is right nowhere and costs nothing.
        truth, prediction = labels("11222333", "11222333"), labels("11155555", "11155555")
        scores = score_image(prediction, truth, protocol=UOIS)
        assert (scores.predicted_objects, scores.true_objects) == (1, 2)
        assert scores.overlap == PrecisionRecallF(6 / 10, 6 / 12, pytest.approx(12 / 22))
        assert score_image(prediction, truth).true_objects == 3

    def test_boundaries_differ_from_ucn(self) -> None:
        truth = labels(".....", ".111.", ".111.", ".111.", ".....")
        scores = score_image(truth, truth, protocol=UOIS.without_label_rule())
        assert dataclasses.astuple(scores.boundary_pixels) == (8, 8, 8, 8)
        assert dataclasses.astuple(score_image(truth, truth).boundary_pixels) == (12, 12, 12, 12)


class TestEdgeCases:
    EMPTY = np.zeros((4, 4), np.uint16)
    SQUARE = labels("....", ".11.", ".11.", "....")
    FULL = np.ones((4, 4), np.uint16)

    def check(self, scores: ImageScores, ratios: PrecisionRecallF, over_75: float) -> None:
        assert scores.overlap == ratios
        assert scores.boundary == ratios
        assert scores.over_75 == over_75

    def test_nothing_predicted(self) -> None:
        self.check(score_image(self.EMPTY, self.SQUARE), PrecisionRecallF(1.0, 0.0, 0.0), 0.0)

    def test_nothing_there(self) -> None:
        self.check(score_image(self.SQUARE, self.EMPTY), PrecisionRecallF(0.0, 1.0, 0.0), 0.0)

    def test_both_empty(self) -> None:
        self.check(score_image(self.EMPTY, self.EMPTY), PERFECT, 1.0)

    def test_edge_rules_also_hold_for_objects_without_boundary(self) -> None:
        self.check(score_image(self.EMPTY, self.FULL), PrecisionRecallF(1.0, 0.0, 0.0), 0.0)
        self.check(score_image(self.FULL, self.EMPTY), PrecisionRecallF(0.0, 1.0, 0.0), 0.0)
        self.check(score_image(self.FULL, self.FULL), PERFECT, 1.0)

    def test_full_frame_prediction_has_no_boundary_to_be_wrong(self) -> None:
        assert score_image(self.FULL, self.SQUARE).boundary == PrecisionRecallF(1.0, 0.0, 0.0)
        assert score_image(self.SQUARE, self.FULL).boundary == PrecisionRecallF(0.0, 1.0, 0.0)

    def test_single_pixel_image(self) -> None:
        one = np.ones((1, 1), np.uint16)
        self.check(score_image(one, one), PERFECT, 1.0)

    def test_any_integer_dtype(self) -> None:
        large = np.where(self.SQUARE == 1, np.uint64(2**64 - 1), np.uint64(0))
        large[0, 0] = 2**64 - 2  # the same number once rounded to float
        assert score_image(large, large).true_objects == 2
        for dtype in ("int8", "uint8", "int64", "uint64", ">u2"):
            self.check(score_image(self.SQUARE.astype(dtype), self.SQUARE), PERFECT, 1.0)

    def test_far_apart_objects_share_nothing(self) -> None:
        truth, prediction = np.zeros((40, 40), np.uint16), np.zeros((40, 40), np.uint16)
        truth[2:5, 2:5] = prediction[30:33, 30:33] = 1
        self.check(score_image(prediction, truth), PrecisionRecallF(0.0, 0.0, 0.0), 0.0)


class TestIgnore:
    TRUTH = labels("........", ".11.....", ".11.....", "........")

    def ignore(self, *columns: int) -> npt.NDArray[np.bool_]:
        mask = np.zeros(self.TRUTH.shape, np.bool_)
        mask[:, list(columns)] = True
        return mask

    def test_objects_inside_vanish(self) -> None:
        prediction = labels("........", ".11...22", ".11...22", "........")
        scores = score_image(prediction, self.TRUTH, ignore=self.ignore(5, 6, 7))
        assert (scores.overlap, scores.boundary, scores.predicted_objects) == (PERFECT, PERFECT, 1)
        assert score_image(prediction, self.TRUTH).overlap.precision == 0.5

    def test_what_sticks_out_counts(self) -> None:
        # Two pixels of predicted object 2 lie in column 4: P = 4 / (4 + 2).
        prediction = labels("........", ".11.222.", ".11.222.", "........")
        assert score_image(prediction, self.TRUTH, ignore=self.ignore(5, 6, 7)).overlap.precision == 4 / 6

    def test_boundary_pixels_inside_do_not_count(self) -> None:
        # 8 boundary pixels, 3 of them in column 0.
        scores = score_image(self.TRUTH, self.TRUTH, ignore=self.ignore(0))
        assert dataclasses.astuple(scores.boundary_pixels) == (5, 5, 5, 5)

    def test_boundary_pixels_inside_still_confirm_those_outside(self) -> None:
        # Without its first column the prediction's west boundary is column 1, confirmed by column 0 of the truth.
        prediction = labels("........", "..1.....", "..1.....", "........")
        scores = score_image(prediction, self.TRUTH, ignore=self.ignore(0))
        assert scores.boundary.precision == 1.0

    def test_everything_ignored_is_empty(self) -> None:
        scores = score_image(self.TRUTH * 3, self.TRUTH, ignore=np.ones(self.TRUTH.shape, np.bool_))
        assert (scores.overlap, scores.boundary, scores.over_75) == (PERFECT, PERFECT, 1.0)

    def test_inputs_are_left_alone(self) -> None:
        before = self.TRUTH.copy()
        score_image(self.TRUTH, self.TRUTH, ignore=self.ignore(1))
        assert (before == self.TRUTH).all()


GOOD = np.zeros((4, 4), np.uint16)


class TestBadInput:
    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: score_image([[0]], GOOD), "prediction as a NumPy array, found list"),  # type: ignore[arg-type]
            (lambda: score_image(GOOD.astype(np.float32), GOOD), "integer dtype, found float32"),
            (lambda: score_image(GOOD, GOOD > 0), "truth with an integer dtype, found bool"),  # type: ignore[arg-type]
            (lambda: score_image(np.zeros((4, 4, 3), np.uint8), GOOD), r"shape \(H, W\).*found \(4, 4, 3\)"),
            (lambda: score_image(GOOD[:0], GOOD[:0]), r"with pixels in it, found \(0, 4\)"),
            (lambda: score_image(GOOD[:3], GOOD), r"truth's shape \(4, 4\), found \(3, 4\)"),
            (lambda: score_image(GOOD.astype(np.int32) - 1, GOOD), "labels >= 0, found -1"),
            (lambda: score_image(GOOD, GOOD, ignore=GOOD), "ignore as a bool array, found uint16"),  # type: ignore[arg-type]
            (lambda: score_image(GOOD, GOOD, ignore=np.zeros((2, 2), np.bool_)), r"shape \(4, 4\), found \(2, 2\)"),
            (lambda: Protocol(boundary_tolerance=-1), "finite number >= 0, found -1"),
            (lambda: Protocol(boundary_tolerance=float("nan")), "found nan"),
        ],
    )
    def test_message_has_expected_and_found(self, call: Callable[[], object], message: str) -> None:
        with pytest.raises(LabelMapError, match=f"^expected .*{message}") as caught:
            call()
        assert isinstance(caught.value, UOISError)

    def test_depth_maps_are_refused_before_memory_runs_out(self) -> None:
        noise = np.arange(100 * 100, dtype=np.int64).reshape(100, 100)
        with pytest.raises(LabelMapError, match="found 9999 predicted and 9999 true objects"):
            score_image(noise, noise)


class TestAccumulator:
    EMPTY = np.zeros((2, 4), np.uint16)
    OBJECT = labels("11..", "11..")
    HALF = labels("1...", "1...")

    def test_means(self) -> None:
        accumulator = ScoreAccumulator()
        for prediction, truth in (
            (self.OBJECT, self.OBJECT),  # P 1, R 1, F 1, %75 1
            (self.HALF, self.OBJECT),  # P 2/2, R 2/4, F 2/3, %75 0
            (self.EMPTY, self.EMPTY),  # P 1, R 1, F 1, %75 1
            (self.OBJECT, self.EMPTY),  # P 0, R 1, F 0, %75 0
        ):
            accumulator.update(score_image(prediction, truth))
        scores = accumulator.compute()
        assert (scores.frames, scores.empty_frames, scores.empty_predicted_empty) == (4, 2, 0.5)
        assert scores.all_frames.overlap.precision == 3 / 4
        assert scores.all_frames.overlap.recall == 3.5 / 4
        assert scores.all_frames.overlap.f_measure == pytest.approx((1 + 2 / 3 + 1 + 0) / 4)
        assert scores.all_frames.over_75 == 0.5
        assert scores.non_empty_frames is not None
        assert scores.non_empty_frames.frames == 2
        assert scores.non_empty_frames.overlap.recall == 0.75
        assert scores.non_empty_frames.overlap.f_measure == pytest.approx((1 + 2 / 3) / 2)
        assert scores.non_empty_frames.over_75 == 0.5
        assert (scores.sizes_hw, scores.strict_75) == (((2, 4),), True)

    def test_pooled_ratios_weigh_pixels(self) -> None:
        accumulator = ScoreAccumulator()
        for prediction, truth in ((self.OBJECT, self.OBJECT), (self.HALF, self.OBJECT), (self.OBJECT, self.EMPTY)):
            accumulator.update(score_image(prediction, truth))
        pooled = accumulator.compute().pooled
        # Predicted 4 + 2 + 4 pixels, true 4 + 4, shared 4 + 2; one of two true objects has F > 0.75.
        assert pooled.overlap == PrecisionRecallF(6 / 10, 6 / 8, pytest.approx(12 / 18))
        assert (pooled.frames, pooled.over_75) == (3, 0.5)

    def test_a_row_of_the_papers_tables(self) -> None:
        accumulator = ScoreAccumulator()
        accumulator.update(score_image(self.HALF, self.OBJECT))
        row = accumulator.compute().all_frames.percentages()
        assert row[:3] == pytest.approx((100, 50, 200 / 3)) and len(row) == 7 and row[6] == 0

    def test_only_empty_scenes(self) -> None:
        accumulator = ScoreAccumulator()
        accumulator.update(score_image(self.EMPTY, self.EMPTY))
        scores = accumulator.compute()
        assert scores.non_empty_frames is None
        assert scores.empty_predicted_empty == 1.0

    def test_no_empty_scenes(self) -> None:
        accumulator = ScoreAccumulator()
        accumulator.update(score_image(self.OBJECT, self.OBJECT))
        assert accumulator.compute().empty_predicted_empty is None

    def test_nothing_to_average(self) -> None:
        with pytest.raises(LabelMapError, match="at least one scored image, found 0"):
            ScoreAccumulator().compute()

    def test_protocols_are_not_mixed(self) -> None:
        accumulator = ScoreAccumulator()
        accumulator.update(score_image(self.OBJECT, self.OBJECT))
        with pytest.raises(LabelMapError, match="strict_75=True.*found .*strict_75=False"):
            accumulator.update(score_image(self.OBJECT, self.OBJECT, protocol=INCLUSIVE))
