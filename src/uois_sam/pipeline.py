"""UOISSAM: encode, prompt, decode, score, select. :meth:`EncodedImage.find_objects` reads like Fig. 2 of the paper.

The four variants of Table IV are settings of one path: where prompts come from and which score ranks the masks.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from uois_sam._deprecated import OldSettingsNames
from uois_sam.checkpoints.loading import load, push_to_hub, save
from uois_sam.config import PROMPT_FRAME_HW, InferenceConfig, changed_settings, lacks_heads
from uois_sam.errors import ImageError
from uois_sam.geometry import cut_padding, map_points
from uois_sam.instances import Instances
from uois_sam.io.images import read_image
from uois_sam.models.decoding import make_scorer, make_token_scorer
from uois_sam.models.interfaces import SceneFeatures
from uois_sam.models.networks import Networks
from uois_sam.models.postprocess import draw_masks, select
from uois_sam.models.prompts import check_points, make_prompts, uniform_prompts
from uois_sam.models.zoom import Crop, find_crop, in_photo
from uois_sam.types import Candidates, ImageArray, ModelCard, PointPrompts, PromptMaps

ImageSource = str | os.PathLike[str] | bytes | io.BytesIO | Image.Image | ImageArray


class UOISSAM(OldSettingsNames):
    """Find every object instance in an RGB photo.

    Build one with :meth:`from_pretrained`. The object is immutable and holds no per-image state.
    """

    def __init__(self, networks: Networks, card: ModelCard, settings: InferenceConfig) -> None:
        self.networks = networks
        self.card = card
        self.settings = settings

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str] = "compact",
        *,
        sam: str | os.PathLike[str] | None = None,
        dinov2: str | os.PathLike[str] | None = None,
        device: str = "auto",
        precision: str = "auto",
    ) -> UOISSAM:
        """Load a model by name, from a folder that :meth:`save_pretrained` wrote, or from the Hugging Face hub.

        Trained heads load the base that they name, and refuse another one.

        Args:
            name_or_path: ``"compact"`` (bundled); ``"sam-vit-b"``, ``"sam-vit-l"`` (the paper's) or ``"sam-vit-h"``,
                without heads, for ``prompts="grid", scores="sam"``; a folder with ``model.safetensors`` and
                ``model.json``; or a hub id such as ``"org/name"``.
            sam: weights of SAM, for models that stand on it: Meta's ``.pth`` file, a Hugging Face folder or id. Left
                out, the published ones, from the cache or downloaded.
            dinov2: weights of DINOv2, likewise.
            device: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
            precision: ``"float32"``, ``"bfloat16"``, or ``"auto"``: bfloat16 where the processor has instructions for
                it, which makes SAM two to three times as fast; float32 for the compact model, which in bfloat16 saves
                a quarter of the time and draws other masks.

        Raises:
            UOISError: unknown device or precision.
            WeightsError: unknown model, or weights that are missing, truncated, altered or do not fit.
            MissingExtraError: the model needs the extra ``full``, which is not installed.
        """
        return cls(*load(name_or_path, sam=sam, dinov2=dinov2, device=device, precision=precision))

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``model.safetensors`` and ``model.json`` into a folder (created if need be).

        Of a model that stands on SAM and DINOv2 only the heads are written, with the base's name and SHA256.

        Raises:
            UOISError: if the model has no heads, so that there is nothing to save.
            OutputError: if a file cannot be written.
        """
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
        return push_to_hub(self.networks, self.card, self.settings, repo, private=private, token=token)

    @property
    def device(self) -> torch.device:
        """Device that the networks run on."""
        return self.networks.device

    @property
    def name(self) -> str:
        """Model name and version, e.g. ``compact-5``; models of your own are named after their training run."""
        return self.card.full_name

    def with_settings(self, **changes: Any) -> UOISSAM:
        """Return the same networks under other settings, e.g. ``prompts="grid", scores="sam"``.

        Raises:
            UOISError: no such setting or mode, or one that needs trained heads, which this model has not.
        """
        settings = changed_settings(self.settings, changes)
        self.networks.check(settings, self.name)
        return UOISSAM(self.networks, self.card, settings)

    def predict(self, image: ImageSource) -> Instances:
        """Find every object in one photo.

        Args:
            image: a path, the content of a file (bytes or ``BytesIO``), a PIL image or an (H, W, 3) uint8 RGB array.

        Returns:
            The instances in the photo's own pixels, best first; none when the scene is empty.

        Raises:
            ImageError: the image cannot be read or has another shape or dtype.
        """
        return self.encode_image(image).predict()

    def predict_batch(self, images: Iterable[ImageSource]) -> list[Instances]:
        """:meth:`predict` for each image, in order. Images may differ in size; one at a time is in memory.

        Raises:
            ImageError: as :meth:`predict`, and for one image in place of several.
        """
        if isinstance(images, (str, bytes, os.PathLike, Image.Image)):
            raise ImageError(f"expected a list of images, found one, {str(images)[:60]!r}: predict() takes one image")
        return [self.predict(image) for image in images]

    def encode_image(self, image: ImageSource) -> EncodedImage:
        """Run the backbones once; prompt the result as often as needed."""
        self.networks.check(self.settings, self.name)
        pixels = read_image(image)
        return EncodedImage(self.networks, _encode(self.networks, pixels), pixels, self.settings, self.name)


class EncodedImage(OldSettingsNames):
    """One photo after the backbones: prompts and masks are cheap from here on."""

    def __init__(
        self, networks: Networks, features: SceneFeatures, image: ImageArray, settings: InferenceConfig, model: str
    ) -> None:
        self.networks = networks
        self.features = features
        self.image = image
        """(H, W, 3) uint8 RGB, the photo."""
        self.settings = settings
        self.model = model

    def with_settings(self, **changes: Any) -> EncodedImage:
        """Return the same encoded photo under other settings; see :meth:`UOISSAM.with_settings`."""
        settings = changed_settings(self.settings, changes)
        self.networks.check(settings, self.model)
        return EncodedImage(self.networks, self.features, self.image, settings, self.model)

    @property
    def image_hw(self) -> tuple[int, int]:
        """Rows and columns of the photo."""
        return self.image.shape[0], self.image.shape[1]

    def predict(self, points: npt.ArrayLike | Sequence[tuple[float, float]] | None = None) -> Instances:
        """Find every object, or one object under each given point.

        Args:
            points: (M, 2) xy in the photo's pixels. Each gets its best mask, in the order given; nothing is
                suppressed. Left out, objects are found as in the paper, in the :attr:`zoomed` part of the photo where
                there is one.

        Raises:
            ImageError: if points have another shape or lie outside the photo.
        """
        if points is not None:
            return self._predict_under(check_points(points, self.image_hw))
        if self.zoomed is not None:
            crop, part = self.zoomed
            return in_photo(part.find_objects(), crop, self.image)
        return self.find_objects()

    def find_objects(self) -> Instances:
        """Find every object in the photo as it was encoded (Fig. 2): maps, prompts, candidates, selection."""
        with self.networks.computing():
            scorer = make_scorer(self.networks, self.settings)
            maps = None if self.networks.hpg is None else self.maps
            candidates = scorer.candidates(self.features.mask_features, maps, self.points_in_mask_frame)
            return self.select(candidates)

    def select(self, candidates: Candidates) -> Instances:
        """Filter candidates of :attr:`prompts` by area, suppress double ones, and draw the rest in the photo."""
        with self.networks.computing():
            masks = cut_padding(candidates.mask_logits, self.features.mask_frame) > 0
            kept = select(masks, candidates.scores, self.settings)
            return self._drop_small(self._draw(candidates, kept, self.points_in_mask_frame))

    @cached_property
    def maps(self) -> PromptMaps:
        """Foreground and heatmap from the prompt generator (Sec. III-A).

        Raises:
            UOISError: if the model has no trained heads.
        """
        if self.networks.hpg is None:
            raise lacks_heads(self.model, "foreground and heatmap need")
        with self.networks.computing():
            return self.networks.hpg.predict(self.features.prompt_features)

    @cached_property
    def prompts(self) -> PointPrompts:
        """Point prompts in the whole photo. Frame: prompt frame."""
        if self.networks.hpg is None:
            return uniform_prompts(PROMPT_FRAME_HW, self.settings.grid_side)
        return make_prompts(self.maps, self.settings)

    @cached_property
    def points_in_mask_frame(self) -> Tensor:
        """(M, 2) float32 xy of :attr:`prompts` in the mask frame, where the decoder takes them."""
        hw = PROMPT_FRAME_HW
        if self.networks.hpg is not None:
            hw = self.maps.heatmap.shape[-2], self.maps.heatmap.shape[-1]
        return self._to_mask_frame(self.prompts.points_xy, hw)

    @cached_property
    def zoomed(self) -> tuple[Crop, EncodedImage] | None:
        """The part of the photo that holds all objects, encoded by itself: what :meth:`predict` segments if the
        settings say ``zoom``. None if they do not, prompts are a grid's, or objects are all over the photo."""
        if not self.settings.zoom or self.settings.prompts != "heatmap":
            return None
        crop = find_crop(self.maps, self.prompts, self.settings.foreground_threshold, self.image_hw)
        if crop is None:
            return None
        pixels = crop.cut(self.image)
        return crop, EncodedImage(self.networks, _encode(self.networks, pixels), pixels, self.settings, self.model)

    def _predict_under(self, points: npt.NDArray[np.float32]) -> Instances:
        """One instance under each point, in order."""
        with self.networks.computing():
            scorer = make_token_scorer(self.networks, self.settings)
            in_frame = self._to_mask_frame(torch.from_numpy(points), self.image_hw)
            candidates = scorer.one_each(self.features.mask_features, in_frame)
            return self._draw(candidates, torch.arange(len(points)), in_frame)

    def _to_mask_frame(self, points_xy: Tensor, source_hw: tuple[int, int]) -> Tensor:
        grid = self.features.mask_features.grid
        return map_points(points_xy.to(grid.device), source_hw, self.features.mask_frame.content_hw)

    def _draw(self, candidates: Candidates, kept: Tensor, points_xy: Tensor) -> Instances:
        """Bring the kept masks, in the given order, to the photo's pixels."""
        frame = self.features.mask_frame
        masks, boxes = draw_masks(candidates.mask_logits[kept], frame, self.image_hw)
        scores = candidates.scores[kept].cpu().clamp(0, 1).numpy()
        points = map_points(points_xy[candidates.prompt_index[kept]].cpu(), frame.content_hw, self.image_hw).numpy()
        return Instances(
            masks=masks,
            scores=scores.astype(np.float32),
            boxes=boxes,
            points=points.astype(np.float32),
            model=self.model,
            image=self.image,
        )

    def _drop_small(self, instances: Instances) -> Instances:
        """Leave out masks below ``min_area_px``, and those that vanish at the photo's size."""
        large = np.count_nonzero(instances.masks, axis=(1, 2)) >= max(1, self.settings.min_area_px)
        return instances if large.all() else instances[large]


def _encode(networks: Networks, pixels: ImageArray) -> SceneFeatures:
    with networks.computing():
        return networks.encoder(torch.from_numpy(np.array(pixels)).permute(2, 0, 1).to(networks.device))
