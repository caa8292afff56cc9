"""Names that models go by: bundled ones, the published bases, folders, and ids on the Hugging Face hub."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from uois_sam.checkpoints.bases import BASES
from uois_sam.checkpoints.folder import BUNDLED, CARD_FILE, WEIGHTS_FILE
from uois_sam.checkpoints.foundation import Weights
from uois_sam.checkpoints.huggingface import fetch_folder, looks_like_hub_id
from uois_sam.errors import UOISError, WeightsError


def find_folder(name: str) -> Path:
    """Return the folder of a bundled model, of a path, or of a model on the hub (downloaded if need be).

    Raises:
        WeightsError: if there is no such model; the nearest names are offered.
    """
    if name in BUNDLED:
        return BUNDLED[name]
    if os.path.isdir(name):
        return Path(name)
    if looks_like_hub_id(name) and not os.path.isdir(Path(name).parent):  # else a mistyped path would ask the network
        return fetch_folder(name, (CARD_FILE, WEIGHTS_FILE))
    if name in BASES:
        raise WeightsError(
            f"{name} has no folder: its weights are those of SAM and DINOv2; expected one of {', '.join(BUNDLED)}, "
            f"a folder with {CARD_FILE}, or a hub id like org/name"
        )
    raise WeightsError(
        f"{unknown_model(name, (*BUNDLED, *BASES))}, a folder with {CARD_FILE}, or a hub id like org/name"
    )


def refuse_foreign_weights(name: str, sam: Weights, dinov2: Weights) -> None:
    """Raise UOISError where weights of SAM or DINOv2 are given for a model that does not stand on them."""
    if sam is not None or dinov2 is not None:
        raise UOISError(f"{name} has its own weights: sam and dinov2 are for models that stand on {', '.join(BASES)}")


def unknown_model(name: str, known: tuple[str, ...]) -> str:
    """Return the message for a name that is none of ``known``."""
    nearest = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    hint = f" (did you mean {' or '.join(nearest)}?)" if nearest else ""
    return f"unknown model {name!r}{hint}: expected one of {', '.join(known)}"
