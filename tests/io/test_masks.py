"""COCO results: exact numbers on a tiny scene, and masks that survive the round trip."""

from __future__ import annotations

import json
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from uois_sam.instances import Instances
from uois_sam.io.masks import MaskError, decode_mask, decode_segmentation, encode_mask


def two_squares() -> Instances:
    masks = np.zeros((2, 4, 6), dtype=bool)
    masks[0, 1:3, 2:5] = True
    masks[1, 3, 0] = True
    return Instances(
        masks=masks,
        scores=np.array([0.75, 0.5], dtype=np.float32),
        boxes=np.array([[2, 1, 5, 3], [0, 3, 1, 4]], dtype=np.float32),
        points=np.array([[3, 1.5], [0, 3]], dtype=np.float32),
    )


def test_exact_values():
    first, second = two_squares().to_coco(image_id=5, category_id=2)
    assert first == {
        "image_id": 5,
        "category_id": 2,
        "segmentation": {"size": [4, 6], "counts": first["segmentation"]["counts"]},
        "bbox": [2.0, 1.0, 3.0, 2.0],
        "score": 0.75,
        "area": 6,
        "point": [3.0, 1.5],
    }
    assert second["bbox"] == [0.0, 3.0, 1.0, 1.0] and second["area"] == 1


def test_json_round_trip_gives_the_masks_back():
    instances = two_squares()
    records = json.loads(json.dumps(instances.to_coco()))
    decoded = np.stack([decode_mask(record["segmentation"]) for record in records])
    np.testing.assert_array_equal(decoded, instances.masks)


def test_no_instances():
    empty = Instances(
        masks=np.zeros((0, 4, 6), dtype=bool),
        scores=np.zeros(0, dtype=np.float32),
        boxes=np.zeros((0, 4), dtype=np.float32),
        points=np.zeros((0, 2), dtype=np.float32),
    )
    assert empty.to_coco() == []


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans()))
def test_any_mask_survives(mask):
    encoded = encode_mask(mask)
    assert isinstance(encoded["counts"], str) and encoded["size"] == list(mask.shape)
    np.testing.assert_array_equal(decode_mask(encoded), mask)


@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.booleans()),
    st.tuples(*[st.integers(0, 9)] * 4),
)
def test_encoding_agrees_with_pycocotools(piece: np.ndarray, margins: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = margins
    mask = np.pad(piece, ((top, bottom), (left, right)))
    theirs = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    assert encode_mask(mask) == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
    assert encode_mask(np.asfortranarray(mask)) == encode_mask(mask)


@pytest.mark.parametrize("rows", [slice(None), slice(0, 1), slice(-1, None), slice(2, 3)])
def test_columns_from_edge_to_edge_are_one_run(rows: slice) -> None:
    for columns in (slice(None), slice(1, 3), slice(-1, None)):
        mask = np.zeros((4, 5), np.bool_)
        mask[rows, columns] = True
        assert encode_mask(mask)["counts"] == coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()


@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)), st.booleans())
def test_decoding_agrees_with_pycocotools(mask: np.ndarray, compressed: bool) -> None:
    encoded: dict[str, Any] = encode_mask(mask)
    theirs = np.asarray(coco_mask.decode(encoded), bool)
    if not compressed:
        flat = mask.T.ravel()
        edges = np.flatnonzero(np.diff(np.concatenate([[0], flat.astype(int), [2]])))
        encoded["counts"] = np.diff(np.concatenate([[0], edges])).tolist()
    np.testing.assert_array_equal(decode_mask(encoded, mask.shape), theirs)


def test_polygons_agree_with_pycocotools() -> None:
    pieces = [[1.5, 2, 30, 4.25, 20, 25], [25, 20, 45, 20, 45, 35, -3, 35]]
    theirs = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(pieces, 40, 50)))
    np.testing.assert_array_equal(decode_segmentation(pieces, (40, 50)).mask, np.asarray(theirs, bool))


@pytest.mark.parametrize(
    "size", [None, [4], [4, 6, 1], ["4", 6], [4.0, 6], [True, 24], [-4, -6], [0, 6], [2**20, 2**20]]
)
def test_sizes_that_are_none(size: object) -> None:
    with pytest.raises(MaskError, match="expected"):
        decode_mask({"size": size, "counts": [24]})


@pytest.mark.parametrize("counts", [[2**40], [1.5, 22.5], None, {}, "o" * 30, "PPPPPPPPPP0"])
def test_counts_that_are_none(counts: object) -> None:
    with pytest.raises(MaskError, match="expected"):
        decode_mask({"size": [4, 6], "counts": counts})
