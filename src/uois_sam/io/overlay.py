"""Pictures of results: instances over the photo, and what the prompt generator saw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uois_sam.errors import ImageError, MissingExtraError
from uois_sam.types import FloatArray, ImageArray, LabelMap, PromptMaps

if TYPE_CHECKING:
    import matplotlib.axes
    from torch import Tensor

FILL_OPACITY = 0.4
"""How much of an instance's colour covers the photo inside its outline."""
_PALETTE = np.frombuffer(bytes.fromhex(
    "009cff 00ff00 ff0000 ff00ff 757513 00ebd7 d76289 ffd700 7562ff 9ceb75 ff9c62 ff89ff 00894e ff009c eb004e ebd775 "
    "b0eb00 009c00 ff7500 8962c4 9c13ff b027c4 00eb9c c44e3a 9cb013 9c6200 00eb62 eb9c00 c43a9c ff3ad7 629c3a d73a13 "
    "3a75eb 4ed700 9c9cff d789d7 c49c3a 4ec489 d72775 ff75c4 ff6275 c475ff b04eff 75c427 ff754e 4ec462 ff273a ebc43a "
    "d77513 9c4e9c d7d727 b0c462 eb62ff c4eb4e 008927 ff0075 ff8975 c400eb c43a4e b04ec4 b04e13 89eb9c b09c00 ffc462"
), dtype=np.uint8).reshape(-1, 3)  # fmt: skip
"""Each colour as far as can be, in CIELAB, from those before it; a test has the rule, which OpenCV takes 0.1 s for."""
PALETTE_SIZE = len(_PALETTE)
"""Instances beyond this number reuse the colours from the start."""

_SHIFT = 4  # OpenCV draws at fixed-point coordinates with this many fractional bits


def overlay(
    image: ImageArray,
    labels: LabelMap,
    points_xy: FloatArray | None = None,
    texts: Sequence[str] = (),
    *,
    show_points: bool = True,
    numbers: Sequence[int] | None = None,
) -> ImageArray:
    """Tint and outline every object of a photo in its own colour, mark its point prompt and write beside it.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) integers, 0 = background; label i always has the same colour.
        points_xy: (N, 2) float32 xy in pixels, the point of label i + 1 at index i; None for none. Those of labels that
            are not in the map are not drawn.
        texts: what to write of label i + 1 at index i: at its point if that lies on it, else in its midst.
        show_points: mark the points.
        numbers: number from 1 of label i + 1 at index i, which its colour follows; the labels themselves if left out.

    Returns:
        (H, W, 3) uint8 RGB, a new array.

    Raises:
        ImageError: if the photo's size is not that of the labels.
    """
    if image.shape != (*labels.shape, 3):
        raise ImageError(f"expected the photo the masks belong to, shape {(*labels.shape, 3)}, found {image.shape}")
    points = np.zeros((0, 2), dtype=np.float32) if points_xy is None else points_xy
    areas = np.bincount(labels.ravel(), minlength=len(points) + 1)[1:]
    instance_colours = colours(len(areas)) if numbers is None else colours_of(numbers)
    picture = paint_labels(image, labels, instance_colours)
    drawn = [index for index in range(len(points)) if areas[index]]
    for index in drawn if show_points else ():
        _draw_point(picture, points[index], instance_colours[index])
    written = [
        (text, _anchor(labels, index + 1, points[index] if index < len(points) else None), int(areas[index]))
        for index, text in enumerate(texts)
        if text and areas[index]
    ]
    return _write(picture, written) if written else picture


def texts_of(numbers: Sequence[int] | None, scores: FloatArray | None) -> list[str]:
    """What to write of each object: number, score, or both."""
    first = [] if numbers is None else [[str(number) for number in numbers]]
    second = [] if scores is None else [[f"{score:.2f}" for score in scores]]
    return [" ".join(words) for words in zip(*first, *second, strict=True)]


def paint_labels(image: ImageArray, labels: LabelMap, colours: npt.NDArray[np.uint8]) -> ImageArray:
    """The photo with every object of a label map tinted and outlined.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) integers, 0 = background, objects 1..N.
        colours: (N, 3) uint8 RGB, one for each object.

    Returns:
        (H, W, 3) uint8 RGB, a new array.
    """
    picture = _tint(image, labels, colours)
    for index in range(len(colours)):
        _draw_outline(picture, labels, index, colours[index])
    return picture


def heatmap_picture(image: ImageArray, maps: PromptMaps) -> ImageArray:
    """The prompt generator's centroid heatmap over the darkened photo: clear is 0, then purple, pink, yellow at 1.

    Args:
        image: (H, W, 3) uint8 RGB.
        maps: prediction for that photo; it is stretched from the prompt frame.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    import cv2

    # Peaks count from 0.007 on (Sec. IV-A): the root keeps weak ones visible.
    strength = np.sqrt(_on_photo(maps.heatmap[0], image), dtype=np.float32)
    # The dark start of the colour map would hide them again.
    coloured = cv2.applyColorMap(np.rint(80 + 175 * strength).astype(np.uint8), cv2.COLORMAP_PLASMA)
    return _mix(_faded(image), cv2.cvtColor(coloured, cv2.COLOR_BGR2RGB), np.minimum(1.4 * strength, 0.85))


def foreground_picture(image: ImageArray, maps: PromptMaps) -> ImageArray:
    """The prompt generator's foreground probability: the photo in colour where it is 1, faded grey where it is 0.

    Args:
        image: (H, W, 3) uint8 RGB.
        maps: prediction for that photo; it is stretched from the prompt frame.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return _mix(_faded(image), image, _on_photo(maps.foreground, image))


def colours(count: int) -> npt.NDArray[np.uint8]:
    """(count, 3) uint8 RGB: the colour of each instance; beyond ``PALETTE_SIZE`` they repeat."""
    return np.asarray(_PALETTE[np.arange(count) % PALETTE_SIZE])


def colours_of(numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
    """(N, 3) uint8 RGB: the colour of each number from 1, as :func:`colours` has them."""
    return np.asarray(_PALETTE[(np.array(numbers, dtype=np.int64) - 1) % PALETTE_SIZE])


def _line_width(image: ImageArray) -> float:
    """Pixels: 1.6 at 640x480, in proportion for larger photos, and no more than thin strips can bear."""
    height, width = image.shape[:2]
    return float(np.clip(np.hypot(height, width) / 500, 1.0, max(1.0, min(height, width) / 60)))


def _tint(image: ImageArray, labels: LabelMap, colours: npt.NDArray[np.uint8]) -> ImageArray:
    import cv2

    table = np.concatenate([np.zeros((1, 3), dtype=np.uint8), colours])
    tinted = cv2.addWeighted(image, 1 - FILL_OPACITY, table[labels], FILL_OPACITY, 0)
    return np.where(labels[:, :, None] > 0, tinted, image).astype(np.uint8)


def _draw_outline(picture: ImageArray, labels: LabelMap, index: int, colour: npt.NDArray[np.uint8]) -> None:
    """Outline what is visible of one instance, in place: a dark line under a coloured one."""
    import cv2

    mask = (labels == index + 1).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    width = _line_width(picture)
    lines = [_smoothed(np.asarray(contour)[:, 0, :], width) for contour in contours]
    for thickness, shade in ((width * 1.6, (20, 20, 20)), (width, tuple(int(value) for value in colour))):
        cv2.polylines(picture, lines, True, shade, max(1, round(thickness)), cv2.LINE_AA, _SHIFT)


def _smoothed(contour_xy: npt.NDArray[np.int32], width: float) -> npt.NDArray[np.int32]:
    """Average a closed pixel contour (n, 2) over a line width, which removes its steps; fixed-point xy comes out."""
    import cv2

    window = min(2 * round(width) + 1, len(contour_xy))
    column = contour_xy.astype(np.float32).reshape(-1, 1, 2)
    padded = np.concatenate([column[-window:], column, column[:window]])
    smooth = cv2.blur(padded, (1, window), borderType=cv2.BORDER_REFLECT_101)[window:-window]
    return np.rint(smooth * (1 << _SHIFT)).astype(np.int32)


def _draw_point(picture: ImageArray, point_xy: FloatArray, colour: npt.NDArray[np.uint8]) -> None:
    """A dot of the instance's colour in a white and a dark ring, in place."""
    import cv2

    width = _line_width(picture)
    centre = tuple(int(value) for value in np.rint(point_xy * (1 << _SHIFT)))
    for radius, shade in ((2.9, (20, 20, 20)), (2.4, (255, 255, 255)), (1.4, tuple(int(value) for value in colour))):
        cv2.circle(picture, centre, round(radius * width * (1 << _SHIFT)), shade, -1, cv2.LINE_AA, _SHIFT)


def _anchor(labels: LabelMap, label: int, point_xy: FloatArray | None) -> tuple[float, float]:
    """The point of a label if it lies on it, else the pixel of the label that is farthest from its outline."""
    import cv2

    if point_xy is not None:
        x, y = (int(value) for value in np.rint(point_xy))
        if 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1] and labels[y, x] == label:
            return float(point_xy[0]), float(point_xy[1])
    mask = (labels == label).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(column), float(row)


def _write(picture: ImageArray, written: Sequence[tuple[str, tuple[float, float], int]]) -> ImageArray:
    """Write texts in white on dark to the right of their points, smaller on small objects (areas in pixels)."""
    from PIL import Image, ImageDraw, ImageFont

    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    width = _line_width(picture)
    for text, (x, y), area in written:
        largest = max(11.0, 9 * width)
        font = ImageFont.load_default(size=float(np.clip(0.4 * np.sqrt(area), max(9.0, 0.7 * largest), largest)))
        left, top, right, bottom = draw.textbbox((0, 0), text, font, anchor="lm")
        x = max(2 * width, min(x + 5.5 * width, canvas.width - right - 2 * width))
        y = max(-top + width, min(y, canvas.height - bottom - width))
        box = (x + left - 1.8 * width, y + top - 1.2 * width, x + right + 1.8 * width, y + bottom + 1.2 * width)
        draw.rounded_rectangle(box, radius=2 * width, fill=(20, 20, 20))
        draw.text((x, y), text, "white", font, anchor="lm")
    return np.array(canvas)


def plot(picture: ImageArray, points_xy: FloatArray, ax: matplotlib.axes.Axes | None) -> matplotlib.axes.Axes:
    """See :meth:`uois_sam.instances.Instances.plot`."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise MissingExtraError("plot", "plot", "matplotlib") from error
    if ax is None:
        ax = plt.subplots(layout="constrained")[1]
    ax.imshow(picture)
    x, y = points_xy.T
    ax.scatter(x, y, s=14, c=colours(len(points_xy)) / 255, edgecolors="white", linewidths=0.8)
    ax.set_axis_off()
    return ax


def _on_photo(values: Tensor, image: ImageArray) -> FloatArray:
    """A (Hp, Wp) map of the prompt frame stretched over the photo and clipped to 0..1, float32 (H, W)."""
    import cv2

    array = values.detach().float().cpu().numpy()
    stretched = cv2.resize(array, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(stretched.clip(0, 1), dtype=np.float32)


def _faded(image: ImageArray) -> ImageArray:
    """The photo in dark grey, so that colour stands out."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.cvtColor(cv2.convertScaleAbs(grey, alpha=0.45), cv2.COLOR_GRAY2RGB), dtype=np.uint8)


def _mix(below: ImageArray, above: npt.NDArray[np.generic], opacity: FloatArray) -> ImageArray:
    import cv2

    return np.asarray(cv2.blendLinear(np.asarray(above), below, opacity, 1 - opacity), dtype=np.uint8)
