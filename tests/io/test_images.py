"""Every kind of good and bad input the reader may meet."""

from __future__ import annotations

import base64
import io
import logging
import os
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uois_sam.errors import ImageError
from uois_sam.io import images
from uois_sam.io.images import read_image, read_photo
from uois_sam.io.video import frame_count, read_video

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def save(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def photo(height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


# --- what is read


def test_png_path_pil_and_array_agree(tmp_path):
    array = photo()
    path = save(Image.fromarray(array), tmp_path / "a.png")
    for source in (path, str(path), Image.fromarray(array), array):
        result = read_image(source)
        assert result.dtype == np.uint8 and result.flags.c_contiguous
        np.testing.assert_array_equal(result, array)


def test_strided_array_becomes_contiguous():
    array = photo()[:, ::-1]
    assert read_image(array).flags.c_contiguous
    np.testing.assert_array_equal(read_image(array), array)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.new("L", (1, 1), 7), (7, 7, 7)),
        (Image.new("1", (1, 1), 1), (255, 255, 255)),
        (Image.new("RGBA", (1, 1), (0, 0, 255, 255)), BLUE),
        (Image.new("LA", (1, 1), (9, 255)), (9, 9, 9)),
        (Image.new("CMYK", (1, 1), (0, 255, 255, 0)), RED),
        (Image.fromarray(np.array([[65535]], dtype=np.uint16)), (255, 255, 255)),
        (Image.fromarray(np.array([[9]], dtype=np.uint16)), (9, 9, 9)),
        (Image.fromarray(np.array([[257 * 99]], dtype=np.int32)), (99, 99, 99)),
    ],
)
def test_one_pixel_of_every_mode(image, expected):
    result = read_image(image)
    assert result.shape == (1, 1, 3)
    assert tuple(result[0, 0].tolist()) == expected


def test_palette_with_a_transparent_colour_shows_white(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putdata([0, 1])
    path = save(image, tmp_path / "p.png", transparency=1)
    np.testing.assert_array_equal(read_image(path), [[RED, (255, 255, 255)]])


def test_16_bit_png_uses_the_full_range(tmp_path):
    values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    result = read_image(save(Image.fromarray(values), tmp_path / "deep.png"))
    np.testing.assert_array_equal(result[:, :, 0], [[0, 1, 128, 255]])


def test_exif_rotation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the file's left column is the top row
    array = np.zeros((8, 16, 3), dtype=np.uint8)
    array[:, :8] = 255
    path = save(Image.fromarray(array), tmp_path / "r.png", exif=exif)
    result = read_image(path)
    assert result.shape == (16, 8, 3)
    assert result[:8].min() == 255 and result[8:].max() == 0


def test_exif_rotation_is_applied_to_16_bit_grey(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(Image.fromarray(np.zeros((8, 16), dtype=np.uint16)), tmp_path / "r.png", exif=exif)
    assert read_image(path).shape == (16, 8, 3)


def test_animated_gif_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (4, 3), colour) for colour in (RED, GREEN)]
    path = save(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(path), np.full((3, 4, 3), RED))


def test_cmyk_jpeg(tmp_path):
    result = read_image(save(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), tmp_path / "c.jpg"))
    np.testing.assert_allclose(result[4, 4], RED, atol=4)


@pytest.mark.parametrize("hw", [(200, 20_000), (20_000, 200), (1, 1), (1, 5000)])
def test_extreme_shapes(tmp_path, hw):
    path = save(Image.new("RGB", hw[::-1]), tmp_path / "x.png")
    assert read_image(path).shape == (*hw, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_shown_on_white(mode):
    image = Image.new(mode, (2, 1), (9, 9, 9, 0) if mode == "RGBA" else (9, 0))
    image.putpixel((1, 0), (9, 9, 9, 255) if mode == "RGBA" else (9, 255))
    photo = read_photo(image)
    np.testing.assert_array_equal(photo.pixels, [[(255, 255, 255), (9, 9, 9)]])
    assert "transparency shown on white" in photo.notes[0]


@pytest.mark.parametrize("alpha", [0, 1, 128])
def test_transparency_that_is_the_same_everywhere_says_nothing(tmp_path, alpha):
    array = photo()
    image = Image.fromarray(array).convert("RGBA")
    image.putalpha(alpha)
    read = read_photo(save(image, tmp_path / "camera.png"))
    np.testing.assert_array_equal(read.pixels, array)
    assert read.notes == (f"converted from RGBA (transparency of {alpha} everywhere left out) to 8-bit RGB",)


@pytest.mark.parametrize(("bits", "factor"), [(8, 1), (10, 4), (12, 16), (14, 64)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_fewer_bits_than_the_file_has(tmp_path, bits, factor, suffix):
    grey = np.random.default_rng(0).integers(0, 256, (80, 90)).astype(np.uint16)
    grey[0, 0] = 255
    read = read_photo(save(Image.fromarray(grey * factor), tmp_path / f"deep.{suffix}"))
    assert np.abs(read.pixels[:, :, 0].astype(int) - grey).max() <= 1
    assert f"its values up to {255 * factor} taken as {bits}-bit" in read.notes[0]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(("bits", "factor"), [(10, 4), (12, 16)])
def test_fewer_bits_in_colour(tmp_path, suffix, bits, factor):
    cv2 = pytest.importorskip("cv2")
    array = photo()
    array[0, 0] = 255
    path = tmp_path / f"deep.{suffix}"
    cv2.imwrite(str(path), array[:, :, ::-1].astype(np.uint16) * factor)
    read = read_photo(path)
    assert np.abs(read.pixels.astype(int) - array).max() <= 1
    assert f"taken as {bits}-bit" in read.notes[0]


def test_colours_of_the_full_16_bits_keep_their_upper_8(tmp_path):
    cv2 = pytest.importorskip("cv2")
    array = photo()
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), array[:, :, ::-1].astype(np.uint16) * 257)
    read = read_photo(path)
    np.testing.assert_array_equal(read.pixels, array)
    assert read.notes == ("converted from 16-bit colour to 8-bit RGB",)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_deep_colours_with_transparency(tmp_path, suffix, bits):
    cv2 = pytest.importorskip("cv2")
    array = photo()
    array[0, 0], array[:, 1] = 255, 90
    opaque = np.full(array.shape[:2], 65535, np.uint16)
    opaque[:, 1] = 0
    colours = (array.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)
    path = tmp_path / f"deep.{suffix}"
    cv2.imwrite(str(path), np.dstack([colours[:, :, ::-1], opaque]))
    read = read_photo(path)
    array[:, 1] = 255  # shown on white
    assert np.abs(read.pixels.astype(int) - array).max() <= 1
    taken = f", its values up to {(1 << bits) - 1} taken as {bits}-bit (if it is a depth map, it is no photo)"
    said = "converted from 16-bit colour with transparency (transparency shown on white) to 8-bit RGB"
    assert read.notes == (said + taken * (bits < 16),)


def test_deep_colours_that_are_dark_and_turned_are_told(tmp_path):
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "deep.png"
    cv2.imwrite(str(path), photo().astype(np.uint16) * 16)
    content = path.read_bytes()
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = b"eXIf" + turned
    at = content.index(b"IDAT") - 4
    length, check = len(turned).to_bytes(4, "big"), zlib.crc32(chunk).to_bytes(4, "big")
    path.write_bytes(content[:at] + length + chunk + check + content[at:])
    read = read_photo(path)
    assert read.pixels.shape == (60, 40, 3) and read.pixels.max() == 15
    said = "converted from 16-bit colour to 8-bit RGB, its values reach 4095 at most: stretch them"
    assert read.notes == (said,)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_lacks_only_its_end_marker(tmp_path, progressive):
    path = save(Image.fromarray(photo(120, 160)), tmp_path / "whole.jpg", progressive=progressive)
    whole = read_image(path)
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(path.read_bytes()[:-2])
    read = read_photo(cut)
    np.testing.assert_array_equal(read.pixels, whole)
    assert read.notes == ("the JPEG's end marker is missing; its pixels are all there",)


@pytest.mark.parametrize("missing", [3, 20, 60, 300])
def test_a_jpeg_that_lacks_pixels_is_refused(tmp_path, missing):
    path = save(Image.fromarray(photo(120, 160)), tmp_path / "cut.jpg")
    path.write_bytes(path.read_bytes()[: -2 - missing])
    refused(path, "cut.jpg", "damaged")


def test_bytes_and_files_in_memory(tmp_path):
    path = save(Image.fromarray(photo()), tmp_path / "a.png")
    for source in (path.read_bytes(), bytearray(path.read_bytes()), io.BytesIO(path.read_bytes())):
        np.testing.assert_array_equal(read_image(source), photo())
    refused(b"", "empty")
    refused(b"no photo", "another kind of file")


def test_pictures_that_are_no_photos_are_doubted(tmp_path):
    mask = np.zeros((80, 90), np.uint8)
    mask[20:40, 30:60] = 255
    labels = np.arange(80 * 90).reshape(80, 90).astype(np.uint8) // 64 * 8 % 19
    scene = np.asarray(Image.fromarray(photo(30, 40)).resize((120, 90), Image.Resampling.BICUBIC))
    mosaic = scene[:, :, 1].copy()
    mosaic[::2, 1::2], mosaic[1::2, ::2] = scene[::2, 1::2, 0] // 2, scene[1::2, ::2, 2] // 3
    for pixels, said in (
        (mask, "is it a mask?"),
        (labels, "is it a label map?"),
        (mosaic, "Bayer"),
        (mask * 0, "0, e"),
    ):
        assert said in read_photo(Image.fromarray(pixels)).notes[1]
    assert len(read_photo(Image.fromarray(scene[:, :, 1])).notes) == 1
    assert read_photo(Image.fromarray(scene)).notes == ()


def test_each_conversion_is_said_once_a_photo(tmp_path, caplog):
    caplog.set_level(logging.INFO, "uois_sam")
    grey = save(Image.new("L", (2, 2)), tmp_path / "grey.png")
    rgba = save(Image.new("RGBA", (2, 2)), tmp_path / "rgba.png")
    for path in (grey, rgba, grey):
        read_image(path)
    assert len(caplog.messages) == 3
    assert "grey.png: converted from 8-bit grey" in caplog.messages[0]
    assert "RGBA" in caplog.messages[1]


def test_plain_rgb_says_nothing(caplog):
    caplog.set_level(logging.INFO, "uois_sam")
    read_image(Image.fromarray(photo()))
    assert not caplog.messages


# --- what is refused


def refused(source, *parts: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(source)
    message = str(caught.value)
    assert "\n" not in message and "expected" in message
    for part in parts:
        assert part in message


def test_formats_that_start_programs_are_not_opened(tmp_path):
    for index, content in enumerate(
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"GRIB" + bytes(99), b"BUFR")
    ):
        path = tmp_path / f"{index}.png"
        path.write_bytes(content)
        refused(path, "another kind of file")


def test_a_tiff_of_floats_is_called_one(tmp_path):
    cv2 = pytest.importorskip("cv2")
    cv2.imwrite(str(tmp_path / "deep.tif"), photo().astype(np.float32) / 255)
    refused(tmp_path / "deep.tif", "a TIFF that is damaged, or of floats")


def test_a_pipe_is_no_photo(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "a pipe or device")


def test_a_name_that_no_file_can_have():
    refused("a\0.png", "a name that no file can have")


@pytest.mark.parametrize("content", [b"P6 #" + b"x" * 200_000, b"P6\n" + b"#\n" * 100_000, b"P5 " + b" " * 100_000])
def test_a_header_without_end(tmp_path, content):
    path = tmp_path / "endless.ppm"
    path.write_bytes(content)
    refused(path, "endless.ppm")


def test_a_commented_header_is_read(tmp_path):
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P6 # made by hand\n2 1\n# more\n255\n" + bytes([9] * 6))
    assert read_image(path).tolist() == [[[9, 9, 9], [9, 9, 9]]]


def test_a_tiff_of_many_pages_is_read_at_once(tmp_path):
    pages = [Image.new("L", (2, 2), value) for value in range(3)]
    path = save(pages[0], tmp_path / "many.tif", save_all=True, append_images=pages[1:])
    assert "several frames; only the first is used" in read_photo(path).notes


def test_missing_file(tmp_path):
    refused(tmp_path / "no.jpg", "no.jpg", "No such file")


def test_folder(tmp_path):
    refused(tmp_path, str(tmp_path), "folder")


def test_text_renamed_to_jpg(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("not a photo at all")
    refused(path, "text.jpg", "another kind of file")


def test_empty_file(tmp_path):
    path = tmp_path / "empty.jpg"
    path.touch()
    refused(path, "empty.jpg", "empty file")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "tif", "bmp"])
def test_truncated_file(tmp_path, suffix):
    path = save(Image.fromarray(photo(120, 160)), tmp_path / f"cut.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path, f"cut.{suffix}")


@pytest.mark.parametrize("cut", [1, 2, 4, 10, 20, 100, 200])
def test_headless_jpeg(tmp_path, cut):
    path = save(Image.fromarray(photo()), tmp_path / "cut.jpg")
    path.write_bytes(path.read_bytes()[:cut])
    refused(path, "cut.jpg")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), dtype=np.uint8),
        np.zeros((3, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 4), dtype=np.uint8),
        np.zeros((4, 4, 3), dtype=np.float32),
        np.zeros((0, 4, 3), dtype=np.uint8),
        np.zeros((4, 0, 3), dtype=np.uint8),
        np.zeros((1, 4, 4, 3), dtype=np.uint8),
    ],
)
def test_wrong_arrays(array):
    refused(array, str(array.shape))


def test_wrong_dtype_is_named():
    refused(np.zeros((4, 4, 3), dtype=np.float32), "uint8", "float32")


def test_zero_sized_pil_image():
    refused(Image.new("RGB", (0, 5)), "0x5")


def test_float_pil_image():
    refused(Image.new("F", (2, 2)), "'F'")


def test_32_bit_values_are_not_guessed():
    refused(Image.fromarray(np.array([[0, 70_000]], dtype=np.int32)), "0..65535", "70000")


def test_other_types():
    refused([[0, 1], [2, 3]], "list")


def test_an_array_of_too_many_pixels_is_refused_before_it_is_copied():
    with pytest.raises(ImageError, match="expected at most 178000000 pixels, found 1000000x1000000"):
        read_image(np.broadcast_to(np.uint8(3), (10**6, 10**6, 3)))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_a_tiff_in_which_0_is_white(tmp_path, bits):
    grey = np.arange(256, dtype=np.uint16).reshape(8, 32)
    if bits == 8:  # Pillow turns it round as it writes and as it reads
        Image.fromarray(grey.astype(np.uint8)).save(tmp_path / "a.tif", tiffinfo={262: 0})
    else:
        full = (1 << bits) - 1
        values = full - (grey.astype(np.uint32) * full + 127) // 255  # of that depth, in 16 bits
        Image.fromarray(values.astype(np.uint16)).save(tmp_path / "a.tif", tiffinfo={262: 0})
    with Image.open(tmp_path / "a.tif") as written:
        assert written.tag_v2[262] == 0
    photo = read_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.pixels[:, :, 0], grey)
    assert (f"taken as {bits}-bit" in photo.notes[0]) == (8 < bits < 16)


def test_too_many_pixels(tmp_path, monkeypatch):
    path = save(Image.new("1", (300, 200)), tmp_path / "big.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 50_000)
    refused(path, "50000", "300x200")


def test_decompression_bomb_that_pillow_stops(tmp_path, monkeypatch):
    path = save(Image.new("1", (300, 200)), tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20_000)
    refused(path, "big.png", "pixels")


def test_no_warning_below_our_limit(tmp_path, monkeypatch, recwarn):
    path = save(Image.new("RGB", (300, 200)), tmp_path / "big.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    assert read_image(path).shape == (200, 300, 3)
    assert not recwarn.list


# --- videos


@pytest.fixture
def video(tmp_path) -> Path:
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 48))
    for colour in (RED, GREEN, BLUE):
        writer.write(np.full((48, 64, 3), colour[::-1], dtype=np.uint8))
    writer.release()
    return path


def test_video_frames_are_rgb_and_numbered(video):
    frames = list(read_video(video))
    assert [index for index, _ in frames] == [0, 1, 2]
    for (_, frame), colour in zip(frames, (RED, GREEN, BLUE), strict=True):
        assert frame.shape == (48, 64, 3) and frame.dtype == np.uint8
        np.testing.assert_allclose(frame[24, 32], colour, atol=12)
    assert frame_count(video) == 3


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_not_a_video(tmp_path, content):
    path = tmp_path / "bad.mp4"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"bad\.mp4: expected a video"):
        next(read_video(path))
    with pytest.raises(ImageError, match=r"bad\.mp4: expected a video"):
        frame_count(path)


def test_missing_video(tmp_path):
    with pytest.raises(ImageError, match="No such file"):
        next(read_video(tmp_path / "no.mp4"))


def test_comments_of_a_plain_picture_take_no_time(tmp_path):
    path = tmp_path / "a.ppm"
    path.write_bytes(b"P3\n2 1\n255\n" + b"# c\n" * 400_000 + b"1 2 3 # first\n4 5 6\n")
    start = time.process_time()
    assert read_image(path).tolist() == [[[1, 2, 3], [4, 5, 6]]]
    assert time.process_time() - start < 3


class TestHEIC:
    """Photos of phones, with the package pillow-heif and without it."""

    @pytest.fixture
    def photo(self, tmp_path):
        pytest.importorskip("pillow_heif").register_heif_opener()
        steps = np.repeat(np.linspace(20, 230, 64).astype(np.uint8)[None, :, None], 48, axis=0)
        image = Image.fromarray(np.concatenate([steps, steps[:, ::-1], np.full_like(steps, 90)], axis=2))
        image.save(tmp_path / "a.HEIC", format="HEIF", quality=95)
        return tmp_path / "a.HEIC", np.asarray(image)

    def test_is_read_like_any_photo(self, photo):
        path, pixels = photo
        found = read_image(path)
        assert found.shape == pixels.shape
        assert np.abs(found.astype(int) - pixels).mean() < 4

    def test_a_damaged_one_is_refused_in_one_line(self, photo):
        path, _ = photo
        path.write_bytes(path.read_bytes()[:200])
        refused(path, "a.HEIC")

    def test_without_the_package_it_says_which(self, tmp_path, monkeypatch):
        monkeypatch.setattr("uois_sam.io.formats._has_heif", lambda: False)
        (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
        refused(tmp_path / "a.heic", "pip install pillow-heif")


@pytest.mark.parametrize(
    ("array", "hint"),
    [
        (np.full((4, 5, 3), 0.5, np.float32), r"float32 in 0..1: \(image \* 255\).round\(\).astype\(np.uint8\)"),
        (np.full((4, 5, 3), 7.5, np.float64), r"float64 in 7.5..7.5$"),
        (np.full((4, 5, 3), np.nan), "with values that are not finite"),
        (np.zeros((4, 5, 3), np.int64), r"int64 in 0..0$"),
        (np.zeros((3, 4, 5), np.uint8), "channels come first"),
        (np.zeros((1, 4, 5, 3), np.uint8), r"a batch of one, image\[0\]"),
        (np.zeros((4, 5), np.uint8), "grey"),
        (np.zeros((4, 5, 4), np.uint8), "with transparency"),
        (np.zeros((4, 5, 3), bool), r"bool$"),
        (np.zeros((4, 5, 3), complex), r"complex128$"),
    ],
)
def test_arrays_that_are_no_photo_come_with_a_hint(array: np.ndarray, hint: str) -> None:
    with pytest.raises(ImageError, match=rf"expected an image of shape \(H, W, 3\) and dtype uint8, found .*{hint}"):
        read_image(array)


def test_data_urls_are_read_and_other_urls_refused() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (3, 2), (1, 2, 3)).save(buffer, format="PNG")
    url = "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
    assert read_image(url).tolist() == [[[1, 2, 3]] * 3] * 2
    assert read_image("DATA:;base64," + url.partition(",")[2].replace("=", "%3D")).shape == (2, 3, 3)
    with pytest.raises(ImageError, match="https://example.org/a.jpg: expected a file, found a URL: download it first"):
        read_image("https://example.org/a.jpg")
