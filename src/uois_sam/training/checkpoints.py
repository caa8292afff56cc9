"""Checkpoints of a running fit: written atomically, refused under another configuration, readable on any device."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from uois_sam.errors import UOISError
from uois_sam.io.files import write_atomically


class Stateful(Protocol):
    """A module, optimiser or schedule."""

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> Any: ...


def save_checkpoint(folder: Path, parts: Mapping[str, Stateful], config: dict[str, Any], step: int) -> None:
    """Write the parts' states, the step and the configuration to ``folder/checkpoint.pt``."""
    buffer = io.BytesIO()
    states = {name: part.state_dict() for name, part in parts.items()}
    torch.save({"states": states, "config": json.dumps(config), "step": step}, buffer)
    write_atomically(folder / "checkpoint.pt", buffer.getvalue())


def load_checkpoint(folder: Path, parts: Mapping[str, Stateful], config: dict[str, Any]) -> int:
    """Load the parts' states if there is a checkpoint; they keep their device, whatever it was written on.

    Returns:
        The step to go on from; 0 without a checkpoint.

    Raises:
        UOISError: if the checkpoint was made under another configuration.
    """
    path = folder / "checkpoint.pt"
    if not path.exists():
        return 0
    saved = torch.load(path, map_location="cpu", weights_only=True)
    found = json.loads(saved["config"])
    if found != json.loads(json.dumps(config)):
        differs = {key: (config.get(key), found.get(key)) for key in config if config.get(key) != found.get(key)}
        raise UOISError(f"{path}: made with other settings (expected, found): {differs}; choose another --out")
    for name, part in parts.items():
        part.load_state_dict(saved["states"][name])
    return int(saved["step"])
