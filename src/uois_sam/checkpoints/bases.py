"""The frozen bases by name: which networks, where their weights are published, and under what licence.

A base is a SAM (masks) with a backbone for the prompt generator; any of the backbones goes with any SAM.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from uois_sam.checkpoints.key_mapping.dino import dinov2_for_transformers, dinov3_for_transformers
from uois_sam.checkpoints.key_mapping.renaming import Conversion
from uois_sam.checkpoints.key_mapping.sam import sam_for_transformers
from uois_sam.checkpoints.key_mapping.sam2 import sam2_for_transformers, sam3_for_transformers
from uois_sam.errors import UOISError
from uois_sam.models.dino import DinoSize
from uois_sam.models.edgetam.modules import EdgeTamSize
from uois_sam.models.interfaces import MaskArchitecture
from uois_sam.models.networks import HeadSizes
from uois_sam.models.sam.modules import SamSize
from uois_sam.models.sam2.modules import Sam2Size
from uois_sam.models.sam3.modules import Sam3Size
from uois_sam.models.sam_hq.modules import SamHqSize

RANDOM = "-random"
"""End of the name of a base with random weights: for rehearsals and tests, its masks mean nothing."""
APACHE = "Apache-2.0"
SAM_LICENCE = "SAM License"
DINOV3_LICENCE = "DINOv3 License"
OFFICIAL_SHA256: Mapping[str, str] = {
    "sam_vit_b_01ec64.pth": "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    "sam_vit_l_0b3195.pth": "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    "sam_vit_h_4b8939.pth": "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    "sam2.1_hiera_tiny.pt": "7402e0d864fa82708a20fbd15bc84245c2f26dff0eb43a4b5b93452deb34be69",
    "sam2.1_hiera_small.pt": "6d1aa6f30de5c92224f8172114de081d104bbd23dd9dc5c58996f0cad5dc4d38",
    "sam2.1_hiera_base_plus.pt": "a2345aede8715ab1d5d31b4a509fb160c5a4af1970f199d9054ccfb746c004c5",
    "sam2.1_hiera_large.pt": "2647878d5dfa5098f2f8649825738a9345572bae2d4350a2468587ece47dd318",
    "dinov2_vits14_pretrain.pth": "b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
}
"""Meta's files by name; one that goes by such a name must have this sum.

The sums come from third-party manifests that agree with each other.
"""


@dataclass(frozen=True)
class Published:
    """Where the weights of a network are published."""

    repo: str
    """Id on the Hugging Face hub."""
    millions: float
    """Parameters that are used, in millions."""
    licence: str = APACHE
    gated: bool = False
    """The hub gives them to those only who have accepted the licence there."""
    megabytes: int | None = None
    """Size of the download; four bytes a parameter if left out."""

    @property
    def download_megabytes(self) -> float:
        """Size of the file, which may hold more than is used."""
        return self.millions * 4 if self.megabytes is None else self.megabytes


@dataclass(frozen=True)
class Backbone:
    """One backbone for the prompt generator."""

    size: DinoSize
    published: Published
    hpg_scales: tuple[float, ...] = (2, 2, 2, 1.75)
    """HPG's upsampling from its patches to the prompt frame."""
    convert: Conversion = dinov2_for_transformers


@dataclass(frozen=True)
class BaseSpec:
    """One base: a SAM for masks, a backbone for prompts."""

    sam: MaskArchitecture
    published: Published
    convert: Conversion = sam_for_transformers
    prompts: str = "dinov2-small"
    """Backbone where none is asked for: the paper's."""
    heads: HeadSizes = field(default_factory=HeadSizes)
    """Widths of the heads that fit: the paper's."""
    note: str = ""
    """A few words for lists."""

    def heads_on(self, backbone: Backbone) -> HeadSizes:
        """Sizes of the heads for this SAM and a backbone."""
        return replace(
            self.heads, prompt_channels=backbone.size.width, hpg_scales=backbone.hpg_scales,
            token_width=self.sam.token_width,
        )  # fmt: skip


BACKBONES: dict[str, Backbone] = {
    "dinov2-small": Backbone(DinoSize(), Published("facebook/dinov2-small", 22)),
    "dinov2-base": Backbone(DinoSize(768, heads=12), Published("facebook/dinov2-base", 87)),
    "dinov2-small-registers": Backbone(
        DinoSize(registers=4), Published("facebook/dinov2-with-registers-small", 22)
    ),
    "dinov2-base-registers": Backbone(
        DinoSize(768, heads=12, registers=4), Published("facebook/dinov2-with-registers-base", 87)
    ),
    "dinov3-vits16": Backbone(
        DinoSize(patch=16, trained_side=224, registers=4, version=3),
        Published("facebook/dinov3-vits16-pretrain-lvd1689m", 22, DINOV3_LICENCE, gated=True),
        hpg_scales=(2, 2, 2, 2), convert=dinov3_for_transformers,
    ),
}  # fmt: skip
"""Name -> backbone of the prompt generator."""


def _sam2(size: Sam2Size, name: str, millions: float, megabytes: int, note: str = "") -> BaseSpec:
    # The hub's file has the memory of videos as well, which is left out here.
    published = Published(f"facebook/sam2.1-hiera-{name}", millions, megabytes=megabytes)
    return BaseSpec(size, published, sam2_for_transformers, note=note)


BASES: dict[str, BaseSpec] = {
    "sam-vit-b": BaseSpec(SamSize(768, 12, 12, (2, 5, 8, 11)), Published("facebook/sam-vit-base", 94)),
    "sam-vit-l": BaseSpec(
        SamSize(1024, 24, 16, (5, 11, 17, 23)), Published("facebook/sam-vit-large", 312), note="the paper's"
    ),
    "sam-vit-h": BaseSpec(SamSize(1280, 32, 16, (7, 15, 23, 31)), Published("facebook/sam-vit-huge", 641)),
    "sam2.1-hiera-tiny": _sam2(Sam2Size(), "tiny", 31.4, 156, "fast"),
    "sam2.1-hiera-small": _sam2(
        Sam2Size(blocks=(1, 2, 11, 2), global_blocks=(7, 10, 13)), "small", 38.5, 184
    ),
    "sam2.1-hiera-base-plus": _sam2(
        Sam2Size(112, 2, (2, 3, 16, 3), (8, 4, 14, 7), (12, 16, 20), background=14), "base-plus", 73.3, 324
    ),
    "sam2.1-hiera-large": _sam2(
        Sam2Size(144, 2, (2, 6, 36, 4), (8, 4, 16, 8), (23, 33, 43)), "large", 216.9, 898
    ),
    "edgetam": BaseSpec(
        EdgeTamSize(), Published("yonigozlan/EdgeTAM-hf", 9.6, megabytes=56), sam2_for_transformers,
        note="SAM 2.1's decoder",
    ),
    "sam3-tracker": BaseSpec(
        Sam3Size(), Published("facebook/sam3", 457.4, SAM_LICENCE, gated=True, megabytes=3440), sam3_for_transformers,
        note="SAM 3's encoder and tracker",
    ),
    "sam-hq-vit-b": BaseSpec(
        SamHqSize(768, 12, 12, (2, 5, 8, 11)), Published("syscv-community/sam-hq-vit-base", 94.8),
        note="finer outlines",
    ),
    "sam-hq-vit-l": BaseSpec(
        SamHqSize(1024, 24, 16, (5, 11, 17, 23)), Published("syscv-community/sam-hq-vit-large", 313.4)
    ),
    "sam-hq-vit-h": BaseSpec(
        SamHqSize(1280, 32, 16, (7, 15, 23, 31)), Published("syscv-community/sam-hq-vit-huge", 642.6)
    ),
}  # fmt: skip
"""Name -> base."""


def find_base(name: str) -> tuple[BaseSpec, bool] | None:
    """Return the base of a name, and whether it is to have random weights; None if there is no such base."""
    if name in BASES:
        return BASES[name], False
    plain = name.removesuffix(RANDOM)
    return (BASES[plain], True) if plain != name and plain in BASES else None


def find_backbone(spec: BaseSpec, name: str | None) -> tuple[str, Backbone]:
    """Return name and backbone; the base's own for None.

    Raises:
        UOISError: there is none of that name.
    """
    chosen = name or spec.prompts
    if chosen not in BACKBONES:
        raise UOISError(f"unknown backbone for prompts {chosen!r}: expected one of {', '.join(BACKBONES)}")
    return chosen, BACKBONES[chosen]
