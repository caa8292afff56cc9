"""What stages of a reproduction are done, with what input and in what time: one JSON file a stage."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uois_sam.errors import UOISError
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.io.json_files import read_json

FOLDER = "stages"


@dataclass(frozen=True)
class Stage:
    """One piece of work. Resumes by itself: run again with the same input, it does only what is missing."""

    name: str
    """Name of its file and in messages."""
    title: str
    """What it does, for progress and the page."""
    inputs: Mapping[str, Any]
    """JSON-ready: equal inputs give equal results."""
    work: Callable[[], Mapping[str, Any]]
    """Does the work and returns what the page has to say about it, JSON-ready."""
    results: Path
    """Folder or file of its results, for messages."""


@dataclass(frozen=True)
class Entry:
    """A stage in the ledger."""

    title: str
    inputs: dict[str, Any]
    done: bool
    seconds: float = 0.0
    """Wall-clock time of the run that finished it; of an interrupted stage only the part after it was resumed."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the stage returned."""


class Ledger:
    """The stages of one folder.

    Args:
        out: folder of the reproduction.
    """

    def __init__(self, out: Path) -> None:
        self.out = out

    def path(self, name: str) -> Path:
        """Return the file of a stage."""
        return self.out / FOLDER / f"{name}.json"

    def entry(self, name: str) -> Entry | None:
        """Return what is known of a stage; None if it was never begun.

        Raises:
            UOISError: if its file cannot be read.
        """
        path = self.path(name)
        return read_json(path, Entry, what="a stage of uois-sam reproduce") if path.is_file() else None

    def check(self, stage: Stage) -> Entry | None:
        """Return what is known of a stage with these inputs.

        Raises:
            UOISError: if the folder holds its results of other inputs.
        """
        entry = self.entry(stage.name)
        if entry is None:
            return None
        ours = json.loads(json.dumps(dict(stage.inputs)))
        if found := difference(entry.inputs, ours):
            raise UOISError(
                f"{self.out}: holds another run's stage {stage.name}, with {found}; choose another --out, or remove "
                f"{stage.results} and {self.path(stage.name)} to have it made anew"
            )
        return entry

    def run(self, stage: Stage) -> Entry:
        """Do a stage that is not done yet, and note that it is.

        Raises:
            UOISError: as :meth:`check`, and what the work raises.
        """
        entry = self.check(stage)
        if entry is not None and entry.done:
            return entry
        make_output_folder(self.out / FOLDER)
        self._write(stage, Entry(stage.title, dict(stage.inputs), done=False))
        began = time.monotonic()
        facts = stage.work()
        entry = Entry(stage.title, dict(stage.inputs), True, time.monotonic() - began, dict(facts))
        self._write(stage, entry)
        return entry

    def _write(self, stage: Stage, entry: Entry) -> None:
        write_atomically(self.path(stage.name), (json.dumps(vars(entry), indent=1) + "\n").encode())


def difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Say in which settings two inputs differ, at most two of them; empty if they are equal."""
    theirs, ours = _flat(found), _flat(wanted)
    keys = [key for key in {**ours, **theirs} if theirs.get(key) != ours.get(key)]
    return "; ".join(f"{key} {theirs.get(key)!r:.80} instead of {ours.get(key)!r:.80}" for key in keys[:2])


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return flat
