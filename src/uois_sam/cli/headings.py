"""The headings that every command's help has its options under: what to find, output, model, machine, and its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import Annotated, Any, get_args, get_origin

import tyro
from tyro.constructors import StructConstructorSpec, StructFieldSpec, StructTypeInfo

_HEADINGS: Mapping[str, tuple[str, ...]] = {
    "output": ("out", "overwrite", "pictures", "formats", "sharding", "format", "shapes", "name", "title"),
    "data": ("data", "dataset", "kind", "set", "val", "val_set", "every", "offset", "partial", "limit", "held_out"),
    "what to find": ("find",),
    "model": (
        "model",
        "base",
        "sam",
        "dinov2",
        "start",
        "prompts",
        "prompts_backbone",
        "random_weights",
        "scores",
        "zoom",
        "edges",
        "masks",
        "mask_agreement",
    ),
    "machine": ("device", "backend", "precision", "threads", "workers", "ray"),
}
"""Heading to the options below it, in any command; options of no heading are a command's own."""
_ORDER = tuple(_HEADINGS)


class _Gathered:
    """Options of one class that have a heading of their own in its help."""

    fields: tuple[StructFieldSpec, ...] = ()


def gathered(info: StructTypeInfo) -> StructConstructorSpec | None:
    """tyro's rule for what :func:`under_headings` has put together."""
    if not (isinstance(info.type, type) and issubclass(info.type, _Gathered)):
        return None
    return StructConstructorSpec(instantiate=dict, fields=info.type.fields)


def under_headings(spec: StructConstructorSpec) -> StructConstructorSpec:
    """The same options, those with a heading below it; what they make stays as it is."""
    own: list[StructFieldSpec] = []
    parts: list[tuple[float, StructFieldSpec]] = []
    loose: dict[str, list[StructFieldSpec]] = {}
    for field in spec.fields:
        heading = next((each for each, names in _HEADINGS.items() if field.name in names), None)
        plain, notes = _parted(field.type)
        if heading is None or tyro.conf.Positional in notes:
            own.append(field)
        elif is_dataclass(plain):
            parts.append((_ORDER.index(heading), replace(field, type=_below(heading, plain, notes))))
        else:
            loose.setdefault(heading, []).append(field)
    for heading, fields in loose.items():
        kind = type("Options", (_Gathered,), {"fields": tuple(fields), "__doc__": ""})
        inner = StructFieldSpec(_key(heading), _below(heading, kind, ()), tyro.MISSING_NONPROP, helptext="")
        parts.append((_ORDER.index(heading) - 0.5, inner))
    keys = {_key(heading) for heading in loose}

    def instantiate(**given: Any) -> Any:
        flat = {name: value for name, value in given.items() if name not in keys}
        for key in keys:
            flat.update(given.get(key, {}))
        return spec.instantiate(**flat)

    ordered = [part for _, part in sorted(parts, key=lambda each: each[0])]  # of one heading the loose ones first
    return StructConstructorSpec(instantiate, (*own, *ordered))


def _key(heading: str) -> str:
    return f"{heading.replace(' ', '_')}_options"


def _below(heading: str, kind: Any, notes: tuple[Any, ...]) -> Any:
    below = tyro.conf.arg(name=heading, prefix_name=False)
    return Annotated[(kind, below, tyro.conf.OmitArgPrefixes, *notes)]


def _parted(annotated: Any) -> tuple[Any, tuple[Any, ...]]:
    if get_origin(annotated) is not Annotated:
        return annotated, ()
    plain, *notes = get_args(annotated)
    return plain, tuple(notes)
