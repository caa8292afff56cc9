"""Settings of the tracker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from uois_sam.validation import Fraction, check_fields

Frames = Annotated[int, Meta(ge=0, le=100_000)]


@dataclass(frozen=True)
class TrackerConfig:
    """When an object of one frame is that of another, when a new one counts, and how long a lost one is remembered.

    Raises:
        UOISError: a value of another type or out of bounds.
    """

    confirm_frames: Frames = 2
    """Frames in a row in which an object has to be found before it gets an id; those of the first frame get theirs at
    once. 0 and 1 give it at once always."""
    lost_frames: Frames = 60
    """Frames for which an object that is not found is remembered: found again within them, it has its old id."""
    hold_frames: Frames = 3
    """Frames for which a still object that is not found is reported where it was, if nothing else is there."""
    birth_score: Fraction = 0.0
    """Score that a new object needs; one that is known may have less."""
    show_standing: Fraction = 0.45
    """Standing that an object needs to be reported: the mean over its last frames of score times overlap with where it
    was expected. 0 reports all that have an id."""
    min_overlap: Fraction = 0.2
    """Overlap (mean IoU of masks and of boxes after the predicted shift) of an object with itself, at least."""
    min_likeness: Fraction = 0.8
    """Cosine of embeddings from which on an object may be itself without overlap, within reach."""
    reach: Annotated[float, Meta(ge=0, le=100)] = 1.5
    """How far an object may be from where it was predicted without overlap, in units of its size; half as much again
    for each ten frames that it was lost."""
    camera: bool = True
    """Estimate how the camera moves from the photos, where instances come with theirs, and move what is known along."""
    likeness_weight: Fraction = 0.2
    """Weight of likeness beside overlap in choosing between objects."""
    vote: Fraction = 0.3
    """Weight of a new mask in the outline of a still object, on which all frames so far vote; 1 takes each mask as it
    is."""
    still: Fraction = 0.03
    """Speed below which an object is still: a share of its size in each frame (and half a pixel)."""

    def __post_init__(self) -> None:
        check_fields(self)
