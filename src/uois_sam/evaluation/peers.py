"""Other people's segmenters as predictors: what transformers runs, through its own pipelines and processors.

Two kinds: models that generate masks for everything (SAM and its kin, by the pipeline that tries a grid of points), and
instance segmenters, whose classes are not looked at. Both run under their libraries' own defaults.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.evaluation.frame_scores import Prediction
from uois_sam.io.shapes import paint_masks
from uois_sam.types import BoolArray, FloatArray, ImageArray

if TYPE_CHECKING:
    import torch  # here only, as below inside functions: processes that score need none of it

PREFIX = "hf:"
SEGMENTERS = {
    "maskformer": "MaskFormerForInstanceSegmentation",
    "mask2former": "Mask2FormerForUniversalSegmentation",
    "rf_detr": "RfDetrForInstanceSegmentation",
}
"""Model types of transformers whose processors make instances, and their classes."""
MOST_LABELS = 65_535

Segment = Callable[[ImageArray], tuple[BoolArray, FloatArray]]
"""An (H, W, 3) uint8 RGB photo to (N, H, W) masks and (N,) float32 scores."""


class HuggingFacePeer:
    """A model of transformers as a predictor.

    Args:
        peer: ``hf:`` and an id on the Hugging Face hub or a folder.
        device: as :meth:`UOISSAM.from_pretrained`.

    Raises:
        MissingExtraError: transformers is not installed.
        UOISError: there is no such model, or it is of another kind.
    """

    def __init__(self, peer: str, device: str = "auto") -> None:
        from uois_sam.models.networks import hash_weights
        from uois_sam.runtime.device import choose_device

        source = _source(peer)
        chosen = choose_device(device)
        with _explaining(source):
            config = _transformers().AutoConfig.from_pretrained(source)
        kind = config.model_type
        if kind not in (*SEGMENTERS, *_mask_generators()):
            known = ", ".join(sorted({*SEGMENTERS, *_mask_generators()}))
            raise UOISError(f"{source}: expected a model that makes masks of its own ({known}), found {kind!r}")
        with _explaining(source):
            load = _segmenter if kind in SEGMENTERS else _mask_generator
            self._segment, model = load(source, chosen)
        self.name = Path(source).name if Path(source).is_dir() else source
        self.description = {
            "kind": "peer", "model": source, "model_type": kind, "class": type(model).__name__,
            "scheme": "instances of any class" if kind in SEGMENTERS else "automatic: a grid of points",
            "weights_sha256": hash_weights([model]), "transformers": _transformers().__version__,
        }  # fmt: skip

    def __call__(self, image: ImageArray) -> Prediction:
        """Return the label map of all masks, better scores on top; label i has the score of mask i."""
        masks, scores = self._segment(image)
        order = np.argsort(-scores, kind="stable")[:MOST_LABELS]
        if len(order) == 0:
            return Prediction(np.zeros(image.shape[:2], dtype=np.uint16), {})
        return Prediction(
            paint_masks(masks[order]), {label: float(scores[row]) for label, row in enumerate(order, start=1)}
        )


def _mask_generator(source: str, device: torch.device) -> tuple[Segment, Any]:
    pipeline = _pipeline(source, device)

    def segment(image: ImageArray) -> tuple[BoolArray, FloatArray]:
        from PIL import Image

        try:
            found = pipeline(Image.fromarray(np.asarray(image)))
        except RuntimeError as error:
            if "non-empty" not in str(error):  # nothing passed the pipeline's own filters
                raise
            return _none(image)
        masks = [np.asarray(mask, dtype=np.bool_) for mask in found["masks"]]
        return (np.stack(masks), np.asarray(found["scores"], dtype=np.float32)) if masks else _none(image)

    return segment, pipeline.model


def _pipeline(source: str, device: torch.device) -> Any:
    _need_torchvision("the automatic scheme of transformers")  # else it would fail at the first photo only
    return _transformers().pipeline("mask-generation", model=source, device=device)


def _need_torchvision(feature: str) -> None:
    try:
        importlib.import_module("torchvision")
    except ImportError as error:
        raise MissingExtraError(feature, "peers", "torchvision") from error


def _segmenter(source: str, device: torch.device) -> tuple[Segment, Any]:
    import torch

    library = _transformers()
    kind = library.AutoConfig.from_pretrained(source).model_type
    if kind == "rf_detr":
        _need_torchvision("the image processor of RF-DETR")
    processor = library.AutoImageProcessor.from_pretrained(source)
    model = getattr(library, SEGMENTERS[kind]).from_pretrained(source).to(device).eval()

    def segment(image: ImageArray) -> tuple[BoolArray, FloatArray]:
        with torch.inference_mode():
            outputs = model(**processor(images=np.asarray(image), return_tensors="pt").to(device))
        found = processor.post_process_instance_segmentation(
            outputs, target_sizes=[image.shape[:2]], return_binary_maps=True
        )[0]
        infos = found["segments_info"]
        if not infos:
            return _none(image)
        masks = np.asarray(found["segmentation"].cpu(), dtype=np.bool_)
        return masks, np.array([info["score"] for info in infos], dtype=np.float32)

    return segment, model


def _none(image: ImageArray) -> tuple[BoolArray, FloatArray]:
    return np.zeros((0, *image.shape[:2]), dtype=np.bool_), np.zeros(0, dtype=np.float32)


def _source(peer: str) -> str:
    """The folder or hub id of ``hf:...``."""
    from uois_sam.checkpoints.huggingface import looks_like_hub_id

    source = peer.removeprefix(PREFIX)
    if source == peer or not source:
        raise UOISError(f"--peer: expected hf:MODEL_ID or hf:FOLDER, found {peer!r}")
    if Path(source).is_dir():
        if not (Path(source) / "config.json").is_file():
            raise UOISError(f"{source}: expected a folder with config.json of a transformers model, found none")
    elif Path(source).exists() or not looks_like_hub_id(source):
        raise UOISError(f"--peer: expected a folder or a hub id like org/name behind hf:, found {source!r}")
    return source


def _mask_generators() -> tuple[str, ...]:
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASK_GENERATION_MAPPING_NAMES

    return tuple(MODEL_FOR_MASK_GENERATION_MAPPING_NAMES)


def _transformers() -> Any:
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("peers from the Hugging Face hub", "full", "transformers") from error
    return transformers


@contextmanager
def _explaining(source: str) -> Iterator[None]:
    """Turn what the library raises for files it cannot have or use into one line."""
    from uois_sam.checkpoints.huggingface import gated_message, quiet_attempts, refused_as_gated

    try:
        with quiet_attempts():
            yield
    except UOISError:
        raise
    except Exception as error:  # of transformers, the hub's client, the file format, torch: each has its own
        if refused_as_gated(error):
            raise UOISError(gated_message(source, "give a folder that you have (hf:FOLDER)")) from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = lines[0] if lines else type(error).__name__
        raise UOISError(f"{source}: expected a model that transformers can load, and it says: {said:.300}") from error
