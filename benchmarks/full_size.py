"""The paper's full model at full size, on random weights in Meta's file format: seconds and peak memory of each step.

    python tests/helpers/random_official_weights.py WEIGHTS --base sam-vit-l
    python benchmarks/full_size.py PHOTO --weights WEIGHTS [--data DATA] [--base sam-vit-l] [--out RESULT.json]

Speed and memory do not depend on the weights; the masks are noise. Every step runs in its own process, so that its peak
memory is its own. With labelled images (DATA holds rgb/ and label/) eight of them are cached, and both
heads are fitted on the cache for one epoch, in the paper's sizes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.checkpoints.bases import BASES
from uois_sam.errors import UOISError
from uois_sam.runtime.provenance import summary

HERE = Path(__file__).parent
IMAGES = 8
"""Number of cached images."""
GRID_SIDE = 8
"""Side of the grid of prompts: 64 points, about twice the paper's K = 30."""


@dataclass(frozen=True)
class Job:
    """Input of a step; field names are options of the script."""

    photo: Path
    weights: Path
    base: str
    data: Path | None
    work: Path | None
    """Folder with the cache."""

    @classmethod
    def of(cls, options: argparse.Namespace, work: Path | None) -> Job:
        return cls(options.photo, options.weights, options.base, options.data, work)

    def arguments(self) -> list[str]:
        """Return the equivalent command line."""
        named = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "photo"}
        return [str(self.photo), *(str(x) for k, v in named.items() if v is not None for x in (f"--{k}", v))]

    def files(self) -> dict[str, Any]:
        """Return both weight files."""
        return {"sam": self.weights / "sam.pth", "dinov2": self.weights / "dinov2.pth"}

    def load_base(self) -> Any:
        """Load the base on the processor."""
        from uois_sam.checkpoints.loading import load_base

        return load_base(self.base, **self.files(), device="cpu")

    def cache_folder(self) -> Path:
        """Return the folder of the features."""
        if self.work is None or self.data is None:
            raise UOISError("expected --data and --work for the steps of training")
        return self.work / "cache"

    def cached(self) -> Any:
        """Return the cache that the step ``cache`` wrote, without its base."""
        from uois_sam.training.feature_cache.shards import CacheState

        marker = json.loads((self.cache_folder() / "cache.json").read_text())
        identity = marker["identity"]
        settings = identity["settings"]
        parts = tuple(settings["parts"])
        return CacheState(self.cache_folder(), IMAGES, settings["shard"], marker["view_bytes"], identity, parts)

    def place(self) -> Any:
        """Return the context of a fit in one process, with epochs printed."""
        from uois_sam.training.distributed import start_processes
        from uois_sam.training.fit_loop import FitContext

        return FitContext(start_processes("cpu"), lambda epoch: print(epoch, file=sys.stderr))


def load(job: Job) -> None:
    """Load both files as a base that could run."""
    loaded = job.load_base()
    # A mapped file is read on demand; reading all of it is part of loading.
    total = sum(float(p.sum()) for part in (loaded.encoder, loaded.decoder) for p in part.parameters())
    print(f"sum of all parameters: {total}", file=sys.stderr)


def identify(job: Job) -> None:
    """Load, and compute the SHA256 by which heads know their base."""
    loaded = job.load_base()
    print(loaded.sha256, file=sys.stderr)


def segment(job: Job) -> None:
    """Load, and segment one photo with 64 grid points, keeping all masks."""
    from uois_sam import UOISSAM

    model = UOISSAM.from_pretrained(job.base, **job.files(), device="cpu")
    loose = {"score_threshold": -100.0, "max_area_fraction": 1.0, "nms_iou": 1.0, "grid_side": GRID_SIDE}
    print(f"{len(model.with_settings(**loose).predict(job.photo))} masks", file=sys.stderr)


def cache(job: Job) -> None:
    """Load, and cache the features of eight images: encode, decode 30 prompts each, all four masks (Eq. 6)."""
    from uois_sam.datasets import open_dataset
    from uois_sam.training.distributed import start_processes
    from uois_sam.training.feature_cache.features import FeatureConfig
    from uois_sam.training.feature_cache.shards import CacheRequest, fill_cache, open_cache
    from uois_sam.training.splits import SubsetDataset

    data = SubsetDataset(open_dataset("folder", job.data or ""), range(IMAGES))
    request = CacheRequest(job.load_base(), data, "benchmark", FeatureConfig())
    state = open_cache(request, job.cache_folder())  # its measure of a view's size is one image more
    for done in fill_cache(request, state, start_processes("cpu")):
        print(f"{done} cached, {state.view_bytes} bytes each", file=sys.stderr)


def fit_hdnet(job: Job) -> None:
    """Fit HDNet on the cache for one epoch."""
    from uois_sam.training import fit_heads as heads
    from uois_sam.training.fit_loop import FitConfig

    head = BASES[job.base].heads.fresh_hdnet()
    heads.fit_hdnet(head, job.cached().tokens(), 1, FitConfig(epochs=1), job.place())


def fit_hpg(job: Job) -> None:
    """Fit HPG on the cache for one epoch."""
    from uois_sam.training import fit_heads as heads
    from uois_sam.training.fit_loop import FitConfig
    from uois_sam.training.targets import HeatmapTarget

    head = BASES[job.base].heads.fresh_hpg()
    heads.fit_hpg(head, job.cached().maps(), 1, HeatmapTarget(), FitConfig(epochs=1), job.place())


STEPS: dict[str, Callable[[Job], None]] = {
    "load": load, "identify": identify, "segment": segment, "cache": cache, "fit_hdnet": fit_hdnet, "fit_hpg": fit_hpg,
}  # fmt: skip
"""Steps by name; each runs in its own process."""
WITH_DATA = ("cache", "fit_hdnet", "fit_hpg")
"""Steps that need labelled images; each builds on those before."""


def measure(step: str, job: Job) -> dict[str, Any]:
    """Measure seconds and peak MiB of one step, interpreter and imports included.

    Raises:
        UOISError: if the step fails.
    """
    inner = [sys.executable, __file__, *job.arguments(), "--step", step]
    command = [sys.executable, "-I", "-S", str(HERE / "run_measured.py"), *inner]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    measured: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    if measured.pop("exit") != 0:
        raise UOISError(f"step {step} failed: {result.stderr.strip().splitlines()[-1]}")
    return {name: round(value, 1) for name, value in measured.items()}


def measure_all(job: Job, names: list[str]) -> dict[str, Any]:
    """Measure steps one after the other, printing a line for each."""
    steps = {}
    for name in names:
        steps[name] = measure(name, job)
        print(f"{name:10s} {steps[name]['seconds']:8.1f} s {steps[name]['peak_mib']:8.0f} MiB peak", flush=True)
    return steps


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="folder with sam.pth and dinov2.pth")
    parser.add_argument("--base", choices=list(BASES), default="sam-vit-l")
    parser.add_argument("--data", type=Path, help="labelled images, for the steps of training")
    parser.add_argument("--work", type=Path, help="folder for the cache; a temporary one if left out")
    parser.add_argument("--steps", nargs="+", choices=list(STEPS), help="measure these only")
    parser.add_argument("--step", choices=list(STEPS), help="run this one here, unmeasured")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        if options.step:
            STEPS[options.step](Job.of(options, options.work))
            return 0
        with tempfile.TemporaryDirectory() as temporary:
            job = Job.of(options, options.work or Path(temporary))
            steps = measure_all(job, options.steps or [s for s in STEPS if options.data or s not in WITH_DATA])
        record = make_record("full_size", {
            "base": options.base, "weights": "random, in Meta's file format",
            "file_mib": round(sum(path.stat().st_size for path in options.weights.glob("*.pth")) / 2**20, 1),
            "grid_points": GRID_SIDE**2, "cached_images": IMAGES, "stages": steps,
        })  # fmt: skip
        if options.out:
            write_record(options.out, record)
    except UOISError as error:
        print(f"full_size: {error}", file=sys.stderr)
        return 2
    print(summary(record["machine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
