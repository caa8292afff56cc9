"""The check of values that come from files, command lines and callers, by the annotations of dataclasses.

Field types and bounds are written once, as ``Annotated[int, Meta(ge=1, le=64)]``, and msgspec checks them: its wheel
has 0.4 MB and no dependencies, it converts JSON arrays to tuples, and its errors carry the path of the bad value.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from uois_sam.errors import UOISError

T = TypeVar("T")

_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number", type(None): "none"}
_PLAIN = (bool, int, float, str, tuple)

Fraction = Annotated[float, Meta(ge=0, le=1)]
"""A share or probability."""
AtMostOne = Annotated[float, Meta(le=1)]
"""A threshold on scores; below 0 it keeps everything."""
Side = Annotated[int, Meta(ge=32, le=2048, multiple_of=16)]
"""Pixels of a side of the photo, or of maps of it, inside a model."""
Scale = Annotated[float, Meta(ge=1, le=4)]
"""Of one step of upsampling."""
Channels = Annotated[int, Meta(ge=1, le=1024)]
"""Width of a layer: networks of this size fit in memory."""


def validated(value: object, kind: type[T], where: str, error: type[UOISError] = UOISError) -> T:
    """Convert plain data, as JSON holds it, to a type, checking types, bounds and (of a dataclass) names of fields.

    Args:
        value: plain data: dictionaries, lists, strings, numbers.
        kind: a dataclass, or any type that msgspec knows.
        where: file or object that the value comes from, for messages.
        error: what is raised.

    Raises:
        error: the value does not fit; the message has the field, its bounds and what was found.
    """
    if not is_dataclass(kind):
        return _converted(value, kind, where, "", error)
    if not isinstance(value, Mapping):
        raise error(f"{where}: expected fields {', '.join(_hints(kind))}, found {_brief(value)}")
    hints = _hints(kind)
    required = [each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]
    for name in value:
        if name not in hints:
            raise error(
                f"{where}: unknown field {_brief(name)}{nearest(name, hints)}; the fields are {', '.join(hints)}"
            )
    for name in required:
        if name not in value:
            raise error(f"{where}: expected the field {name}, found none")
    values = {name: _converted(value[name], hints[name], where, name, error) for name in value}
    return kind(**values)


def check_fields(instance: object, error: type[UOISError] = UOISError) -> None:
    """Check every field of a dataclass instance; for ``__post_init__``.

    NumPy and torch scalars become plain numbers, so that the instance survives JSON.

    Raises:
        error: a field has another type or is out of bounds; the message has the bounds and what was found.
    """
    kind: Any = type(instance)
    for name, hint in _hints(kind).items():
        value = getattr(instance, name)
        if type(value) not in _PLAIN and callable(item := getattr(value, "item", None)):
            with suppress(ValueError, RuntimeError):  # an array of several values
                value = item()
                object.__setattr__(instance, name, value)
        _converted(value, hint, kind.__name__, name, error)


def given_array(given: Any, dtype: type[np.floating[Any]] | None = None) -> npt.NDArray[Any]:
    """What a caller gives as numbers, as an array: nested lists, arrays, tensors on the processor.

    Args:
        given: anything.
        dtype: of the result; complex numbers are refused then.

    Raises:
        ValueError: it is none (ragged lists, text, numbers too large, tensors elsewhere); one line says why.
    """
    try:
        if dtype is not None and np.iscomplexobj(given):
            raise ValueError("complex numbers")
        return np.asarray(given, dtype=dtype)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # torch raises the last
        raise ValueError(" ".join(str(error).split())) from error


def nearest(word: object, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """``"; did you mean ...?"`` with the most similar known word, or nothing."""
    match = get_close_matches(str(word)[:100].lower(), known, n=1, cutoff=0.5)
    return f"; did you mean {match[0]}?" if match else ""


def _converted(value: object, hint: Any, where: str, name: str, error: type[UOISError]) -> Any:
    try:
        return msgspec.convert(value, hint)
    except (ValueError, OverflowError, RecursionError) as problem:  # msgspec's own are ValueErrors
        path = _path(problem)
        place, found = f"{where}: {name}{path}".removesuffix(": "), _at(value, path)
        whole = describe(hint) if not path or len(describe(hint)) < 120 else _expected(problem)
        of = f" in {name}={_brief(value)}" if path and found is not value and name else ""
        raise error(f"{place}: expected {whole}, found {_brief(found)}{of}") from problem


def _path(problem: Exception) -> str:
    """``[0].name`` of a message that ends in ``at `$[0].name```; nothing where there is no path."""
    _, sign, rest = str(problem).rpartition("`$")
    return rest.rstrip("`") if sign else ""


def _expected(problem: Exception) -> str:
    return str(problem).partition(" - at ")[0].removeprefix("Expected ").partition(", got")[0].replace("`", "")


def _at(value: Any, path: str) -> Any:
    """The part of a value that a path leads to, as far as it can be followed."""
    for step in path.replace("]", "").replace("[", ".").split(".")[1:]:
        try:
            value = value[int(step)] if step.isdecimal() else value[step]
        except (LookupError, TypeError):
            break
    return value


def describe(hint: Any) -> str:
    """A type with its bounds, in words: ``int from 1 to 64``."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = next((each for each in arguments[1:] if isinstance(each, Meta)), Meta())
        low, high = bounds.ge if bounds.gt is None else bounds.gt, bounds.le
        above = "above" if bounds.gt is not None else "from" if high is not None else "of at least"
        words = [f"{above} {low:g}"] if low is not None else []
        words += [f"{'to' if low is not None else 'of at most'} {high:g}"] if high is not None else []
        words += [f"of at most {bounds.max_length} entries"] if bounds.max_length is not None else []
        words += [f"in steps of {bounds.multiple_of:g}"] if bounds.multiple_of is not None else []
        return " ".join([describe(arguments[0]), *words])
    if origin is Literal:
        return "one of " + ", ".join(map(str, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(map(describe, arguments))
    if origin is tuple:
        inner = [describe(each) for each in arguments if each is not Ellipsis]
        return f"a list of {inner[0]}" if Ellipsis in arguments else f"[{', '.join(inner)}]"
    if origin is not None and issubclass(origin, Mapping):
        each = "" if arguments[-1] is Any else f", each {describe(arguments[-1])}"
        return f"named entries{each}"
    if origin is list:
        return f"a list of {describe(arguments[0])}"
    if is_dataclass(hint) or hint is dict:
        return "named entries"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


@lru_cache(maxsize=64)
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {each.name: hints[each.name] for each in fields(kind)}


def _brief(value: object) -> str:
    try:
        text = ascii(value)
    except (RecursionError, ValueError):  # nested too deep, or an integer of thousands of digits
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"
