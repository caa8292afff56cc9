"""The one place that imports cvat-sdk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uois_sam.errors import MissingExtraError

if TYPE_CHECKING:
    from uois_sam.pipeline import UOISSAM

LABEL = "object"
LABEL_ID = 0


def annotation_module() -> Any:
    """``cvat_sdk.auto_annotation``.

    Raises:
        MissingExtraError: cvat-sdk is not installed.
    """
    try:
        import cvat_sdk.auto_annotation
    except ImportError as error:
        raise MissingExtraError("a function for CVAT", "cvat", str(error.name)) from error
    return cvat_sdk.auto_annotation


def load_model(model: str, device: str) -> UOISSAM:
    """Load a model by name or folder."""
    from uois_sam.pipeline import UOISSAM

    return UOISSAM.from_pretrained(model, device=device)
