"""Errors by an object's size, visibility, material, place, arrangement and family.

    python experiments/errors_by.py DATA_ROOT [--model compact] [--limit N] [--out results.json]

DATA_ROOT is a folder that "uois-sam generate" wrote: its scenes.jsonl describes every object. Each object counts
once in every heading. Columns, in percent of the objects of a line: with a prompt on them; good (matched with F above
0.85); and the errors (``uois_sam.evaluation.error_kinds``). The table ends with the families of shapes that are found
worst. Settings are the model's own, with the closer look; prompts are those of the whole photo.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from oracles import own_points
from uois_sam import UOISSAM
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import Dataset, FolderDataset
from uois_sam.errors import UOISError
from uois_sam.evaluation.error_kinds import OBJECT_KINDS, diagnose
from uois_sam.evaluation.overlaps import compare
from uois_sam.evaluation.recall import VISIBLE_EDGES
from uois_sam.runtime.provenance import summary
from uois_sam.synth.assets.textures import TEXTURES
from uois_sam.synth.dataset.annotations import LabelledObject, SceneAnnotation
from uois_sam.synth.dataset.reader import read_scenes
from uois_sam.synth.scene import Surface
from uois_sam.training.splits import first_images

SIDES_PX = (20, 35, 50, 70, 100)
"""Bin edges of sizes: the side of a square of the object's visible area, in pixels at 640x480."""
LEAST_OF_A_FAMILY = 8
"""Families with fewer objects are not ranked."""
COLUMNS = ("prompted", *OBJECT_KINDS)


@dataclass(frozen=True)
class Fate:
    """Outcome of one true object."""

    traits: Mapping[str, str]
    """Line it counts in, by heading."""
    kind: str
    """One of ``OBJECT_KINDS``."""
    prompted: bool


def traits_of(thing: LabelledObject, record: SceneAnnotation) -> dict[str, str]:
    """Return the traits of an object, by heading."""
    height, width = record.size_hw
    side = float(np.sqrt(thing.visible_px / (height * width) * 640 * 480))
    return {
        "side in pixels": _between(side, SIDES_PX),
        "visible share": _between(thing.visible_fraction, VISIBLE_EDGES[1:-1]),
        "material": material_of(record.scene.objects[thing.label - 1].surfaces),
        "place": record.scene.place,
        "arrangement": record.scene.arrangement,
        "family": thing.family,
    }


def material_of(surfaces: tuple[Surface, ...]) -> str:
    """Return the most distinctive material among all parts of an object."""
    if any(surface.clear > 0 for surface in surfaces):
        return "clear"
    if any(surface.metallic > 0.5 for surface in surfaces):
        return "metal"
    groups = {TEXTURES[surface.texture].group if surface.texture in TEXTURES else "print" for surface in surfaces}
    if groups & {"pattern", "print"}:
        return "patterned or printed"
    return "several colours" if len(surfaces) > 1 else "one colour or natural"


def fates(model: UOISSAM, data: Dataset, records: Mapping[str, SceneAnnotation]) -> Iterator[Fate]:
    """Predict every scene and yield the outcome of each object.

    Args:
        model: model to examine.
        data: the scenes.
        records: record of each scene, by name.

    Raises:
        UOISError: if a scene has no record.
    """
    for index in range(len(data)):
        sample = data[index]
        record = records.get(sample.name)
        if record is None:
            raise UOISError(f"scene {sample.name}: expected a line about it in scenes.jsonl, found none")
        encoded = model.encode_image(sample.image)
        columns, rows = own_points(encoded).round().astype(int).T
        under = set(sample.labels[rows, columns].tolist())
        compared = compare(encoded.predict().label_map(), sample.labels, sample.ignore)
        things = {thing.label: thing for thing in record.objects}
        for label, kind in zip(compared.true_labels, diagnose(compared.overlaps).object_kinds, strict=True):
            yield Fate(traits_of(things[label], record), kind, label in under)


def count(objects: list[Fate]) -> dict[str, dict[str, Counter[str]]]:
    """Count objects by heading, line and column."""
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for fate in objects:
        for heading, line in {"all": "all", **fate.traits}.items():
            counts[heading][line].update({"objects": 1, "prompted": int(fate.prompted), fate.kind: 1})
    return {heading: {line: lines[line] for line in sorted(lines, key=_order)} for heading, lines in counts.items()}


def markdown(counts: Mapping[str, Mapping[str, Counter[str]]], families: int = 12) -> str:
    """Format all headings as a markdown table, with only the worst families."""
    table = [f"| | objects | {' | '.join(COLUMNS)} |", "|---" * (2 + len(COLUMNS)) + "|"]
    for heading, lines in counts.items():
        shown = dict(lines)
        if heading == "family":
            ranked = [line for line in lines if lines[line]["objects"] >= LEAST_OF_A_FAMILY]
            ranked.sort(key=lambda line: lines[line]["good"] / lines[line]["objects"])
            shown = {line: lines[line] for line in ranked[:families]}
        if heading != "all":
            table.append(f"| **{heading}** |" + " |" * (1 + len(COLUMNS)))
        for line, found in shown.items():
            shares = " | ".join(f"{100 * found[column] / found['objects']:.0f}" for column in COLUMNS)
            table.append(f"| {line} | {found['objects']} | {shares} |")
    return "\n".join(table)


def _between(value: float, edges: tuple[float, ...]) -> str:
    """Name the line of a bin: "below 20", "20 to 35", ..., "100 and more"."""
    place = int(np.searchsorted(edges, value, side="right"))
    if place == 0:
        return f"below {edges[0]:g}"
    return f"{edges[-1]:g} and more" if place == len(edges) else f"{edges[place - 1]:g} to {edges[place]:g}"


def _order(line: str) -> tuple[float, str]:
    """Sort bins by lower edge, names alphabetically."""
    first = line.split()[0]
    if first == "below":
        return -1.0, line
    return (float(first), line) if first.replace(".", "", 1).isdigit() else (float("inf"), line)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_root", type=Path, help="folder that uois-sam generate wrote")
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--limit", type=int, default=10**6, help="only the first N scenes")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        records = {scene.photo.stem: scene.annotation for scene in read_scenes(arguments.data_root)}
        data = first_images(FolderDataset(arguments.data_root), arguments.limit)
        model = UOISSAM.from_pretrained(arguments.model, device="cpu")
        counts = count(list(fates(model, data, records)))
    except UOISError as error:
        print(f"errors_by: {error}", file=sys.stderr)
        return 2
    name = arguments.data_root.resolve().name
    settings = {"model": model.name, "dataset": name, "frames": len(data)}
    record = make_record("errors_by", {**settings, "counts": counts})
    print(f"{model.name} on {len(data)} scenes of {name}\n\n{markdown(counts)}\n\n{summary(record['machine'])}")
    if arguments.out:
        write_record(arguments.out, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
