"""Summary of a data set in numbers, for its ``dataset.json``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from uois_sam.synth.dataset.annotations import SceneRecord


def statistics(records: list[SceneRecord]) -> dict[str, Any]:
    """What a data set holds, in numbers."""
    counts = [len(record.objects) for record in records]
    objects = [one for record in records for one in record.objects]
    visible = [one.visible_fraction for one in objects]
    share = [one.visible_px / (record.size_hw[0] * record.size_hw[1]) for record in records for one in record.objects]
    redraws: dict[str, int] = {}
    for record in records:
        for reason, count in record.redraws.items():
            redraws[reason] = redraws.get(reason, 0) + count
    return {
        "scenes": len(records),
        "empty_scenes": counts.count(0),
        "objects": len(objects),
        "objects_a_scene": _spread(counts),
        "slivers": sum(record.slivers for record in records),
        "visible_fraction": _spread(visible),
        "share_of_frame": _spread(share),
        "places": _tally(record.scene.place for record in records),
        "families": _tally(one.family for one in objects),
        "redraws": redraws,
    }


def _spread(values: list[Any]) -> dict[str, float]:
    if not values:
        return {}
    points = {"least": 0, "p10": 10, "median": 50, "p90": 90, "most": 100}
    spread = {name: round(float(np.percentile(values, point)), 5) for name, point in points.items()}
    return {"mean": round(float(np.mean(values)), 5), **spread}


def _tally(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
