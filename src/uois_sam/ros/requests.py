"""The service ``Segmentation`` of ros2_sam: an image with points and boxes in, one mask for each object out."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from uois_sam.errors import UOISError, count
from uois_sam.instances import Instances
from uois_sam.request.words import READERS
from uois_sam.ros.answers import Messages, image_message
from uois_sam.ros.images import photo_of
from uois_sam.types import ImageArray


class Predictor(Protocol):
    """Model as :class:`uois_sam.pipeline.UOISSAM`."""

    def predict(self, image: ImageArray, **what: Any) -> Instances:
        """Find all objects of an (H, W, 3) uint8 RGB photo, or what is asked for."""
        ...


def answer_request(model: Predictor, messages: Messages, request: Any, response: Any) -> tuple[str, ...]:
    """Fill a response: masks as 8UC1 images of 0 and 1 with the request's header, and their scores.

    Points are clicks of one object (labels: 1 on it, 0 beside it), with one box of it or none; boxes without points are
    one object each, x0, y0, x1, y1 in pixels; without either all objects are found, best first.

    Returns:
        What was converted, guessed or left out.

    Raises:
        UOISError: an image that cannot be read, or points and boxes that do not fit; the response stays as it was.
    """
    words, notes = words_of(request)
    photo = photo_of(request.image)
    found = model.predict(photo.pixels, **words)
    header = request.image.header
    response.masks = [image_message(messages, header, mask.astype(np.uint8), "8UC1") for mask in found.masks]
    response.scores = messages.floats(found.scores)
    return (*photo.notes, *notes, *found.notes)


def words_of(request: Any) -> tuple[dict[str, Any], list[str]]:
    """Words of :meth:`uois_sam.pipeline.UOISSAM.predict`, and what of the request has none.

    Raises:
        UOISError: points without labels, a box cut short, or several boxes beside points.
    """
    points = [[float(point.x), float(point.y)] for point in request.query_points]
    labels, numbers = [int(label) for label in request.query_labels], [float(each) for each in request.boxes.data]
    if len(points) != len(labels):
        raise UOISError(f"query_labels: expected one for each of {len(points)} query_points, found {len(labels)}")
    if not all(math.isfinite(value) for point in points for value in point):
        raise UOISError("query_points: expected finite numbers, found others")
    if len(numbers) % 4:
        raise UOISError(f"boxes: expected four numbers for each box, found {count(len(numbers), 'number')}")
    boxes = [numbers[first : first + 4] for first in range(0, len(numbers), 4)]
    if points and len(boxes) > 1:
        raise UOISError(f"boxes: expected at most one beside query_points, which are of one object, found {len(boxes)}")
    notes = ["multimask: one mask for each object is given"] if request.multimask else []
    notes += ["logits: none are given"] if request.logits else []
    if not points and not boxes:
        return {}, notes
    words: dict[str, Any] = {"boxes": boxes} if boxes else {}
    if points:
        words |= {"points": [points], "labels": [labels]}
    return {**dict.fromkeys(READERS), **words}, notes  # limits that the model was given are not for what is pointed at
