"""Rounds kept on disk, one file each, so that a comparison that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from uois_sam.errors import UOISError
from uois_sam.grasping.rounds import VERSION, Round
from uois_sam.io.files import make_output_folder, write_atomically
from uois_sam.io.json_files import read_json

SETTINGS_FILE = "settings.json"
MODELS = "models"
"""Entry of the settings that names the model behind each kind of masks."""


class RoundStore:
    """The rounds below a folder, all of the same settings.

    Args:
        folder: made if there is none.
        settings: JSON-ready: equal settings and seeds give equal rounds.
        models: full name of the model behind each kind of masks that has one; more may be added later.

    Raises:
        UOISError: if the folder holds rounds of other settings, of another model, or of another version of how rounds
            are made, or cannot be written.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any], models: Mapping[str, str] | None = None) -> None:
        self._folder = folder / "rounds"
        make_output_folder(self._folder)
        path = folder / SETTINGS_FILE
        found = read_json(path, dict[str, Any], what="settings of rounds") if path.exists() else None
        earlier = {} if found is None else found.pop(MODELS, {})
        wanted = json.loads(json.dumps({**settings, "version": VERSION}))
        _expect_equal(folder, "", wanted, wanted if found is None else found)
        made = {**earlier, **(models or {})}
        _expect_equal(folder, "masks of ", {name: made[name] for name in earlier}, earlier)
        if found is None or made != earlier:
            write_atomically(path, (json.dumps({**wanted, MODELS: made}, indent=1) + "\n").encode())

    def find(self, masks: str, seed: int) -> Round | None:
        """The round of a source of masks at the table of a seed, if it is there."""
        path = self._path(masks, seed)
        return read_json(path, Round, what="a round") if path.exists() else None

    def keep(self, masks: str, done: Round) -> None:
        """Write a round."""
        write_atomically(self._path(masks, done.seed), (json.dumps(asdict(done), indent=1) + "\n").encode())

    def _path(self, masks: str, seed: int) -> Path:
        return self._folder / f"{masks}_{seed:04d}.json"


def _expect_equal(folder: Path, what: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            other = f"with {found[name]}" if name in found else "of an earlier version, which does not say"
            expected = f"expected rounds with {what}{name} {wanted.get(name)}"
            raise UOISError(f"{folder}: {expected}, found some {other}; name another folder")
