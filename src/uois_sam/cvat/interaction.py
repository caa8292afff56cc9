"""The object under clicks and in a box, for ``cvat-cli function ... --function-module uois_sam.cvat.interaction``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uois_sam.cvat.prompts import predict_prompts
from uois_sam.cvat.sdk import annotation_module, load_model

if TYPE_CHECKING:
    import PIL.Image

    from uois_sam.pipeline import UOISSAM, EncodedImage


def create(model: str = "compact", device: str = "auto") -> Interaction:
    """Make the function; arguments as those of :func:`uois_sam.cvat.detection.create`."""
    return Interaction(load_model(model, device))


class Interaction:
    """As ``cvat_sdk.auto_annotation.InteractionFunction``: an agent encodes a frame once for many clicks."""

    def __init__(self, model: UOISSAM) -> None:
        self._sdk, self._model = annotation_module(), model
        self.spec = self._sdk.InteractionFunctionSpec(min_pos_points=1, min_neg_points=0, min_bounding_boxes=0)

    def preprocess_image(self, context: Any, image: PIL.Image.Image) -> EncodedImage:
        """Encode a frame."""
        return self._model.encode_image(image)

    def detect(self, context: Any, pp_image: EncodedImage, prompts: Any) -> list[Any]:
        """The mask of the object that is pointed at, with its score as confidence; none where it is empty."""
        from cvat_sdk.masks import encode_mask
        from cvat_sdk.models import AttributeValRequest

        box = prompts.bounding_box
        corners = None if box is None else [*box[0], *box[1]]
        mask, score = predict_prompts(pp_image, prompts.pos_points, prompts.neg_points, corners)
        if not mask.any():
            return []
        confidence = AttributeValRequest(spec_id=self._sdk.InteractionResultAttributes.CONFIDENCE, value=f"{score:.4f}")
        shape = self._sdk.InteractionResultShape(type="mask", points=encode_mask(mask), attributes=[confidence])
        return [shape]
