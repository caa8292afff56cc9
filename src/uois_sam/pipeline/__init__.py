"""From photo to instances: a model (:class:`UOISSAM`), and a photo after its backbones (:class:`EncodedImage`)."""

from uois_sam.pipeline.encoded import EncodedImage
from uois_sam.pipeline.model import UOISSAM

__all__ = ["UOISSAM", "EncodedImage"]
