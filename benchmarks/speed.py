"""How long one photo takes, warm (stage by stage) and cold (the command), and how much memory the command needs.

    python benchmarks/speed.py PHOTO [--model compact] [--repeats N] [--out results.json]

The photo is resized to 640x480 first, so times of different photos compare.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from uois_sam import UOISSAM
from uois_sam.benchmarking.machine import describe_machine, summary
from uois_sam.errors import UOISError
from uois_sam.files import write_atomically
from uois_sam.images import read_image
from uois_sam.types import ImageArray

SIZE_WH = (640, 480)
WARM_UP = 3
STAGES = ("encode", "maps", "prompts", "masks", "total")


def time_stages(model: UOISSAM, image: ImageArray, repeats: int) -> dict[str, list[float]]:
    """Seconds of every stage in each of ``repeats`` runs after the warm-up, the model being loaded already.

    Stages are evaluated lazily and kept, so asking in pipeline order charges each its own work: "encode" the image
    encoder, "maps" foreground and heatmap, "prompts" the peaks, "masks" decoding, selection and masks at photo size.
    """
    times: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for run in range(WARM_UP + repeats):
        marks = [_now()]
        encoded = model.encode_image(image)
        marks.append(_now())
        _ = encoded.maps
        marks.append(_now())
        _ = encoded.prompts
        marks.append(_now())
        encoded.predict()
        marks.append(_now())
        if run >= WARM_UP:
            for stage, start, end in zip(STAGES, marks, marks[1:], strict=False):
                times[stage].append(end - start)
            times["total"].append(marks[-1] - marks[0])
    return times


def _now() -> float:
    """Seconds, once the accelerator (if any) has finished what it was given."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def time_command(photo: Path, model: str, device: str, runs: int = 3) -> list[dict[str, float]]:
    """Wall seconds and peak resident MiB of ``uois-sam segment`` in a fresh process, once per run.

    Raises:
        UOISError: the command failed; the message ends with the last line it said.
    """
    script = shutil.which("uois-sam", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    command = [script] if script else [sys.executable, "-m", "uois_sam"]
    measurer = [sys.executable, "-I", "-S", str(Path(__file__).with_name("run_measured.py"))]
    measured = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as out:
            arguments = [*command, "segment", str(photo), "--out", out, "--model", model, "--device", device]
            ran = subprocess.run([*measurer, *arguments], capture_output=True, text=True, errors="replace", check=True)
        result = json.loads(ran.stdout)
        if result.pop("exit") != 0:
            last = (ran.stderr.strip().splitlines() or ["nothing said"])[-1]
            raise UOISError(f"expected the command segment to exit with 0, found: {last}")
        measured.append(result)
    return measured


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, high = np.percentile(values, [25, 75])
    return {"median": statistics.median(values), "q25": float(low), "q75": float(high), "n": len(values)}


def markdown(stages: Mapping[str, Mapping[str, float]], cold: Mapping[str, Mapping[str, float]] | None) -> str:
    """Two tables in one, as GitHub markdown."""
    lines = ["| stage | median | quartiles | runs |", "|---|---|---|---|"]
    for stage, times in stages.items():
        quartiles = f"{times['q25'] * 1e3:.1f}–{times['q75'] * 1e3:.1f} ms"
        lines.append(f"| {stage} | {times['median'] * 1e3:.1f} ms | {quartiles} | {times['n']} |")
    if cold is not None:
        seconds, memory = cold["seconds"], cold["peak_mib"]
        quartiles = f"{seconds['q25']:.2f}–{seconds['q75']:.2f} s"
        lines.append(f"| cold `uois-sam segment` | {seconds['median']:.2f} s | {quartiles} | {seconds['n']} |")
        lines.append(f"| its peak memory | {memory['median']:.0f} MiB | | {memory['n']} |")
    return "\n".join(lines)


def measure(photo: Path, model_name: str, device: str, repeats: int, with_command: bool) -> dict[str, Any]:
    """All measurements, ready for JSON; seconds and MiB.

    The command runs first, while this process is still small, and alone.
    """
    image = np.asarray(cv2.resize(read_image(photo), SIZE_WH, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    cold = None
    if with_command:
        with tempfile.TemporaryDirectory() as folder:
            resized = Path(folder) / "photo.png"
            Image.fromarray(image).save(resized)
            runs = time_command(resized, model_name, device)
        cold = {key: spread([run[key] for run in runs]) for key in ("seconds", "peak_mib")}
    model = UOISSAM.from_pretrained(model_name, device=device)
    stages = {stage: spread(times) for stage, times in time_stages(model, image, repeats).items()}
    return {
        "benchmark": "speed",
        "model": Path(model_name).name,
        "image_wh": SIZE_WH,
        "objects": len(model.predict(image)),
        "warm_up": WARM_UP,
        "stages_seconds": stages,
        "cold_command": cold,
        "machine": describe_machine(),
    }


def main() -> int:
    """Run the script; 2 on bad input, told in one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--model", default="compact", help="model name or folder (default: compact)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=20, help="warm runs to take the median of (default: 20)")
    parser.add_argument("--no-command", action="store_true", help="leave out the cold command")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    arguments = parser.parse_args()
    try:
        result = measure(
            arguments.photo, arguments.model, arguments.device, arguments.repeats, not arguments.no_command
        )
        if arguments.out:
            write_atomically(arguments.out, (json.dumps(result, indent=2) + "\n").encode())
    except UOISError as error:
        print(f"speed: {error}", file=sys.stderr)
        return 2
    print(markdown(result["stages_seconds"], result["cold_command"]))
    print(f"\n{result['model']}, {SIZE_WH[0]}x{SIZE_WH[1]}, {result['objects']} objects found.")
    print(summary(result["machine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
