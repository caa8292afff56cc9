"""Pictures of picks: the photo, its masks, the chosen grasp and what came of it; one by one, and as an animation."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from uois_sam.grasping.grasp import HAND, Array, Grasp, Hand, SeenScene
from uois_sam.grasping.rounds import Attempt
from uois_sam.io.contact_sheet import captioned
from uois_sam.io.overlay import overlay
from uois_sam.io.shapes import paint_masks
from uois_sam.types import ImageArray

COLOURS = {"lifted": (60, 220, 90), "slipped": (250, 90, 60), "blocked": (250, 200, 40)}
MILLISECONDS = 1200
"""Of a picture in the animation."""
WIDTH_PX = 480


def picture_of(attempt: Attempt, title: str, hand: Hand = HAND) -> ImageArray:
    """Draw one attempt: (H, W, 3) uint8 RGB, with a caption above."""
    pick = attempt.pick
    shown = overlay(attempt.seen.image, paint_masks(attempt.masks)) if len(attempt.masks) else attempt.seen.image.copy()
    if pick is None:
        return captioned(shown, f"{title}: no grasp found")
    for start, end in _lines(pick.grasp, hand):
        first, last = _pixels(attempt.seen, np.array([start, end]))
        cv2.line(shown, first, last, (0, 0, 0), 7, cv2.LINE_AA)
        cv2.line(shown, first, last, COLOURS[pick.outcome], 4, cv2.LINE_AA)
    said = f"lifted {len(pick.lifted)}" if pick.outcome == "lifted" else pick.outcome
    moved = f", moved {len(pick.moved)}" if pick.moved else ""
    return captioned(shown, f"{title}: {said}{moved}")


def animation(pictures: list[ImageArray]) -> bytes:
    """Encode pictures of one size as a GIF that repeats."""
    frames = []
    for picture in pictures:
        height = round(picture.shape[0] * WIDTH_PX / picture.shape[1])
        frames.append(Image.fromarray(cv2.resize(picture, (WIDTH_PX, height), interpolation=cv2.INTER_AREA)))
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)
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
