"""UOISSAM: networks, settings and what is asked of them; a photo goes through :class:`EncodedImage`."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from uois_sam._deprecated import OldSettingsNames
from uois_sam.backends.loading import find_graphs
from uois_sam.config import InferenceConfig, changed_settings
from uois_sam.depth import read_depth_map
from uois_sam.errors import ImageError, UOISError
from uois_sam.instances import Instances
from uois_sam.io.images import ImageSource, read_image
from uois_sam.models.networks import Networks
from uois_sam.pipeline.encoded import EncodedImage
from uois_sam.pipeline.view import encode
from uois_sam.request import Request
from uois_sam.types import Camera, ModelCard

if TYPE_CHECKING:
    import torch

ONE_IMAGE = (str, bytes, bytearray, memoryview, io.BytesIO, os.PathLike, Image.Image)
"""What may be gone through, but is one image."""


class UOISSAM(OldSettingsNames):
    """Find every object instance in an RGB photo.

    Build one with :meth:`from_pretrained`. The object is immutable and holds no per-image state.
    """

    def __init__(
        self, networks: Networks, card: ModelCard, settings: InferenceConfig, request: Request | None = None
    ) -> None:
        self.networks = networks
        self.card = card
        self.settings = settings
        self.request = request or Request()
        """What to find where a call does not say; see :meth:`with_request`. Not saved with the model."""

    def __getstate__(self) -> bytes:
        """Pickle by value, for other processes too: PyTorch would share each tensor by an open file of its own there.

        Those are 800 for the compact model, and most systems allow a process 1024.
        """
        return pickle.dumps(self.__dict__, protocol=pickle.HIGHEST_PROTOCOL)

    def __setstate__(self, state: bytes) -> None:
        self.__dict__.update(pickle.loads(state))

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] = "compact",
        *,
        sam: str | os.PathLike[str] | None = None,
        dinov2: str | os.PathLike[str] | None = None,
        masks: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        backend: str | None = None,
    ) -> UOISSAM:
        """Load a model by name, from a folder that :meth:`save_pretrained` wrote, or from the Hugging Face hub.

        Trained heads load the base that they name, and refuse another one.

        Args:
            name_or_path: ``"compact"`` (bundled); a base such as ``"sam-vit-l"`` (the paper's) or
                ``"sam2.1-hiera-tiny"`` (``uois-sam models`` lists them), without heads, for ``prompts="grid",
                scores="sam"``; a folder with ``model.safetensors`` and ``model.json``; or a hub id such as
                ``"org/name"``.
            sam: weights of the SAM of a model that stands on one: its authors' file (``.pth``, ``.pt``), a Hugging
                Face folder or id. Left out, the published ones, from the cache or downloaded.
            dinov2: weights of the network that its prompt generator reads, likewise.
            masks: a base whose decoder draws the masks of what the model finds, e.g. ``"sam-vit-l"``; beyond the
                paper, and nothing is trained (:mod:`uois_sam.models.redrawing`). Its weights are the published ones, or
                ``sam``. A folder or hub id of heads that were trained on one: their HDNet has a say in the choice.
            device: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
            precision: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the processor has instructions for
                it, which makes SAM two to three times as fast; float32 for the compact model, which in bfloat16 saves
                a quarter of the time and draws other masks.
            backend: ``"torch"``; ``"onnxruntime"`` for compact models, too, and taken where torch is not installed; for
                what ``uois-sam export`` wrote also ``"openvino"``, ``"tensorrt"`` or ``"torchscript"``, as it says.

        Raises:
            UOISError: unknown device, precision or backend, or one that does not fit.
            WeightsError: unknown model, or weights that are missing, truncated, altered or do not fit.
            MissingExtraError: the model needs the extra ``full``, which is not installed.
        """
        graphs = find_graphs(name_or_path, backend)
        if graphs is not None:
            if (sam, dinov2, masks) != (None, None, None):
                raise UOISError(
                    f"{os.fspath(name_or_path)}: a model without torch has its own weights: expected no sam, dinov2 or "
                    "masks, which need torch"
                )
            return cls(*graphs(device, precision))
        from uois_sam.checkpoints.loading import load

        return cls(*load(name_or_path, sam=sam, dinov2=dinov2, masks=masks, device=device, precision=precision))

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``model.safetensors`` and ``model.json`` into a folder (created if need be).

        Of a model that stands on SAM and DINOv2 only the heads are written, with the base's name and SHA256. What draws
        its masks (``masks`` of :meth:`from_pretrained`) is not.

        Raises:
            UOISError: if the model has no heads, so that there is nothing to save.
            OutputError: if a file cannot be written.
        """
        from uois_sam.checkpoints.loading import save

        save(self.networks, self.card, self.settings, folder)

    def push_to_hub(self, repo: str, *, private: bool = False, token: str | None = None) -> str:
        """Publish what :meth:`save_pretrained` writes on the Hugging Face hub, for ``from_pretrained(repo)``.

        Args:
            repo: ``"org/name"``; made if it does not exist.
            private: whether a new one is visible to others.
            token: access token; the one you logged in with when left out.

        Returns:
            The address of the commit.
        """
        from uois_sam.checkpoints.loading import push_to_hub

        return push_to_hub(self.networks, self.card, self.settings, repo, private=private, token=token)

    def __repr__(self) -> str:
        """Name, device, and what differs from the settings that the model came with."""
        own = {**asdict(InferenceConfig()), **self.card.selection}
        changes = {name: value for name, value in asdict(self.settings).items() if value != own[name]}
        said = "".join(f", {name}={value!r}" for name, value in {**changes, **self.request.to_json()}.items())
        return f"UOISSAM({self.name} on {self.device}{said})"

    @property
    def device(self) -> torch.device:
        """Device that the networks run on; without torch, something that has its ``type`` and name."""
        return self.networks.device

    @property
    def name(self) -> str:
        """Model name and version, e.g. ``compact-5``; models of your own are named after their training run.

        With masks by a foundation model, that is named behind a plus: ``compact-5+sam-vit-l``.
        """
        redrawer = self.networks.redrawer
        return self.card.full_name if redrawer is None else f"{self.card.full_name}+{redrawer.name}"

    def with_settings(self, **changes: Any) -> UOISSAM:
        """Return the same networks under other settings, e.g. ``prompts="grid", scores="sam"``.

        Raises:
            UOISError: no such setting or mode, or one that needs trained heads, which this model has not.
        """
        settings = changed_settings(self.settings, changes)
        self.networks.check(settings, self.card.full_name)
        return UOISSAM(self.networks, self.card, settings, self.request)

    def with_request(self, **what: Any) -> UOISSAM:
        """Return the same model, with words of :meth:`predict` that hold for every photo, as for a fixed camera.

        Raises:
            UOISError: as :meth:`predict`.
        """
        return UOISSAM(self.networks, self.card, self.settings, self.request.changed(what))

    def predict(
        self,
        image: ImageSource,
        *,
        depth: npt.ArrayLike | None = None,
        camera: Camera | npt.ArrayLike | None = None,
        depth_scale: float | None = None,
        **what: Any,
    ) -> Instances:
        """Find every object in one photo, or what is asked for.

        Args:
            image: a path, the content of a file (bytes or ``BytesIO``), a PIL image or an (H, W, 3) uint8 RGB array.
            depth: (H, W) depth along the optical axis, registered to the photo: floats in metres, or integers; 0 or NaN
                where unknown. Left out, the result is that of the photo alone. Depth that cannot be used (another size,
                all holes, another unit) is left out as well, and ``notes`` say why.
            camera: with depth, the intrinsics: a :class:`~uois_sam.types.Camera`, K (3, 3), or (fx, fy, cx, cy).
            depth_scale: metres a step of integers; 0.001 if left out.
            **what: what to find, in the words of :class:`~uois_sam.request.Request`, which has their defaults:

                - ``min_score``, ``min_foreground``, ``max_prompts``, ``max_objects``: numbers.
                - ``min_area``, ``max_area``: pixels as an int, or a share of the photo as a float or ``"2%"``.
                - ``region``: where to look: a box (x0, y0, x1, y1), a polygon [(x, y), ...], an (H, W) mask or the
                  path of one. Numbers are pixels, or shares of width and height where all are from 0 to 1.
                - ``exclude``: where not to look: one such region, or a list of them.
                - ``tiles``: tiles along each side, or ``"auto"``.
                - ``workspace``: with depth, where objects of interest stand: ``"auto"``, on the support that is found;
                  ``"off"``, anywhere; or (x0, x1, y0, y1, z0, z1) in metres (x right, y down, z forward of the camera).
                - ``points``, ``labels``, ``boxes``: objects that are pointed at, in pixels
                  (:meth:`~uois_sam.request.Request.changed`). Each gets one mask, in the order given.

        Returns:
            The instances in the photo's own pixels, best first; none when the scene is empty. What a limit left out
            is in their ``notes``.

        Raises:
            UOISError: an unknown word, or a value of another kind or out of bounds.
            ImageError: the image cannot be read or has another shape or dtype, or what is asked for lies outside.
        """
        asked = self.with_request(**what)  # before the photo is encoded
        return asked.encode_image(image, depth=depth, camera=camera, depth_scale=depth_scale).predict()

    def predict_batch(self, images: Iterable[ImageSource]) -> list[Instances]:
        """:meth:`predict` for each image, in order. Images may differ in size; one at a time is in memory.

        Raises:
            ImageError: as :meth:`predict`, and for one image in place of several.
        """
        one = isinstance(images, ONE_IMAGE) or (isinstance(images, np.ndarray) and images.ndim < 4)
        if one or not isinstance(images, Iterable):
            found = f"one, {str(images)[:60]!r}" if one else type(images).__name__
            raise ImageError(f"expected a list of images, found {found}: predict() takes one image")
        return [self.predict(image) for image in images]

    def encode_image(
        self,
        image: ImageSource,
        *,
        depth: npt.ArrayLike | None = None,
        camera: Camera | npt.ArrayLike | None = None,
        depth_scale: float | None = None,
    ) -> EncodedImage:
        """Run the backbones once; prompt the result as often as needed. Arguments as for :meth:`predict`."""
        self.networks.check(self.settings, self.card.full_name)
        pixels = read_image(image)
        if depth is None and (camera is not None or depth_scale is not None):
            raise ImageError("camera, depth_scale: expected depth as well, found none")
        image_hw = (pixels.shape[0], pixels.shape[1])
        given = None if depth is None else read_depth_map(depth, camera, depth_scale, image_hw)
        features = encode(self.networks, pixels)
        return EncodedImage(self.networks, features, pixels, self.settings, self.name, self.request, depth=given)
