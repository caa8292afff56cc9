"""Scenes of one place: the same bin, lamps and camera, and things out of the same fixed stock, thrown in anew.

    python experiments/one_place.py --scenes 64 --seed 7 --out place.jsonl
    uois-sam generate --out place --from-scenes place.jsonl --height 300 --width 400

What a fine-tuning is for: a camera over one bin. ``uois-sam generate`` alone draws another bin for every scene.
The stock is of shape families that no training scene of the bundled weights shows.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from uois_sam.io.files import write_atomically
from uois_sam.synth.assets.collection import BUILT_IN
from uois_sam.synth.assets.families import mesh_points
from uois_sam.synth.physics import UnsettledError, settle
from uois_sam.synth.sampling.arrangement import Footprint, arrange
from uois_sam.synth.sampling.cameras import sample_camera
from uois_sam.synth.sampling.config import Variety
from uois_sam.synth.sampling.lights import sample_lights
from uois_sam.synth.sampling.places import Place, sample_place
from uois_sam.synth.sampling.scenes import sample_object
from uois_sam.synth.scene import Camera, ObjectSpec, Scene

Rng = np.random.Generator
FAMILIES = ("scissors", "bracket", "gear", "torch", "controller", "toy_car", "spray_bottle", "roll")
STOCK = 20
"""Things that the place has; each scene shows some of them."""
FEWEST, MOST = 4, 12
VARIETY = Variety(
    split="val", families=FAMILIES, places=("bin",), arrangements=("piled",), framing=(0.8, 0.9), surroundings=0.0
)


def make_scenes(seed: int, number: int) -> list[Scene]:
    """Draw the place and its stock, and settled scenes in it; scene k is the same for every ``number`` above it."""
    rng = np.random.default_rng(seed)
    place = sample_place(rng, VARIETY)
    rig, lamps, sky = sample_lights(rng, VARIETY)
    camera = sample_camera(rng, place, VARIETY)
    stock = [sample_object(rng, VARIETY) for _ in range(STOCK)]
    empty = Scene(seed, place.name, "piled", rig, (), place.props, lamps, sky, camera)
    return [_thrown_in(np.random.default_rng([seed, index]), empty, place, stock) for index in range(number)]


def _thrown_in(rng: Rng, empty: Scene, place: Place, stock: list[ObjectSpec]) -> Scene:
    while True:
        chosen = [stock[k] for k in rng.permutation(len(stock))[: int(rng.integers(FEWEST, MOST + 1))]]
        poses = arrange(rng, "piled", [_footprint(item) for item in chosen], place.half_xy)
        objects = tuple(replace(item, pose=pose) for item, pose in zip(chosen, poses, strict=True))
        scene = replace(empty, objects=objects, camera=_held(rng, empty.camera))
        try:
            return settle(scene)
        except UnsettledError:
            continue


def _held(rng: Rng, camera: Camera) -> Camera:
    """Move the camera by some centimetres, as on a mast that is not quite stiff."""
    position = np.array(camera.position) + rng.normal(0, 0.015, 3)
    exposure = camera.exposure * float(np.exp(rng.normal(0, 0.05)))
    seed = int(rng.integers(2**31))
    return replace(camera, position=tuple(position.tolist()), exposure=exposure, noise_seed=seed)


def _footprint(item: ObjectSpec) -> Footprint:
    points = mesh_points(BUILT_IN.parts(item.family, item.seed))
    half = ((points.max(axis=0) - points.min(axis=0)) / 2).tolist()
    family = BUILT_IN.families[item.family]
    return Footprint((half[0], half[1]), family.upright, family.nests)


def main() -> int:
    """Write the scenes' descriptions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=64, help="number of scenes (default: 64)")
    parser.add_argument("--seed", type=int, default=7, help="another seed is another place (default: 7)")
    parser.add_argument("--out", type=Path, required=True, help="file of descriptions, for --from-scenes")
    arguments = parser.parse_args()
    lines = [scene.to_json() for scene in make_scenes(arguments.seed, arguments.scenes)]
    write_atomically(arguments.out, "".join(f"{line}\n" for line in lines).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
