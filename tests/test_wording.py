"""How messages word numbers of things: "1 photo", "2 photos", by one helper."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import uois_sam
from uois_sam.errors import count

ROOT = Path(uois_sam.__file__).parent
THINGS = (
    "photo",
    "image",
    "file",
    "frame",
    "object",
    "scene",
    "mask",
    "picture",
    "video",
    "folder",
    "input",
    "view",
    "thing",
)
MANY = re.compile(rf" (?:{'|'.join(THINGS)})s\b(?!/s)|^ \w+\(s\)")
BOUNDED = re.compile(r"(?:\bof|most|least|under|above|each of|none for) $")
"""Before a number that is a bound or a whole, of which one is never spoken of alone."""


def loose(tree: ast.AST) -> Iterator[str]:
    """Numbers of things in f-strings that are written as many, whatever the number."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            for before, value, after in zip(["", *node.values[:-1]], node.values, [*node.values[1:], ""], strict=True):
                said = after.value if isinstance(after, ast.Constant) and isinstance(after.value, str) else ""
                lead = before.value if isinstance(before, ast.Constant) and isinstance(before.value, str) else ""
                if not isinstance(value, ast.FormattedValue) or not MANY.match(said) or BOUNDED.search(lead):
                    continue
                if not ast.unparse(value.value).replace(" - ", "").isupper():
                    yield ast.unparse(node)


def test_what_is_looked_for_is_found() -> None:
    found = lambda text: [*loose(ast.parse(text))]  # noqa: E731
    assert found("f'{n} files are damaged'") and found("f'after {len(found)} files'") and found("f'{n} object(s)'")
    assert not found("f'at most {n} photos'") and not found("f'1 of {n} photos'") and not found("f'{MOST} masks fit'")


def test_numbers_of_things_are_worded_by_the_helper() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {said}"
        for path in ROOT.rglob("*.py")
        for said in loose(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found


def test_the_helper() -> None:
    assert [count(number, "photo") for number in (0, 1, 2)] == ["0 photos", "1 photo", "2 photos"]
