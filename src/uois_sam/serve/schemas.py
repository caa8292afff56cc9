"""Bodies of requests and answers: checked by them, and documented from them in OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from uois_sam.config import PromptMode, ScoreMode

MOST_CORNERS = 10_000
MOST_TARGETS = 256
MOST_CLICKS = 1024
"""On all objects together: each is decoded by itself, and the masks of one object's are in memory together."""

Corner: TypeAlias = Annotated[list[float], Field(min_length=2, max_length=4)]
Area: TypeAlias = Annotated[int, Field(ge=0, le=10**9)] | Annotated[float, Field(ge=0, le=1)] | str


class Body(BaseModel):
    """Base of all bodies: unknown fields are errors, and text is no number."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Rle(Body):
    """Mask as COCO run-length encoding."""

    size: Annotated[list[int], Field(min_length=2, max_length=2, description="height, width")]
    counts: Annotated[str, Field(description="compressed, as pycocotools writes it")]


Shape: TypeAlias = (
    Rle
    | Annotated[list[float], Field(min_length=4, max_length=4)]
    | Annotated[list[Corner], Field(min_length=1, max_length=MOST_CORNERS)]
    | Annotated[str, Field(max_length=200_000, pattern=r"^[-+0-9.,;%\s]+$")]
)
"""A box, a polygon, either as text, or a mask; never the path of a file."""


class Words(Body):
    """What to find, and how; the options of ``uois-sam segment``."""

    min_score: float | None = Field(None, le=1, description="score that a mask needs")
    min_foreground: float | None = Field(None, ge=0, le=1, description="foreground probability that a prompt needs")
    max_prompts: int | None = Field(None, ge=0, le=1024, description="prompts, the strongest first")
    max_objects: int | None = Field(None, ge=1, description="best objects to keep")
    min_area: Area | None = Field(None, description='smallest mask: pixels, or a share as 0.02 or "2%"')
    max_area: Area | None = Field(None, description="largest mask, likewise")
    region: Shape | None = Field(
        None,
        description="where to look: a box [x0, y0, x1, y1], a polygon [[x, y], ...], either as text, or a mask in RLE; "
        "pixels, or shares of width and height where all numbers are from 0 to 1",
    )
    exclude: Shape | list[Shape] | None = Field(None, description="where not to look: one region, or a list of them")
    tiles: Literal["auto"] | Annotated[int, Field(ge=1, le=8)] | None = Field(
        None, description="overlapping tiles along each side to look at as well"
    )
    points: Annotated[list[Any], Field(max_length=MOST_TARGETS)] | None = Field(
        None,
        description=f"one object under each [x, y]; or a list with each object's clicks, {MOST_CLICKS} in all",
    )
    labels: Annotated[list[Any], Field(max_length=MOST_TARGETS)] | None = Field(
        None, description="of points, in the same arrangement: 1 on the object, 0 beside it"
    )
    boxes: Annotated[list[Annotated[list[float], Field(min_length=4, max_length=4)] | None],
                     Field(max_length=MOST_TARGETS)] | None = Field(
        None, description="one object in each [x0, y0, x1, y1]; beside points that of each object or null"
    )  # fmt: skip
    prompts: PromptMode | None = Field(None, description="source of point prompts")
    scores: ScoreMode | None = Field(None, description="what ranks masks")
    zoom: bool | None = Field(None, description="look again, closer, where all objects lie in a part of the photo")
    follow_edges: bool | None = Field(None, description="move outlines to edges of the photo nearby")
    mask_agreement: float | None = Field(
        None,
        ge=0,
        le=1,
        description="of a server with --masks: agreement with the model's own mask that a drawn one needs",
    )


SETTINGS = ("prompts", "scores", "zoom", "follow_edges", "mask_agreement")
"""Words that are settings of the model; all others are of a request."""


class Output(Body):
    """The form of an answer."""

    masks: Literal["rle", "png", "none"] = Field(
        "rle", description="of each object: COCO RLE, a PNG (base64) of the mask inside its box, or none"
    )
    label_map: bool = Field(False, description="add the label map, a 16-bit PNG (base64)")
    answer: Literal["json", "label_map", "npz"] = Field(
        "json", description="JSON; or only the label map (image/png); or NumPy arrays (application/x-npz)"
    )


class Segment(Words, Output):
    """One photo, and what to find in it."""

    image: str = Field(description="the photo's file in base64, or as a data: URI")


class Encode(Body):
    """One photo to keep for prompts."""

    image: str = Field(description="the photo's file in base64, or as a data: URI")


class Prompt(Words, Output):
    """What to find in a kept photo."""

    id: str = Field(max_length=100, description="as POST /v1/encode gave it")


class Masks(Body):
    """Masks to paint into one label map."""

    segmentations: Annotated[list[Rle], Field(min_length=1, max_length=1000)] = Field(description="best first")


class Instance(BaseModel):
    """One object; boxes and points in pixels of the upright photo."""

    label: int = Field(description="its value in the label map")
    score: float = Field(description="predicted intersection over union, 0 to 1")
    area: int = Field(description="pixels of its mask")
    visible_area: int = Field(description="pixels of it in the label map")
    bbox: list[float] = Field(description="x, y, width, height")
    box_xyxy: list[float] = Field(description="first column, first row, last column + 1, last row + 1")
    point: list[float] = Field(description="the prompt that it was decoded from")
    segmentation: Rle | None = None
    mask_png: str | None = Field(None, description="base64, the mask inside its box: 0 or 255")


class Found(BaseModel):
    """Objects of one photo, best first (of clicks and boxes: in their order)."""

    height: int
    width: int
    model: str
    weights_sha256: str | None
    version: str
    selection: dict[str, Any] = Field(description="the model's settings")
    request: dict[str, Any] = Field(description="the words of the request")
    notes: list[str] = Field(description="what was converted, guessed, or left out by a limit")
    instances: list[Instance]
    seconds: float = Field(description="time of reading, model and encoding, without waiting")
    label_map: str | None = Field(None, description="base64 of a 16-bit PNG")


class Kept(BaseModel):
    """A photo that is ready for prompts."""

    id: str
    height: int
    width: int
    model: str
    expires_s: float = Field(description="seconds after its last use")
    notes: list[str]


class Health(BaseModel):
    """The server is up."""

    status: Literal["ok"]
    model: str
    version: str
    device: str
    token: bool = Field(description="whether requests need a token")
    defaults: dict[str, Any] = Field(description="the model's settings")
    request: dict[str, Any] = Field(description="words that hold where a request does not say")


class Error(BaseModel):
    """What was expected, and what was found."""

    error: str
