"""Trained heads: HPG and HDNet in a small folder that names the base they were trained on, and refuses another one.

The folder has the format of every model folder (see :mod:`uois_sam.checkpoints.folder`); its card's ``architecture`` is
``{"kind": "heads", "base": NAME, "base_sha256": ..., ...sizes of the heads}``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from uois_sam.checkpoints.bases import BACKBONES
from uois_sam.checkpoints.folder import CARD_FILE, WEIGHTS_FILE, architecture_of, load_strictly, save_folder
from uois_sam.config import InferenceConfig
from uois_sam.errors import WeightsError, install_command
from uois_sam.models.hdnet import HDNet
from uois_sam.models.hpg import HPG
from uois_sam.models.networks import HeadSizes, Networks
from uois_sam.types import ModelCard
from uois_sam.validation import validated

HEADS_KIND = "heads"
"""Architecture kind of a card whose tensors are heads only."""
BASE_KIND = "base"
"""Architecture kind of a base that has no heads, and so nothing to save."""
UNTRAINED_SETTINGS = InferenceConfig(prompts="grid", scores="sam")
"""What works without heads: SAM's automatic scheme, first row of Table IV."""


@dataclass(frozen=True)
class HeadsCard:
    """The base that trained heads fit, as their card names it."""

    base: str
    """Name of the base they were trained on."""
    base_sha256: str
    """Identity of its weights (``Networks.sha256``)."""
    heads: HeadSizes
    prompts_backbone: str | None = None
    """Name of the backbone for prompts; None for the base's own."""


def save_heads(
    base: Networks,
    hpg: HPG,
    hdnet: HDNet,
    folder: str | os.PathLike[str],
    *,
    training: Mapping[str, Any],
    selection: InferenceConfig | None = None,
    name: str | None = None,
) -> None:
    """Write trained heads; both files of the folder appear, or neither.

    Args:
        base: what they were trained on.
        hpg: as ``base.fresh_hpg()`` makes it.
        hdnet: as ``base.fresh_hdnet()`` makes it.
        folder: where to; created if need be.
        training: the run's record, plain data.
        selection: settings they are meant to be used with; the paper's when left out.
        name: what results call the model; the name of the base if left out.

    Raises:
        OutputError: if a file cannot be written.
    """
    card = ModelCard(
        name=name or base.name, version="", licence=base.licence,
        architecture={
            "kind": HEADS_KIND, "base": base.name, "base_sha256": base.sha256,
            **({"prompts_backbone": base.prompts_backbone} if base.prompts_backbone else {}), **base.heads.to_json(),
        },
        preprocessing={"by": "the base", "channels": "RGB"}, selection=asdict(selection or InferenceConfig()),
        training=training, weights_sha256="",
    )  # fmt: skip
    heads = nn.ModuleDict({"hpg": hpg, "hdnet": hdnet})
    save_folder({key: value.detach().cpu().contiguous() for key, value in heads.state_dict().items()}, card, folder)


def read_heads_card(card: ModelCard, folder: Path) -> HeadsCard:
    """Read what a heads folder's card says of its base.

    Raises:
        WeightsError: it is not one.
    """
    _, architecture = architecture_of(card)
    where = f"{folder / CARD_FILE}: architecture"
    base, sha256 = architecture.pop("base", None), architecture.pop("base_sha256", None)
    if not isinstance(base, str) or not isinstance(sha256, str):
        raise WeightsError(f"{where}: expected base and base_sha256 as text, found {base!r:.60} and {sha256!r:.60}")
    backbone = architecture.pop("prompts_backbone", None)
    if backbone is not None and (not isinstance(backbone, str) or backbone not in BACKBONES):
        raise WeightsError(
            f"{where}: expected prompts_backbone to be one of {', '.join(BACKBONES)}, found {backbone!r:.60}"
        )
    return HeadsCard(base, sha256, validated(architecture, HeadSizes, where, WeightsError), backbone)


def load_heads(base: Networks, card: HeadsCard, tensors: Mapping[str, Tensor], folder: Path) -> tuple[HPG, HDNet]:
    """Heads with weights, frozen and on the base's device.

    Raises:
        WeightsError: the base is not the one they were trained on, or the tensors do not fit.
    """
    if base.sha256 != card.base_sha256:
        raise WeightsError(
            f"{folder}: these heads were trained on {card.base} with SHA256 {card.base_sha256[:16]}..., but the base "
            f"given has {base.sha256[:16]}...; give the weights that they were trained on (sam=, dinov2=)"
        )
    if (card.heads.prompt_channels, card.heads.token_width) != (base.heads.prompt_channels, base.heads.token_width):
        raise WeightsError(
            f"{folder / CARD_FILE}: expected heads for {base.heads.prompt_channels} prompt channels and tokens of "
            f"{base.heads.token_width}, got {card.heads.prompt_channels} and {card.heads.token_width}"
        )
    hpg, hdnet = card.heads.fresh_hpg(), card.heads.fresh_hdnet()
    heads = nn.ModuleDict({"hpg": hpg, "hdnet": hdnet})
    load_strictly(heads, tensors, folder / WEIGHTS_FILE)
    heads.requires_grad_(False).eval().to(base.device)
    return hpg, hdnet


def base_card(base: Networks) -> ModelCard:
    """The card of a base alone: a grid prompts it, and its own scores rank the masks."""
    return ModelCard(
        name=base.name, version="", licence=base.licence, architecture={"kind": BASE_KIND, "base": base.name},
        preprocessing={"by": "the base", "channels": "RGB"}, selection=asdict(UNTRAINED_SETTINGS), training={},
        weights_sha256="",
    )  # fmt: skip


def readme(card: ModelCard, repo: str) -> str:
    """Return the README of a published model, which the hub shows."""
    kind, architecture = architecture_of(card)
    what = f"Heads (HPG and HDNet) for {architecture.get('base')}" if kind == HEADS_KIND else f"The model {card.name}"
    return f"""---
license: {card.licence.lower()}
library_name: uois-sam
pipeline_tag: image-segmentation
tags: [instance-segmentation, unseen-objects, robotics]
---
{what} ({card.full_name}), for uois-sam: a mask for every object in one RGB photo of clutter, none of them seen
before (arXiv 2409.15481).

Install: {install_command("full")}

```python
from uois_sam import UOISSAM

instances = UOISSAM.from_pretrained("{repo}").predict("photo.jpg")
```

`model.json` says what it was trained on.
"""
