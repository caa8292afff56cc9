"""The frozen bases by name: which networks, where their weights are published, and loading them from any of it.

SHA256 sums are those of Meta's own files. They come from third-party manifests that agree with each other.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from uois_sam.checkpoints.folder import load_strictly
from uois_sam.checkpoints.huggingface import check_reachable, fetch_weights, looks_like_hub_id
from uois_sam.checkpoints.key_mapping import describe, dinov2_for_transformers, sam_for_transformers
from uois_sam.checkpoints.torch_files import FILE_SUFFIXES, file_sha256, folder_weights, read_tensors
from uois_sam.errors import MissingExtraError, WeightsError
from uois_sam.models.dinov2 import Dinov2Encoder, Dinov2Size, build_dinov2
from uois_sam.models.networks import FoundationEncoder, HeadSizes, Networks
from uois_sam.models.sam.modules import SamImageEncoder, SamPointDecoder, SamSize, build_sam

LICENCE = "Apache-2.0"
"""Of SAM's and DINOv2's weights, both by Meta."""
OFFICIAL_SHA256: Mapping[str, str] = {
    "sam_vit_b_01ec64.pth": "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    "sam_vit_l_0b3195.pth": "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    "sam_vit_h_4b8939.pth": "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    "dinov2_vits14_pretrain.pth": "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
}
"""Meta's files by name; one that goes by such a name must have this sum."""
GIVE_FILES = "give files that you have with sam=FILE, dinov2=FILE (--sam FILE --dinov2 FILE)"
DINOV2_VITS14 = Dinov2Size(width=384)


@dataclass(frozen=True)
class BaseSpec:
    """One base: SAM for masks, DINOv2 for prompts."""

    sam: SamSize
    sam_repo: str
    """Where Hugging Face has SAM's weights."""
    millions: int
    """Parameters of both networks together, in millions."""
    dinov2: Dinov2Size = DINOV2_VITS14
    dinov2_repo: str = "facebook/dinov2-small"
    heads: HeadSizes = field(default_factory=HeadSizes)
    """Sizes of the heads that fit: the paper's."""
    note: str = ""
    """A few words for lists."""


BASES: dict[str, BaseSpec] = {
    "sam-vit-b": BaseSpec(
        SamSize(768, 12, 12, (2, 5, 8, 11)), "facebook/sam-vit-base", 116
    ),
    "sam-vit-l": BaseSpec(
        SamSize(1024, 24, 16, (5, 11, 17, 23)), "facebook/sam-vit-large", 334,
        note="the paper's",
    ),
    "sam-vit-h": BaseSpec(
        SamSize(1280, 32, 16, (7, 15, 23, 31)), "facebook/sam-vit-huge", 663
    ),
}  # fmt: skip
"""Name -> base, each with DINOv2 ViT-S/14."""


def load_foundation(
    name: str,
    sam: str | os.PathLike[str] | None,
    dinov2: str | os.PathLike[str] | None,
    device: torch.device,
    precision: torch.dtype,
) -> Networks:
    """Load SAM and DINOv2 under one of the names in ``BASES``; see :func:`uois_sam.checkpoints.loading.load_base`."""
    spec = BASES[name]
    networks, model = build_sam(spec.sam), build_dinov2(spec.dinov2)
    source, tensors = _tensors(sam, spec.sam_repo)
    needed = f"{name} needs SAM with {spec.sam.width} channels and {spec.sam.layers} layers"
    _load(networks, sam_for_transformers(tensors), source, f"the file holds {describe(tensors)}; {needed}")
    source, tensors = _tensors(dinov2, spec.dinov2_repo)
    needed = f"{name} needs DINOv2 with {spec.dinov2.width} channels and {spec.dinov2.layers} layers"
    _load(
        model, dinov2_for_transformers(tensors, model.state_dict()), source,
        f"the file holds {describe(tensors)}; {needed}",
    )  # fmt: skip
    encoder = FoundationEncoder(
        SamImageEncoder(networks["vision_encoder"], spec.sam.image_side), Dinov2Encoder(model, spec.dinov2.patch)
    )
    decoder = SamPointDecoder(networks["prompt_encoder"], networks["mask_decoder"])
    for part in (encoder, decoder):
        part.requires_grad_(False).eval().to(device)
    return Networks(encoder, decoder, heads=spec.heads, name=name, device=device, precision=precision)


def check_foundation(name: str, sam: str | os.PathLike[str] | None, dinov2: str | os.PathLike[str] | None) -> None:
    """Check at once that a base's packages and files are there, or may be downloaded.

    Raises:
        MissingExtraError: the extra ``full`` is not installed.
        WeightsError: a file that was given is not there, or a download is forbidden.
    """
    try:
        import transformers  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("SAM", "full", "transformers") from error
    for given, published in ((sam, BASES[name].sam_repo), (dinov2, BASES[name].dinov2_repo)):
        if (repo := _hub_id(given, published)) is not None:
            check_reachable(repo, GIVE_FILES)
        elif given is not None and not os.path.exists(given):
            raise WeightsError(f"{given}: expected a file with weights, found nothing")


def _hub_id(given: str | os.PathLike[str] | None, published: str) -> str | None:
    """Return the hub id of one network's weights, or None if they are on disk."""
    if given is None:
        return published
    path = Path(given)
    on_hub = not os.path.exists(path) and path.suffix not in FILE_SUFFIXES and looks_like_hub_id(os.fspath(given))
    return os.fspath(given) if on_hub else None


def _tensors(given: str | os.PathLike[str] | None, published: str) -> tuple[Path, dict[str, Tensor]]:
    """Find and read one network's weights: a file, a Hugging Face folder or id, by default the published id."""
    repo = _hub_id(given, published)
    path = Path(given or "") if repo is None else fetch_weights(repo, LICENCE, GIVE_FILES)
    file = folder_weights(path) if os.path.isdir(path) else path
    expected = OFFICIAL_SHA256.get(file.name)
    if expected is not None and os.path.isfile(file) and (found := file_sha256(file)) != expected:
        raise WeightsError(
            f"{file}: expected SHA256 {expected[:16]}... of Meta's file of this name, got {found[:16]}... "
            f"({file.stat().st_size} bytes): truncated or altered; get it again, or rename it if it is another model"
        )
    return file, read_tensors(file)


def _load(module: torch.nn.Module, tensors: dict[str, Tensor], source: Path, explanation: str) -> None:
    """Load strictly and without a copy; errors explain what the file holds and what the name needs."""
    try:
        load_strictly(module, tensors, source, assign=True)
    except WeightsError as error:
        raise WeightsError(f"{error}; {explanation}") from error
