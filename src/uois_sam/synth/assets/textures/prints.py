"""Printed surfaces: labels and cartons with text and pictures, pages, screens, posters."""

from __future__ import annotations

import string

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from uois_sam.synth.assets.textures.fields import Colour, Picture, Rng, contrast, noise, random_colour, shade, vary
from uois_sam.synth.assets.textures.materials import gradient, marble


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
            draw.text((x, y + line * height * 0.035), text, fill=contrast(scheme[0]), font=_font(height * 0.03))
    if rng.random() < 0.3:
        x, y = rng.uniform(0, 0.7) * width, rng.uniform(0, 0.85) * height
        draw.rectangle([x, y, x + width * 0.28, y + height * 0.12], fill=(255, 255, 255))
        for bar in np.flatnonzero(rng.random(40) < 0.5):
            left = x + width * (0.02 + 0.006 * bar)
            draw.line([left, y + height * 0.01, left, y + height * 0.11], fill=(0, 0, 0))
    return np.asarray(canvas)


def page(rng: Rng, size: int) -> Picture:
    """A printed sheet: lines of text, a heading, now and then a table or a chart."""
    canvas = Image.new("RGB", (size, size), vary((240, 238, 232), rng, 14))
    draw = ImageDraw.Draw(canvas)
    y, step = 0.06 * size, rng.uniform(0.022, 0.05) * size
    columns = int(rng.integers(1, 3))
    while y < 0.94 * size:
        if rng.random() < 0.06:
            height = rng.uniform(0.08, 0.25) * size
            draw.rectangle([0.1 * size, y, rng.uniform(0.4, 0.9) * size, y + height], fill=random_colour(rng))
            y += height + step
        for column in range(columns):
            left, width = size * (0.06 + column / columns), size * (0.9 / columns - 0.05)
            ink = (60, 60, 64) if rng.random() < 0.95 else random_colour(rng)
            for start, stop in _words(rng, width * rng.uniform(0.5, 1.0), step):
                draw.rectangle([left + start, y, left + stop, y + step * 0.45], fill=ink)
        y += step
    return np.array(canvas)


def screen(rng: Rng, size: int) -> Picture:
    """A monitor that is on: windows and rows of text, or an almost black panel."""
    dark = rng.random() < 0.5
    canvas = Image.new("RGB", (size, size), vary((14, 15, 18) if dark else (90, 110, 140), rng, 12))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(0 if dark else 1, 5))):
        x, y = rng.uniform(-0.1, 0.7, 2) * size
        w, h = rng.uniform(0.2, 0.7, 2) * size
        ground = (30, 32, 36) if dark else (236, 236, 238)
        draw.rectangle([x, y, x + w, y + h], fill=ground)
        draw.rectangle([x, y, x + w, y + 0.04 * size], fill=random_colour(rng))
        for line in np.arange(y + 0.07 * size, y + h - 0.03 * size, 0.03 * size):
            for start, stop in _words(rng, w * rng.uniform(0.2, 0.9), 0.03 * size):
                draw.rectangle([x + 6 + start, line, x + 6 + stop, line + 0.012 * size], fill=contrast(ground))
    return np.array(canvas)


def badge(rng: Rng, size: int) -> Picture:
    """A label of another school: rays or rings about an emblem, one big word, a border."""
    return print_badge(rng, size, size, [random_colour(rng) for _ in range(4)])


def crate(rng: Rng, size: int) -> Picture:
    """Six badges of one design, one for every face of a carton."""
    scheme = [random_colour(rng) for _ in range(4)]
    width, height = size // 3, size // 2
    faces = [print_badge(rng, width, height, scheme) for _ in range(3)]
    canvas = np.zeros((size, size, 3), dtype=np.uint8)
    canvas[:] = scheme[0]
    for index in range(6):
        row, column = (index // 3) * height, (index % 3) * width
        canvas[row : row + height, column : column + width] = faces[min(index // 2, 2)]
    return canvas


def print_badge(rng: Rng, width: int, height: int, scheme: list[Colour]) -> Picture:
    """One face of ``height`` x ``width`` pixels in the style of :func:`badge`."""
    canvas = Image.new("RGB", (width, height), scheme[0])
    draw = ImageDraw.Draw(canvas)
    x, y = width * rng.uniform(0.35, 0.65), height * rng.uniform(0.3, 0.6)
    reach = rng.uniform(0.25, 0.45) * min(width, height)
    if rng.random() < 0.5:
        rays = 2 * int(rng.integers(5, 14))
        for ray in range(0, rays, 2):
            draw.pieslice([x - 2 * width, y - 2 * width, x + 2 * width, y + 2 * width],
                          360 * ray / rays, 360 * (ray + 1) / rays, fill=scheme[1])  # fmt: skip
    else:
        for ring in range(int(rng.integers(3, 7)), 0, -1):
            r = reach * (1 + 0.35 * ring)
            draw.ellipse([x - r, y - r, x + r, y + r], fill=scheme[ring % 2])
    draw.ellipse([x - reach, y - 0.7 * reach, x + reach, y + 0.7 * reach], fill=scheme[2], outline=scheme[3], width=4)
    size_px = max(8, int(reach * rng.uniform(0.4, 0.7)))
    draw.text((x, y), _word(rng, 3, 7), font=_font(size_px), fill=contrast(scheme[2]), anchor="mm")
    for line in range(int(rng.integers(0, 6))):
        draw.text((width / 2, height * (0.78 + 0.035 * line)), " ".join(_word(rng, 2, 8) for _ in range(3)),
                  font=_font(height * 0.03), fill=contrast(scheme[0]), anchor="mm")  # fmt: skip
    if rng.random() < 0.6:
        draw.rectangle([2, 2, width - 3, height - 3], outline=scheme[3], width=int(rng.integers(2, 7)))
    return np.array(canvas)


def scenery(rng: Rng, size: int) -> Picture:
    """A stand-in for landscape photographs and posters: sky, ridges, a sun, foreground tufts."""
    pixels = gradient(rng, size)
    skyline = 0.3 * size
    for _ in range(int(rng.integers(2, 6))):
        heights = np.cumsum(noise(rng, size, size / 10)[0]) * rng.uniform(0.1, 0.6)
        ridge = (np.arange(size)[:, None] > skyline + (heights - heights.mean())[None])[..., None]
        pixels = np.where(ridge, shade(random_colour(rng), 1 + 0.2 * noise(rng, size, 5)), pixels)
        skyline += rng.uniform(0.05, 0.25) * size
    return np.ascontiguousarray(pixels) if rng.random() < 0.8 else marble(rng, size)


def _word(rng: Rng, shortest: int, longest: int) -> str:
    letters = string.ascii_uppercase if rng.random() < 0.6 else string.ascii_lowercase
    return "".join(rng.choice(list(letters), rng.integers(shortest, longest + 1)))


def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=max(6, size))


def _write(rng: Rng, canvas: Image.Image, text: str, size: int) -> None:
    fill = random_colour(rng) if rng.random() < 0.6 else contrast(canvas.getpixel((5, 5)))  # type: ignore[arg-type]
    stroke = int(rng.integers(0, max(2, size // 10)))
    strip = Image.new("RGBA", (canvas.width, 2 * size), (0, 0, 0, 0))
    ImageDraw.Draw(strip).text((size * 0.2, size * 0.3), text, font=_font(size), fill=fill, stroke_width=stroke,
                               stroke_fill=contrast(fill))  # fmt: skip
    strip = strip.rotate(float(rng.choice([0, 0, 0, rng.uniform(-15, 15)])), expand=True)
    position = (int(rng.uniform(-0.1, 0.3) * canvas.width), int(rng.uniform(0, 0.8) * canvas.height))
    canvas.paste(strip, position, strip)


def _words(rng: Rng, width: float, height: float) -> list[tuple[float, float]]:
    """Start and end of the words of one line of text, in pixels."""
    words, at = [], 0.0
    while at < width:
        length = rng.uniform(0.6, 3.5) * height
        words.append((at, min(at + length, width)))
        at += length + 0.4 * height
    return words
