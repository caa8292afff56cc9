"""Scripts of ``benchmarks/`` and ``experiments/`` for tests: imported by path, skipped where the folders are absent."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("benchmarks", "experiments")
SCRIPTS = [
    path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).glob("*.py"))
    if "__main__" in path.read_text(encoding="utf-8")
]


def load_hooks() -> ModuleType:
    """What makes pages of the documentation."""
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_script(name: str) -> ModuleType:
    """Import a script such as ``"benchmarks/parity.py"`` as running it would, or skip: an sdist has no scripts."""
    path = ROOT / name
    if not path.is_file():
        pytest.skip(f"{path.parent.name}/ is not beside these tests", allow_module_level=True)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    return importlib.import_module(path.stem)
