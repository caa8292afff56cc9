"""Plain data checked against types: what passes comes out as the type, what does not is named with its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from msgspec import Meta

from uois_sam.errors import UOISError, WeightsError
from uois_sam.io.json_files import DEEPEST, depth_of, parse_json, read_json
from uois_sam.validation import Fraction, validated


class Pair(NamedTuple):
    first: int
    second: int


@dataclass(frozen=True)
class Inner:
    share: Fraction


@dataclass(frozen=True)
class Outer:
    size: tuple[Annotated[int, Meta(ge=1, le=9)], int]
    pairs: tuple[Pair, ...] = ()
    mode: Literal["a", "b"] = "a"
    inner: list[Inner] = field(default_factory=list)
    other: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None


def test_what_fits_comes_out_as_the_type() -> None:
    value = {"size": [3, 4], "pairs": [[1, 2]], "inner": [{"share": 1}], "other": {"x": [1]}}
    assert validated(value, Outer, "here") == Outer((3, 4), (Pair(1, 2),), "a", [Inner(1.0)], {"x": [1]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"size": [0, 4]}, r"here: size\[0\]: expected \[a whole number from 1 to 9, .*\], found 0 in size=\[0, 4\]"),
        ({"size": [3]}, r"here: size: expected .* found \[3\]"),
        ({"size": [3, True]}, r"size\[1\]: expected .* found True"),
        ({"size": [3, 4], "pairs": [[1, "x"]]}, r"pairs\[0\]\[1\]: expected .* found 'x'"),
        ({"size": [3, 4], "mode": "c"}, "mode: expected one of a, b, found 'c'"),
        ({"size": [3, 4], "inner": [{"share": 2}]}, r"inner\[0\].share: expected .* found 2"),
        ({"size": [3, 4], "inner": [{}]}, r"inner\[0\]: expected .* found {}"),
        ({"size": [3, 4], "other": 7}, "other: expected named entries, found 7"),
        ({"size": [3, 4], "name": 7}, "name: expected text or none, found 7"),
        ({"size": [3, 4], "nmae": "x"}, "here: unknown field 'nmae'; did you mean name.; the fields are size, pairs"),
        ({}, "here: expected the field size, found none"),
        ([], r"here: expected fields size, .* found \[\]"),
    ],
)
def test_what_does_not_fit_is_named_with_what_was_found(value: object, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        validated(value, Outer, "here", WeightsError)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "text",
    ["", "{", "NaN", "[1e999]", '{"a": 1} {', "\xff", "[" * 10**5 + "]" * 10**5, "7" * 5000, '"\\ud800"', "[1,]"],
)
def test_json_that_is_none(text: str) -> None:
    with pytest.raises(UOISError, match="here: expected JSON, found other content"):
        parse_json(text.encode("latin-1"), where="here")


def test_levels_are_counted_outside_of_text() -> None:
    deep = "[" * DEEPEST + "]" * DEEPEST
    assert depth_of(parse_json(deep, where="here")) == DEEPEST
    assert parse_json('["' + "[" * 1000 + '"]', where="here") == ["[" * 1000]
    with pytest.raises(UOISError, match="of at most 100 levels, found more"):
        parse_json(f"[{deep}]", where="here")


@pytest.mark.parametrize("number", ["3" * 20, "-9223372036854775809"])
def test_numbers_of_more_than_64_bits(number: str) -> None:
    assert parse_json(f'["{number}", 18446744073709551615]', where="here")[1] == 2**64 - 1
    with pytest.raises(UOISError, match="here: expected JSON with numbers of 64 bits"):
        parse_json(f'{{"a": [{number}]}}', where="here")


def test_files(tmp_path: Any) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'\xef\xbb\xbf{"size": [3, 4]}')
    assert read_json(path, Outer) == Outer((3, 4))
    with pytest.raises(UOISError, match=r"a\.json: expected a JSON file, found: 19 bytes, where at most 9 are read"):
        read_json(path, largest=9)
    with pytest.raises(UOISError, match="found: a folder"):
        read_json(tmp_path)
    with pytest.raises(UOISError, match="found: No such file"):
        read_json(tmp_path / "none.json")
