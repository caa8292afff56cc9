"""uois-sam: a mask for every object in one RGB photo of clutter, none of them seen before (arXiv 2409.15481)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from uois_sam._deprecated import install, moved_names
from uois_sam._version import __version__
from uois_sam.runtime.threads import prepare_threads

__all__ = ["UOISSAM", "EncodedImage", "InferenceConfig", "Instances", "UOISError", "__version__"]

if TYPE_CHECKING:
    from uois_sam.config import InferenceConfig
    from uois_sam.errors import UOISError
    from uois_sam.instances import Instances
    from uois_sam.pipeline import UOISSAM, EncodedImage

_HOMES = {
    "UOISSAM": "pipeline",
    "EncodedImage": "pipeline",
    "Instances": "instances",
    "InferenceConfig": "config",
    "UOISError": "errors",
}


def __getattr__(name: str) -> Any:
    """Import public names when they are first used: ``uois-sam --help`` need not wait for torch."""
    if name in _HOMES:
        return getattr(import_module(f"uois_sam.{_HOMES[name]}"), name)
    return moved_names(__name__, "Selection")(name)


install()
prepare_threads()  # before torch is loaded: it reads them once
