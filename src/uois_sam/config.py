"""The paper's constants, each with its section, and the settings of the pipeline built from them (arXiv 2409.15481)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from msgspec import Meta

from uois_sam._deprecated import moved_names
from uois_sam.errors import UOISError
from uois_sam.validation import AtMostOne, Fraction, check_fields, nearest

PromptMode = Literal["grid", "foreground-grid", "heatmap"]
ScoreMode = Literal["sam", "hdnet", "evidence"]
NmsMode = Literal["mask", "box"]

PROMPT_FRAME_HW = (336, 448)
"""Sec. IV-A: the prompt generator's input and output size (rows, columns)."""
FOREGROUND_THRESHOLD = 0.85
"""Sec. IV-A: foreground is where the softmax exceeds this."""
HEATMAP_THRESHOLD = 0.007
"""Sec. IV-A: heatmap peaks at or below this are noise."""
MAX_PROMPTS = 30
"""Sec. III-A and IV-A: the K strongest peaks become prompts, and M prompts an image train HDNet."""
GRID_SIDE = 32
"""Table IV: SAM's automatic scheme, a uniform 32x32 grid of points."""
SCORE_THRESHOLD = 0.48
"""Sec. IV-A: masks with a lower refined score are dropped."""
NMS_IOU = 0.3
"""Sec. IV-A: non-maximum suppression threshold."""
MAX_AREA_FRACTION = 200 * 200 / (480 * 640)
"""Sec. IV-A drops masks above 200x200 pixels of a 480x640 image; we keep the fraction (13 %) for any size."""
MASK_AGREEMENT = 0.5
"""Beyond the paper: least agreement of a foundation model's mask with the one that it is to replace."""
LAMBDA_FOREGROUND = 0.1
"""Eq. 4: weight of the foreground loss."""
LAMBDA_HEATMAP = 1.0
"""Eq. 4: weight of the heatmap loss."""
HEATMAP_SIGMA_OF_SIZE = 0.13
"""Compact model: standard deviation of a centre's Gaussian, as a share of the square root of the object's area."""
MASKS_PER_PROMPT = 4
"""Sec. III-B: three hierarchical masks and the single-mask token."""


@dataclass(frozen=True)
class InferenceConfig:
    """Settings of prompts and mask selection; Table IV's four variants are (prompts, scores) pairs of it."""

    prompts: PromptMode = "heatmap"
    """Where points come from: a uniform grid, the grid inside the predicted foreground, or heatmap peaks inside it."""
    scores: ScoreMode = "hdnet"
    """What ranks masks: the decoder's own IoU estimate S^ ("sam"), HDNet's refined S^' (Eq. 5), or a score that has
    also seen the masks ("evidence"; beyond the paper, and only some models have it)."""
    foreground_threshold: Fraction = FOREGROUND_THRESHOLD
    """Foreground probability a prompt needs."""
    heatmap_threshold: AtMostOne = HEATMAP_THRESHOLD
    """Heatmap value a peak needs."""
    max_prompts: Annotated[int, Meta(ge=0, le=1024)] = MAX_PROMPTS
    """Strongest peaks kept in heatmap mode."""
    grid_side: Annotated[int, Meta(ge=1, le=64)] = GRID_SIDE
    """Points along each side of the grid."""
    zoom: bool = False
    """Look again, closer, where all objects lie in a part of the photo (``models.zoom``); with heatmap peaks
    only, beyond the paper."""
    score_threshold: AtMostOne = SCORE_THRESHOLD
    """Score a mask needs."""
    vote_iou: Fraction = 0.0
    """Masks that overlap a chosen one by at least this IoU have a vote on its outline (``models.postprocess.vote``); 0,
    as the paper, for none. Needs all masks drawn, as ``scores="evidence"`` has them."""
    follow_edges: bool = False
    """Move outlines to edges of the photo nearby (``models.edges``); beyond the paper. Not those that a foundation
    model draws."""
    nms: NmsMode = "mask"
    """Overlap measure of non-maximum suppression: IoU of masks or of their boxes."""
    nms_iou: Fraction = NMS_IOU
    """A mask that overlaps a better one by more than this is dropped."""
    max_area_fraction: Fraction = MAX_AREA_FRACTION
    """Masks covering more of the image than this are dropped."""
    region_fraction: Fraction = 0.0
    """Islands and holes of a mask smaller than this share of its largest region are removed; 0, as the paper, none."""
    min_area_px: Annotated[int, Meta(ge=0, le=10**9)] = 1
    """Masks with fewer pixels in the photo are dropped."""
    mask_agreement: Fraction = MASK_AGREEMENT
    """With masks by a foundation model (``models.redrawing``): agreement with the model's own mask that one of these
    needs to take its place."""
    mask_prompts: bool = False
    """With masks by a foundation model: prompt it with the model's own mask, too."""

    def __post_init__(self) -> None:
        check_fields(self)


def changed_settings(settings: InferenceConfig, changes: dict[str, Any]) -> InferenceConfig:
    """Settings with some of them replaced.

    Raises:
        UOISError: no such setting, or a value of another type or out of bounds.
    """
    known = InferenceConfig.__dataclass_fields__
    if unknown := sorted(set(changes) - set(known)):
        hint = nearest(unknown[0], known)
        raise UOISError(f"unknown setting {unknown[0]!r}{hint}; the settings are: {', '.join(known)}")
    return replace(settings, **changes)


def check_heads(settings: InferenceConfig, model: str, *, hpg: bool, hdnet: bool, mask_scorer: bool) -> None:
    """Raise UOISError for settings that need heads which the model has not."""
    if settings.scores == "evidence" and not mask_scorer:
        others = "hdnet or sam" if hdnet else "sam"
        raise UOISError(f"{model} has no scores that see the masks (scores='evidence'): expected scores={others}")
    needing = [f"prompts={settings.prompts!r}"] if not hpg and settings.prompts != "grid" else []
    needing += ["scores='hdnet'"] if not hdnet and settings.scores == "hdnet" else []
    if needing:
        raise lacks_heads(model, f"{' and '.join(needing)} need{'s' * (len(needing) == 1)}")


def lacks_heads(model: str, needing: str) -> UOISError:
    """Return the error for what needs trained heads: it says what works without and how to train some."""
    return UOISError(
        f"{model} lacks trained heads, which {needing}; prompts='grid' with scores='sam' works without, and heads are "
        f"trained by: uois-sam train heads --base {model} --data DIR --out DIR"
    )


__getattr__ = moved_names(__name__, "Selection")
