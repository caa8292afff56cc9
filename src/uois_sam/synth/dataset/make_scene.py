"""Make one scene from its number: draw, settle, render, encode. Runs in any process and writes no file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from uois_sam.errors import DatasetError
from uois_sam.io.encoding import encode_png
from uois_sam.io.masks import encode_mask
from uois_sam.runtime.provenance import peak_memory_mib
from uois_sam.runtime.timing import measured, stage
from uois_sam.synth.assets.collection import Assets
from uois_sam.synth.dataset.annotations import SceneAnnotation, annotate
from uois_sam.synth.dataset.config import PNG_LEVEL, GenerateConfig
from uois_sam.synth.physics import UnsettledError, settle
from uois_sam.synth.rendering.depth_sensor import SENSORS, sense_depth, surface_maps
from uois_sam.synth.rendering.ground_truth import GroundTruth, depth_to_mm
from uois_sam.synth.rendering.render import Rendering, render
from uois_sam.synth.rendering.variants import choose_variant, limit_threads
from uois_sam.synth.sampling.scenes import sample_scene
from uois_sam.synth.scene import Scene

MAX_DRAWS = 8
"""Failed draws of one scene after which making it is an error."""
BLOCKED_MM = 180
BLOCKED_SHARE = 0.3
"""Share of a view nearer than ``BLOCKED_MM`` from which on it is drawn again."""


@dataclass(frozen=True)
class Job:
    """A scene to make."""

    index: int
    description: Scene | None = None
    """A settled scene to render unchanged; None: draw one."""

    def __str__(self) -> str:
        return f"scene {self.index}"


@dataclass(frozen=True)
class MadeScene:
    """A finished scene, not yet on disk."""

    annotation: SceneAnnotation
    files: dict[str, bytes]
    """Path below the data set's folder -> content."""
    seconds: dict[str, float]
    """Stage -> seconds."""
    peak_mb: float
    """Peak memory of the process so far, in 10**6 bytes."""


@cache
def prepare_process(config: GenerateConfig, threads: int | None) -> None:
    """Prepare the process for :func:`make_scene`, once: choose the renderer's variant, load assets, limit threads.

    Raises:
        UOISError: if the variant does not work on this machine.
        DatasetError: if a user's own files cannot be used.
    """
    choose_variant(config.variant)
    assets_of(config)
    if threads is not None:
        limit_threads(threads)


@cache
def assets_of(config: GenerateConfig) -> Assets:
    """Load the assets; a user's own files are read once in a process.

    Raises:
        DatasetError: if a folder holds no file that can be used.
    """
    return Assets.load(textures=config.textures, hdris=config.hdris, meshes=config.meshes, mesh_scale=config.mesh_scale)


def make_scene(config: GenerateConfig, job: Job) -> MadeScene:
    """Make one scene; the same arguments give the same files on the same renderer.

    :func:`prepare_process` must have been called in this process. A draw that does not come to rest, or whose view is
    blocked, is replaced by one from the next sub-seed.

    Raises:
        DatasetError: if ``MAX_DRAWS`` draws in a row fail, or a given description cannot be rendered.
    """
    assets = assets_of(config)
    with measured() as seconds:
        if job.description is None:
            scene, rendering, redraws = draw_scene(config, assets, job.index)
        else:
            scene, redraws = job.description, {}
            rendering = _render(config, assets, scene)
        with stage("encode"):
            depth_mm = _seen_depth(config, scene, rendering)
            files = _encode(job.index, rendering, depth_mm, config.amodal)
    peak_mb = (peak_memory_mib() or 0) * 2**20 / 1e6
    return MadeScene(annotate(job.index, scene, rendering.truth, redraws), files, seconds, peak_mb)


def draw_scene(config: GenerateConfig, assets: Assets, index: int) -> tuple[Scene, Rendering, dict[str, int]]:
    """Draw, settle and render one scene; the draws thrown away are counted by reason.

    Raises:
        DatasetError: if ``MAX_DRAWS`` draws in a row fail.
    """
    redraws: dict[str, int] = {}
    for attempt in range(MAX_DRAWS):
        try:
            with stage("draw"):
                drawn = sample_scene(scene_seed(config.seed, index, attempt), config.variety, assets)
            with stage("physics"):
                scene = settle(drawn, assets)
        except UnsettledError:
            reason = "unsettled"
        else:
            rendering = _render(config, assets, scene)
            if not view_is_blocked(rendering.truth):
                return scene, rendering, redraws
            reason = "view blocked"
        redraws[reason] = redraws.get(reason, 0) + 1
    reasons = ", ".join(f"{reason}: {count}" for reason, count in redraws.items())
    raise DatasetError(f"scene {index}: {MAX_DRAWS} draws in a row came to nothing ({reasons})")


def _render(config: GenerateConfig, assets: Assets, scene: Scene) -> Rendering:
    with stage("render"):
        return render(scene, (config.height, config.width), config.samples, assets)


def view_is_blocked(truth: GroundTruth) -> bool:
    """Return True if something close to the lens (such as a wall around the camera) hides much of the view."""
    return float((truth.depth_mm < BLOCKED_MM).mean()) > BLOCKED_SHARE


def scene_seed(seed: int, index: int, attempt: int) -> int:
    """Return a 63-bit seed that differs for every data set, scene and attempt."""
    return int(np.random.SeedSequence([seed, index, attempt]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _seen_depth(config: GenerateConfig, scene: Scene, rendering: Rendering) -> npt.NDArray[np.uint16]:
    """(H, W) millimetres as the data set's depth camera sees them; a scene always looks the same to it."""
    truth = rendering.truth
    if config.depth_sensor == "none":
        return truth.depth_mm
    rng = np.random.default_rng([scene.seed, 3])
    kinds = list(SENSORS)
    drawn = kinds[int(rng.integers(len(kinds)))]
    kind = drawn if config.depth_sensor == "mixed" else config.depth_sensor
    metres = (truth.depth_mm / np.float32(1000)).astype(np.float32)
    clear, shiny = surface_maps(scene, truth.labels)
    return depth_to_mm(sense_depth(metres, rendering.image, clear, shiny, kind, rng))


def _encode(index: int, rendering: Rendering, depth_mm: npt.NDArray[np.uint16], amodal: bool) -> dict[str, bytes]:
    name, truth = f"{index:06d}", rendering.truth
    files = {
        f"rgb/{name}.png": encode_png(rendering.image, PNG_LEVEL),
        f"depth/{name}.png": encode_png(depth_mm, PNG_LEVEL),
        f"label/{name}.png": encode_png(truth.labels, PNG_LEVEL),
    }
    if amodal:
        masks = {str(k + 1): encode_mask(truth.amodal[k]) for k in np.flatnonzero(truth.visible_px).tolist()}
        files[f"amodal/{name}.json"] = json.dumps(masks).encode()
    return files
