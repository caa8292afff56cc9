"""From CVAT's prompts to a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from uois_sam.errors import UOISError
from uois_sam.types import BoolArray

if TYPE_CHECKING:
    from uois_sam.pipeline import EncodedImage


def predict_prompts(
    photo: EncodedImage,
    on: Sequence[Sequence[float]],
    beside: Sequence[Sequence[float]],
    box: Sequence[float] | None,
) -> tuple[BoolArray, float]:
    """Find the object of clicks and a box.

    Args:
        photo: the frame.
        on: (x, y) on the object, in pixels from the frame's corner, as CVAT's canvas has them; moved inside the frame
            where they lie on its border.
        beside: (x, y) that do not belong to it, likewise.
        box: x0, y0, x1, y1 around it, or None.

    Returns:
        (H, W) bool, and its score.

    Raises:
        UOISError: neither a point on the object nor a box.
    """
    height, width = photo.image_hw
    if not on and box is None:
        raise UOISError("expected a point on the object or a box, found neither")
    # CVAT counts from the frame's corner, the model from the middle of the first pixel.
    clicks = [[min(max(x - 0.5, 0), width - 1), min(max(y - 0.5, 0), height - 1)] for x, y in [*on, *beside]]
    words: dict[str, Any] = {}
    if clicks:
        words |= {"points": [clicks], "labels": [[1] * len(on) + [0] * len(beside)]}
    if box is not None:
        left, right = sorted(min(max(x, 0), width) for x in box[0::2])
        top, bottom = sorted(min(max(y, 0), height) for y in box[1::2])
        words["boxes"] = [[left, top, right, bottom]]
    found = photo.predict(**words)
    return found.masks[0], float(found.scores[0])
