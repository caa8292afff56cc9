"""A model as a good neighbour in somebody's program: pickles, threads, forks, bytes, and no global state changed."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from uois_sam import UOISSAM

PHOTO = Path(__file__).parents[1] / "examples" / "coffee.jpg"


@pytest.fixture(scope="module")
def model() -> UOISSAM:
    return UOISSAM.from_pretrained("compact", device="cpu")


@pytest.fixture(scope="module")
def expected(model: UOISSAM) -> np.ndarray:
    masks = model.predict(PHOTO).masks
    assert len(masks) > 3
    return masks


def test_a_pickled_model_finds_the_same(model: UOISSAM, expected: np.ndarray) -> None:
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict(PHOTO).masks, expected)


def test_the_content_of_a_file_is_as_good_as_its_path(model: UOISSAM, expected: np.ndarray) -> None:
    content = PHOTO.read_bytes()
    assert all(np.array_equal(found.masks, expected) for found in model.predict_batch([content, io.BytesIO(content)]))


def test_threads_share_a_model(model: UOISSAM, expected: np.ndarray) -> None:
    with ThreadPoolExecutor(3) as pool:
        assert all(np.array_equal(found.masks, expected) for found in pool.map(model.predict, [PHOTO] * 3))


def test_global_settings_are_left_alone(model: UOISSAM, capsys: pytest.CaptureFixture[str]) -> None:
    def state() -> tuple[object, ...]:
        return (
            torch.get_num_threads(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            cv2.getNumThreads(),
            np.geterr(),
        )

    before, random = state(), torch.random.get_rng_state()
    model.predict(PHOTO)
    assert state() == before and torch.equal(torch.random.get_rng_state(), random)
    assert capsys.readouterr().out == ""


def pixels_found(model: UOISSAM) -> list[int]:
    """Run in another process."""
    return [int(area) for area in model.predict(PHOTO).visible_areas()]


def test_a_model_is_sent_to_a_fresh_process(model: UOISSAM) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(pixels_found, (model,)).get(timeout=300) == pixels_found(model)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
def test_sending_a_model_keeps_no_file_open(model: UOISSAM) -> None:
    """PyTorch shares every tensor by a file of its own, which most systems' limit of 1024 does not allow for."""
    before = len(os.listdir("/proc/self/fd"))
    content = bytes(ForkingPickler.dumps(model))
    assert len(os.listdir("/proc/self/fd")) - before < 10
    assert pixels_found(pickle.loads(content)) == pixels_found(model)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_can_go_on(model: UOISSAM, expected: np.ndarray) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # threads that the forked process will not have
    try:
        model.predict(PHOTO)
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            os._exit(0 if np.array_equal(model.predict(PHOTO).masks, expected) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        torch.set_num_threads(threads)
