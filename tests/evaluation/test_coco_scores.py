"""Class-agnostic AP and AR against pycocotools run the usual way, on encoded masks of all images at once."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from uois_sam.evaluation.coco_scores import average, match_image
from uois_sam.evaluation.overlaps import compare
from uois_sam.io.masks import encode_mask

LabelMaps = list[tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]]
Ranks = list[dict[int, float]]


def random_scenes(count: int, seed: int) -> tuple[LabelMaps, Ranks]:
    """Truth, shifted truth with some objects added and lost, and scores; some of either are empty."""
    rng = np.random.default_rng(seed)
    maps, ranks = [], []
    for index in range(count):
        truth, extra = np.zeros((2, 160, 200), np.uint16)
        for value in range(1, int(rng.integers(1, 8)) * (index % 5 != 0) + 1):
            y, x, h, w = rng.integers((0, 0, 4, 4), (140, 180, 120, 120))
            truth[y : y + h, x : x + w] = value
        for value in range(20, 20 + int(rng.integers(0, 3))):
            y, x = rng.integers((0, 0), (140, 180))
            extra[y : y + 15, x : x + 15] = value
        prediction = np.where(extra > 0, extra, np.roll(truth, rng.integers(0, 6), axis=1))
        prediction[prediction == rng.integers(1, 9)] = 0
        maps.append((prediction.astype(np.uint16), truth))
        # Few digits, so that ties are among them.
        ranks.append({int(v): round(float(rng.random()), 1) for v in np.unique(prediction) if v})
    return maps, ranks


def by_pycocotools(maps: LabelMaps, ranks: Ranks) -> npt.NDArray[np.float64]:
    """The twelve figures of ``COCOeval.summarize``."""
    truth: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image, (prediction, true) in enumerate(maps):
        # In raster order of the first pixel, which decides ties.
        for side, into in ((true, truth), (prediction, found)):
            values, first = np.unique(side, return_index=True)
            for value in values[np.argsort(first)]:
                if value:
                    mask = side == value
                    one = {"image_id": image, "category_id": 1, "segmentation": encode_mask(mask)}
                    if into is truth:
                        into.append(
                            one | {"id": len(truth) + 1, "iscrowd": 0, "area": int(mask.sum()), "bbox": [0, 0, 1, 1]}
                        )
                    else:
                        into.append(one | {"score": ranks[image][int(value)]})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [{"id": i, "height": 160, "width": 200} for i in range(len(maps))],
            "categories": [{"id": 1}],
            "annotations": truth,
        }
        coco.createIndex()
        evaluator = COCOeval(coco, coco.loadRes(found), "segm")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return np.asarray(evaluator.stats)


@pytest.mark.parametrize("seed", range(4))
def test_equals_pycocotools_on_all_images_at_once(seed: int) -> None:
    maps, ranks = random_scenes(14, seed)
    ours = average([match_image(compare(*pair), rank) for pair, rank in zip(maps, ranks, strict=True)])
    stats = by_pycocotools(maps, ranks)
    found = [ours.ap, ours.ap_50, ours.ap_75, ours.ap_small, ours.ap_medium, ours.ap_large]
    found += [ours.ar, ours.ar_small, ours.ar_medium, ours.ar_large]
    expected = [None if value == -1 else pytest.approx(value, abs=1e-12) for value in (*stats[:6], *stats[8:])]
    assert found == expected
    assert ours.ap is not None and 0 < ours.ap < 1


OBJECT = np.zeros((20, 20), np.uint16)
OBJECT[5:15, 5:15] = 3


def test_perfect_is_one() -> None:
    scores = average([match_image(compare(OBJECT, OBJECT), {3: 0.1})])
    assert (scores.ap, scores.ar, scores.ap_small) == (pytest.approx(1), 1, pytest.approx(1))
    assert scores.ap_large is None


def test_without_scores_there_is_no_ap_but_ar() -> None:
    scores = average([match_image(compare(OBJECT, OBJECT), None)])
    assert (scores.ap, scores.ap_50, scores.ar) == (None, None, 1)


def test_iou_of_07_passes_five_of_ten_thresholds() -> None:
    # 70 of 100 pixels: 0.50, 0.55, 0.60, 0.65 and 0.70.
    prediction = OBJECT.copy()
    prediction[12:] = 0
    scores = average([match_image(compare(prediction, OBJECT), {3: 0.9})])
    assert (scores.ar, scores.ap, scores.ap_50, scores.ap_75) == (0.5, pytest.approx(0.5), pytest.approx(1), 0)


def test_a_better_scored_mask_of_background_costs_precision() -> None:
    prediction = OBJECT.copy()
    prediction[0, :3] = 7
    costly = average([match_image(compare(prediction, OBJECT), {3: 0.5, 7: 0.9})])
    cheap = average([match_image(compare(prediction, OBJECT), {3: 0.9, 7: 0.5})])
    assert (costly.ap, cheap.ap) == (pytest.approx(0.5), pytest.approx(1))


def test_no_objects_anywhere() -> None:
    empty = np.zeros_like(OBJECT)
    scores = average([match_image(compare(empty, empty), {}), match_image(compare(OBJECT, empty), {3: 0.5})])
    assert set(vars(scores).values()) == {None}
