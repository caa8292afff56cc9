"""Embeddings: the mean feature in a mask, in units of the photo's deviation."""

from __future__ import annotations

import numpy as np
import pytest

from live_server import tiny_model
from uois_sam.models.embedding import embed


def test_a_mask_has_the_mean_of_its_cells_less_that_of_the_photo() -> None:
    features = np.zeros((2, 2, 4), dtype=np.float32)
    features[0, :, :2] = 1  # the left half
    features[1, 0] = 3  # the upper half
    masks = np.zeros((3, 4, 8), dtype=bool)
    masks[0, :, :4] = True
    masks[1, :2] = True
    found = embed(features, masks)
    assert found[0] == pytest.approx([1, 0])
    assert found[1] == pytest.approx([0, 1])
    assert found[2].tolist() == [0, 0]  # an empty mask
    assert embed(features, masks[:0]).shape == (0, 2)


def test_a_cell_counts_by_the_share_that_the_mask_covers() -> None:
    features = np.array([[[0.0, 1.0]], [[1.0, 0.0]]], dtype=np.float32)
    mask = np.zeros((1, 1, 8), dtype=bool)
    mask[0, 0, 2:5] = True  # two pixels of the first cell, one of the second
    assert embed(features, mask)[0] == pytest.approx([-(0.5**0.5), 0.5**0.5])


@pytest.mark.parametrize("width", [1, 3, 6])
def test_what_is_thinner_than_a_cell_is_seen(width: int) -> None:
    """A pencil in a large photo: cells of 32 pixels, and none of the rows and columns that are looked at meets it."""
    features = np.random.default_rng(0).normal(size=(8, 3, 4)).astype(np.float32)
    masks = np.zeros((2, 96, 128), dtype=bool)
    masks[0, :32, 33 : 33 + width] = True  # within the second cell of the first row
    masks[1, :32, 32:64] = True
    thin, whole = embed(features, masks)
    assert thin == pytest.approx(whole, abs=1e-6)
    assert np.linalg.norm(thin) == pytest.approx(1)


def test_an_encoded_photo_has_embeddings_of_unit_length() -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    masks = np.zeros((2, 48, 64), dtype=bool)
    masks[0, 5:20, 5:20], masks[1, 25:40, 30:60] = True, True
    found = tiny_model().encode_image(image).embeddings(masks)
    assert found.shape[0] == 2 and found.dtype == np.float32
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1], abs=1e-5)
