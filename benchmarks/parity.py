"""Difference of our networks from their references, in float32 on the same weights.

    python benchmarks/parity.py PHOTO --weights WEIGHTS [--base sam-vit-l] [--points 4] [--out results.json]
    python benchmarks/parity.py PHOTO --base sam2.1-hiera-tiny edgetam ... [--points 2] [--out results.json]

WEIGHTS holds ``sam.pth`` and ``dinov2.pth`` in Meta's format (``random_official_weights.py`` writes such). References:
transformers' ``SamModel`` and ``Dinov2Model``, the modules of Meta's package segment-anything, and Pillow's resize.
Needs the extra ``parity``.

Without WEIGHTS every base gets random weights, full size, one base in memory at a time, and the references are
transformers' models of its family: the embedding, finer maps, tokens, four masks and scores; with
``--prompts-backbone`` also its features. EdgeTAM's image encoder is compared where timm and torchvision are installed,
which transformers takes it from. Bases that are in the record already are kept, those that are named are replaced.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from uois_sam.benchmark.peers import build_official_sam, build_transformers_sam, official_modules
from uois_sam.benchmark.record import make_record, read_record, write_record
from uois_sam.checkpoints.bases import BACKBONES, BASES, find_backbone
from uois_sam.checkpoints.loading import load_base
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.models.edgetam.modules import EdgeTamSize
from uois_sam.models.sam.modules import PIXEL_STD, SamSize
from uois_sam.models.unloaded import randomise
from uois_sam.runtime.provenance import summary

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
from family_references import our_outputs, pixels_of, repvit_outputs, their_outputs
from sam_references import dino_features, errors, meta_pixels, meta_sam, our_pixels, our_sam, transformers_sam


def compare(photo: Path, weights: Path, base_name: str, count: int) -> dict[str, Any]:
    """Make all comparisons on one photo."""
    size = BASES[base_name].sam
    assert isinstance(size, SamSize)
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
    found, expected = dino_features(base.encoder.dinov2, image)  # type: ignore[attr-defined]
    result["dinov2_to_transformers"] = errors({"features": found}, {"features": expected})
    return result


def compare_family(photo: Path, base_name: str, backbone: str | None, count: int, layers: int | None) -> dict[str, Any]:
    """Make the comparisons with transformers alone, on random weights.

    Args:
        photo: the photo.
        base_name: name in ``BASES``.
        backbone: name in ``BACKBONES`` of the features for prompts to compare as well; none if None.
        count: points.
        layers: of the image encoder, where it is a ViT; the first ones attend inside windows, the last to all.
    """
    spec = BASES[base_name]
    size: Any = spec.sam if layers is None else replace(spec.sam, layers=layers, global_layers=(layers - 1,))  # type: ignore[type-var]
    networks = size.build()
    randomise(networks, seed=0)
    networks.eval().requires_grad_(False)
    encoder, decoder = size.assemble(networks)
    image = torch.from_numpy(np.array(read_image(photo))).permute(2, 0, 1)
    pixels = pixels_of(encoder, image)
    points = torch.rand((count, 2), generator=torch.Generator().manual_seed(0)) * pixels.shape[-1] * 0.7
    ours = our_outputs(encoder, decoder, pixels, points)
    theirs = their_outputs(size, networks, pixels, points)
    result = {"sam_to_transformers": errors({key: ours[key] for key in theirs}, theirs)}
    if isinstance(size, EdgeTamSize) and importlib.util.find_spec("timm"):
        result["image_encoder_to_timm"] = errors(*repvit_outputs(size, networks, pixels))
    if backbone is not None:
        _, prompts = find_backbone(spec, backbone)
        network = prompts.size.build()
        randomise(network, seed=1)
        found, expected = dino_features(prompts.size.assemble(network.eval().requires_grad_(False)).eval(), image)
        result["prompts_to_transformers"] = errors({"features": found}, {"features": expected})
    return result


GROUPS = {"embedding": ("embedding",), "finer maps": ("finer map 0", "finer map 1"),
          "tokens": ("IoU token", "mask tokens"), "four masks": ("masks",), "scores": ("scores",)}  # fmt: skip


def overview(bases: dict[str, Any]) -> str:
    """Format the largest differences of all bases from transformers as a markdown table."""
    lines = [f"| base | {' | '.join(GROUPS)} |", "|---|" + "---|" * len(GROUPS)]
    for name, result in bases.items():
        rows = result["sam_to_transformers"]
        found = [[rows[each]["largest_difference"] for each in group if each in rows] for group in GROUPS.values()]
        layers = f", {result['layers']} layers" if "layers" in result else ""
        lines.append(f"| `{name}`{layers} | {' | '.join(f'{max(each):.1e}' if each else '' for each in found)} |")
    return "\n".join(lines)


def markdown(result: dict[str, Any]) -> str:
    """Format all comparisons as a markdown table."""
    lines = ["| comparison | quantity | largest difference | reference RMS |", "|---|---|---|---|"]
    if "pixels" in result:
        pixels = result["pixels"]
        lines.append(
            f"| Pillow's resize | levels of 0..255 | {pixels['largest_difference_levels']:.3f} "
            f"(mean {pixels['mean_levels']:.5f}) | |"
        )
    for comparison in (name for name in result if name != "pixels"):
        for name, row in result[comparison].items():
            label = comparison.replace("_", " ")
            lines.append(f"| {label} | {name} | {row['largest_difference']:.1e} | {row['reference_rms']:.2f} |")
    return "\n".join(lines)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--weights", type=Path, help="folder with sam.pth and dinov2.pth, of one base")
    parser.add_argument("--base", choices=list(BASES), nargs="+", default=["sam-vit-l"])
    parser.add_argument("--prompts-backbone", choices=list(BACKBONES), help="compare its features as well")
    parser.add_argument("--layers", type=int, help="layers of a ViT, where all of them take too long")
    parser.add_argument("--points", type=int, default=4)
    parser.add_argument("--out", type=Path, help="write everything as JSON; bases that are there already are kept")
    options = parser.parse_args()
    if options.weights is not None and len(options.base) > 1:
        parser.error(f"--weights are those of one base, found {len(options.base)}: {' '.join(options.base)}")
    try:
        kept = read_record(options.out, "parity")["payload"] if options.out and options.out.exists() else {}
        if kept.get("points", options.points) != options.points:
            raise UOISError(f"{options.out}: holds differences with {kept['points']} points, not {options.points}")
        bases = kept.get("bases", {})
        for name in options.base:
            if options.weights is None:
                result = compare_family(
                    options.photo, name, options.prompts_backbone, options.points, options.layers
                )  # fmt: skip
            else:
                result = compare(options.photo, options.weights, name, options.points)
            asked = {"prompts_backbone": options.prompts_backbone, "layers": options.layers}
            bases[name] = {**{key: value for key, value in asked.items() if value}, **result}
            gc.collect()  # the next one is large as well
            record = make_record("parity", {"points": options.points, "bases": bases})
            if options.out:
                write_record(options.out, record)
            print(f"{name}\n\n{markdown(result)}\n", flush=True)
    except UOISError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2
    print(f"{overview(bases)}\n\nfloat32\n{summary(record['machine'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
