"""Checkpoints of a running fit: written atomically, refused under another configuration, readable on any device."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import torch
from msgspec import Meta

from uois_sam.errors import UOISError
from uois_sam.io.files import regular_size, write_atomically
from uois_sam.io.json_files import parse_json
from uois_sam.validation import validated


class OtherSettingsError(UOISError):
    """A checkpoint is sound, but was made with other settings."""


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
        OtherSettingsError: the checkpoint was made under another configuration; the parts are as they were.
        UOISError: the checkpoint is damaged, or does not fit the parts; these may have been changed.
    """
    path = folder / "checkpoint.pt"
    if not os.path.exists(path):
        return 0
    saved = _read(path)
    found, wanted = parse_json(saved.config, dict[str, Any], where=f"{path}: config"), json.loads(json.dumps(config))
    if found != wanted:
        keys = [*wanted, *(key for key in found if key not in wanted)]
        differs = {key: (wanted.get(key), found.get(key)) for key in keys if wanted.get(key) != found.get(key)}
        raise OtherSettingsError(f"{path}: made with other settings (expected, found): {differs}; choose another --out")
    if missing := parts.keys() - saved.states.keys():
        raise UOISError(f"{path}: expected states of {', '.join(sorted(parts))}, found none of {', '.join(missing)}")
    for name, part in parts.items():
        try:
            part.load_state_dict(saved.states[name])
        except Exception as error:  # torch's modules and optimisers raise all kinds
            reason = " ".join(str(error).split())[:200]
            raise UOISError(f"{path}: expected the state of {name}, found one that does not fit ({reason}); "
                            "delete it to start anew") from error  # fmt: skip
    return saved.step


@dataclass(frozen=True)
class _Saved:
    """What a checkpoint holds besides tensors."""

    states: dict[str, Any]
    config: str
    step: Annotated[int, Meta(ge=0)]


def _read(path: Path) -> _Saved:
    try:
        regular_size(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged archives and pickles raise all kinds
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise UOISError(f"{path}: expected a checkpoint, found a damaged file ({reason}); delete it to start anew") \
            from error  # fmt: skip
    return validated(content, _Saved, f"{path}: expected a checkpoint; delete it to start anew")
