"""From the body of a request to values: JSON or a form, checked, and the photo in it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar

from PIL import Image
from pydantic import BaseModel, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from uois_sam.errors import UOISError, count
from uois_sam.io.formats import open_picture
from uois_sam.io.images import PhotoPixels, read_photo
from uois_sam.io.json_files import parse_json
from uois_sam.io.masks import decode_mask
from uois_sam.serve.config import LARGEST_RESULT, ServerConfig
from uois_sam.serve.problems import RequestError, TooLargeError, WrongTypeError
from uois_sam.serve.schemas import MOST_CLICKS, SETTINGS, Prompt, Rle, Segment, Words
from uois_sam.validation import nearest

BodyT = TypeVar("BodyT", bound=BaseModel)

JSON, FORM = "application/json", "multipart/form-data"
_MOST_FIELDS = 40
_SHAPE = "a box [x0, y0, x1, y1], a polygon [[x, y], ...], either as text, or a mask as COCO RLE"
_AREA = "pixels (a whole number) or a share of the photo (0.02 or 2%)"
EXPECTED = {"region": _SHAPE, "exclude": f"{_SHAPE}, or a list of them", "min_area": _AREA, "max_area": _AREA}
"""Of fields with several forms, each of which would be named in an error."""
IMAGE = "image"
_LONGEST_HEADER = 4000
"""Characters of notes in a header."""


async def read_body(request: Request, kind: type[BodyT]) -> tuple[BodyT, bytes]:
    """Read JSON or, of a body with a photo, a form.

    Returns:
        The checked values, and the photo's file; empty bytes for a body without one.

    Raises:
        RequestError: another type of body, unreadable, or values that do not fit.
    """
    values = await _values(request, IMAGE in kind.model_fields)
    content = values.get(IMAGE)
    if isinstance(content, bytes):
        values[IMAGE] = ""
    checked = check(values, kind)
    if IMAGE not in kind.model_fields:
        return checked, b""
    return checked, content if isinstance(content, bytes) else decode_base64(str(content), IMAGE)


async def _values(request: Request, takes_form: bool) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        content = await request.body()
        values = parse_json(content, where="body", what="JSON", error=RequestError)
        if not isinstance(values, dict):
            raise RequestError(f"body: expected a JSON object, found {type(values).__name__}")
        return values
    if kind == FORM and takes_form:
        return await _form(request)
    expected = f"{JSON} or {FORM}" if takes_form else JSON
    raise WrongTypeError(f"Content-Type: expected {expected}, found {kind[:60]!a}")


async def _form(request: Request) -> dict[str, Any]:
    """Fields of a form: the photo's file as bytes, and values as JSON where they are."""
    values: dict[str, Any] = {}
    try:
        async with request.form(max_files=1, max_fields=_MOST_FIELDS) as form:
            for name, value in form.multi_items():
                if name in values:
                    raise RequestError(f"{name[:60]}: expected it once, found it again")
                if isinstance(value, UploadFile):
                    if name != IMAGE:
                        raise RequestError(f"expected the file in the field {IMAGE!r}, found it in {name[:60]!a}")
                    values[name] = await value.read()
                else:
                    values[name] = value if name == IMAGE else _plain(value)
    except HTTPException as error:  # as starlette words what is wrong with a form
        raise RequestError(f"body: expected a form with at most one file, found another ({error.detail})") from error
    return values


def _plain(text: str) -> Any:
    with suppress(UOISError):
        return parse_json(text, where="form")
    return text


def check(values: Mapping[str, Any], kind: type[BodyT]) -> BodyT:
    """Check values against a body.

    Raises:
        RequestError: unknown or missing fields, or values of other types or out of bounds.
    """
    known = {each.alias or name for name, each in kind.model_fields.items()}
    for name in values if kind.model_config.get("extra") == "forbid" else ():
        if name not in known:
            hint = nearest(name, tuple(kind.model_fields))
            raise RequestError(f"unknown field {str(name)[:60]!a}{hint}; the fields are {', '.join(kind.model_fields)}")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        # Of a union every alternative complains; those that got furthest are about what was meant.
        first = max(error.errors(include_url=False, include_context=False), key=lambda each: len(each["loc"]))
        name = str(first["loc"][0]) if first["loc"] else "body"
        said = EXPECTED.get(name) or first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
        if first["type"] == "missing":
            raise RequestError(f"expected the field {'.'.join(map(str, first['loc']))}, found none") from error
        raise RequestError(f"{name}: expected {said[:200]}, found {_brief(values.get(name))}") from error


def in_own_words(words: Mapping[str, Any]) -> Segment:
    """What another program asks for, as a body of the server's own.

    Raises:
        RequestError: values out of bounds, as more boxes than are allowed.
    """
    return check({IMAGE: "", **words}, Segment)


def _brief(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"


def decode_base64(text: str, name: str) -> bytes:
    """Decode base64, or a ``data:`` URI with it. Nothing is fetched: any other address is an error.

    Raises:
        RequestError: neither.
    """
    head, comma, rest = text.partition(",")
    try:
        return base64.b64decode(rest if comma and head.startswith("data:") else text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"{name}: expected base64 or a data: URI, found {_brief(text)}") from error


def read_limited(content: bytes, config: ServerConfig) -> PhotoPixels:
    """Decode a photo of a bounded number of pixels.

    Raises:
        TooLargeError: more pixels, told before any is decoded.
        ImageError: as :func:`uois_sam.io.images.read_photo`.
    """
    size = 0, 0
    try:
        with open_picture(content) as picture:
            size = picture.size
    except Image.DecompressionBombError as error:
        raise TooLargeError(f"image: expected at most {config.megapixels:g} megapixels, found far more") from error
    except Exception:  # what is wrong with it, read_photo says
        pass
    if size[0] * size[1] > config.pixels:
        raise TooLargeError(f"image: expected at most {config.megapixels:g} megapixels, found {size[0]}x{size[1]}")
    return read_photo(content)


def words_of(body: Words) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the model and words of the request that were given; masks are decoded.

    Raises:
        RequestError: a damaged mask.
        TooLargeError: more clicks, or pixels in masks, than are allowed.
    """
    clicks = sum(len(each) if isinstance(each, list) and each and isinstance(each[0], list) else 1
                 for each in body.points or ())  # fmt: skip
    if clicks > MOST_CLICKS:
        raise TooLargeError(f"points: expected at most {MOST_CLICKS} clicks on all objects together, found {clicks}")
    left_out = {IMAGE, "id", "masks", "label_map", "answer"}
    given = {name: getattr(body, name) for name in body.model_fields_set - left_out if getattr(body, name) is not None}
    settings = {name: given.pop(name) for name in SETTINGS if name in given}
    regions = {name: given[name] for name in ("region", "exclude") if name in given}
    pixels = sum(map(_mask_pixels, regions.values()))
    if pixels > LARGEST_RESULT:
        raise TooLargeError(f"{', '.join(regions)}: expected masks of the photo's size, found {pixels} pixels in all")
    return settings, given | {name: _region(value) for name, value in regions.items()}


def _mask_pixels(value: Any) -> int:
    """Pixels of all masks of a region, or of a list of them: a few bytes of RLE may stand for any number."""
    if isinstance(value, Rle):
        return max(value.size[0], 0) * max(value.size[1], 0)
    return sum(map(_mask_pixels, value)) if isinstance(value, list) else 0


def _region(value: Any) -> Any:
    if isinstance(value, Rle):
        return decode_mask(value.model_dump())
    nested = isinstance(value, list) and any(isinstance(each, Rle | str | list) for each in value)
    return [_region(each) for each in value] if nested else value


def check_size(body: Segment | Prompt, image_hw: tuple[int, int]) -> None:
    """Raise TooLargeError for more masks than an answer may hold."""
    asked = max(len(body.points or ()), len(body.boxes or ()), body.max_prompts or 0)
    if asked * image_hw[0] * image_hw[1] > LARGEST_RESULT:
        most = LARGEST_RESULT // (image_hw[0] * image_hw[1])
        raise TooLargeError(f"expected at most {most} masks of a photo this large, found {asked} asked for")


def header_text(notes: tuple[str, ...]) -> str:
    """Notes as JSON in ASCII, for a header: as many as it holds, and how many more there are."""
    kept, text = list(notes), json.dumps(notes)
    while len(text) > _LONGEST_HEADER and kept:
        kept.pop()
        text = json.dumps([*kept, f"{count(len(notes) - len(kept), 'note')} more"])
    return text
