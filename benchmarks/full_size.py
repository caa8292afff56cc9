"""The paper's full model at full size, on random weights in Meta's file format: seconds and peak memory of each stage.

    python benchmarks/random_official_weights.py WEIGHTS --base sam-vit-l
    python benchmarks/full_size.py PHOTO --weights WEIGHTS [--base sam-vit-l] [--out benchmarks/results/NAME.json]

Speed and memory do not depend on what the numbers are; the masks are noise. Every stage is a process of its own, so
that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import describe_machine, summary
from uois_sam.bases import BASES
from uois_sam.errors import UOISError
from uois_sam.files import write_atomically

HERE = Path(__file__).parent
GRID_SIDE = 8
"""Of the segmented photo's prompts: 64 points, about twice the paper's K = 30."""


def load(weights: Path, base: str, photo: Path) -> None:
    """Both files to a base that could run."""
    from uois_sam.hub import load_base

    loaded = load_base(base, sam=weights / "sam.pth", dinov2=weights / "dinov2.pth", device="cpu")
    # A mapped file costs nothing until it is read; reading it all is part of loading.
    total = sum(float(p.sum()) for part in (loaded.encoder, loaded.decoder) for p in part.parameters())  # type: ignore[attr-defined]
    print(f"sum of all parameters: {total}", file=sys.stderr)


def identify(weights: Path, base: str, photo: Path) -> None:
    """As :func:`load`, and the SHA256 that heads know it by."""
    from uois_sam.hub import load_base

    loaded = load_base(base, sam=weights / "sam.pth", dinov2=weights / "dinov2.pth", device="cpu")
    print(loaded.sha256, file=sys.stderr)


def segment(weights: Path, base: str, photo: Path) -> None:
    """Load, and segment one photo by 64 grid points, all their masks kept to the end."""
    from uois_sam import UOISSAM

    model = UOISSAM.from_pretrained(base, sam=weights / "sam.pth", dinov2=weights / "dinov2.pth", device="cpu")
    loose = {"score_threshold": -100.0, "max_area_fraction": 1.0, "nms_iou": 1.0, "grid_side": GRID_SIDE}
    print(f"{len(model.with_selection(**loose).predict(photo))} masks", file=sys.stderr)


STAGES: dict[str, Callable[[Path, str, Path], None]] = {"load": load, "identify": identify, "segment": segment}
"""Name -> what runs, in a process of its own."""


def measure(stage: str, weights: Path, base: str, photo: Path) -> dict[str, Any]:
    """Seconds and peak MiB of one stage, interpreter and imports included.

    Raises:
        UOISError: the stage failed.
    """
    inner = [sys.executable, __file__, str(photo), "--weights", str(weights), "--base", base, "--stage", stage]
    command = [sys.executable, "-I", "-S", str(HERE / "run_measured.py"), *inner]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    measured: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    if measured.pop("exit") != 0:
        raise UOISError(f"stage {stage} failed: {result.stderr.strip().splitlines()[-1]}")
    return {name: round(value, 1) for name, value in measured.items()}


def main() -> int:
    """Run the script; 2 on bad input, told in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--weights", type=Path, required=True, help="folder with sam.pth and dinov2.pth")
    parser.add_argument("--base", choices=list(BASES), default="sam-vit-l")
    parser.add_argument("--stage", choices=list(STAGES), help="run this one here, unmeasured")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    try:
        if options.stage:
            STAGES[options.stage](options.weights, options.base, options.photo)
            return 0
        stages = {}
        for stage in STAGES:
            stages[stage] = measure(stage, options.weights, options.base, options.photo)
            print(
                f"{stage:10s} {stages[stage]['seconds']:8.1f} s {stages[stage]['peak_mib']:8.0f} MiB peak", flush=True
            )
        result = {
            "benchmark": "full_size", "base": options.base, "weights": "random, in Meta's file format",
            "file_mib": round(sum(path.stat().st_size for path in options.weights.glob("*.pth")) / 2**20, 1),
            "grid_points": GRID_SIDE**2, "stages": stages, "machine": describe_machine(),
        }  # fmt: skip
        if options.out:
            write_atomically(options.out, (json.dumps(result, indent=2) + "\n").encode())
    except UOISError as error:
        print(f"full_size: {error}", file=sys.stderr)
        return 2
    print(summary(result["machine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
