"""The native layout on disk: ``rgb/ label/ depth/ [amodal/] scenes.jsonl dataset.json``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from uois_sam.errors import DatasetError
from uois_sam.files import make_output_folder, write_atomically, write_together
from uois_sam.synth.making import GenerateConfig, MadeScene
from uois_sam.synth.native import parse_records
from uois_sam.synth.record import SceneRecord

PACKAGES = ("uois-sam", "mitsuba", "mujoco", "pyoidn", "numpy", "scipy", "pillow")
NOT_COMPARED = ("scenes", "variant")
"""Parts of the configuration that may differ between runs into one folder."""


class Store:
    """A data set folder that scenes are added to.

    Args:
        config: what the scenes are made from.
        out: the folder; made if missing.

    Raises:
        DatasetError: the folder holds scenes made with another configuration, or pictures of somebody else.
        OutputError: the folder cannot be written.
    """

    def __init__(self, config: GenerateConfig, out: Path) -> None:
        self.config = config
        self.out = out
        self.folders = ("rgb", "label", "depth", *(("amodal",) if config.amodal else ()))
        self._claim()
        for folder in self.folders:
            make_output_folder(out / folder)
        self.records = {record.index: record for record in self._whole_records()}

    def add(self, made: MadeScene) -> None:
        """Write a scene's files, then the line that says they are whole."""
        write_together({self.out / path: content for path, content in made.files.items()})
        with (self.out / "scenes.jsonl").open("a", encoding="utf-8") as log:
            log.write(made.record.to_json() + "\n")
        self.records[made.record.index] = made.record

    def close(self, measured: dict[str, Any]) -> None:
        """Put the lines in order of the scenes and write ``dataset.json``.

        Args:
            measured: facts about this run (time, memory); all else in the folder depends on the configuration only.
        """
        ordered = [self.records[index] for index in sorted(self.records)]
        write_atomically(self.out / "scenes.jsonl", "".join(r.to_json() + "\n" for r in ordered).encode())
        summary = {
            "config": config_json(self.config),
            "statistics": statistics(ordered),
            "versions": {name: _version(name) for name in PACKAGES},
            "measured": measured,
        }
        write_atomically(self.out / "dataset.json", json.dumps(summary, indent=1).encode())

    def _claim(self) -> None:
        marker = self.out / "dataset.json"
        wanted = config_json(self.config)
        if not marker.exists():
            if self._holds_pictures():
                raise DatasetError(f"{self.out} holds pictures, but no dataset.json that says how they were made: "
                                   "choose another --out")  # fmt: skip
            make_output_folder(self.out)
            write_atomically(marker, json.dumps({"config": wanted}).encode())
            return
        try:
            found = _completed(json.loads(marker.read_text(encoding="utf-8"))["config"])
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{marker}: expected the configuration of a data set, found other content") from error
        other = [change for change in differences(found, wanted) if change[0] not in NOT_COMPARED]
        if other and self._holds_pictures():
            there = ", ".join(f"{name} {value!r}" for name, value, _ in other)
            asked = ", ".join(f"{name} {value!r}" for name, _, value in other)
            raise DatasetError(f"{self.out} holds scenes made with {there}, but asked for was {asked}: "
                               "choose another --out")  # fmt: skip
        if other:  # left by a run that stopped before its first scene
            write_atomically(marker, json.dumps({"config": wanted}).encode())

    def _holds_pictures(self) -> bool:
        """Whether there is a PNG or JPEG in ``rgb``, whoever put it there, or a line about a scene."""
        log = self.out / "scenes.jsonl"
        return any((self.out / "rgb").glob("*.*g")) or (log.exists() and log.stat().st_size > 0)

    def _whole_records(self) -> list[SceneRecord]:
        """Records of the scenes whose files are all there; a last line cut short by a killed run is removed."""
        log = self.out / "scenes.jsonl"
        if not log.exists():
            return []
        lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines.pop()
            write_atomically(log, "".join(lines).encode())
        return [record for record in parse_records(log, lines) if self._has_files(record.index)]

    def _has_files(self, index: int) -> bool:
        suffixes = {"amodal": ".json"}
        return all((self.out / f / f"{index:06d}{suffixes.get(f, '.png')}").exists() for f in self.folders)


def config_json(config: GenerateConfig) -> dict[str, Any]:
    """The configuration in plain JSON types."""
    values: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return values


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Name, our and their value of every setting in which two configurations in plain JSON types differ.

    Settings in a group are named as options are: ``variety.most_objects``.
    """
    ours, theirs = _flat(ours), _flat(theirs)
    names = {**ours, **theirs}
    return [(name, ours.get(name), theirs.get(name)) for name in names if ours.get(name) != theirs.get(name)]


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat.update({f"{name}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {name: value})
    return flat


def _completed(found: dict[str, Any]) -> dict[str, Any]:
    """A saved configuration with the defaults of options that it does not know yet, one level deep."""
    defaults = config_json(GenerateConfig())
    defaults["variety"]["surroundings"] = 0.0  # as scenes were before there was the option
    nested = {key: {**value, **found.get(key, {})} for key, value in defaults.items() if isinstance(value, dict)}
    return {**defaults, **found, **nested}


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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
