"""Procedural pictures for surfaces: printed labels, wood, fabric, stone, stripes and the like.

Every painter takes a random generator and a side length and returns (S, S, 3) uint8 sRGB. Textures of supports tile.
"""

from __future__ import annotations

import colorsys
import string
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from scipy.ndimage import gaussian_filter
from scipy.special import expit

Rng = np.random.Generator
Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]


def random_colour(rng: Rng) -> Colour:
    """An everyday colour: strong packaging hues, pastels, greys, near-black and near-white, browns."""
    kind = rng.random()
    if kind < 0.45:
        hue, saturation, value = rng.random(), rng.uniform(0.55, 1.0), rng.uniform(0.35, 1.0)
    elif kind < 0.6:
        hue, saturation, value = rng.random(), rng.uniform(0.1, 0.5), rng.uniform(0.5, 1.0)
    elif kind < 0.88:
        hue, saturation, value = rng.random(), rng.uniform(0, 0.08), rng.choice([0.06, 0.2, 0.5, 0.8, 0.95])
    else:
        hue, saturation, value = rng.uniform(0.04, 0.13), rng.uniform(0.3, 0.7), rng.uniform(0.25, 0.8)
    red, green, blue = (round(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def vary(colour: Colour, rng: Rng, amount: float) -> Colour:
    """A colour near the given one; ``amount`` is the largest shift in 8-bit steps."""
    red, green, blue = np.clip(np.array(colour) + rng.uniform(-amount, amount, 3), 0, 255).astype(int).tolist()
    return red, green, blue


def plain(rng: Rng, size: int) -> Picture:
    """One colour with faint wear."""
    base = np.array(random_colour(rng), dtype=float)
    wear = noise(rng, size, rng.uniform(2, 40))[..., None] * rng.uniform(0, 12)
    return to_uint8(base + wear)


def gradient(rng: Rng, size: int) -> Picture:
    """Two colours that blend along v: ripe fruit, sprayed plastic."""
    a, b = np.array(random_colour(rng)), np.array(random_colour(rng))
    ramp = np.linspace(0, 1, size)[:, None, None] + 0.15 * noise(rng, size, 20)[..., None]
    mix = expit((ramp - rng.uniform(0.2, 0.8)) * rng.uniform(3, 30))
    return to_uint8(a * (1 - mix) + b * mix)


def speckle(rng: Rng, size: int) -> Picture:
    """Carpet, cork, terrazzo, sponge: grains at one scale around one or two colours."""
    a = np.array(random_colour(rng), dtype=float)
    b = np.array(vary(random_colour(rng) if rng.random() < 0.3 else (int(a[0]), int(a[1]), int(a[2])), rng, 60))
    grain = noise(rng, size, rng.uniform(0.6, 4))
    mix = (grain > rng.uniform(-0.5, 1.2))[..., None] if rng.random() < 0.4 else (0.5 + 0.35 * grain)[..., None]
    return to_uint8(a * (1 - mix) + b * mix)


def marble(rng: Rng, size: int) -> Picture:
    """Veins of a second colour through soft clouds."""
    a, b = np.array(random_colour(rng)), np.array(random_colour(rng))
    cloud = noise(rng, size, size / 12) + 0.4 * noise(rng, size, size / 40)
    mix = np.abs(np.sin(cloud * rng.uniform(1, 5)))[..., None] ** rng.uniform(0.3, 3)
    return to_uint8(a * mix + b * (1 - mix))


def wood(rng: Rng, size: int) -> Picture:
    """Boards with grain along u and thin joints."""
    tone = np.array(colorsys.hsv_to_rgb(rng.uniform(0.05, 0.11), rng.uniform(0.15, 0.65), rng.uniform(0.25, 0.95)))
    boards = int(rng.integers(1, 7))
    picture = np.zeros((size, size, 3))
    edges = np.linspace(0, size, boards + 1).astype(int)
    for top, bottom in zip(edges[:-1], edges[1:], strict=True):
        grain = gaussian_filter(rng.normal(size=(bottom - top, size)), (rng.uniform(0.7, 3), size / 8), mode="wrap")
        grain /= grain.std() + 1e-9
        shade = 1 + 0.07 * rng.normal() + rng.uniform(0.02, 0.12) * grain
        picture[top:bottom] = tone * shade[..., None]
        picture[top : top + (1 if boards > 1 else 0)] *= 0.6
    return to_uint8(picture * 255)


def stripes(rng: Rng, size: int) -> Picture:
    """Bars of two to four colours, along u or v."""
    colours = np.array([random_colour(rng) for _ in range(rng.integers(2, 5))])
    count = int(rng.integers(2, 24))
    index = (np.arange(size) * count // size) % len(colours)
    bars = np.broadcast_to(colours[index][None], (size, size, 3))
    return to_uint8(bars if rng.random() < 0.5 else bars.transpose(1, 0, 2))


def checker(rng: Rng, size: int) -> Picture:
    """Chessboard, tiles with joints, or a plaid cloth."""
    a, b = np.array(random_colour(rng), dtype=float), np.array(random_colour(rng), dtype=float)
    cells = int(rng.integers(2, 12))
    phase = np.arange(size) * cells / size
    kind = rng.integers(3)
    if kind == 0:
        mix = ((phase.astype(int)[:, None] + phase.astype(int)[None]) % 2)[..., None].astype(float)
    elif kind == 1:
        joint = phase % 1 < rng.uniform(0.02, 0.08)
        mix = (joint[:, None] | joint[None])[..., None].astype(float)
    else:
        bar = (phase % 1 < rng.uniform(0.2, 0.6)).astype(float)
        mix = (0.5 * bar[:, None] + 0.5 * bar[None])[..., None]
    return to_uint8(a * (1 - mix) + b * mix + 6 * noise(rng, size, 1.5)[..., None])


def weave(rng: Rng, size: int) -> Picture:
    """Woven cloth: fine threads both ways, with slubs."""
    a = np.array(random_colour(rng), dtype=float)
    threads = int(rng.integers(40, 140))
    phase = np.sin(np.arange(size) * 2 * np.pi * threads / size)
    pattern = phase[:, None] * phase[None] * rng.uniform(4, 30)
    slub = gaussian_filter(rng.normal(size=(size, size)), (0.6, 8), mode="wrap") * rng.uniform(10, 90)
    return to_uint8(a + (pattern + slub)[..., None])


def picture(rng: Rng, size: int) -> Picture:
    """A stand-in for printed photographs: shaded round and angular shapes heaped on a gradient."""
    canvas = Image.fromarray(gradient(rng, size))
    draw = ImageDraw.Draw(canvas)
    palette = [random_colour(rng) for _ in range(3)]
    for _ in range(int(rng.integers(4, 26))):
        x, y, r = rng.uniform(0, size), rng.uniform(0.1 * size, size), rng.uniform(0.02, 0.22) * size
        colour = vary(palette[rng.integers(3)], rng, 30)
        if rng.random() < 0.6:
            draw.ellipse([x - r, y - r * 0.8, x + r, y + r * 0.8], fill=vary(colour, rng, 50))
            draw.ellipse([x - r * 0.8, y - r * 0.75, x + r * 0.7, y + r * 0.5], fill=colour)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, 5))
            draw.polygon([(x + r * np.cos(a), y + r * np.sin(a)) for a in angles], fill=colour)
    return np.asarray(canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0, size / 120))))


def label(rng: Rng, size: int) -> Picture:
    """A printed label: bands of colour, a picture, a brand name, small print, a bar code."""
    scheme = [random_colour(rng) for _ in range(3)]
    return print_label(rng, size, size, scheme)


def atlas(rng: Rng, size: int) -> Picture:
    """Six labels of one design in a 3x2 grid, one for every face of a carton."""
    scheme = [random_colour(rng) for _ in range(3)]
    cell_w, cell_h = size // 3, size // 2
    canvas = np.zeros((size, size, 3), dtype=np.uint8)
    canvas[:] = scheme[0]
    front, side = print_label(rng, cell_w, cell_h, scheme), print_label(rng, cell_w, cell_h, scheme)
    for index in range(6):
        panel = front if index < 2 or rng.random() < 0.3 else side
        if index >= 4 and rng.random() < 0.6:
            panel = print_label(rng, cell_w, cell_h, scheme)
        row, column = (index // 3) * cell_h, (index % 3) * cell_w
        canvas[row : row + cell_h, column : column + cell_w] = panel
    return canvas


def print_label(rng: Rng, width: int, height: int, scheme: list[Colour]) -> Picture:
    """One printed face of ``height`` x ``width`` pixels in the given colour scheme."""
    canvas = Image.new("RGB", (width, height), scheme[0])
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(0, 3))):
        y, h = rng.uniform(0, height), rng.uniform(0.05, 0.4) * height
        draw.rectangle([0, y, width, y + h], fill=scheme[rng.integers(3)])
    if rng.random() < 0.65:
        side = int(rng.uniform(0.3, 0.9) * min(width, height))
        canvas.paste(Image.fromarray(picture(rng, side)),
                     (int(rng.uniform(0, width - side)), int(rng.uniform(0.2, 1) * (height - side))))  # fmt: skip
    if rng.random() < 0.4:
        x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.15, 0.4) * width
        draw.ellipse([x - r, y - 0.6 * r, x + r, y + 0.6 * r], fill=scheme[rng.integers(3)])
    for _ in range(int(rng.integers(1, 4))):
        _write(rng, canvas, _word(rng, 3, 9), int(rng.uniform(0.08, 0.24) * width))
    if rng.random() < 0.6:
        x, y = rng.uniform(0, 0.6) * width, rng.uniform(0.1, 0.7) * height
        for line in range(int(rng.integers(3, 9))):
            text = " ".join(_word(rng, 2, 8) for _ in range(4))
            draw.text((x, y + line * height * 0.035), text, fill=_contrast(scheme[0]), font=_font(height * 0.03))
    if rng.random() < 0.3:
        x, y = rng.uniform(0, 0.7) * width, rng.uniform(0, 0.85) * height
        draw.rectangle([x, y, x + width * 0.28, y + height * 0.12], fill=(255, 255, 255))
        for bar in np.flatnonzero(rng.random(40) < 0.5):
            left = x + width * (0.02 + 0.006 * bar)
            draw.line([left, y + height * 0.01, left, y + height * 0.11], fill=(0, 0, 0))
    return np.asarray(canvas)


def noise(rng: Rng, size: int, scale: float) -> npt.NDArray[np.float64]:
    """(S, S) float64 tiling noise of unit deviation; ``scale`` is the grain in pixels."""
    field = gaussian_filter(rng.normal(size=(size, size)), scale, mode="wrap")
    return field / (field.std() + 1e-9)


def to_uint8(values: npt.NDArray[np.generic]) -> Picture:
    """Clip to 0..255 and round."""
    return np.clip(np.rint(np.asarray(values, dtype=float)), 0, 255).astype(np.uint8)


PAINTERS: dict[str, Callable[[Rng, int], Picture]] = {
    "plain": plain, "gradient": gradient, "speckle": speckle, "marble": marble, "wood": wood, "stripes": stripes,
    "checker": checker, "weave": weave, "picture": picture, "label": label, "atlas": atlas,
}  # fmt: skip
"""Every texture kind by name; a scene description stores the name and the seed, not the pixels."""


def paint(kind: str, seed: int, size: int) -> Picture:
    """The texture of one surface: the same kind, seed and size give the same pixels."""
    return np.array(PAINTERS[kind](np.random.default_rng(seed), size), order="C")  # writable, as Mitsuba wants it


def desaturate(pixels: Picture, saturation: float) -> Picture:
    """Blend towards grey: 1 leaves the colours, 0 removes them."""
    grey = pixels @ np.array([0.299, 0.587, 0.114])
    return to_uint8(pixels * saturation + grey[..., None] * (1 - saturation))


def _word(rng: Rng, shortest: int, longest: int) -> str:
    letters = string.ascii_uppercase if rng.random() < 0.6 else string.ascii_lowercase
    return "".join(rng.choice(list(letters), rng.integers(shortest, longest + 1)))


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(6, size))


def _contrast(colour: Colour) -> Colour:
    return (20, 20, 20) if sum(colour) > 380 else (240, 240, 240)


def _write(rng: Rng, canvas: Image.Image, text: str, size: int) -> None:
    fill = random_colour(rng) if rng.random() < 0.6 else _contrast(canvas.getpixel((5, 5)))  # type: ignore[arg-type]
    stroke = int(rng.integers(0, max(2, size // 10)))
    strip = Image.new("RGBA", (canvas.width, 2 * size), (0, 0, 0, 0))
    ImageDraw.Draw(strip).text((size * 0.2, size * 0.3), text, font=_font(size), fill=fill, stroke_width=stroke,
                               stroke_fill=_contrast(fill))  # fmt: skip
    strip = strip.rotate(float(rng.choice([0, 0, 0, rng.uniform(-15, 15)])), expand=True)
    position = (int(rng.uniform(-0.1, 0.3) * canvas.width), int(rng.uniform(0, 0.8) * canvas.height))
    canvas.paste(strip, position, strip)
