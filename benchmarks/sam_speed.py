"""SAM's encoder and decoder at full size beside transformers' and Meta's code, a lower bound, and a grid's memory.

    python benchmarks/sam_speed.py PHOTO --precision bfloat16 [--weights DIR] [--against NAME...] [--out RESULT.json]

Weights are random (``random_official_weights.py`` writes such files; without --weights they are drawn), which times do
not depend on. ``before`` is what this package did first: transformers' forward passes under autocast. Encoders take
turns, so that a slow minute of the machine hits all; given is the median. Decoders get 30 points; ours upscales the
best of four masks of each, the others all four (before) or three.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from uois_sam.benchmark.lower_bound import lower_bound_by_part
from uois_sam.benchmark.peers import OURS, PEERS, Peer, prepared_pixels, random_sam, sam_peers
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.checkpoints.bases import BASES
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.models.decoding import make_scorer
from uois_sam.models.interfaces import ObjectPrompts
from uois_sam.models.sam.modules import SamSize
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.provenance import summary

POINTS = 30
GRID_SIDE = 32
PARTS = ("encoder", "decoder", "floor", "grid")


def before(model: UOISSAM) -> Peer:
    """transformers' submodules as this package first drove them, in the model's precision under autocast."""
    encoder: Any = model.networks.encoder.sam  # type: ignore[attr-defined]
    decoder: Any = model.networks.decoder

    def encode(pixels: Tensor) -> Tensor:
        with model.networks.computing():
            return encoder.vision_encoder(pixels)[0]

    def decode(embedding: Tensor, points_xy: Tensor) -> Tensor:
        network, count = decoder.mask_decoder, len(points_xy)
        with model.networks.computing():
            points, dense, positions = decoder._embed(ObjectPrompts.of_points(points_xy), embedding)
            learned = torch.cat([network.iou_token.weight, network.mask_tokens.weight]).expand(count, -1, -1)
            tokens, image, *_ = network.transformer(
                point_embeddings=torch.cat([learned, points], dim=1)[:, None],
                image_embeddings=(embedding + dense).expand(count, -1, -1, -1),
                image_positional_embeddings=positions.expand(count, -1, -1, -1),
                attention_similarity=None,
                target_embedding=None,
            )
            state = image[:, 0].transpose(1, 2).unflatten(2, embedding.shape[-2:])
            maps = network.activation(network.upscale_layer_norm(network.upscale_conv1(state)))
            maps = network.activation(network.upscale_conv2(maps))
            heads = enumerate(network.output_hypernetworks_mlps)
            weights = torch.stack([head(tokens[:, 0, 1 + k]) for k, head in heads], dim=1)
            return torch.einsum("mtc,mchw->mthw", weights, maps).float()

    return Peer("before", encode, decode)


def medians(calls: Mapping[str, Callable[[], Any]], repeats: int, warm_up: int) -> dict[str, dict[str, float]]:
    """Time calls in turn: median and extremes in seconds, and the median in processor seconds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in range(warm_up + repeats):
        for name, call in calls.items():
            began = time.perf_counter(), time.process_time()
            call()
            taken[name].append((time.perf_counter() - began[0], time.process_time() - began[1]))
            print(
                f"{name}: {taken[name][-1][0]:.2f} s, processor {taken[name][-1][1]:.2f} s", file=sys.stderr, flush=True
            )
    table = {}
    for name, pairs in taken.items():
        wall, processor = zip(*pairs[warm_up:], strict=True)
        table[name] = {"median": statistics.median(wall), "lowest": min(wall), "highest": max(wall)}
        table[name]["processor_median"] = statistics.median(processor)
    return table


def grid_memory(model: UOISSAM, photo: Any) -> dict[str, float]:
    """Measure seconds and rise of the peak resident size while a 32x32 grid is decoded with all masks kept (Linux)."""
    loose = {"prompts": "grid", "scores": "sam", "score_threshold": -100.0, "max_area_fraction": 1.0}
    encoded = model.with_settings(**loose, grid_side=GRID_SIDE).encode_image(photo)
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    resident, began = _status("VmRSS"), time.perf_counter()
    with model.networks.computing():
        points = encoded.points_in_mask_frame
        scorer = make_scorer(model.networks, encoded.settings)
        found = scorer.candidates(encoded.features.mask_features, None, points)
    seconds = time.perf_counter() - began
    return {
        "points": GRID_SIDE**2, "masks": len(found.scores), "seconds": seconds,
        "rise_of_peak_mib": _status("VmHWM") - resident, "resident_before_mib": resident,
    }  # fmt: skip


def _status(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(key))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Measure all requested parts."""
    precision = getattr(torch, options.precision)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.weights:
        files = {"sam": options.weights / "sam.pth", "dinov2": options.weights / "dinov2.pth"}
        model = UOISSAM.from_pretrained(options.base, **files, device="cpu", precision=options.precision)
    else:
        model = random_sam(options.base, precision)
    photo = read_image(options.photo)
    pixels = prepared_pixels(model, torch.from_numpy(np.array(photo)).permute(2, 0, 1))
    peers = {**sam_peers(model, options.against), "before": before(model)}
    peers = {name: peer for name, peer in peers.items() if name != "before" or options.before}
    result: dict[str, Any] = {}
    if "floor" in options.parts:
        size = BASES[options.base].sam
        if not isinstance(size, SamSize):
            raise SystemExit(f"floor: expected one of Meta's first SAMs (sam-vit-b, -l, -h), found {options.base}")
        result["floor_parts"] = lower_bound_by_part(size, precision)
        result["floor"] = sum(result["floor_parts"].values())
    if "decoder" in options.parts:
        embedding = peers[OURS].encode(pixels)
        points = torch.rand((POINTS, 2), generator=torch.Generator().manual_seed(0)) * 700
        calls = {name: partial(peer.decode, embedding, points) for name, peer in peers.items()}
        result["decoder"] = medians(calls, options.repeats, 1)
    if "grid" in options.parts:
        result["grid"] = grid_memory(model, photo)
    if "encoder" in options.parts:
        calls = {name: partial(peer.encode, pixels) for name, peer in peers.items()}
        result["encoder"] = medians(calls, options.repeats, options.warm_up)
    return result


def markdown(result: dict[str, Any]) -> str:
    """Format the measurements as a markdown table."""
    lines = ["| part | | seconds | x ours | processor seconds |", "|---|---|---|---|---|"]
    for part in ("encoder", "decoder"):
        for name, times in result.get(part, {}).items():
            ratio = times["median"] / result[part][OURS]["median"]
            lines.append(f"| {part} | {name} | {times['median']:.2f} | {ratio:.2f} | {times['processor_median']:.2f} |")
    if "floor" in result:
        lines.append(f"| encoder | floor | {result['floor']:.2f} | | |")
    if "grid" in result:
        lines.append(f"| grid | {json.dumps(result['grid'])} | | | |")
    return "\n".join(lines)


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--base", choices=list(BASES), default="sam-vit-l")
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="bfloat16")
    parser.add_argument("--weights", type=Path, help="folder with sam.pth and dinov2.pth")
    parser.add_argument("--against", nargs="*", default=[], metavar="NAME", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--before", action="store_true", help="also what this package did first")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:3], help="grid: memory, on Linux")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, help="of torch; 1 makes processor seconds comparable on a busy machine")
    parser.add_argument("--warm-up", type=int, default=1, help="rounds that are not counted")
    parser.add_argument("--out", type=Path, help="write as JSON; other parts and precisions that are there are kept")
    options = parser.parse_args()
    try:
        result = measure(options)
        kept = json.loads(options.out.read_text())["payload"] if options.out and options.out.exists() else {}
        kept |= {"base": options.base, "weights": "random", "unit": "seconds"}
        kept[options.precision] = {**kept.get(options.precision, {}), **result}
        record = make_record("sam_speed", kept)
        if options.out:
            write_record(options.out, record)
    except UOISError as error:
        print(f"sam_speed: {error}", file=sys.stderr)
        return 2
    print(markdown(result))
    print(f"\n{options.base}, {options.precision}, random weights\n{summary(record['machine'])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
