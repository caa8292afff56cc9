"""Reading of label maps and depth images exactly as stored, and the steps from them to a sample's labels."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.errors import DatasetError
from uois_sam.io.files import read_bounded, regular_size
from uois_sam.io.formats import LARGEST_FILE, MAX_PIXELS, is_deep, open_picture
from uois_sam.types import FloatArray, LabelMap

INTEGER_MODES = ("1", "L", "P", "I", "I;16", "I;16L", "I;16B", "I;16N")
"""Pillow modes that hold one integer a pixel; a palette image's indices are its labels."""


def read_label_map(path: str | os.PathLike[str], *, red_of_colour: bool = False) -> LabelMap:
    """Read a label map exactly as stored: no scaling, no colour conversion, no rotation.

    Args:
        path: an image of one integer channel (1, 8 or 16 bits, or a palette whose indices are the labels).
        red_of_colour: also take three-channel files, whose labels are the red channel (OpenCV's channel 2), as
            PhoCAL's and HouseCat6D's masks come.

    Returns:
        (H, W) uint16.

    Raises:
        DatasetError: for unreadable files, colour or float pixels, or values outside 0..65535.
    """
    values = _read_integers(path, "labels", red_of_colour)
    if values.dtype == np.int32 and values.size and (values.min() < 0 or values.max() > 65535):
        raise DatasetError(f"{path}: expected labels within 0..65535, found {values.min()}..{values.max()}")
    return values.astype(np.uint16)


def read_depth(path: str | os.PathLike[str], unit_m: float) -> FloatArray:
    """Read a depth image of one integer channel.

    Args:
        path: the image, or a NumPy array (``.npy``) of integers, or of floats in metres.
        unit_m: metres that one step of the stored integers stands for.

    Returns:
        (H, W) float32 metres; 0 where the sensor saw nothing.

    Raises:
        DatasetError: for unreadable files, or colour or float pixels.
    """
    if os.fspath(path).lower().endswith(".npy"):
        values = read_array(path, "depth")
        if values.dtype.kind == "f":
            metres = values.astype(np.float32)
            return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))
    else:
        values = _read_integers(path, "depth", red_of_colour=False)
    return (values * np.float32(unit_m)).astype(np.float32)


def read_integers_or_colours(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Read a label image as stored: (H, W) integers of up to 32 bits, or (H, W, 3) uint8 colours.

    Raises:
        DatasetError: for unreadable files, float pixels, or colours of 16 bits.
    """
    return _read_integers(path, "labels", red_of_colour=False, colours=True)


def read_array(path: str | os.PathLike[str], kind: str) -> npt.NDArray[Any]:
    """Read a NumPy array (``.npy``) of one number a pixel; an (H, W, 1) one loses its last axis.

    Raises:
        DatasetError: for unreadable files, pickled objects, or another shape or type.
    """
    try:
        regular_size(path)
        with open(path, "rb") as file:
            version = np.lib.format.read_magic(file)
            header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
            shape, _, dtype = header[version](file)
        pixels = math.prod(shape)
        if dtype.kind not in "biuf" or pixels > MAX_PIXELS:
            raise ValueError(f"{pixels} values of type {dtype}")
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, KeyError, EOFError, SyntaxError, TypeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise DatasetError(f"{path}: expected {kind} as an array of numbers, found another file ({reason})") from error
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.ndim != 2 or values.size == 0:
        raise DatasetError(f"{path}: expected {kind} of shape (H, W), found {values.shape}")
    return np.asarray(values)


def keep_objects(labels: LabelMap, first: int) -> LabelMap:
    """Clear every label below ``first`` (background, floor, table) and number the others 1..K in their order.

    Args:
        labels: (H, W) uint16.
        first: the smallest label that stands for an object.

    Returns:
        (H, W) uint16.
    """
    counts = np.bincount(labels.ravel())
    counts[:first] = 0
    numbers = np.zeros(len(counts), dtype=np.uint16)
    numbers[counts > 0] = np.arange(1, np.count_nonzero(counts) + 1)
    return numbers[labels]


def check_same_size(
    path: str | os.PathLike[str], found: npt.NDArray[Any], photo: str, image_hw: tuple[int, ...]
) -> None:
    """Check that an (H, W) label map, mask or depth image has the size of its photo.

    Raises:
        DatasetError: if it has another size.
    """
    if found.shape != image_hw:
        raise DatasetError(
            f"{path}: expected the size of {photo}, {image_hw[1]}x{image_hw[0]}, "
            f"found {found.shape[1]}x{found.shape[0]}"
        )


def _read_integers(
    path: str | os.PathLike[str], kind: str, red_of_colour: bool, colours: bool = False
) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] | None = None
    try:
        with open_picture(read_bounded(path, LARGEST_FILE)) as image:
            mode = image.mode
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} pixels, where at most {MAX_PIXELS} are read")
            if mode in INTEGER_MODES:
                values = np.asarray(image)
            elif red_of_colour and mode in ("RGB", "RGBA") and not is_deep(image):  # Pillow would cut to 8
                values = np.asarray(image.getchannel("R"))
            elif colours and mode in ("RGB", "RGBA") and not is_deep(image):
                values = np.asarray(image)
                if mode == "RGBA":  # where nothing is seen, nothing is labelled
                    values = np.where(values[..., 3:] > 0, values[..., :3], np.uint8(0))
    except MemoryError:
        raise
    except Exception as error:  # on damaged files Pillow's decoders raise OSError, SyntaxError, struct.error, ...
        # The path of a missing file is in the system's message already.
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        what = "label" if kind == "labels" else kind
        raise DatasetError(f"{path}: expected a {what} image, found an unreadable file ({reason})") from error
    if values is None:
        raise DatasetError(f"{path}: expected {kind} in one channel of 8 or 16 bits, found Pillow mode {mode!r}")
    return values
