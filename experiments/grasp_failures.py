"""Why do picks fail when masks are true? Pictures of failures with what happened, and how often each cause is.

python experiments/grasp_failures.py --tables 8 --out failures.jpg
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from uois_sam.grasping.antipodal import AntipodalPlanner
from uois_sam.grasping.grasp import SeenScene
from uois_sam.grasping.pictures import picture_of
from uois_sam.grasping.rounds import Attempt, clear_table, set_table
from uois_sam.grasping.sources import TrueMasks
from uois_sam.grasping.tables import TableConfig
from uois_sam.io.contact_sheet import write_contact_sheet
from uois_sam.synth.rendering.variants import choose_variant
from uois_sam.types import BoolArray, ImageArray

LIGHT = np.array([-0.4, -0.5, 0.77])


def main() -> None:
    """Clear tables until enough picks have failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arrangement", choices=["pile", "packed"], default="pile")
    parser.add_argument("--seed", type=int, default=1000, help="of the first table")
    parser.add_argument("--tables", type=int, default=20, help="to clear at most")
    parser.add_argument("--limit", type=int, default=10, help="failures to show")
    parser.add_argument("--photos", action="store_true", help="render photos; else depth is shaded, much faster")
    parser.add_argument("--out", type=Path, required=True, help="JPEG to write")
    options = parser.parse_args()
    choose_variant()
    config = TableConfig(arrangement=options.arrangement)
    shown: list[ImageArray] = []
    causes: Counter[str] = Counter()
    for seed in range(options.seed, options.seed + options.tables):

        def keep(seen: SeenScene, masks: BoolArray, attempt: Attempt, seed: int = seed) -> None:
            if attempt.pick is not None and attempt.pick.outcome == "lifted":
                causes["lifted"] += 1
                return
            pick = attempt.pick
            causes["no grasp found" if pick is None else f"{pick.outcome} ({pick.reason})"] += 1
            seen = seen if seen.image is not None else replace(seen, image=shaded(seen))
            shown.append(picture_of(seen, masks, attempt, f"table {seed}"))

        table = set_table(seed, config, photo=options.photos)
        clear_table(table, config, TrueMasks(), AntipodalPlanner(), photos=options.photos, watch=keep)
        if len(shown) >= options.limit:
            break
    shown = shown[: options.limit]
    if shown:
        write_contact_sheet(lambda k: (shown[k], None), len(shown), options.out, len(shown))
    for cause, times in causes.most_common():
        print(f"| {cause} | {times} |")


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
