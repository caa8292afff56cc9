"""All objects of a frame as masks or polygons, for ``cvat-cli ... --function-module uois_sam.cvat.detection``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from uois_sam.cvat.sdk import LABEL, LABEL_ID, annotation_module, load_model

if TYPE_CHECKING:
    import PIL.Image

    from uois_sam.pipeline import UOISSAM

TOLERANCE_PX = 1.0
"""Within which outlines follow masks."""
_log = logging.getLogger("uois_sam")


def create(model: str = "compact", device: str = "auto", label: str = LABEL) -> Detection:
    """Make the function; cvat-cli calls this with what ``-p NAME=TYPE:VALUE`` gives.

    Args:
        model: as :meth:`uois_sam.pipeline.UOISSAM.from_pretrained` takes it.
        device: to compute on.
        label: of all objects in the CVAT task.
    """
    return Detection(load_model(model, device), label)


class Detection:
    """As ``cvat_sdk.auto_annotation.DetectionFunction``."""

    def __init__(self, model: UOISSAM, label: str = LABEL) -> None:
        self._sdk, self._model = annotation_module(), model
        self.spec = self._sdk.DetectionFunctionSpec(labels=[self._sdk.label_spec(label, LABEL_ID, type="mask")])

    def detect(self, context: Any, image: PIL.Image.Image) -> list[Any]:
        """Find all objects with at least the context's confidence (the model's own without one)."""
        from cvat_sdk.masks import encode_mask

        from uois_sam.io.outlines import edge_polygons

        limit = {} if context.conf_threshold is None else {"min_score": context.conf_threshold}
        found = self._model.predict(image, **limit)
        for note in found.notes:
            _log.info("%s: %s", context.frame_name, note)
        shapes = []
        for number, (mask, score) in enumerate(zip(found.masks, found.scores, strict=True), start=1):
            if not mask.any():
                continue
            if not context.conv_mask_to_poly:
                shapes.append(self._sdk.mask(LABEL_ID, encode_mask(mask), score=float(score)))
                continue
            rings = edge_polygons(mask, TOLERANCE_PX)
            group = {"group": number} if len(rings) > 1 else {}  # pieces of one object belong together
            points = [ring.ravel().tolist() for ring in rings if len(ring) >= 3]
            shapes += [self._sdk.polygon(LABEL_ID, each, score=float(score), **group) for each in points]
        return shapes
