"""Cost by photo size, number of prompts, simultaneous photos, and threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import cv2
import numpy as np
import torch

from uois_sam.benchmark.stages import spread_points, time_stages
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.threads import threads_of
from uois_sam.runtime.timing import time_in_turn
from uois_sam.types import ImageArray

Sweep = Literal["size", "prompts", "batch", "threads"]
SIZES_WH = ((320, 240), (640, 480), (1280, 960), (2560, 1920))
PROMPTS = (1, 4, 16, 30, 64)
BATCHES = (1, 2, 4, 8)


def sweep(what: Sweep, model: UOISSAM, image: ImageArray, repeats: int) -> list[dict[str, Any]]:
    """Return one row per value: the value and its seconds (for ``size`` and ``threads``, of all stages)."""
    return _SWEEPS[what](model, image, repeats)


def resized(image: ImageArray, size_wh: tuple[int, int]) -> ImageArray:
    """Resize an (H, W, 3) uint8 photo, by area when shrinking, else bilinearly."""
    shrinks = size_wh[0] * size_wh[1] < image.shape[0] * image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size_wh, interpolation=interpolation), dtype=np.uint8)


def _sizes(model: UOISSAM, image: ImageArray, repeats: int) -> list[dict[str, Any]]:
    """Time sizes of the photo. The network's input is fixed; pre-processing and full-size masks grow."""
    return [{"size_wh": size, **_stages(model, resized(image, size), repeats)} for size in SIZES_WH]


def _prompts(model: UOISSAM, image: ImageArray, repeats: int) -> list[dict[str, Any]]:
    """Time numbers of given points, each with its best mask at photo size."""
    encoded = model.encode_image(image)
    calls: dict[str, Callable[[], object]] = {}
    for count in PROMPTS:
        points = spread_points(encoded.image_hw, count)
        calls[str(count)] = lambda points=points: encoded.predict(points)  # type: ignore[misc]
    times = time_in_turn(calls, model.device, repeats)
    return [{"prompts": int(name), "masks": spread.as_json()} for name, spread in times.items()]


def _batches(model: UOISSAM, image: ImageArray, repeats: int) -> list[dict[str, Any]]:
    """Time simultaneous photos, each on its share of the threads; seconds are per photo."""
    threads = torch.get_num_threads()
    rows = []
    for count in BATCHES:
        with threads_of(max(1, threads // count)), ThreadPoolExecutor(count) as pool:

            def all_of(count: int = count, pool: ThreadPoolExecutor = pool) -> None:
                list(pool.map(model.predict, [image] * count))

            taken = time_in_turn({"all": all_of}, model.device, max(3, repeats // count), warm_up=1)["all"]
        each = {key: value / count for key, value in taken.as_json().items()} | {"n": taken.n}
        rows.append({"at_the_same_time": count, "seconds_a_photo": each})
    return rows


def _threads(model: UOISSAM, image: ImageArray, repeats: int) -> list[dict[str, Any]]:
    usual = torch.get_num_threads()
    rows = []
    for count in sorted({1, *(2**power for power in range(1, 10) if 2**power < usual), usual, os.cpu_count() or 1}):
        with threads_of(count):
            rows.append({"threads": count, **_stages(model, image, repeats)})
    return rows


def _stages(model: UOISSAM, image: ImageArray, repeats: int) -> dict[str, Any]:
    return {name: spread.as_json() for name, spread in time_stages(model, image, repeats).stages.items()}


_SWEEPS: dict[Sweep, Callable[[UOISSAM, ImageArray, int], list[dict[str, Any]]]] = {
    "size": _sizes, "prompts": _prompts, "batch": _batches, "threads": _threads,
}  # fmt: skip
