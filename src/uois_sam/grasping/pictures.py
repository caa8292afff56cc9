"""Pictures of picks: the photo, its masks, the chosen grasp and what came of it; one by one, and as an animation."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from uois_sam.grasping.grasp import HAND, Array, Grasp, Hand, SeenScene
from uois_sam.grasping.page import outcome_of, picture_name
from uois_sam.grasping.rounds import Attempt
from uois_sam.io.captions import captioned
from uois_sam.io.encoding import encode_jpeg
from uois_sam.io.files import write_atomically
from uois_sam.io.overlay import overlay
from uois_sam.io.shapes import paint_masks
from uois_sam.types import BoolArray, ImageArray

COLOURS = {"lifted": (60, 220, 90), "slipped": (250, 90, 60), "blocked": (250, 200, 40)}
MILLISECONDS = 1200
"""Of a picture in the animation."""
WIDTH_PX = 640


def picture_of(seen: SeenScene, masks: BoolArray, attempt: Attempt, title: str, hand: Hand = HAND) -> ImageArray:
    """Draw one attempt: the photo, and beside it masks and hand; (H, 2 W, 3) uint8 RGB, with a caption above."""
    assert seen.image is not None
    shown = with_hand(seen, masks, attempt, hand)
    return captioned(np.concatenate([seen.image, shown], axis=1), f"{title}: {outcome_of(attempt)}")


def with_hand(seen: SeenScene, masks: BoolArray, attempt: Attempt, hand: Hand = HAND) -> ImageArray:
    """Draw masks and the hand that tried, if any, over the photo; (H, W, 3) uint8 RGB."""
    assert seen.image is not None
    shown = overlay(seen.image, paint_masks(masks)) if len(masks) else seen.image.copy()
    if attempt.pick is not None:
        for start, end in _lines(attempt.pick.grasp, hand):
            first, last = _pixels(seen, np.array([start, end]))
            cv2.line(shown, first, last, (0, 0, 0), 7, cv2.LINE_AA)
            cv2.line(shown, first, last, COLOURS[attempt.pick.outcome], 4, cv2.LINE_AA)
    return shown


class Drawn:
    """Draws the picks of one round as they are made, and animates them.

    Args:
        out: folder for one JPEG a pick.
        masks: where the masks come from.
        seed: of the table.
    """

    def __init__(self, out: Path, masks: str, seed: int) -> None:
        self._out, self._masks, self._seed = out, masks, seed
        self._pictures: list[ImageArray] = []

    def add(self, seen: SeenScene, masks: BoolArray, attempt: Attempt) -> None:
        """Draw the next attempt."""
        number = len(self._pictures) + 1
        picture = picture_of(seen, masks, attempt, f"table {self._seed}, pick {number}, masks: {self._masks}")
        write_atomically(self._out / picture_name(self._masks, self._seed, number), encode_jpeg(picture, 90))
        self._pictures.append(picture)

    def animate(self, path: Path) -> None:
        """Write all that was drawn as a GIF that repeats."""
        if self._pictures:
            write_atomically(path, animation(self._pictures, MILLISECONDS, WIDTH_PX))


def animation(pictures: Sequence[ImageArray], milliseconds: int, width_px: int) -> bytes:
    """Encode pictures of one size as a GIF that repeats."""
    frames = []
    for picture in pictures:
        height = round(picture.shape[0] * width_px / picture.shape[1])
        frames.append(Image.fromarray(cv2.resize(picture, (width_px, height), interpolation=cv2.INTER_AREA)))
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0)
    return file.getvalue()


def _lines(grasp: Grasp, hand: Hand) -> list[tuple[Array, Array]]:
    """The hand as a fork: two fingers, the palm between them, and the wrist."""
    tips, axes, half, back = np.asarray(grasp.centre), grasp.rotation(), hand.opening_m / 2, -hand.finger_m[2]
    places = {"left": (-half, 0), "left knuckle": (-half, back), "right": (half, 0), "right knuckle": (half, back),
              "palm": (0, back), "wrist": (0, back - hand.palm_m[2])}  # fmt: skip
    at = {name: tips + axes @ np.array([x, 0.0, z]) for name, (x, z) in places.items()}
    pairs = [("left", "left knuckle"), ("right", "right knuckle"), ("left knuckle", "right knuckle"), ("palm", "wrist")]
    return [(at[start], at[end]) for start, end in pairs]


def _pixels(seen: SeenScene, points: Array) -> list[tuple[int, int]]:
    camera = (points - seen.world_from_camera[:3, 3]) @ seen.world_from_camera[:3, :3]
    pixels = camera @ seen.intrinsics.T
    xy = pixels[:, :2] / pixels[:, 2:]
    return [(round(float(x)), round(float(y))) for x, y in xy]
