"""The photo that a user holds: :class:`EncodedImage`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from uois_sam.depth import read_depth_map
from uois_sam.instances import Instances
from uois_sam.pipeline.pointing import predict_targets
from uois_sam.pipeline.view import View
from uois_sam.pipeline.views import find_in_views
from uois_sam.types import Camera


class EncodedImage(View):
    """One photo after the backbones: prompts and masks are cheap from here on."""

    def with_depth(
        self,
        depth: npt.ArrayLike,
        camera: Camera | npt.ArrayLike,
        depth_scale: float | None = None,
    ) -> EncodedImage:
        """Return the same encoded photo with its depth; arguments as for :meth:`UOISSAM.predict`."""
        return self._with(self.settings, self.request, read_depth_map(depth, camera, depth_scale, self.image_hw))

    def predict(self, points: npt.ArrayLike | Sequence[tuple[float, float]] | None = None, **what: Any) -> Instances:
        """Find every object, what is asked for, or one object under each given point.

        Args:
            points: (M, 2) xy in the photo's pixels. Each gets its best mask, in the order given; nothing is
                suppressed. Left out, objects are found as in the paper, in the :attr:`zoomed` part of the photo where
                there is one.
            **what: the other words of :meth:`UOISSAM.predict`.

        Raises:
            UOISError: an unknown word, or a value of another kind or out of bounds.
            ImageError: if points have another shape or lie outside the photo.
        """
        asked = self.with_request(**what, **({} if points is None else {"points": points}))
        if asked.request.targets is None:
            return find_in_views(asked)
        found = predict_targets(asked)
        if self.networks.redrawer is None:
            return found
        from uois_sam.pipeline.redrawing import redraw_targets  # in torch

        return redraw_targets(asked, found)
