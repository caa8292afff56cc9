"""Options that several commands share, and the checks that go with them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from uois_sam.config import PromptMode, ScoreMode
from uois_sam.errors import UOISError

if TYPE_CHECKING:
    from uois_sam.datasets.base import Dataset
    from uois_sam.pipeline import UOISSAM
    from uois_sam.types import Camera

Switch = Literal["on", "off"]

_LOG = logging.getLogger("uois_sam")


@dataclass(frozen=True)
class WeightOptions:
    """The weights, and the device that they run on."""

    model: Annotated[str | None, tyro.conf.arg(help_behavior_hint="(default: compact)")] = None
    """Name of a model ("uois-sam models" lists them), a folder that holds one, or a Hugging Face id (org/name)."""
    sam: str | None = None
    """Weights of the SAM of a model that stands on one: its authors' file (.pth, .pt), or a Hugging Face folder or id;
    downloaded if left out."""
    dinov2: str | None = None
    """Weights of the network that its prompt generator reads, likewise."""
    device: str = "auto"
    """Device to compute on: auto, cpu, cuda, cuda:1, mps."""

    def keywords(self) -> dict[str, Any]:
        """Return the keyword arguments of ``UOISSAM.from_pretrained``, without the name."""
        return {"sam": self.sam, "dinov2": self.dinov2, "device": self.device}

    def load(self) -> UOISSAM:
        """Load the model.

        Raises:
            UOISError: if there is no such model or device, or the weights cannot be used.
        """
        from uois_sam.pipeline import UOISSAM

        return UOISSAM.from_pretrained(self.model or "compact", **self.keywords())


@dataclass(frozen=True)
class FindOptions:
    """What to find; whatever is left out is as the model's own settings have it."""

    min_score: float | None = None
    """Score a mask needs, 0 to 1; higher finds less."""
    min_foreground: float | None = None
    """Foreground probability a prompt needs, 0 to 1; lower finds more."""
    max_prompts: int | None = None
    """Prompts of a photo (with --tiles of each tile), the strongest first."""
    max_objects: int | None = None
    """Best objects to keep of a photo."""
    min_area: str | None = None
    """Smallest mask: pixels (400) or a share of the photo (0.1%)."""
    max_area: str | None = None
    """Largest mask, likewise."""
    region: Annotated[str | None, tyro.conf.arg(metavar="BOX|POLYGON|MASK")] = None
    """Where to look: x0,y0,x1,y1, or "x,y x,y x,y", in pixels or in shares from 0 to 1, or a picture of the photo's
    size whose non-zero pixels count. Objects with half of their mask inside are kept."""
    exclude: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="BOX|POLYGON|MASK")] = ()
    """Where not to look, likewise; may be repeated."""
    point: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="X,Y[,LABEL]")] = ()
    """Instead of all objects, the one at this pixel; several clicks in quotes are of one object ("90,80 120,95,0"),
    with label 0 for what does not belong to it. May be repeated for more objects."""
    box: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="X0,Y0,X1,Y1")] = ()
    """Instead of all objects, the one in this box of pixels; may be repeated. With --point as well, the i-th box is
    that of the i-th --point."""
    tiles: Annotated[str | None, tyro.conf.arg(metavar="auto|N")] = None
    """Look at N x N overlapping tiles as well, for wide shots of many small things; auto only where prompts are used up
    or objects are tiny."""
    workspace: Annotated[str | None, tyro.conf.arg(metavar="auto|off|X0,X1,Y0,Y1,Z0,Z1")] = None
    """With --depth, where objects of interest stand: on the support that is found (auto, the default), anywhere (off),
    or in a box in metres (x right, y down, z forward of the camera)."""

    def __post_init__(self) -> None:
        if any(getattr(self, each.name) not in (None, ()) for each in fields(self)):
            self.words()

    def words(self) -> dict[str, Any]:
        """Return what was given in the words of :meth:`uois_sam.request.Request.changed`.

        Raises:
            UOISError: a value that cannot be read or is out of bounds.
        """
        from uois_sam.request import Request

        same = ("min_score", "min_foreground", "max_prompts", "max_objects", "min_area", "max_area", "region", "tiles",
                "workspace")  # fmt: skip
        words = {name: value for name in same if (value := getattr(self, name)) is not None}
        words |= {"exclude": self.exclude} if self.exclude else {}
        if self.point:
            clicks = [[_numbers("point", click, (2, 3)) for click in each.split()] for each in self.point]
            words["points"] = [[click[:2] for click in each] for each in clicks]
            words["labels"] = [[click[2] if len(click) == 3 else 1 for click in each] for each in clicks]
        if self.box:
            words["boxes"] = [_numbers("box", each, (4,)) for each in self.box]
        Request().changed(words)
        return words

    def words_for_many(self) -> dict[str, Any]:
        """:meth:`words`, for photos of which nobody points at anything.

        Raises:
            UOISError: as :meth:`words`, and for --point and --box.
        """
        if self.point or self.box:
            raise UOISError("expected no --point and no --box, which are of one photo, for a data set of many")
        return self.words()

    def expect_depth(self, given: bool) -> None:
        """Raise UOISError for a workspace where no depth is given, which alone can tell what stands in it."""
        if self.workspace not in (None, "off") and not given:
            raise UOISError("--workspace: expected depth as well, found none")


def _numbers(option: str, text: str, lengths: tuple[int, ...]) -> list[float]:
    from uois_sam.io.regions import numbers_of

    expected = "x,y or x,y,label in pixels" if option == "point" else "x0,y0,x1,y1 in pixels"
    numbers = numbers_of(text, f"--{option}", expected)
    if len(numbers) not in lengths or "%" in text:
        raise UOISError(f"--{option}: expected {expected}, found {text[:60]!a}")
    return numbers


@dataclass(frozen=True)
class ModelOptions(WeightOptions):
    """The model, the device that it runs on, and settings to use instead of its own."""

    prompts: PromptMode | None = None
    """Source of the point prompts; the model's own setting if left out."""
    scores: ScoreMode | None = None
    """What ranks masks: the decoder's own IoU estimate (sam), HDNet's, or one that has seen the masks (evidence, as
    compact has it); the model's own setting if left out."""
    masks: str | None = None
    """Let this base (sam-vit-l; "uois-sam models" lists them) draw the masks of what the model finds; its weights are
    the published ones, or --sam. With a folder of heads that were trained on one, their HDNet has a say."""
    mask_agreement: float | None = None
    """With --masks: agreement with the model's own mask, 0 to 1, that a drawn one needs to take its place; the model's
    own setting (0.5) if left out."""
    zoom: Switch | None = None
    """Look again, closer, where all objects lie in a part of the photo; the model's own setting if left out."""
    edges: Switch | None = None
    """Move outlines to edges of the photo nearby; the model's own setting if left out."""
    backend: Literal["torch", "onnxruntime", "openvino", "tensorrt", "torchscript"] | None = None
    """What runs a model that "uois-sam export" wrote; the usual one for its folder if left out."""
    find: tyro.conf.OmitArgPrefixes[FindOptions] = field(default_factory=FindOptions)

    def keywords(self) -> dict[str, Any]:
        """As in the parent class, with what draws the masks, and the backend."""
        return {**super().keywords(), "masks": self.masks, "backend": self.backend}

    def load(self) -> UOISSAM:
        """Load the model and give it these settings, and what to find.

        Raises:
            UOISError: as :meth:`WeightOptions.load`, and if the model lacks the heads that a setting needs.
        """
        if self.mask_agreement is not None and self.masks is None:
            raise UOISError("expected --mask-agreement with --masks, which it is for; found it alone")
        zoom, edges = (None if switch is None else switch == "on" for switch in (self.zoom, self.edges))
        given = {"prompts": self.prompts, "scores": self.scores, "zoom": zoom, "follow_edges": edges,
                 "mask_agreement": self.mask_agreement}  # fmt: skip
        model = super().load().with_settings(**{name: value for name, value in given.items() if value is not None})
        return model.with_request(**self.find.words())


@dataclass(frozen=True)
class NetworkOptions(WeightOptions):
    """The networks, the device that they run on, and their arithmetic."""

    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the networks; auto takes bfloat16 where the hardware computes in it."""

    def keywords(self) -> dict[str, Any]:
        """As in the parent class, with the precision."""
        return {**super().keywords(), "precision": self.precision}


@dataclass(frozen=True)
class BaseOptions(NetworkOptions):
    """The frozen networks, the device that they run on, and their arithmetic."""

    model: Annotated[str, tyro.conf.arg(name="base")] = "sam-vit-l"
    """Frozen networks: sam-vit-l (the paper's), sam2.1-hiera-tiny, compact, ... ("uois-sam models" lists them)."""
    prompts_backbone: str | None = None
    """Frozen network that the prompt generator reads ("uois-sam models" lists them); if left out dinov2-small, the
    paper's. Not for compact, which has its own."""
    random_weights: bool = False
    """FOR REHEARSALS ONLY: random weights in place of the published ones, so that everything runs without a network and
    nothing of use is learned."""

    @property
    def name(self) -> str:
        """Name of the base to load."""
        from uois_sam.checkpoints.bases import RANDOM

        return f"{self.model}{RANDOM}" if self.random_weights and not self.model.endswith(RANDOM) else self.model

    def keywords(self) -> dict[str, Any]:
        """Return the keyword arguments of ``load_base``, without the name."""
        return {**super().keywords(), "prompts_backbone": self.prompts_backbone}


def parse_option(text: str) -> tuple[str, Any]:
    """Split ``key=value``; a value that reads as a number, true or false becomes one, any other stays a string.

    Raises:
        UOISError: if there is no "=".
    """
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UOISError(f"expected --set with key=value, found {text!r}")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value


def read_intrinsics(text: str) -> Camera:
    """Return the camera of ``--intrinsics fx,fy,cx,cy``.

    Raises:
        UOISError: if it is none.
    """
    from uois_sam.types import Camera

    try:
        fx, fy, cx, cy = (float(each) for each in text.split(","))
    except ValueError:
        raise UOISError(f"--intrinsics: expected fx,fy,cx,cy in pixels, found {text!r}") from None
    if not (0 < fx < float("inf") and 0 < fy < float("inf") and abs(cx) < float("inf") and abs(cy) < float("inf")):
        raise UOISError(f"--intrinsics: expected fx and fy above 0, all of them finite, found {text!r}")
    return Camera(fx, fy, cx, cy)


def open_datasets(kind: str, roots: tuple[Path, ...], options: Mapping[str, Any] | None = None) -> Dataset:
    """Open a data set, or join several of a kind into one.

    Raises:
        UOISError: if the kind or an option is unknown, or a folder is given twice: what is held out of one copy would
            be learned from the other.
        DatasetError: if a folder has another layout.
    """
    from uois_sam.datasets import open_dataset
    from uois_sam.datasets.combine import JoinedDataset

    for index, root in enumerate(roots):
        if any(os.path.realpath(root) == os.path.realpath(earlier) for earlier in roots[:index]):
            raise UOISError(f"{root}: expected each folder once, found it twice")
    sets = [open_dataset(kind, root, **(options or {})) for root in roots]
    for note in (note for each in sets for note in each.notes):
        _LOG.info("note: %s", note)
    return sets[0] if len(sets) == 1 else JoinedDataset(sets)


def expect_at_least(option: str, value: int | None, least: int) -> None:
    """Raise UOISError for a given number below the least that makes sense."""
    if value is not None and value < least:
        raise UOISError(f"--{option}: expected {least} or more, found {value}")


def expect_seed(seed: int) -> None:
    """Raise UOISError for a seed that no generator takes, or that a record in JSON does not hold."""
    if not 0 <= seed < 1 << 63:
        raise UOISError(f"--seed: expected 0 to {(1 << 63) - 1}, found {str(seed)[:60]}")


def expect_above_0(option: str, value: float) -> None:
    """Raise UOISError for anything but a positive finite number."""
    if not 0 < value < float("inf"):
        raise UOISError(f"--{option}: expected above 0, found {value:g}")
