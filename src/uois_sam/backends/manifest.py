"""What an exported folder says of itself: ``export.json``, written last and checked first."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from uois_sam.errors import WeightsError
from uois_sam.io.json_files import read_json
from uois_sam.types import ModelCard
from uois_sam.validation import validated

Target = Literal["onnx", "openvino", "torchscript"]

MANIFEST = "export.json"
FORMAT = 1
"""Number of this layout of names and shapes; another one is of another version of the package."""
OPSET = 17
"""Version of ONNX's operators that graphs are written in."""
BATCHES = (1, 4, 8)
"""Photos of an encoder, prompts of the other graphs."""
_LARGEST = 1 << 24


@dataclass(frozen=True)
class Manifest:
    """An exported model."""

    format: int
    version: str
    """Version of uois-sam that wrote it."""
    target: Target
    opset: int
    """0 for targets that have none."""
    precision: str
    input_hw: tuple[int, int]
    """Rows and columns that the photo is brought to."""
    batches: tuple[int, ...]
    """Photos of a compact model's encoder (of others one), prompts of the other graphs."""
    files: Mapping[str, str]
    """File name to SHA256."""
    has: tuple[str, ...]
    """Heads of the model: hpg, hdnet, mask_scorer."""
    card: ModelCard
    photo_hw: tuple[int, int] | None = None
    """Rows and columns of photos that the graph ``photo`` takes; None where there is none."""
    windows: bool = False
    """Whether there are graphs that draw masks in windows: ``ground``, ``sketch`` and ``window``."""
    padding: tuple[float, float, float] | None = None
    """Red, green and blue of 0 to 255 below and right of a photo whose longest side is scaled to that of ``input_hw``,
    as SAM takes it; None where the photo is stretched."""
    prompts_hw: tuple[int, int] | None = None
    """Rows and columns that the photo is stretched to for the graph ``prompts``; None where there is none."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def exported_folder(name_or_path: str | os.PathLike[str], backend: str | None) -> Path | None:
    """Return the folder of an exported model; None for another one, and for one that is asked for in torch."""
    folder = Path(name_or_path)
    if backend == "torch":
        return None
    if os.path.isdir(folder) and _looks_exported(folder):
        return folder
    return None


def _looks_exported(folder: Path) -> bool:
    return os.path.isfile(folder / MANIFEST) or any(folder.glob("encoder_[0-9]*"))


def read_manifest(folder: Path) -> Manifest:
    """Read what a folder says of itself and check that all of it is there.

    Raises:
        WeightsError: no export, one of another version, or with files that are missing or altered.
    """
    if not os.path.isfile(folder / MANIFEST):
        found = "an unfinished export" if list(folder.glob("encoder_*")) else "none"
        raise WeightsError(f"{folder}: expected the {MANIFEST} of an exported model, found {found}: export it again")
    path = folder / MANIFEST
    content = read_json(path, what="an exported model in JSON", error=WeightsError, largest=_LARGEST)
    number = content.get("format") if isinstance(content, dict) else None
    if number != FORMAT:
        version = content.get("version") if isinstance(content, dict) else None
        raise WeightsError(
            f"{path}: expected an export in format {FORMAT}, found {number!r:.20} of uois-sam {version!r:.20}: "
            "export it again with this version"
        )
    manifest = validated(content, Manifest, f"{path}: expected an exported model", WeightsError)
    if manifest.target == "onnx" and manifest.opset != OPSET:
        raise WeightsError(f"{path}: expected graphs in opset {OPSET}, found {manifest.opset}: export it again")
    for name, expected in manifest.files.items():
        _check_file(folder / Path(name).name, expected)
    return manifest


def _check_file(path: Path, expected: str) -> None:
    if not os.path.isfile(path):
        raise WeightsError(f"{path}: expected a file of this export, found none: copy it again or export it again")
    if (found := sha256_of(path)) != expected:
        raise WeightsError(
            f"{path}: expected SHA256 {expected[:16]}..., found {found[:16]}... ({path.stat().st_size} bytes): "
            "truncated or altered; copy it again or export it again"
        )


def sha256_of(path: Path) -> str:
    """SHA256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
