"""Instances: the label map, sizes, and what no instance at all looks like."""

from __future__ import annotations

import numpy as np
import pytest

from uois_sam.instances import Instances
from uois_sam.io.masks import decode_mask
from uois_sam.types import FloatArray


def instances(*drawings: str, scores: tuple[float, ...] = ()) -> Instances:
    """Instances from drawings: rows separated by spaces, ``#`` inside; boxes and points are of no interest here."""
    masks = np.array([[[c == "#" for c in row] for row in drawing.split()] for drawing in drawings], dtype=np.bool_)
    ranks: FloatArray = np.array(scores or np.linspace(0.9, 0.5, len(drawings)), dtype=np.float32)
    count = len(drawings)
    return Instances(masks, ranks, np.zeros((count, 4), dtype=np.float32), np.zeros((count, 2), dtype=np.float32))


def none(height: int, width: int) -> Instances:
    return Instances(
        masks=np.zeros((0, height, width), dtype=np.bool_),
        scores=np.zeros(0, dtype=np.float32),
        boxes=np.zeros((0, 4), dtype=np.float32),
        points=np.zeros((0, 2), dtype=np.float32),
    )


def test_in_the_label_map_the_better_score_wins_where_masks_overlap() -> None:
    labels = instances("##.. ##.. ....", ".##. .##. .##.", "#### .... ....").label_map()
    assert labels.dtype == np.uint16
    assert labels.tolist() == [[1, 1, 2, 3], [1, 1, 2, 0], [0, 2, 2, 0]]


def test_a_mask_hidden_by_better_ones_keeps_its_number_for_itself() -> None:
    labels = instances("##.", "##.", "..#").label_map()
    assert labels.tolist() == [[1, 1, 3]]


def test_more_than_255_instances_keep_their_numbers() -> None:
    masks = np.eye(300, dtype=np.bool_)[:, None]
    many = Instances(masks, np.ones(300, np.float32), np.zeros((300, 4), np.float32), np.zeros((300, 2), np.float32))
    assert many.label_map().tolist() == [list(range(1, 301))]


def test_length_counts_instances_and_size_is_the_photos() -> None:
    three = instances("#. .. ..", ".# .. ..", "#. #. #.")
    assert len(three) == 3
    assert three.image_hw == (3, 2)


def test_no_instance_is_all_background() -> None:
    empty = none(4, 6)
    assert len(empty) == 0
    assert empty.image_hw == (4, 6)
    assert empty.label_map().dtype == np.uint16
    assert np.array_equal(empty.label_map(), np.zeros((4, 6)))
    assert empty.to_coco() == []


def test_coco_results_follow_the_order_and_carry_the_ids() -> None:
    two = instances("##. ...", "... .##", scores=(0.75, 0.25))
    records = two.to_coco(image_id=7, category_id=3)
    assert [(r["image_id"], r["category_id"], r["score"], r["area"]) for r in records] == [
        (7, 3, 0.75, 2),
        (7, 3, 0.25, 2),
    ]
    for record, mask in zip(records, two.masks, strict=True):
        assert np.array_equal(decode_mask(record["segmentation"]), mask)


def test_fields_cannot_be_exchanged_afterwards() -> None:
    with pytest.raises(AttributeError):
        none(2, 2).scores = np.ones(1)  # type: ignore[misc, assignment]
