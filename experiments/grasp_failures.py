"""Why do picks fail when masks are true? Each thing of some tables is picked once, from the first look at it.

    python experiments/grasp_failures.py --out failures.jpg [--tables 8] [--limit 10]

Prints how often each outcome is, and draws failures: the thing and the hand on a grey relief of the depth (or on the
photo, which takes ten times as long). Where no grasp is found there is either "no room" for the hand beside what lies
around, or "no hold": not even if the thing were alone.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from uois_sam.grasping.antipodal import AntipodalPlanner
from uois_sam.grasping.grasp import SeenScene
from uois_sam.grasping.pictures import with_hand
from uois_sam.grasping.rounds import Attempt, Start, set_table
from uois_sam.grasping.tables import TableConfig
from uois_sam.grasping.world import World
from uois_sam.io.captions import captioned
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.files import write_atomically
from uois_sam.synth.rendering.variants import choose_variant
from uois_sam.types import BoolArray, ImageArray

LIGHT = np.array([-0.4, -0.5, 0.77])
TILE_HW = (240, 320)
COLUMNS = 5


def main() -> None:
    """Pick every thing of some tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1000, help="of the first table")
    parser.add_argument("--tables", type=int, default=8, help="piles, and as many packed tables")
    parser.add_argument("--limit", type=int, default=10, help="failures to show")
    parser.add_argument("--photos", action="store_true", help="render photos; else depth is shaded, much faster")
    parser.add_argument("--out", type=Path, required=True, help="JPEG to write")
    options = parser.parse_args()
    choose_variant()
    tiles: list[ImageArray] = []
    causes: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.tables):
        for arrangement in ("pile", "packed"):
            table = set_table(seed, TableConfig(arrangement=arrangement), photo=options.photos)
            for mask, attempt in picks(table):
                cause = cause_of(table.seen, mask, attempt)
                causes[cause] += 1
                if cause != "lifted" and len(tiles) < options.limit:
                    name = table.scene.objects[attempt.target or 0].family
                    tiles.append(tile(table.seen, mask, attempt, f"{len(tiles) + 1} {name}: {cause}"))
    if tiles:
        tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % COLUMNS)
        rows = [np.concatenate(tiles[k : k + COLUMNS], axis=1) for k in range(0, len(tiles), COLUMNS)]
        write_atomically(options.out, encode_jpeg(np.concatenate(rows), 85))
    for cause, times in causes.most_common():
        print(f"| {cause} | {times} |")


def picks(table: Start) -> Iterator[tuple[BoolArray, Attempt]]:
    """Pick each visible thing, the others as they were."""
    for label in np.unique(table.truth[table.truth > 0]).tolist():
        mask = (table.truth == label)[None]
        grasps = AntipodalPlanner().plan(table.seen, mask, np.random.default_rng([table.seed, label]))
        pick = World(table.scene).pick(grasps[0]) if grasps else None
        yield mask, Attempt(1, label - 1, pick)


def cause_of(seen: SeenScene, mask: BoolArray, attempt: Attempt) -> str:
    """What came of it, in words."""
    if attempt.pick is None:
        alone = replace(seen, depth_m=np.where(mask[0], seen.depth_m, np.float32(0)))
        return "no room" if AntipodalPlanner().plan(alone, mask, np.random.default_rng(0)) else "no hold"
    if attempt.pick.outcome == "lifted":
        return "lifted" if attempt.pick.lifted == (attempt.target,) else "lifted more or another"
    return attempt.pick.reason


def tile(seen: SeenScene, mask: BoolArray, attempt: Attempt, caption: str) -> ImageArray:
    """The part of the picture around a thing."""
    picture = with_hand(seen if seen.image is not None else replace(seen, image=shaded(seen)), mask, attempt)
    ys, xs = np.nonzero(mask[0])
    corner = [
        int(np.clip(middle - side // 2, 0, size - side))
        for middle, side, size in zip((ys.mean(), xs.mean()), TILE_HW, picture.shape[:2], strict=True)
    ]
    return captioned(picture[corner[0] : corner[0] + TILE_HW[0], corner[1] : corner[1] + TILE_HW[1]], caption)


def shaded(seen: SeenScene) -> ImageArray:
    """Depth as a grey relief, (H, W, 3) uint8."""
    points = seen.points()
    normals = np.cross(np.gradient(points, axis=1), np.gradient(points, axis=0))
    normals /= np.maximum(1e-12, np.linalg.norm(normals, axis=2, keepdims=True))
    normals *= np.sign(normals[..., 2:])
    grey = np.nan_to_num(np.clip(normals @ LIGHT, 0, 1) * 200 + 40)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


if __name__ == "__main__":
    main()
