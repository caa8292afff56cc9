"""Small trees of everything that a reproduction reads, and the command line that runs on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dataset_trees import (
    columns,
    housecat_scene,
    ocid_frame,
    osd_frame,
    phocal_sequence,
    uoais_annotation,
    uoais_image,
    uoais_sim,
)
from tiny_base import BACKBONE, HEADS, NAME, SPEC, TinyBase, write_tiny_base
from uois_sam.checkpoints.bases import BACKBONES, BASES
from uois_sam.evaluation.components import Variant
from uois_sam.training.learning_curves import Curves

TEST_SETS = ("ocid", "osd", "phocal", "housecat6d")


def write_trees(root: Path) -> Path:
    """Write UOAIS-Sim with 10 and 2 images, and the four test sets with 2 frames each after their sampling."""
    for split, identities in (("train", range(1, 11)), ("val", range(1, 3))):
        images = [uoais_image(identity) for identity in identities]
        objects = [uoais_annotation(each, each, columns(0, 1, 1)) for each in identities]
        uoais_sim(root / "UOAIS-Sim", split, images, objects)
    for name in ("result_1", "result_2"):
        ocid_frame(root / "ocid", "ARID20/floor/bottom/seq01", name, columns(1, 2, 2, 3))
        osd_frame(root / "osd", name, columns(0, 1, 1, 2))
    phocal_sequence(root / "phocal", 1, [columns(0, 1, 1)] * 11)
    housecat_scene(root / "housecat6d", "scene01", [columns(0, 1, 1)] * 11)
    return root


LOOSE = {"score_threshold": -10.0, "foreground_threshold": 0.0, "heatmap_threshold": -10.0, "max_area_fraction": 1.0,
         "grid_side": 4}  # fmt: skip


def write_base(folder: Path, monkeypatch: pytest.MonkeyPatch) -> TinyBase:
    """Write a tiny base, and let its name stand for it.

    Its maps have a size that is fast to learn from, curves are not drawn, one photo is timed, and the thresholds let
    random networks find something.
    """
    settings = Variant.settings
    monkeypatch.setattr(Variant, "settings", lambda self: settings(self) | LOOSE)
    monkeypatch.setattr("uois_sam.reproduce.stages.REPEATS", 1)
    monkeypatch.setattr(Curves, "draw", lambda self: None)
    monkeypatch.setitem(BASES, NAME, replace(SPEC, heads=replace(HEADS, frame_hw=(96, 128))))
    monkeypatch.setitem(BACKBONES, SPEC.prompts, BACKBONE)
    return write_tiny_base(folder)


def command(base: TinyBase, trees: Path, out: Path, *options: object, sets: tuple[str, ...] = TEST_SETS) -> list[str]:
    """Return the words of ``uois-sam reproduce`` on the trees."""
    weights = ("--base", NAME, "--sam", base.sam, "--dinov2", base.dinov2, "--device", "cpu", "--precision", "float32")
    fast = ("--epochs", 1, "--partial", "--workers", 1, "--data", trees / "UOAIS-Sim", "--out", out)
    given = [word for name in sets for word in (f"--{name}", trees / name)]
    return ["reproduce", *map(str, (*weights, *fast, *given, *options))]
