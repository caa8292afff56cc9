"""Every command line that the documentation or a docstring shows is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from uois_sam.cli.main import COMMANDS
from uois_sam.cli.parsing import CommandGroup, parse
from uois_sam.errors import UOISError

ROOT = Path(__file__).parents[2]
PLACES = ("README.md", "docs/**/*.md", "experiments/*", "benchmarks/*", "src/**/*.py")
LINE = re.compile(r"^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*uois-sam (.*)$", re.MULTILINE)
OPEN = ("[", "...", "<", "$")
"""Marks of a line that leaves something to the reader or the shell."""


def shown_commands() -> dict[str, str]:
    """Arguments of every line that begins with ``uois-sam``, and the first path that shows them.

    Comments and what follows a pipe are left out.
    """
    found: dict[str, str] = {}
    for pattern in PLACES:
        for path in sorted(ROOT.glob(pattern)):
            if path.suffix not in (".md", ".py"):
                continue
            text = re.sub(r"\\+\n\s*", " ", path.read_text(encoding="utf-8"))
            for match in LINE.finditer(text):
                words = re.split(r" \| | && | > | &$|; ", re.sub(r"\s#.*", "", match[1]))[0].strip()
                if not any(mark in words for mark in OPEN):
                    found.setdefault(words, str(path.relative_to(ROOT)))
    return found


SHOWN = shown_commands() if (ROOT / "docs").exists() else {}


def test_commands_are_found_in_every_kind_of_place() -> None:
    if not SHOWN:
        pytest.skip("docs/ is not beside these tests")
    tops = {path.partition("/")[0] for path in SHOWN.values()}
    assert {"README.md", "docs", "experiments", "benchmarks", "src"} <= tops and len(SHOWN) > 90


@pytest.mark.parametrize("words", SHOWN)
def test_a_shown_command_is_taken(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = SHOWN[words]
    try:
        parse(shlex.split(words), CommandGroup("", COMMANDS), "uois-sam")
    except SystemExit as end:
        if end.code:
            pytest.fail(f"{path}: uois-sam {words}\n{capsys.readouterr()}")
    except UOISError as error:
        pytest.fail(f"{path}: uois-sam {words}\n{error}")
