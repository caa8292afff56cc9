"""Write data sets of rendered scenes: draw, settle, render, save; resumable, over several processes."""

from __future__ import annotations

import io
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from uois_sam.errors import DatasetError
from uois_sam.files import make_output_folder, write_atomically, write_together
from uois_sam.synth.physics import UnsettledError, settle
from uois_sam.synth.render import Rendering, choose_variant, render
from uois_sam.synth.scene import Scene, sample_scene

MAX_REDRAWS = 8
BLOCKED_MM = 180
BLOCKED_SHARE = 0.3
"""A view of which this share is nearer than ``BLOCKED_MM`` is drawn again."""


@dataclass(frozen=True)
class GenerateConfig:
    """What a data set is made from; two runs with equal values write the same scenes."""

    scenes: int = 100
    """Number of scenes."""
    seed: int = 0
    """Scenes of different seeds share no shape, texture or layout."""
    height: int = 480
    """Rows of each picture."""
    width: int = 640
    """Columns of each picture."""
    samples: int = 16
    """Light paths a pixel before denoising."""
    variant: Literal["auto", "llvm", "scalar", "cuda"] = "auto"
    """Mitsuba back end; auto takes LLVM where a libLLVM that works is installed, else the slower scalar one."""


@dataclass(frozen=True)
class SceneRecord:
    """What became of one scene."""

    index: int
    objects: int
    redraws: int
    """Attempts thrown away because the physics did not come to rest or the view was blocked."""
    scene: Scene


def generate(config: GenerateConfig, out: Path, workers: int) -> Iterator[SceneRecord]:
    """Write the scenes that ``out`` does not hold yet, yielding each as it lands on disk.

    Layout: ``rgb/<index>.png``, ``label/<index>.png`` (uint16), ``depth/<index>.png`` (uint16 mm), ``scenes.jsonl``
    (one scene a line) and ``dataset.json`` (configuration, versions, counts).

    Raises:
        DatasetError: ``out`` holds a data set made with another configuration.
    """
    _claim(config, out)
    done = _finished(out)
    todo = [index for index in range(config.scenes) if index not in done]
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(config.variant, workers)) as pool,
        (out / "scenes.jsonl").open("a", encoding="utf-8") as log,
    ):
        futures = [pool.submit(make_scene, config, index, out) for index in todo]
        try:
            for future in as_completed(futures):
                record = future.result()
                line = {"index": record.index, "objects": record.objects, "redraws": record.redraws}
                log.write(json.dumps({**line, "scene": json.loads(record.scene.to_json())}) + "\n")
                log.flush()
                yield record
        finally:
            pool.shutdown(cancel_futures=True)
    write_atomically(out / "dataset.json", json.dumps(_summary(config, out), indent=1).encode())


def make_scene(config: GenerateConfig, index: int, out: Path) -> SceneRecord:
    """Draw, settle, render and save scene ``index``; a failed draw is replaced by one from the next sub-seed."""
    for attempt in range(MAX_REDRAWS):
        try:
            scene = settle(sample_scene(scene_seed(config.seed, index, attempt)))
        except UnsettledError:
            continue
        rendering = render(scene, (config.height, config.width), config.samples)
        if not view_is_blocked(rendering):
            break
    else:
        raise DatasetError(f"scene {index}: {MAX_REDRAWS} draws in a row did not come to rest or hid the view")
    name = f"{index:06d}.png"
    write_together(
        {out / "rgb" / name: _png(rendering.image), out / "depth" / name: _png(rendering.truth.depth_mm),
         out / "label" / name: _png(rendering.truth.labels)}
    )  # fmt: skip
    return SceneRecord(index, _visible(rendering), attempt, scene)


def view_is_blocked(rendering: Rendering) -> bool:
    """Whether something right before the lens (a wall the camera stands in, say) hides much of the view."""
    return float((rendering.truth.depth_mm < BLOCKED_MM).mean()) > BLOCKED_SHARE


def scene_seed(seed: int, index: int, attempt: int) -> int:
    """A 63-bit seed that differs for every data set, scene and attempt."""
    return int(np.random.SeedSequence([seed, index, attempt]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _start_worker(variant: str, workers: int) -> None:
    choose_variant(variant)
    if workers > 1:
        import drjit

        drjit.set_thread_count(1)


def _claim(config: GenerateConfig, out: Path) -> None:
    """Make the folders, or check that they were made with this configuration (more scenes may be asked for)."""
    for folder in ("rgb", "label", "depth"):
        make_output_folder(out / folder)
    marker = out / "dataset.json"
    wanted = {key: value for key, value in asdict(config).items() if key not in ("scenes", "variant")}
    if marker.exists():
        saved = json.loads(marker.read_text())["config"]
        found = {key: saved.get(key) for key in wanted}
        if found != wanted:
            raise DatasetError(f"{out} holds scenes made with {found}, expected {wanted}: choose another --out")
    else:
        write_atomically(marker, json.dumps({"config": asdict(config)}).encode())


def _finished(out: Path) -> set[int]:
    log = out / "scenes.jsonl"
    if not log.exists():
        return set()
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):  # the run was killed in mid-line; that scene is made again
        lines.pop()
        write_atomically(log, "".join(lines).encode())
    done = {json.loads(line)["index"] for line in lines}
    return {index for index in done if (out / "label" / f"{index:06d}.png").exists()}


def _summary(config: GenerateConfig, out: Path) -> dict[str, object]:
    lines = (out / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    records = {record["index"]: record for record in map(json.loads, lines)}.values()  # a remade scene has two lines
    counts = [record["objects"] for record in records]
    return {
        "config": asdict(config),
        "scenes": len(records),
        "objects": sum(counts),
        "empty_scenes": counts.count(0),
        "redraws": sum(record["redraws"] for record in records),
        "versions": {name: _version(name) for name in ("uois-sam", "mitsuba", "mujoco", "pyoidn", "numpy")},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _visible(rendering: Rendering) -> int:
    return len(np.unique(rendering.truth.labels)) - int((rendering.truth.labels == 0).any())


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8 | np.uint16]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()
