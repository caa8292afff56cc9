"""Label maps and depth images as stored, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dataset_trees import save
from uois_sam.datasets.labels import keep_objects, read_depth, read_label_map
from uois_sam.errors import DatasetError
from uois_sam.types import LabelMap


@pytest.mark.parametrize(
    ("first", "expected"),
    [(1, [0, 1, 2, 3, 4]), (2, [0, 0, 1, 2, 3]), (3, [0, 0, 0, 1, 2]), (8, [0, 0, 0, 0, 1]), (70000, [0] * 5)],
)
def test_what_is_below_the_first_object_goes_and_the_rest_is_numbered(first: int, expected: list[int]) -> None:
    labels = np.array([[0, 1, 2, 7, 65535]], np.uint16)
    kept = keep_objects(labels, first)
    assert kept.dtype == np.uint16
    assert kept.tolist() == [expected]


@given(arrays(np.uint16, (5, 4), elements=st.sampled_from([0, 1, 2, 3, 300, 65535])), st.integers(1, 400))
def test_objects_keep_their_pixels_and_order(labels: LabelMap, first: int) -> None:
    kept = keep_objects(labels, first)
    assert ((kept > 0) == (labels >= first)).all()
    values = np.unique(labels[labels >= first])
    assert np.unique(kept[kept > 0]).tolist() == list(range(1, len(values) + 1))
    for number, value in enumerate(values, 1):
        assert ((kept == number) == (labels == value)).all()


def test_depth_in_metres(tmp_path: Path) -> None:
    path = save(tmp_path / "d.png", np.array([[0, 1, 65535]], np.uint16))
    depth_m = read_depth(path, 0.0001)
    assert depth_m.dtype == np.float32
    assert np.allclose(depth_m, [[0, 0.0001, 6.5535]])


def test_red_channel_of_eight_bits_only(tmp_path: Path) -> None:
    """Pillow cuts 16-bit colour to its upper eight bits, in which small labels are 0."""
    bgr = np.zeros((2, 3, 3), np.uint16)
    bgr[:, :, 2] = 5
    cv2.imwrite(str(tmp_path / "8.png"), bgr.astype(np.uint8))
    cv2.imwrite(str(tmp_path / "16.png"), bgr)
    assert (read_label_map(tmp_path / "8.png", red_of_colour=True) == 5).all()
    for name, red_of_colour in (("8.png", False), ("16.png", True)):
        with pytest.raises(DatasetError, match=f"{name}: expected labels in one channel of 8 or 16 bits"):
            read_label_map(tmp_path / name, red_of_colour=red_of_colour)
