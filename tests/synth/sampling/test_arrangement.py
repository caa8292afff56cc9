"""Arrangements put objects where their names say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uois_sam.synth.sampling.arrangement import Footprint, arrange
from uois_sam.synth.sampling.config import ARRANGEMENTS

SMALL = Footprint((0.02, 0.02), stands=0.5, nests=False)
BOWL = Footprint((0.08, 0.08), stands=0.5, nests=True)
HALF = (0.3, 0.25)


def places(name: str, items: list[Footprint], seed: int = 0) -> np.ndarray:
    return np.array([pose.position[:2] for pose in arrange(np.random.default_rng(seed), name, items, HALF)])


def gaps(xy: np.ndarray) -> np.ndarray:
    distances = np.linalg.norm(xy[:, None] - xy[None], axis=2)
    return distances[np.triu_indices(len(xy), 1)]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(ARRANGEMENTS)), st.integers(0, 25), st.integers(0, 10_000))
def test_every_object_gets_a_pose_near_the_area(name: str, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    items = [
        Footprint(tuple(rng.uniform(0.01, 0.15, 2).tolist()), rng.random(), rng.random() < 0.3) for _ in range(count)
    ]
    poses = arrange(np.random.default_rng(seed), name, items, HALF)
    assert len(poses) == count
    for pose in poses:
        assert np.linalg.norm(pose.quaternion) == pytest.approx(1)
        assert np.abs(pose.position[0]) <= HALF[0] + 0.16
        assert np.abs(pose.position[1]) <= HALF[1] + 0.16


def test_scattered_objects_keep_apart() -> None:
    assert gaps(places("scattered", [SMALL] * 8)).min() > 2 * 0.02


def test_touching_objects_stand_side_by_side() -> None:
    xy = places("touching", [SMALL] * 8)
    nearest = [np.sort(np.linalg.norm(xy - p, axis=1))[1] for p in xy]
    assert max(nearest) < 0.06
    assert min(nearest) > 0.02


def test_a_heap_is_tighter_than_a_scattering() -> None:
    heap = np.mean([gaps(places("piled", [SMALL] * 8, seed)).mean() for seed in range(10)])
    loose = np.mean([gaps(places("scattered", [SMALL] * 8, seed)).mean() for seed in range(10)])
    assert heap < 0.6 * loose


def test_towers_share_a_foot() -> None:
    assert (gaps(places("stacked", [SMALL] * 9)) < 0.02).sum() >= 4


def test_rows_stand_upright_on_a_grid() -> None:
    poses = arrange(np.random.default_rng(3), "rows", [SMALL] * 10, HALF)
    assert all(abs(p.quaternion[1]) < 1e-9 and abs(p.quaternion[2]) < 1e-9 for p in poses)
    assert gaps(np.array([p.position[:2] for p in poses])).min() > 0.03


def test_small_things_start_above_a_bowl() -> None:
    inside = []
    for seed in range(10):
        xy = places("nested", [BOWL, SMALL, SMALL, SMALL], seed)
        inside.append((np.linalg.norm(xy[1:] - xy[0], axis=1) < 0.08).mean())
    assert 0.3 < np.mean(inside) < 0.95
