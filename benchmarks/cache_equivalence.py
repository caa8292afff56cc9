"""Compare the loss of training on cached features with that of training without a cache.

    python benchmarks/cache_equivalence.py DATA_ROOT [--base compact] [--images 40] [--epochs 6] [--out results.json]

Both heads are fitted twice from the same first weights with the same batches: once on the cache (float16, on disk),
once with the frozen networks run anew, in float32, for every image of every epoch. Printed are the validation losses
of the kept epochs, their relative difference, and the seconds each way took.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.checkpoints.loading import load_base
from uois_sam.datasets import open_dataset
from uois_sam.datasets.base import Dataset
from uois_sam.errors import UOISError
from uois_sam.models.networks import Networks
from uois_sam.runtime.provenance import summary
from uois_sam.training.distributed import start_processes
from uois_sam.training.feature_cache.features import FeatureConfig
from uois_sam.training.feature_cache.shards import CacheRequest, fill_cache, open_cache
from uois_sam.training.fit_heads import fit_hdnet, fit_hpg
from uois_sam.training.fit_loop import FitConfig, FitContext
from uois_sam.training.learning_curves import Epoch
from uois_sam.training.splits import first_images, split_data
from uois_sam.training.targets import HeatmapTarget

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
from row_sources import LiveRows


def measure(base: Networks, data: Dataset, epochs: int, folder: Path) -> dict[str, Any]:
    """Fit both heads with and without a cache; return losses, relative differences and seconds."""
    split, config = split_data(data, 0.2, 0), FeatureConfig()
    processes = start_processes("cpu" if base.device.type == "cpu" else "auto")
    began = time.perf_counter()
    request = CacheRequest(base, split.data, "benchmark", config)
    state = open_cache(request, folder)
    for _ in fill_cache(request, state, processes):
        pass
    caching = time.perf_counter() - began
    live = {part: LiveRows(base, split.data, config, part, state.shard) for part in ("maps", "tokens")}
    fit = FitConfig(epochs=epochs)
    result: dict[str, Any] = {"caching_seconds": caching}
    for head, part in (("hdnet", "tokens"), ("hpg", "maps")):
        told: dict[str, Any] = {}
        for way, source in (("cached", getattr(state, part)()), ("uncached", live[part])):
            curve: list[Epoch] = []
            place = FitContext(processes, curve.append)
            torch.manual_seed(0)
            began = time.perf_counter()
            if head == "hdnet":
                loss = fit_hdnet(base.fresh_hdnet(), source, split.validation, fit, place)
            else:
                loss = fit_hpg(base.fresh_hpg(), source, split.validation, HeatmapTarget(), fit, place)
            told[way] = {"validation_loss": loss, "seconds": time.perf_counter() - began,
                         "curve": [epoch.validation for epoch in curve]}  # fmt: skip
        told["relative_difference"] = told["cached"]["validation_loss"] / told["uncached"]["validation_loss"] - 1
        told["views_through_the_networks_uncached"] = live[part].views_run
        result[head] = told
    return result


def markdown(result: dict[str, Any]) -> str:
    """Format the result as a markdown table."""
    lines = [
        "| head | loss, cached | loss, uncached | difference | s, cached | s, uncached |",
        "|---|---|---|---|---|---|",
    ]
    for head in ("hdnet", "hpg"):
        cached, uncached = result[head]["cached"], result[head]["uncached"]
        losses = f"{cached['validation_loss']:.6f} | {uncached['validation_loss']:.6f}"
        difference = f"{100 * result[head]['relative_difference']:+.3f} %"
        lines.append(f"| {head} | {losses} | {difference} | {cached['seconds']:.1f} | {uncached['seconds']:.1f} |")
    return "\n".join([*lines, "", f"Caching took {result['caching_seconds']:.1f} s, once for both heads."])


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with rgb/ and label/")
    parser.add_argument("--base", default="compact")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        every = open_dataset("folder", options.data)
        data = first_images(every, options.images)
        base = load_base(options.base, device=options.device, precision="float32")
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(base, data, options.epochs, Path(folder))
    except UOISError as error:
        print(f"cache_equivalence: {error}", file=sys.stderr)
        return 2
    settings = {"base": options.base, "images": len(data), "epochs": options.epochs}
    record = make_record("cache_equivalence", {**settings, **measured})
    if options.out:
        write_record(options.out, record)
    print(markdown(measured))
    print(summary(record["machine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
