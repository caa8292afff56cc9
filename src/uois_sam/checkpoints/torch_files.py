"""Tensors from files of other projects: ``.pth``, ``.bin`` and ``.safetensors``, read so that nothing in them can run.

Files are mapped into memory, not read: a 1.2 GB checkpoint takes its place once, when its tensors are first used.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from uois_sam.errors import WeightsError

FILE_SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
"""What a Hugging Face folder may keep its tensors in, best first."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file by name, float32 where they are floats.

    Raises:
        WeightsError: the file is missing, truncated, of another format, or holds anything but tensors.
    """
    if not os.path.isfile(path):
        raise WeightsError(
            f"{path}: expected a file with weights, found {'a folder' if os.path.isdir(path) else 'nothing'}"
        )
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    return {key: value.float() if value.is_floating_point() else value for key, value in content.items()}


def folder_weights(folder: Path) -> Path:
    """The file that holds a Hugging Face folder's tensors.

    Raises:
        WeightsError: there is none.
    """
    for name in FOLDER_FILES:
        if os.path.isfile(folder / name):
            return folder / name
    raise WeightsError(f"{folder}: expected {' or '.join(FOLDER_FILES)} in this folder, found neither")


def file_sha256(path: Path) -> str:
    """SHA256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        digest = hashlib.sha256()  # hashlib.file_digest came with Python 3.11
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, ValueError, OSError) as error:
        raise WeightsError(f"{path}: expected safetensors, found {error}; truncated? get it again") from error


def _read_torch(path: Path) -> dict[str, Tensor]:
    """A ``.pth`` or ``.bin`` file: a flat dictionary of tensors, possibly under ``model`` or ``state_dict``."""
    try:
        content = _load_torch(path)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"{path}: expected tensors saved by torch, found a file that is truncated, of another format or holds more "
            f"than tensors ({path.stat().st_size} bytes; {reason.split('. ')[0][:120]})"
        ) from error
    for wrapper in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: expected a dictionary of tensors, found {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(value, Tensor) or not isinstance(name, str):
            found = f"{type(value).__name__} under {str(name)!r:.60}"
            raise WeightsError(f"{path}: expected a dictionary of tensors by name, found {found}")
    return dict(content)


def _load_torch(path: Path) -> Any:
    with path.open("rb") as file:
        zipped = file.read(2) == b"PK"  # since torch 1.6; older files cannot be mapped
    return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
