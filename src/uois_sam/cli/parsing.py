"""How arguments become a command: tyro's rules, with help that fits the terminal and leaves out what says nothing."""

from __future__ import annotations

import inspect
import shutil
import sys
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Union, get_args, get_origin

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    PrimitiveTypeInfo,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
    UnsupportedTypeAnnotationError,
)

from uois_sam.cli.headings import gathered, under_headings
from uois_sam.validation import nearest

_NO_DEFAULT = ("None", "False", "")
"""Defaults that say no more than that the option is left out."""


class Commands(Mapping[str, Any]):
    """Commands by their word, each imported when it is asked for: all together take a tenth of a second.

    Args:
        places: word to ``"module:name"`` below ``uois_sam.cli``, of a command's dataclass or of a group.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    def __getitem__(self, word: str) -> Any:
        module, _, name = self._places[word].partition(":")
        return getattr(import_module(f"uois_sam.cli.{module}"), name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@dataclass(frozen=True)
class CommandGroup:
    """Commands below one word."""

    description: str
    """As a command's docstring: what it does in one line, an example indented by four spaces, then the rest."""
    commands: Mapping[str, Any]
    """Word to the dataclass of a command, or to another group."""


def parse(arguments: Sequence[str], group: CommandGroup, prog: str) -> Any:
    """Return the command that the arguments stand for: its dataclass, made.

    Args:
        arguments: words after those of ``prog``.
        group: the commands to choose from.
        prog: words that led to the group, for messages.

    Raises:
        SystemExit: after ``--help`` (status 0), and on unknown or missing words and options (status 2); the message
            names the command whose ``--help`` explains.
    """
    word, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    found = group.commands.get(word)
    if isinstance(found, CommandGroup):
        return parse(rest, found, f"{prog} {word}")
    if found is not None:
        return _cli(found, f"{prog} {word}", inspect.getdoc(found) or "", rest)
    if word and not word.startswith("-"):
        known = tuple(group.commands)
        hint = nearest(word, known) or f": expected one of {', '.join(known)}"
        sys.stderr.write(f"error: unknown command {word!r}{hint} ({prog} --help explains)\n")
        raise SystemExit(2)
    return _cli(_choice(group), prog, group.description, arguments)


def _cli(kind: Any, prog: str, description: str, arguments: Sequence[str]) -> Any:
    registry = ConstructorRegistry()
    registry.primitive_rule(_number)
    registry.primitive_rule(_optional_as_plain)
    registry.struct_rule(_Explained())
    registry.struct_rule(gathered)
    return tyro.cli(
        kind, prog=prog, description=described(description, shutil.get_terminal_size().columns), args=list(arguments),
        registry=registry,
    )  # fmt: skip


def _choice(group: CommandGroup) -> Any:
    """The union of a group's commands, each with the first paragraph of its description."""
    choices = []
    for word, found in group.commands.items():
        inner = isinstance(found, CommandGroup)
        text = found.description if inner else inspect.getdoc(found) or ""
        if inner and len(found.commands) == 1:  # tyro knows no choice of one
            (found,), inner = found.commands.values(), False
        summary = " ".join(text.partition("\n\n")[0].split())
        choices.append(Annotated[_choice(found) if inner else found, tyro.conf.subcommand(word, description=summary)])
    return Union[tuple(choices)]  # noqa: UP007


def described(text: str, columns: int) -> str:
    """A description wrapped to the terminal: paragraphs are filled, those indented by four (examples) are kept."""
    blocks = []
    for paragraph in text.strip().split("\n\n"):
        kept = paragraph.startswith("    ")
        filled = textwrap.fill(" ".join(paragraph.split()), max(40, columns), break_on_hyphens=False)
        blocks.append(paragraph if kept else filled)
    return _Wrapped("\n\n".join(blocks))


class _Wrapped(str):
    """Text whose lines tyro must not join again: it splits descriptions into lines, and this is a single one."""

    def split(self, *_: Any, **__: Any) -> list[str]:
        return [str(self)]


def _number(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """Numbers, with an error that says so."""
    kind: Any = info.type
    if kind not in (int, float):
        return None

    def read(words: list[str]) -> Any:
        try:
            return kind(words[0])
        except ValueError:
            wanted = "a whole number" if kind is int else "a number"
            raise ValueError(f"expected {wanted}, found {words[0]!r}") from None

    def is_one(value: object) -> bool:
        return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)

    return PrimitiveConstructorSpec(1, kind.__name__.upper(), read, is_one, lambda value: [str(value)])


def _optional_as_plain(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec[Any] | None:
    """``X | None`` is given as X: the word None is no value, and no message speaks of it."""
    inner = [each for each in get_args(info.type) if each is not types.NoneType]
    if info.type_origin not in (Union, types.UnionType) or len(inner) != 1 or len(get_args(info.type)) == 1:
        return None
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(inner[0], info.markers))
    if isinstance(spec, UnsupportedTypeAnnotationError):
        return None
    plain = spec
    return replace(
        plain,
        is_instance=lambda value: value is None or plain.is_instance(value),
        str_from_instance=lambda value: [] if value is None else plain.str_from_instance(value),
    )


class _Explained:
    """tyro's rule for dataclasses, with help filled to the terminal and only defaults that say something."""

    def __init__(self) -> None:
        self._asking = False
        """While tyro's rule is asked for, this one stands aside."""

    def __call__(self, info: StructTypeInfo) -> StructConstructorSpec | None:
        if self._asking or not is_dataclass(info.type):
            return None
        self._asking = True
        try:
            spec = ConstructorRegistry.get_struct_spec(info)
        finally:
            self._asking = False
        if not isinstance(spec, StructConstructorSpec):
            return None
        spec = replace(spec, fields=tuple(_explained(field) for field in spec.fields))
        return under_headings(spec) if info.type.__module__.startswith("uois_sam.cli") else spec


def _explained(field: StructFieldSpec) -> StructFieldSpec:
    kind: Any = field.type
    plain, *notes = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if tyro.conf.UseAppendAction not in notes:  # tyro says "repeatable" itself
        kind = Annotated[(plain, tyro.conf.arg(help_behavior_hint=_default), *notes)]
    return replace(field, type=kind, helptext=partial(_filled, field.helptext))


def _default(value: str) -> str:
    if value in _NO_DEFAULT:
        return ""
    return "(default: on)" if value == "True" else f"(default: {value})"


def _filled(text: str | Callable[[], str | None] | None) -> str | None:
    found = text() if callable(text) else text
    return None if found is None else " ".join(found.split())
