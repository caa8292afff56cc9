"""What the command line says of itself: help that fits the terminal, and errors that point to the right help."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from uois_sam.cli.main import COMMANDS, main
from uois_sam.cli.parsing import CommandGroup, described


def words_of(commands: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for word, found in commands.items():
        if isinstance(found, CommandGroup):
            yield from words_of(found.commands, (*before, word))
        else:
            yield (*before, word)


LEAVES = sorted(words_of(COMMANDS))


def said(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 2) -> str:
    """Both streams of a call that ends in parsing, without line breaks and boxes."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    assert caught.value.code == status
    captured = capsys.readouterr()
    return " ".join((captured.out + captured.err).replace("│", " ").split())


@pytest.mark.parametrize("words", [(), ("train",), *LEAVES], ids=" ".join)
@pytest.mark.parametrize("columns", [60, 100])
def test_help_fits_the_terminal_and_speaks_of_no_none(
    words: tuple[str, ...], columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    usage, *lines = capsys.readouterr().out.splitlines()
    prog = " ".join(("uois-sam", *words))
    assert usage.startswith(f"usage: {prog} ")
    assert not [line for line in lines if "None" in line or "default: False" in line or "default: )" in line]
    # Examples are kept whole, so that they can be copied.
    assert not [line for line in lines if len(line) > columns and not line.startswith("    ")]


@pytest.mark.parametrize("words", [(), ("train",), *LEAVES], ids=" ".join)
def test_every_command_has_an_example_at_the_top(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    before_options = capsys.readouterr().out.partition("╭")[0]
    assert f"\n    {' '.join(('uois-sam', *words))} " in before_options


LONG = {
    ("segment",): "output what model machine", ("prelabel",): "output what model machine",
    ("serve",): "what model machine", ("evaluate",): "output data what model machine",
    ("finetune",): "output data what model machine", ("benchmark",): "output model machine",
    ("train", "heads"): "output data model machine", ("train", "compact"): "output data model machine",
    ("generate",): "output machine",
}  # fmt: skip
"""Long commands, and the first word of each heading that groups their options, in order."""


@pytest.mark.parametrize("words", sorted(LONG), ids=" ".join)
def test_options_stand_under_headings(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    inside: dict[str, list[str]] = {}
    lines = [line.strip(" │╭╮╰╯─-") for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        if line.endswith(" options"):
            inside[line.split()[0]] = []
        elif inside:
            inside[next(reversed(inside))].append(line)
    assert [heading for heading in inside if heading in ("output", "data", "what", "model", "machine")] == (
        LONG[words].split()
    )
    places = {"out PATH": "output", "device STR": "machine", "min-score FLOAT": "what", "sam STR": "model",
              "set KEY=VALUE": "data"}  # fmt: skip
    for option, heading in places.items():
        found = [each for each, text in inside.items() if any(line.startswith(f"{option} ") for line in text)]
        assert found in ([], [heading])
    assert "out PATH" not in " ".join(lines) or "output" in inside


def test_without_a_terminal_help_has_80_columns() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    run = subprocess.run(
        [sys.executable, "-m", "uois_sam", "segment", "--help"], capture_output=True, text=True, env=environment,
        stdin=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    assert max(len(line) for line in run.stdout.splitlines()) == 80


def test_paragraphs_are_filled_and_examples_kept() -> None:
    text = described("One two three four\nfive.\n\n    " + "x" * 60 + "\n\n* a\n* b", 40)
    assert text == "One two three four five.\n\n    " + "x" * 60 + "\n\n* a * b"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["segmnt"], "unknown command 'segmnt'; did you mean segment? (uois-sam --help explains)"),
        (["train", "haeds"], "unknown command 'haeds'; did you mean heads? (uois-sam train --help explains)"),
        (["xyz"], "unknown command 'xyz': expected one of segment,"),
        (["segment", "a.png", "--out", "x", "--promts", "grid"], "Perhaps you meant: --prompts"),
        (["segment", "a.png", "--out", "x", "--promts", "grid"], "uois-sam segment --help"),
        (["segment", "a.png", "--out", "x", "--prompts", "gird"], "Expected one of ('grid', 'foreground-grid',"),
        (["segment", "a.png", "--out", "x", "--workers", "two"], "--workers: expected a whole number, found 'two'"),
        (["generate", "--out", "x", "--mesh-scale", "m"], "--mesh-scale: expected a number, found 'm'"),
        (["train", "heads", "--out", "x"], "uois-sam train heads --help"),
    ],
)  # fmt: skip
def test_errors_name_the_near_word_and_the_right_help(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, *arguments)
    assert expected in text
    assert "None" not in text


def test_none_is_no_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected a whole number, found 'None'" in said(capsys, "segment", "a", "--out", "x", "--workers", "None")


@pytest.mark.parametrize(("shell", "sign"), [("bash", "complete "), ("zsh", "#compdef"), ("fish", "complete ")])
def test_completion_can_be_written(shell: str, sign: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--tyro-write-completion", shell, str(tmp_path / "completion")])
    script = (tmp_path / "completion").read_text(encoding="utf-8")
    assert sign in script
    assert "foreground-grid" in script and "segment" in script
