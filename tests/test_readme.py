"""The README's promises that a machine can check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("examples", "benchmarks", "experiments")
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_quick_start_has_exactly_two_commands() -> None:
    section = TEXT.split("## Quick start")[1].split("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", section, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert len([line for line in block.replace("\\\n", " ").splitlines() if line.strip()]) == 1


@pytest.mark.skipif(not (ROOT / ".ci").is_dir(), reason="an sdist has no .ci")
def test_continuous_integration_runs_the_marked_command() -> None:
    assert TEXT.count("<!-- test command -->") == 1
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()


DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / name / "README.md" for name in FOLDERS)]


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="an sdist has no docs")
def test_every_linked_file_exists() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://")):
                assert (document.parent / target).exists(), f"{document.name} links to {target}"


@pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="an sdist has no docs")
def test_symbols_named_in_the_paper_map_exist() -> None:
    from importlib import import_module

    text = (ROOT / "docs" / "paper_map.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:config|types|instances|pipeline|models|training|runtime|io)\.[A-Za-z0-9_.]+)", text)
    assert len(named) > 20
    for name in named:
        parts = name.split(".")
        depth = next(n for n in range(len(parts), 0, -1) if find_module("uois_sam." + ".".join(parts[:n])))
        value = import_module("uois_sam." + ".".join(parts[:depth]))
        for part in parts[depth:]:
            fields = getattr(value, "__dataclass_fields__", {})
            value = fields[part] if part in fields and not hasattr(value, part) else _attribute(value, part, name)


def find_module(name: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _attribute(value: object, part: str, name: str) -> object:
    attribute = getattr(value, part, None)
    if attribute is None and hasattr(value, "__init__"):
        import inspect

        assert f"self.{part} =" in inspect.getsource(value), name  # type: ignore[arg-type]
        return object()
    assert attribute is not None, name
    return attribute
