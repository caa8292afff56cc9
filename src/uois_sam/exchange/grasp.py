"""Inputs of grasp planners: Contact-GraspNet, graspnet-baseline and GQ-CNN, from colour, depth, camera and masks."""

from __future__ import annotations

import io
import json
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from uois_sam.exchange.format import EMPTY, EncodedPhoto, Format, FormatError
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.io.encoding import encode_png
from uois_sam.types import Camera

FACTOR_DEPTH = 1000.0
"""Steps of graspnet-baseline's depth image to a metre."""
TOO_FAR = "depth pixels beyond 65.535 m written as unknown to graspnet-baseline"


class GraspFormat(Format):
    """Three layouts of one scene.

    ``contact_graspnet/NAME.npz``: ``rgb`` (H, W, 3) uint8 **BGR**, as its loader swaps the channels, ``depth`` (H, W)
    float32 m, ``K`` (3, 3), ``segmap`` (H, W) float32. ``graspnet/NAME/``: ``color.png``, ``depth.png`` (mm),
    ``workspace_mask.png`` (where objects are) and ``meta.mat`` of graspnet-baseline's demo. ``gqcnn/NAME/``:
    ``color.png``, ``depth_0.npy`` (H, W, 1) float32 m, ``segmask_I.png`` for object I, and ``camera.intr``.
    """

    name = "grasp"
    needs_photo = True
    needs_depth = True

    def encode(self, photo: LabelledPhoto) -> EncodedPhoto:
        """All files of one scene."""
        image, depth, camera = photo.image, photo.depth_m, photo.camera
        if image is None or depth is None or camera is None:
            lacking = "photo" if image is None else "depth" if depth is None else "intrinsics"
            raise FormatError(f"{photo.file_name}: grasp planners need photo, depth and intrinsics, found no {lacking}")
        if depth.shape != photo.image_hw:
            height, width = photo.image_hw
            raise FormatError(
                f"{photo.file_name}: expected depth of the photo's size, {width}x{height}, "
                f"found {depth.shape[1]}x{depth.shape[0]}"
            )
        segmap, matrix = photo.label_map, _matrix(camera)
        steps = np.round(depth * FACTOR_DEPTH)
        far = steps > 65535
        planner, scene, gqcnn = (f"{folder}/{photo.stem}" for folder in ("contact_graspnet", "graspnet", "gqcnn"))
        colour = encode_png(image)
        shown = photo.shown()
        files = {
            f"{planner}.npz": _npz(
                rgb=image[..., ::-1], depth=depth.astype(np.float32), K=matrix, segmap=segmap.astype(np.float32)
            ),
            f"{scene}/color.png": colour,
            f"{scene}/depth.png": encode_png(np.where(far, 0, steps).astype(np.uint16)),
            f"{scene}/workspace_mask.png": _mask_png(segmap > 0),
            f"{scene}/meta.mat": _mat(intrinsic_matrix=matrix, factor_depth=np.array([[FACTOR_DEPTH]])),
            f"{gqcnn}/color.png": colour,
            f"{gqcnn}/depth_0.npy": _npy(depth.astype(np.float32)[..., None]),
            f"{gqcnn}/camera.intr": _intr(camera, photo.image_hw),
            **{f"{gqcnn}/segmask_{index + 1}.png": _mask_png(photo.masks[index]) for index in shown},
        }
        notes = Counter({EMPTY: len(photo) - len(shown), TOO_FAR: int(far.sum())})
        return EncodedPhoto(photo.file_name, photo.stem, files, notes=notes)


def _matrix(camera: Camera) -> npt.NDArray[np.float64]:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], np.float64)


def _intr(camera: Camera, image_hw: tuple[int, int]) -> bytes:
    """The file of ``autolab_core.CameraIntrinsics``."""
    content = {
        "_frame": "camera", "_fx": camera.fx, "_fy": camera.fy, "_cx": camera.cx, "_cy": camera.cy, "_skew": 0.0,
        "_height": image_hw[0], "_width": image_hw[1], "_K": 0,
    }  # fmt: skip
    return (json.dumps(content) + "\n").encode()


def _mask_png(mask: npt.NDArray[np.bool_]) -> bytes:
    return encode_png(mask.astype(np.uint8) * np.uint8(255))


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _npy(array: npt.NDArray[np.float32]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _mat(**arrays: Any) -> bytes:
    from scipy.io import savemat

    buffer = io.BytesIO()
    savemat(buffer, arrays)
    return buffer.getvalue()
