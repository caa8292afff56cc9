"""UOISSAM: encode, prompt, decode, score, select. Reads like Fig. 2 of the paper.

The four variants of Table IV are settings of one path: where prompts come from and which score ranks the masks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from uois_sam._deprecated import warn
from uois_sam.config import PROMPT_FRAME_HW, InferenceConfig, changed_settings, lacks_heads
from uois_sam.geometry import cut_padding, map_points
from uois_sam.instances import Instances
from uois_sam.io.images import read_image
from uois_sam.models.decoding import candidates_by_evidence, candidates_by_tokens
from uois_sam.models.interfaces import SceneFeatures
from uois_sam.models.networks import Networks
from uois_sam.models.postprocess import draw_masks, suppress
from uois_sam.models.prompts import check_points, make_prompts, uniform_prompts
from uois_sam.models.zoom import Crop, find_crop, in_photo
from uois_sam.types import Candidates, ImageArray, ModelCard, PointPrompts, PromptMaps, TokenPredictions

ImageSource = str | os.PathLike[str] | Image.Image | ImageArray


class UOISSAM:
    """Finds every object instance in an RGB photo.

    Build one with :meth:`from_pretrained`. The object is immutable and holds no per-image state.
    """

    def __init__(self, parts: Networks, card: ModelCard, selection: InferenceConfig) -> None:
        self.networks = parts
        self.card = card
        self.settings = selection

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
        from uois_sam.checkpoints.loading import load_pretrained

        return load_pretrained(name_or_path, sam=sam, dinov2=dinov2, device=device, precision=precision)

    def save_pretrained(self, folder: str | os.PathLike[str]) -> None:
        """Write ``model.safetensors`` and ``model.json`` into a folder (created if need be).

        Of a model that stands on SAM and DINOv2 only the heads are written, with the base's name and SHA256.

        Raises:
            UOISError: the model has no heads, so there is nothing to save.
            OutputError: the system refuses.
        """
        from uois_sam.checkpoints.loading import save_pretrained

        save_pretrained(self, folder)

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

        return push_to_hub(self, repo, private=private, token=token)

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return self.networks.device

    @property
    def name(self) -> str:
        """Model name and version, e.g. ``compact-5``; models of your own are named after their training run."""
        return self.card.full_name

    def with_settings(self, **changes: Any) -> UOISSAM:
        """The same networks under other settings, e.g. ``prompts="grid", scores="sam"`` (:class:`InferenceConfig`).

        Raises:
            UOISError: no such setting or mode, or one that needs trained heads, which this model has not.
        """
        selection = changed_settings(self.settings, changes)
        self.networks.check(selection, self.name)
        return UOISSAM(self.networks, self.card, selection)

    def with_selection(self, **changes: Any) -> UOISSAM:
        """Deprecated name of :meth:`with_settings`."""
        warn("with_selection", "with_settings")
        return self.with_settings(**changes)

    @property
    def selection(self) -> InferenceConfig:
        """Deprecated name of ``settings``."""
        warn("selection", "settings")
        return self.settings

    def predict(self, image: ImageSource) -> Instances:
        """Find every object in one photo.

        Args:
            image: a path, a PIL image or an (H, W, 3) uint8 RGB array.

        Returns:
            The instances in the photo's own pixels, best first; none when the scene is empty.

        Raises:
            ImageError: the image cannot be read or has another shape or dtype.
        """
        return self.encode_image(image).predict()

    def predict_batch(self, images: Iterable[ImageSource]) -> list[Instances]:
        """:meth:`predict` for each image, in order. Images may differ in size; one at a time is in memory."""
        return [self.predict(image) for image in images]

    def encode_image(self, image: ImageSource) -> EncodedImage:
        """Run the backbones once; prompt the result as often as needed."""
        self.networks.check(self.settings, self.name)
        pixels = read_image(image)
        return EncodedImage(self.networks, _encode(self.networks, pixels), pixels, self.settings, self.name)


def _encode(parts: Networks, pixels: ImageArray) -> SceneFeatures:
    with parts.computing():
        return parts.encoder(torch.from_numpy(np.array(pixels)).permute(2, 0, 1).to(parts.device))


class EncodedImage:
    """One photo after the backbones: prompts and masks are cheap from here on."""

    def __init__(
        self, parts: Networks, features: SceneFeatures, image: ImageArray, selection: InferenceConfig, model: str
    ) -> None:
        self.networks = parts
        self.features = features
        self.image = image
        """(H, W, 3) uint8 RGB, the photo."""
        self.settings = selection
        self.model = model

    def with_settings(self, **changes: Any) -> EncodedImage:
        """The same encoded photo under other settings."""
        selection = changed_settings(self.settings, changes)
        self.networks.check(selection, self.model)
        return EncodedImage(self.networks, self.features, self.image, selection, self.model)

    def with_selection(self, **changes: Any) -> EncodedImage:
        """Deprecated name of :meth:`with_settings`."""
        warn("with_selection", "with_settings")
        return self.with_settings(**changes)

    @property
    def selection(self) -> InferenceConfig:
        """Deprecated name of ``settings``."""
        warn("selection", "settings")
        return self.settings

    @property
    def image_hw(self) -> tuple[int, int]:
        """Rows and columns of the photo."""
        return self.image.shape[0], self.image.shape[1]

    @cached_property
    def maps(self) -> PromptMaps:
        """Foreground and heatmap from the prompt generator (Sec. III-A).

        Raises:
            UOISError: the model has no trained heads.
        """
        if self.networks.hpg is None:
            raise lacks_heads(self.model, "foreground and heatmap need")
        with self.networks.computing():
            return self.networks.hpg.predict(self.features.prompt_features)

    @cached_property
    def zoomed(self) -> tuple[Crop, EncodedImage] | None:
        """The part of the photo that holds all objects, encoded by itself: what :meth:`predict` segments if the
        selection says ``zoom``. None if it does not, prompts are a grid's, or objects are all over the photo."""
        if not self.settings.zoom or self.settings.prompts != "heatmap":
            return None
        window = find_crop(self.maps, self.prompts, self.settings.foreground_threshold, self.image_hw)
        if window is None:
            return None
        pixels, plain = window.cut(self.image), replace(self.settings, zoom=False)
        return window, EncodedImage(self.networks, _encode(self.networks, pixels), pixels, plain, self.model)

    @cached_property
    def prompts(self) -> PointPrompts:
        """Point prompts in the whole photo, those that :meth:`predict` decodes without a :attr:`zoomed` look.
        Frame: prompt frame."""
        if self.networks.hpg is None:
            return uniform_prompts(PROMPT_FRAME_HW, self.settings.grid_side)
        return make_prompts(self.maps, self.settings)

    def predict(self, points: npt.ArrayLike | Sequence[tuple[float, float]] | None = None) -> Instances:
        """Find every object, or one object under each given point.

        Args:
            points: (M, 2) xy in the photo's pixels. Each gets its best mask, in the order given; nothing is
                suppressed. Left out, the prompt generator's points are used, of a :attr:`zoomed` look where there is
                one, and masks are selected as in the paper.

        Raises:
            ImageError: points of another shape, or outside the photo.
        """
        if points is None and self.zoomed is not None:
            window, view = self.zoomed
            return in_photo(view.predict(), window, self.image)
        with self.networks.computing():
            if points is None:
                return self.select(self._own_candidates())
            given = check_points(points, self.image_hw)
            in_frame = self._to_mask_frame(torch.from_numpy(given), self.image_hw)
            candidates = self._candidates(in_frame, threshold=-float("inf"))
            return self._instances(candidates, torch.arange(len(given)), in_frame, drop_empty=False)

    @property
    def _prompt_hw(self) -> tuple[int, int]:
        if self.networks.hpg is None:
            return PROMPT_FRAME_HW
        height, width = self.maps.heatmap.shape[-2:]
        return height, width

    def _to_mask_frame(self, points_xy: Tensor, source_hw: tuple[int, int]) -> Tensor:
        grid = self.features.mask_features.grid
        return map_points(points_xy.to(grid.device), source_hw, self.features.mask_frame.content_hw)

    def _own_candidates(self) -> Candidates:
        """Masks of the prompt generator's points, scored as the selection says."""
        points_xy = self._to_mask_frame(self.prompts.points_xy, self._prompt_hw)
        if self.settings.scores != "evidence":
            return self._candidates(points_xy)
        assert self.networks.evidence is not None  # Networks.check
        networks = self.networks.decoder, self.networks.evidence
        return candidates_by_evidence(*networks, self.features.mask_features, self.maps, points_xy, self.settings)

    def _candidates(self, points_xy: Tensor, threshold: float | None = None) -> Candidates:
        """Decode prompts, score four masks each (Eq. 5), upscale the best one where it reaches the threshold."""
        threshold = self.settings.score_threshold if threshold is None else threshold
        features, fraction = self.features.mask_features, self.settings.region_fraction
        return candidates_by_tokens(self.networks.decoder, self._scores, features, points_xy, threshold, fraction)

    def _scores(self, predictions: TokenPredictions) -> Tensor:
        """From tokens alone, for a user's points too: what they say of each other is no evidence."""
        if self.settings.scores == "sam":
            return predictions.scores
        assert self.networks.hdnet is not None  # Networks.check
        return self.networks.hdnet(predictions)

    def select(self, candidates: Candidates) -> Instances:
        """Area filter and suppression, both on the decoder's own mask grid."""
        selection, frame = self.settings, self.features.mask_frame
        masks = cut_padding(candidates.mask_logits, frame) > 0
        fractions = masks.flatten(1).float().mean(dim=1)
        fits = torch.nonzero((fractions > 0) & (fractions <= selection.max_area_fraction))[:, 0]
        kept = fits[suppress(masks[fits], candidates.scores[fits], selection.nms_iou, selection.nms)]
        points = self._to_mask_frame(self.prompts.points_xy, self._prompt_hw)
        return self._instances(candidates, kept, points, drop_empty=True)

    def _instances(self, candidates: Candidates, kept: Tensor, points_xy: Tensor, *, drop_empty: bool) -> Instances:
        """Bring the kept masks, in the given order, to the photo's pixels."""
        frame = self.features.mask_frame
        masks, boxes = draw_masks(candidates.mask_logits[kept], frame, self.image_hw)
        scores = candidates.scores[kept].cpu().clamp(0, 1).numpy()
        points = map_points(points_xy[candidates.prompt_index[kept]].cpu(), frame.content_hw, self.image_hw).numpy()
        if drop_empty:
            large = np.count_nonzero(masks, axis=(1, 2)) >= max(1, self.settings.min_area_px)
            if not large.all():
                masks, boxes, scores, points = masks[large], boxes[large], scores[large], points[large]
        return Instances(
            masks=masks,
            scores=scores.astype(np.float32),
            boxes=boxes,
            points=points.astype(np.float32),
            model=self.model,
            image=self.image,
        )
