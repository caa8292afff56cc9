"""Writer of the native layout: ``rgb/ label/ depth/ [amodal/] scenes.jsonl dataset.json``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from uois_sam.errors import DatasetError
from uois_sam.io.files import make_output_folder, write_atomically, write_together
from uois_sam.io.json_files import read_json
from uois_sam.runtime.provenance import package_versions
from uois_sam.synth.dataset.annotations import SceneAnnotation
from uois_sam.synth.dataset.config import GenerateConfig, config_json, differences, with_defaults
from uois_sam.synth.dataset.make_scene import MadeScene
from uois_sam.synth.dataset.reader import parse_annotations, read_lines
from uois_sam.synth.dataset.statistics import statistics

PACKAGES = ("uois-sam", "mitsuba", "mujoco", "pyoidn", "numpy", "scipy", "pillow")
NOT_COMPARED = ("scenes", "variant")
"""Settings that may differ between runs into one folder."""


class DatasetWriter:
    """A data set folder that scenes are added to.

    Args:
        config: what the scenes are made from.
        out: the folder; created if missing.

    Raises:
        DatasetError: if the folder holds scenes of another configuration, or pictures of unknown origin.
        OutputError: if the folder cannot be written.
    """

    def __init__(self, config: GenerateConfig, out: Path) -> None:
        self.config = config
        self.out = out
        self.folders = ("rgb", "label", "depth", *(("amodal",) if config.amodal else ()))
        make_output_folder(out)
        self._claim()
        for folder in self.folders:
            make_output_folder(out / folder)
        self.annotations = {one.index: one for one in self._complete_annotations()}

    def add(self, made: MadeScene) -> None:
        """Write a scene's files, then its line, which marks them as complete."""
        write_together({self.out / path: content for path, content in made.files.items()})
        with (self.out / "scenes.jsonl").open("a", encoding="utf-8") as log:
            log.write(made.annotation.to_json() + "\n")
        self.annotations[made.annotation.index] = made.annotation

    def close(self, measured: dict[str, Any]) -> None:
        """Sort the lines by scene and write ``dataset.json``.

        Args:
            measured: facts about this run (time, memory); all else in the folder depends on the configuration only.
        """
        ordered = [self.annotations[index] for index in sorted(self.annotations)]
        write_atomically(self.out / "scenes.jsonl", "".join(r.to_json() + "\n" for r in ordered).encode())
        summary = {
            "config": config_json(self.config),
            "statistics": statistics(ordered),
            "versions": {name: version or "unknown" for name, version in package_versions(PACKAGES).items()},
            "measured": measured,
        }
        write_atomically(self.out / "dataset.json", json.dumps(summary, indent=1).encode())

    def _claim(self) -> None:
        marker = self.out / "dataset.json"
        ours = config_json(self.config)
        if not os.path.exists(marker):
            if self._holds_pictures():
                raise DatasetError(f"{self.out} holds pictures, but no dataset.json that says how they were made: "
                                   "choose another --out")  # fmt: skip
            write_atomically(marker, json.dumps({"config": ours}).encode())
            return
        what = "the configuration of a data set"
        content = read_json(marker, dict[str, Any], what=what, error=DatasetError)
        try:
            found = with_defaults(content["config"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(f"{marker}: expected {what}, found other content") from error
        other = [change for change in differences(found, ours) if change[0] not in NOT_COMPARED]
        if other and self._holds_pictures():
            there = ", ".join(f"{name} {value!r}" for name, value, _ in other)
            asked = ", ".join(f"{name} {value!r}" for name, _, value in other)
            raise DatasetError(f"{self.out} holds scenes made with {there}, but asked for was {asked}: "
                               "choose another --out")  # fmt: skip
        if other:  # left by a run that stopped before its first scene
            write_atomically(marker, json.dumps({"config": ours}).encode())

    def _holds_pictures(self) -> bool:
        """Return True if there is a PNG or JPEG in ``rgb``, of any origin, or a line about a scene."""
        log = self.out / "scenes.jsonl"
        return any((self.out / "rgb").glob("*.*g")) or (os.path.exists(log) and log.stat().st_size > 0)

    def _complete_annotations(self) -> list[SceneAnnotation]:
        """Read the annotations of scenes whose files are all there; remove a last line cut short by a killed run."""
        log = self.out / "scenes.jsonl"
        if not os.path.exists(log):
            return []
        lines = read_lines(log, keepends=True)
        if lines and not lines[-1].endswith("\n"):
            lines.pop()
            write_atomically(log, "".join(lines).encode())
        return [annotation for annotation in parse_annotations(log, lines) if self._has_files(annotation.index)]

    def _has_files(self, index: int) -> bool:
        suffixes = {"amodal": ".json"}
        return all((self.out / f / f"{index:06d}{suffixes.get(f, '.png')}").exists() for f in self.folders)
