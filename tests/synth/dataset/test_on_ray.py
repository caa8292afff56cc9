"""The same per-scene function on a Ray cluster: the same bytes, errors told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import ray

from synth.conftest import TINY, contents
from uois_sam.errors import UOISError
from uois_sam.synth.dataset.generate import Run
from uois_sam.synth.dataset.make_scene import Job
from uois_sam.synth.scene import Scene

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """Two workers on this machine."""
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="error")
    yield
    ray.shutdown()


def test_a_cluster_writes_the_same_bytes(tiny_scenes: Path, tmp_path: Path) -> None:
    annotations = list(Run(TINY, tmp_path, ray="auto"))
    assert sorted(annotation.index for annotation in annotations) == [0, 1, 2]
    assert contents(tmp_path) == contents(tiny_scenes)


def test_an_error_on_a_node_is_told_here(tiny_scenes: Path, tmp_path: Path) -> None:
    from uois_sam.synth.dataset.reader import read_descriptions

    scene = next(s for s in read_descriptions(tiny_scenes / "scenes.jsonl").values() if s.objects)
    wrong: Scene = scene.with_objects((replace(scene.objects[0], family="nonsense"),))
    run = Run(TINY, tmp_path, ray="auto")
    run.todo = [Job(4, wrong)]
    with pytest.raises(UOISError, match=r"^scene 4 failed: .*nonsense"):
        list(run)
