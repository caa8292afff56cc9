"""Difference of our SAM and DINOv2 from their references, in float32 on the same weights.

    python benchmarks/parity.py PHOTO --weights WEIGHTS [--base sam-vit-l] [--points 4] [--out results.json]

WEIGHTS holds ``sam.pth`` and ``dinov2.pth`` in Meta's format (``random_official_weights.py`` writes such). References:
transformers' ``SamModel`` and ``Dinov2Model``, the modules of Meta's package segment-anything, and Pillow's resize.
Needs the extra ``parity``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from uois_sam.benchmark.peers import build_official_sam, build_transformers_sam, official_modules
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.checkpoints.bases import BASES
from uois_sam.checkpoints.loading import load_base
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.models.sam.modules import PIXEL_STD
from uois_sam.runtime.provenance import summary

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
from sam_references import dinov2_features, errors, meta_pixels, meta_sam, our_pixels, our_sam, transformers_sam


def compare(photo: Path, weights: Path, base_name: str, count: int) -> dict[str, Any]:
    """Make all comparisons on one photo."""
    size = BASES[base_name].sam
    base = load_base(
        base_name, sam=weights / "sam.pth", dinov2=weights / "dinov2.pth", device="cpu", precision="float32"
    )
    image = torch.from_numpy(np.array(read_image(photo))).permute(2, 0, 1)
    points = torch.rand((count, 2), generator=torch.Generator().manual_seed(0)) * size.image_side * 0.7
    pixels, reference = our_pixels(base, image), meta_pixels(image, size.image_side)
    levels = (pixels - reference).abs() * torch.tensor(PIXEL_STD)[:, None, None]
    ours = our_sam(base, image, points)
    tensors = torch.load(weights / "sam.pth", weights_only=True, mmap=True)
    result: dict[str, Any] = {
        "pixels": {"largest_difference_levels": float(levels.max()), "mean_levels": float(levels.mean())},
        "sam_to_transformers": errors(
            ours, transformers_sam(build_transformers_sam(size, tensors), pixels, points)
        ),
    }  # fmt: skip
    with official_modules() as modeling:
        with torch.device("meta"):
            model = build_official_sam(modeling, size)
        model.load_state_dict(tensors, assign=True)
        result["sam_to_meta"] = errors(ours, meta_sam(model, pixels, points))
    found, expected = dinov2_features(base, image)
    result["dinov2_to_transformers"] = errors({"features": found}, {"features": expected})
    return result


def markdown(result: dict[str, Any]) -> str:
    """Format all comparisons as a markdown table."""
    lines = ["| comparison | quantity | largest difference | reference RMS |", "|---|---|---|---|"]
    pixels = result["pixels"]
    lines.append(
        f"| Pillow's resize | levels of 0..255 | {pixels['largest_difference_levels']:.3f} "
        f"(mean {pixels['mean_levels']:.5f}) | |"
    )
    for comparison in ("sam_to_transformers", "sam_to_meta", "dinov2_to_transformers"):
        for name, row in result[comparison].items():
            label = comparison.replace("_", " ")
            lines.append(f"| {label} | {name} | {row['largest_difference']:.1e} | {row['reference_rms']:.2f} |")
    return "\n".join(lines)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="folder with sam.pth and dinov2.pth")
    parser.add_argument("--base", choices=list(BASES), default="sam-vit-l")
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        result = compare(options.photo, options.weights, options.base, options.points)
        record = make_record("parity", {"base": options.base, **result})
        if options.out:
            write_record(options.out, record)
    except UOISError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    print(markdown(result))
    print(f"\n{options.base}, float32\n{summary(record['machine'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
