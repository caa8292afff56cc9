"""Summary of a data set in numbers, for its ``dataset.json``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from uois_sam.synth.dataset.annotations import SceneAnnotation


def statistics(annotations: list[SceneAnnotation]) -> dict[str, Any]:
    """Return counts and distributions over a data set."""
    counts = [len(annotation.objects) for annotation in annotations]
    objects = [one for annotation in annotations for one in annotation.objects]
    visible = [one.visible_fraction for one in objects]
    share = [one.visible_px / math.prod(scene.size_hw) for scene in annotations for one in scene.objects]
    redraws = Counter[str]()
    for annotation in annotations:
        redraws.update(annotation.redraws)
    return {
        "scenes": len(annotations),
        "empty_scenes": counts.count(0),
        "objects": len(objects),
        "objects_a_scene": _distribution(counts),
        "slivers": sum(annotation.slivers for annotation in annotations),
        "visible_fraction": _distribution(visible),
        "share_of_frame": _distribution(share),
        "places": _tally(annotation.scene.place for annotation in annotations),
        "families": _tally(one.family for one in objects),
        "redraws": redraws,
    }


def _distribution(values: list[Any]) -> dict[str, float]:
    if not values:
        return {}
    points = {"least": 0, "p10": 10, "median": 50, "p90": 90, "most": 100}
    percentiles = {name: round(float(np.percentile(values, point)), 5) for name, point in points.items()}
    return {"mean": round(float(np.mean(values)), 5), **percentiles}


def _tally(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
