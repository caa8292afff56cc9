"""Promises of the README and the documentation that a machine can check."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts import load_hooks
from uois_sam.config import InferenceConfig

ROOT = Path(__file__).parents[1]
MADE_PAGES = {
    "docs/reference/cli.md",
    "docs/get-started/segment-and-prompt.md",
    "docs/get-started/fine-tune.md",
    "docs/development/contributing.md",
    "docs/development/changelog.md",
}
"""Pages that exist only while the site is built; see docs/hooks.py."""
pytestmark = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="an sdist has no documentation")
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_quick_start_has_exactly_two_commands() -> None:
    section = TEXT.split("## Quick start")[1].split("\n## ")[0]
    blocks = re.findall(r"```bash\n(.*?)```", section, flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert len([line for line in block.replace("\\\n", " ").splitlines() if line.strip()]) == 1


def test_continuous_integration_runs_the_marked_command() -> None:
    assert TEXT.count("<!-- test command -->") == 1
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text()


def documents() -> list[Path]:
    """Every Markdown page that people read, on a code host and in the site."""
    beside = (ROOT / name / "README.md" for name in ("examples", "notebooks", "benchmarks", "experiments"))
    return [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *filter(Path.exists, beside)]


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_linked_file_exists(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://")):
            there = document.parent / target
            made = there.resolve().relative_to(ROOT).as_posix() in MADE_PAGES
            assert there.exists() or made, f"{document.name} links to {target}"


def test_every_package_that_ci_installs_by_name_is_pinned() -> None:
    tomllib = pytest.importorskip("tomllib", reason="came with Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(line for lines in project["optional-dependencies"].values() for line in lines)]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {_name(line) for line in constraints if "==" in line}
    assert not {_name(line) for line in asked if "==" not in line} - pinned - {"uois-sam"}


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=;\s]", requirement)[0].lower().replace("_", "-")


def test_the_readme_fits_its_length() -> None:
    assert len(TEXT.splitlines()) <= 120


def navigation(entries: list[Any]) -> list[str]:
    pages: list[str] = []
    for entry in entries:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            pages += navigation(value) if isinstance(value, list) else [value]
    return pages


def test_every_page_of_the_site_is_in_its_navigation_and_made_pages_are_no_files() -> None:
    pages = navigation(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    made = {page.removeprefix("docs/") for page in MADE_PAGES}
    assert not written & made
    assert sorted(pages) == sorted(written | made)


def test_the_site_loads_nothing_from_elsewhere() -> None:
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert settings["theme"]["font"] is False
    assert "offline" not in settings["plugins"], "it loads a script from a content network"
    sources = [str(settings.get(key, "")) for key in ("extra_css", "extra_javascript")]
    assert not any("://" in source for source in sources)
    for path in (ROOT / "docs").rglob("*.md"):
        assert not re.search(r'(?:!\[[^\]]*\]\(|src=")https?://', path.read_text(encoding="utf-8")), path.name


def test_every_picture_of_the_documentation_is_shown_somewhere() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in documents())
    unused = [path.name for path in (ROOT / "docs" / "images").iterdir() if path.name not in text]
    assert not unused


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_documentation_does_not_install_from_an_index_that_lacks_the_package(document: Path) -> None:
    assert "install 'uois-sam" not in document.read_text(encoding="utf-8")


def test_figures_of_earlier_weights_stand_in_the_log_only() -> None:
    history = {"experiments.md", "performance.md", "CHANGELOG.md"}
    for path in documents():
        if path.name not in history:
            assert not re.search(r"compact-[1-4]\b", path.read_text(encoding="utf-8")), path.name


def test_every_setting_has_a_meaning_that_the_documentation_shows() -> None:
    hooks = load_hooks()
    table = hooks.settings_table()
    for field in fields(InferenceConfig):
        row = next(line for line in table.splitlines() if line.startswith(f"| `{field.name}` |"))
        assert len(row.split("|")[4].strip()) > 10


def test_every_command_is_in_the_reference() -> None:
    from uois_sam.cli.main import COMMANDS

    shown = {words[0] for words in load_hooks().COMMANDS}
    assert shown == set(COMMANDS)


@pytest.mark.parametrize("place", ["docs/method/architecture.md", "docs/images/layers.svg"])
def test_every_part_of_the_package_is_on_the_page_and_in_the_picture_of_its_layers(place: str) -> None:
    text = (ROOT / place).read_text(encoding="utf-8")
    package = ROOT / "src" / "uois_sam"
    parts = [path.stem for path in package.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()]
    assert len(parts) > 25
    assert [part for part in sorted(parts) if part[0] != "_" and not re.search(rf"\b{part}\b", text)] == []


def test_files_named_on_the_page_of_the_architecture_exist() -> None:
    text = (ROOT / "docs" / "method" / "architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"`([a-z_0-9/]+(?:/|\.py))`", text)
    assert len(named) > 40
    package = ROOT / "src" / "uois_sam"
    beside = [
        ROOT,
        package,
        *(path for path in package.rglob("*") if path.is_dir()),
    ]  # a call names files in their room
    assert [name for name in named if not any((folder / name).exists() for folder in beside)] == []


def test_every_extra_is_in_the_table_of_the_installation() -> None:
    tomllib = pytest.importorskip("tomllib")  # since Python 3.11
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    table = (ROOT / "docs" / "get-started" / "installation.md").read_text(encoding="utf-8")
    rows = {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert set(project["optional-dependencies"]) == rows


def test_symbols_named_in_the_paper_map_exist() -> None:
    from importlib import import_module

    text = (ROOT / "docs" / "method" / "paper-map.md").read_text(encoding="utf-8")
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
