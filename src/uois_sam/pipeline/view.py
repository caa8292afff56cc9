"""A photo or a part of one after the backbones: prompt, decode, score, select. :meth:`View.find_objects` is Fig. 2.

The four variants of Table IV are settings of one path: where prompts come from and which score ranks the masks.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np

from uois_sam._deprecated import OldSettingsNames
from uois_sam.arrays import Array, as_float, like, to_numpy
from uois_sam.config import PROMPT_FRAME_HW, InferenceConfig, changed_settings, lacks_heads
from uois_sam.depth import Cells, DepthMap, DepthScene, understand
from uois_sam.geometry import Frame, cut_padding, look_up, map_points
from uois_sam.instances import Instances
from uois_sam.models.decoding import make_scorer
from uois_sam.models.edges import follow_edges
from uois_sam.models.embedding import embed
from uois_sam.models.interfaces import MaskFeatures, SceneFeatures
from uois_sam.models.networks import Networks, as_image
from uois_sam.models.postprocess import count_too_large, draw_masks, select
from uois_sam.models.prompts import make_prompts, prompts_in, uniform_prompts
from uois_sam.models.zoom import Crop, find_crop
from uois_sam.pipeline.losses import Losses
from uois_sam.pipeline.part import Part
from uois_sam.pipeline.standing import of_interest, with_standing
from uois_sam.request import LEAST_INSIDE, Request
from uois_sam.types import BoolArray, Candidates, FloatArray, ImageArray, PointPrompts, PromptMaps

ViewT = TypeVar("ViewT", bound="View")
OF_THE_PHOTO_ALONE = ("maps", "redrawing_features")
"""What is computed once, whatever the settings and whatever is asked."""


class View(OldSettingsNames):
    """A photo, or a part of one, after the backbones."""

    def __init__(
        self,
        networks: Networks,
        features: SceneFeatures,
        image: ImageArray,
        settings: InferenceConfig,
        model: str,
        request: Request | None = None,
        part: Part | None = None,
        depth: DepthMap | None = None,
    ) -> None:
        self.networks = networks
        self.features = features
        self.image = image
        """(H, W, 3) uint8 RGB, the photo."""
        self.settings = settings
        self.model = model
        self.request = request or Request()
        self.part = part
        self.depth = depth

    def with_settings(self: ViewT, **changes: Any) -> ViewT:
        """Return the same encoded photo under other settings; see :meth:`UOISSAM.with_settings`."""
        settings = changed_settings(self.settings, changes)
        self.networks.check(settings, self.model)
        return self._with(settings, self.request)

    def with_request(self: ViewT, **what: Any) -> ViewT:
        """Return the same encoded photo with something else asked of it; see :meth:`UOISSAM.with_request`."""
        request = self.request.changed(what)
        return self if request is self.request else self._with(self.settings, request)

    def _with(self: ViewT, settings: InferenceConfig, request: Request, depth: DepthMap | None = None) -> ViewT:
        depth = depth or self.depth
        other = type(self)(self.networks, self.features, self.image, settings, self.model, request, self.part, depth)
        other.__dict__.update({name: self.__dict__[name] for name in OF_THE_PHOTO_ALONE if name in self.__dict__})
        return other

    @property
    def image_hw(self) -> tuple[int, int]:
        """Rows and columns of the photo."""
        return self.image.shape[0], self.image.shape[1]

    @cached_property
    def in_effect(self) -> InferenceConfig:
        """The settings with what is asked for."""
        photo_hw = self.image_hw if self.part is None else self.part.photo_hw
        share = self.image.shape[0] * self.image.shape[1] / (photo_hw[0] * photo_hw[1])
        return self.request.settings(self.settings, photo_hw, share)

    @cached_property
    def inside(self) -> BoolArray | None:
        """(H, W) bool: where to look; None for everywhere."""
        return self.request.inside(self.image_hw) if self.part is None else self.part.inside

    @cached_property
    def scene(self) -> DepthScene | None:
        """What depth says of the whole photo; None without depth, or where it cannot be used."""
        if self.part is not None or self.depth is None:
            return self.part.scene if self.part else None
        foreground = None if self.networks.hpg is None else to_numpy(as_float(self.maps.foreground))
        return understand(self.image, self.depth, foreground, self.request.workspace)

    def find_objects(self) -> Instances:
        """Find every object in the photo as it was encoded (Fig. 2): maps, prompts, candidates, selection."""
        return self.select(self.candidates(self.points_in_mask_frame))

    def candidates(self, points_xy: Array) -> Candidates:
        """Decode (M, 2) xy points of the mask frame and keep each one's best mask where it is good enough."""
        with self.networks.computing():
            scorer = make_scorer(self.networks, self.in_effect)
            maps = None if self.networks.hpg is None else self.maps
            return scorer.candidates(self.features.mask_features, maps, points_xy)

    def select(self, candidates: Candidates) -> Instances:
        """Filter candidates of :attr:`prompts` by area, suppress double ones, and draw the rest in the photo."""
        found, losses = self.select_counting(candidates)
        return replace(found, notes=losses.notes(self.in_effect))

    def select_counting(self, candidates: Candidates, *, edges: bool = True) -> tuple[Instances, Losses]:
        """:meth:`select`, and what limits left out; ``edges`` as for :meth:`draw`."""
        with self.networks.computing():
            candidates, elsewhere = self._of_interest(candidates)
            limits = self._limits(candidates)
            found = self.draw(candidates, select(*limits), self.points_in_mask_frame, edges=edges)
            kept = self._drop_small(found)
            small = len(found) - len(kept) if self.in_effect.min_area_px > 1 else 0
            lost = Losses(self.prompts.left_out, len(self.prompts), count_too_large(*limits), small)
            return kept, lost + elsewhere

    def _limits(self, candidates: Candidates) -> tuple[Array, Array, InferenceConfig, BoolArray | None, float]:
        """Arguments of :func:`~uois_sam.models.postprocess.select`."""
        masks = cut_padding(candidates.mask_logits, self.features.mask_frame) > 0
        where = self._where((masks.shape[1], masks.shape[2]))
        return masks, candidates.scores, self.in_effect, where, LEAST_INSIDE

    def _of_interest(self, candidates: Candidates) -> tuple[Candidates, Losses]:
        """Candidates that depth does not show to stand elsewhere or to be the support, and what that left out."""
        limits = self._limits(candidates)
        cells = self._cells((limits[0].shape[1], limits[0].shape[2]))
        return (candidates, Losses()) if cells is None else of_interest(candidates, cells, limits, self.unasked)

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
    def redrawing_features(self) -> tuple[MaskFeatures, Frame]:
        """Features of the model that draws the masks anew, and how the photo lies in its mask frame."""
        redrawer = self.networks.redrawer
        assert redrawer is not None
        with redrawer.computing():
            return redrawer.encoder(as_image(self.image, redrawer.device))

    @cached_property
    def prompts(self) -> PointPrompts:
        """Point prompts in the whole photo, where objects may stand. Frame: prompt frame."""
        found = self._prompts_in(self._may_stand())
        if self.scene is None or self.settings.prompts != "heatmap":
            return found
        return with_standing(found, self.scene, self._crop, self._prompt_hw, self.in_effect.max_prompts)

    @cached_property
    def unasked(self) -> int:
        """Number of prompts that are left out because depth shows them to lie outside the workspace."""
        if self.scene is None:
            return 0
        everywhere = self._prompts_in(self._where(self._prompt_hw))
        within = self._prompts_in(self._may_stand())
        return len(everywhere) + everywhere.left_out - len(within) - within.left_out

    def _prompts_in(self, where: BoolArray | None) -> PointPrompts:
        if self.networks.hpg is None:
            return prompts_in(uniform_prompts(PROMPT_FRAME_HW, self.in_effect.grid_side), where)
        return make_prompts(self.maps, self.in_effect, where)

    @cached_property
    def points_in_mask_frame(self) -> Array:
        """(M, 2) float32 xy of :attr:`prompts` in the mask frame, where the decoder takes them."""
        return self.to_mask_frame(self.prompts.points_xy, self._prompt_hw)

    @cached_property
    def zoomed(self: ViewT) -> tuple[Crop, ViewT] | None:
        """The part of the photo that holds all objects, encoded by itself: what :meth:`predict` segments if the
        settings say ``zoom``. None if they do not, prompts are a grid's, or objects are all over the photo."""
        if not self.settings.zoom or self.settings.prompts != "heatmap":
            return None
        where = self._where(self._prompt_hw)
        prompts = self.prompts if self.scene is None else self._prompts_in(where)
        crop = find_crop(self.maps, prompts, self.in_effect.foreground_threshold, self.image_hw, where)
        return None if crop is None else (crop, self.cut(crop))

    def cut(self: ViewT, crop: Crop) -> ViewT:
        """A part of the photo, encoded by itself, with the same asked of it."""
        pixels = crop.cut(self.image)
        part = Part(self.image_hw, None if self.inside is None else crop.cut(self.inside), crop, self.scene)
        return type(self)(
            self.networks, encode(self.networks, pixels), pixels, self.settings, self.model, self.request, part
        )

    def to_mask_frame(self, points_xy: Array, source_hw: tuple[int, int]) -> Array:
        """Map (M, 2) xy points of a grid over the photo to the mask frame."""
        points = like(points_xy, self.features.mask_features.grid)
        return map_points(points, source_hw, self.features.mask_frame.content_hw)

    def draw(self, candidates: Candidates, kept: Array, points_xy: Array, *, edges: bool = True) -> Instances:
        """Bring the kept masks, in the given order, to the photo's pixels.

        Args:
            candidates: of the points.
            kept: (K,) int64, which of them.
            points_xy: (M, 2) xy, all points. Frame: mask frame.
            edges: move outlines to edges where the settings say so; what is only counted goes without.
        """
        frame = self.features.mask_frame
        masks, boxes = draw_masks(candidates.mask_logits[kept], frame, self.image_hw)
        if edges and self.in_effect.follow_edges:
            boxes = follow_edges(masks, self.image, self.in_effect.region_fraction)
        scores = to_numpy(candidates.scores[kept]).clip(0, 1)
        points = map_points(to_numpy(points_xy[candidates.prompt_index[kept]]), frame.content_hw, self.image_hw)
        return Instances(
            masks=masks,
            scores=scores.astype(np.float32),
            boxes=boxes,
            points=points.astype(np.float32),
            model=self.model,
            image=self.image,
        )

    def embeddings(self, masks: BoolArray) -> FloatArray:
        """What objects look like, to tell them apart or know them again in another photo of the same scene.

        Args:
            masks: (N, H, W) bool, in the photo.

        Returns:
            (N, C) float32 of unit length: the mean of the encoder's features inside each mask, less that of the photo.
            Zeros for an empty mask.
        """
        frame = self.features.mask_frame
        maps = (self.features.mask_features.fine or (self.features.mask_features.grid,))[0]
        return embed(to_numpy(as_float(cut_padding(maps[0], frame))), masks)

    @property
    def _crop(self) -> Crop:
        return Crop(0, 0, *self.image_hw) if self.part is None else self.part.crop

    @property
    def _prompt_hw(self) -> tuple[int, int]:
        if self.networks.hpg is None:
            return PROMPT_FRAME_HW
        return self.maps.heatmap.shape[-2], self.maps.heatmap.shape[-1]

    def _where(self, grid_hw: tuple[int, int]) -> BoolArray | None:
        """:attr:`inside` on a grid over the photo, (h, w) bool; None for everywhere."""
        return None if self.inside is None else look_up(self.inside, grid_hw)

    def _cells(self, grid_hw: tuple[int, int]) -> Cells | None:
        """What depth says, on a grid over this view; None without depth."""
        if self.scene is None:
            return None
        crop = self._crop
        return self.scene.part(crop.top, crop.left, crop.height, crop.width, grid_hw)

    def _may_stand(self) -> BoolArray | None:
        """:meth:`_where` for prompts, without what depth shows to lie outside the workspace."""
        where, cells = self._where(self._prompt_hw), self._cells(self._prompt_hw)
        within = None if cells is None else ~cells.outside
        return where if within is None else within if where is None else where & within

    def _drop_small(self, instances: Instances) -> Instances:
        """Leave out masks below ``min_area_px``, and those that vanish at the photo's size."""
        areas = np.array([np.count_nonzero(mask) for mask in instances.masks], dtype=np.int64)
        large = areas >= max(1, self.in_effect.min_area_px)
        return instances if large.all() else instances[large]


def encode(networks: Networks, pixels: ImageArray) -> SceneFeatures:
    """Run the backbones on an (H, W, 3) uint8 RGB photo."""
    with networks.computing():
        return networks.encoder(as_image(pixels, networks.device))
