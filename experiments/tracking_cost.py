"""What tracking costs: time of a frame with 20 objects, and memory over many; ``tracking.py`` prints both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from uois_sam import UOISSAM
from uois_sam.geometry import mask_bounds
from uois_sam.instances import Instances
from uois_sam.synth.dataset.reader import read_scenes
from uois_sam.tracking import Tracker


def twenty(seconds: float = 5.0) -> str:
    """Time of our tracker for a frame with 20 objects of 640x480, each with an embedding of the model; each call beside
    one of nothing, whose time is taken off."""
    model = UOISSAM.from_pretrained("compact", device="cpu")
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (480, 640, 3)).astype(np.uint8)
    begun = time.perf_counter()
    encoded = model.encode_image(image)
    encoded.predict()
    of_model = time.perf_counter() - begun
    tracker = Tracker()
    taken: tuple[list[float], ...] = [], []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until and len(taken[0]) < 400:
        found = replace(_trembling(rng), image=image)
        calls: tuple[Callable[[], object], ...] = (lambda: None, lambda: tracker.update(found, encoded))  # noqa: B023
        for times, call in zip(taken, calls, strict=True):
            begun = time.process_time()
            call()
            times.append(time.process_time() - begun)
    empty, full = (np.array(times[1:]) * 1000 for times in taken)
    own = full - empty
    return (f"20 objects, 640x480, {len(own)} frames, ms of processor time a frame: {np.median(own):.1f} "
            f"(90 %: {np.percentile(own, 90):.1f}); the model in the same run, one photo by the clock: "
            f"{1000 * of_model:.0f} ms")  # fmt: skip


def _trembling(rng: np.random.Generator) -> Instances:
    """Twenty ellipses that tremble in their places."""
    masks = np.zeros((20, 480, 640), dtype=np.bool_)
    for place, mask in enumerate(masks):
        x, y = (int(value) for value in (70 + 120 * (place % 5), 65 + 115 * (place // 5)) + rng.integers(-2, 3, 2))
        cv2.ellipse(mask.view(np.uint8), (x, y), (50, 42), 0, 0, 360, 1, -1)
    boxes = np.array([mask_bounds(mask) for mask in masks], dtype=np.float32)
    scores = np.linspace(0.9, 0.5, 20, dtype=np.float32)
    return Instances(masks, scores, boxes, ((boxes[:, :2] + boxes[:, 2:]) / 2).astype(np.float32))


def soak(folders: Sequence[Path], model: UOISSAM, seconds: float) -> Iterator[str]:
    """Go around the videos with one tracker and say what memory the process has."""
    tracker, frames, begun = Tracker(), 0, time.monotonic()
    next_line = 0.0
    while (passed := time.monotonic() - begun) < seconds:
        for folder in folders:
            for scene in read_scenes(folder):
                encoded = model.encode_image(scene.image())
                tracker.update(encoded.predict(), encoded)
                frames += 1
                if (passed := time.monotonic() - begun) >= next_line:
                    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
                    used = f"{pages * 4096 / 2**20:.0f} MiB"
                    yield f"{passed:5.0f} s, {frames:5d} frames, {len(tracker):3d} objects known, {used}"
                    next_line = passed + seconds / 10
                if passed >= seconds:
                    return
