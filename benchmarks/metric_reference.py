"""Speed of the package's metric relative to the protocol written naively, and exactness of both.

    python benchmarks/metric_reference.py [--out results.json] [--golden FOLDER]

The naive form is ``tests/helpers/naive_metric.py``. With ``--golden``, both are compared with what the reference
implementation returned for stored pairs (``metric_pairs.npz``, ``metric_expected.json``).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import astuple
from pathlib import Path

import numpy as np

from uois_sam.benchmark.record import make_record, write_record
from uois_sam.evaluation import score_image

sys.path.append(str(Path(__file__).parents[1] / "tests" / "helpers"))
from naive_metric import score


def compare_speed(out: Path | None) -> None:
    """Time both on one 640x480 pair of 20 discs, with predictions shifted by a few pixels."""
    rng = np.random.default_rng(0)
    truth, prediction = np.zeros((480, 640), np.uint16), np.zeros((480, 640), np.uint16)
    rows, columns = np.mgrid[:480, :640]
    for value in range(1, 21):
        y, x, r = rng.integers(40, 440), rng.integers(40, 600), rng.integers(15, 60)
        truth[(rows - y) ** 2 + (columns - x) ** 2 < r * r] = value
        prediction[(rows - y - 2) ** 2 + (columns - x + 3) ** 2 < r * r] = value
    seconds: dict[str, float] = {}
    for name, function, repeats in (("naive", score, 5), ("package", score_image, 50)):
        times = []
        for _ in range(repeats):
            start = time.process_time()
            function(prediction, truth)
            times.append(time.process_time() - start)
        seconds[name] = float(np.median(times))
    slow, fast = seconds["naive"], seconds["package"]
    figures = f"naive {slow * 1e3:.0f} ms, package {fast * 1e3:.1f} ms, ratio {slow / fast:.0f}"
    print(f"20 objects, 640x480, median processor time: {figures}")
    if out is not None:
        what = "one 640x480 pair of label maps with 20 objects, median processor seconds of 5 and 50 runs"
        payload = {"what": what, "seconds": seconds, "ratio": slow / fast}
        write_record(out, make_record("metric_reference", payload))


def compare_golden(folder: Path) -> None:
    """Print the largest difference to the reference implementation's results over all pairs and figures."""
    names = {
        "overlap_p": "Objects Precision", "overlap_r": "Objects Recall", "overlap_f": "Objects F-measure",
        "boundary_p": "Boundary Precision", "boundary_r": "Boundary Recall", "boundary_f": "Boundary F-measure",
        "over_75": "obj_detected_075_percentage",
    }  # fmt: skip
    expected = json.loads((folder / "metric_expected.json").read_text())
    worst = {"naive": 0.0, "package": 0.0}
    with np.load(folder / "metric_pairs.npz") as pairs:
        for i, wanted in enumerate(expected):
            prediction, truth = pairs[f"pred_{i:02d}"], pairs[f"gt_{i:02d}"]
            ours = score_image(prediction, truth)
            values = (*astuple(ours.overlap), *astuple(ours.boundary), ours.over_75)
            found = {"naive": score(prediction, truth), "package": dict(zip(names, values, strict=True))}
            for name, figures in found.items():
                worst[name] = max(worst[name], *(abs(figures[key] - wanted[names[key]]) for key in names))
    print(
        f"{len(expected)} stored pairs, {len(names)} figures each: largest difference "
        f"{worst['package']:.1e} (package), {worst['naive']:.1e} (naive)"
    )


def main() -> None:
    """Run the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the times as JSON")
    parser.add_argument("--golden", type=Path, help="folder of stored results to compare with")
    arguments = parser.parse_args()
    compare_speed(arguments.out)
    if arguments.golden is not None:
        compare_golden(arguments.golden)


if __name__ == "__main__":
    main()
