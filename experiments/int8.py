"""Graphs whose convolutions compute in eight bits beside those of float32: F on labelled photos, and processor time.

    uois-sam generate --out scenes --scenes 12
    uois-sam export compact --to onnx --out exported
    OMP_NUM_THREADS=1 python experiments/int8.py exported --calibrate scenes/rgb --data rooms photos --out int8.json

The encoder and what draws masks are calibrated on what the pipeline gives them on the photos of ``--calibrate``. An
export to onnx runs on ONNX Runtime after its static quantisation (QDQ, convolutions, signed weights per channel,
unsigned activations, MinMax), one to openvino on OpenVINO after NNCF's (extra package ``nncf``; what it chooses).
Times are medians of the two example photos, both models in turn.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rows import by_column, score_rows, scores_table, summarise
from uois_sam import UOISSAM
from uois_sam.backends.manifest import read_manifest
from uois_sam.backends.networks import Graphs, exported_networks
from uois_sam.backends.sessions import READS, SUFFIXES, Backend
from uois_sam.benchmark.record import make_record, write_record
from uois_sam.datasets import FolderDataset
from uois_sam.errors import UOISError
from uois_sam.io.images import read_image
from uois_sam.runtime.timing import reading, time_in_turn
from uois_sam.training.splits import first_images

EXAMPLES = Path(__file__).parents[1] / "examples"
TIMED = ("coffee.jpg", "scene_crowded.jpg")
CONVOLVE = ("encoder", "sketch", "window")
"""Graphs that have convolutions."""
AT_MOST = 24
"""Calls of a graph to calibrate on."""
Inputs = Mapping[str, npt.NDArray[Any]]


class Recording(Graphs):
    """Graphs that keep what some of them are given."""

    kinds: tuple[str, ...]
    calls: defaultdict[str, list[Inputs]]

    def run(self, name: str, batch: int, inputs: Inputs) -> dict[str, npt.NDArray[Any]]:
        """Run a graph of one batch."""
        kept = self.calls[f"{name}_{batch}"]
        if name in self.kinds and len(kept) < AT_MOST:
            kept.append(dict(inputs))
        return super().run(name, batch, inputs)


def by_onnxruntime(source: Path, target: Path, calls: list[Inputs]) -> None:
    """Write a graph with convolutions in eight bits; batch norms are folded first."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Calls(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self, names: set[str]) -> None:
            self.left: Iterator[Inputs] = iter([{name: call[name] for name in names} for call in calls])

        def get_next(self) -> Inputs | None:
            return next(self.left, None)

    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / source.name
        quant_pre_process(onnx.load(source), str(plain), skip_symbolic_shape=True)
        names = {each.name for each in onnx.load(plain).graph.input}
        quantize_static(
            str(plain), str(target), Calls(names), quant_format=QuantFormat.QDQ, op_types_to_quantize=["Conv"],
            per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        )  # fmt: skip


def by_nncf(source: Path, target: Path, calls: list[Inputs]) -> None:
    """Write a graph with convolutions and products in eight bits, where NNCF finds that they may be."""
    import nncf
    import openvino

    model = openvino.Core().read_model(str(source))
    names = [each.get_any_name() for each in model.inputs]
    data = nncf.Dataset(calls, lambda call: {name: call[name] for name in names})
    openvino.save_model(nncf.quantize(model, data, subset_size=len(calls)), str(target), compress_to_fp16=False)


QUANTISERS: Mapping[Backend, Callable[[Path, Path, list[Inputs]], None]] = {
    "onnxruntime": by_onnxruntime, "openvino": by_nncf,
}  # fmt: skip


def quantised(folder: Path, kinds: tuple[str, ...], photos: list[Path], target: Path) -> UOISSAM:
    """The model of an export with some of its graphs in eight bits, written to a folder."""
    plain, manifest = UOISSAM.from_pretrained(folder), read_manifest(folder)
    backend = READS[manifest.target][0]
    graphs = Recording(folder, manifest, backend)
    graphs.kinds, graphs.calls = kinds, defaultdict(list)
    recording = UOISSAM(exported_networks(graphs), plain.card, plain.settings)
    for path in photos:
        recording.predict(path)
    suffix = SUFFIXES[manifest.target]
    for name, calls in graphs.calls.items():
        if calls:
            QUANTISERS[backend](folder / f"{name}{suffix}", target / f"{name}{suffix}", calls)
    for path in folder.iterdir():
        if not (target / path.name).exists():
            os.symlink(path.resolve(), target / path.name)
    return UOISSAM(exported_networks(Graphs(target, manifest, backend)), plain.card, plain.settings)


def seconds_of(models: Mapping[str, UOISSAM], repeats: int) -> dict[str, dict[str, float]]:
    """Median processor seconds of each example photo and model."""
    found = {}
    for name in TIMED:
        photo = read_image(EXAMPLES / name)
        calls = {each: lambda model=model, photo=photo: model.predict(photo) for each, model in models.items()}
        with reading("cpu"):
            spreads = time_in_turn(calls, models["float32"].networks.device, repeats, warm_up=1)
        found[name] = {each: spread.median for each, spread in spreads.items()}
    return found


def main() -> int:
    """Run the script; exit status 2 on bad input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="exported model")
    parser.add_argument("--calibrate", type=Path, required=True, help="folder of photos, of which the first are taken")
    parser.add_argument("--photos", type=int, default=12, help="photos to calibrate on")
    parser.add_argument("--graphs", nargs="+", choices=CONVOLVE, default=CONVOLVE, help="which of them in eight bits")
    parser.add_argument("--data", type=Path, nargs="+", default=[], help="folders of labelled photos")
    parser.add_argument("--limit", type=int, help="look at the first N of each folder only")
    parser.add_argument("--repeats", type=int, default=7, help="timed runs of each photo")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    options = parser.parse_args()
    photos = sorted([*options.calibrate.glob("*.png"), *options.calibrate.glob("*.jpg")])[: options.photos]
    with tempfile.TemporaryDirectory() as target:
        try:
            models = {"float32": UOISSAM.from_pretrained(options.folder)}
            models["int8"] = quantised(options.folder, tuple(options.graphs), photos, Path(target))
            scores: dict[str, Any] = {}
            for root in options.data:
                data = first_images(FolderDataset(root), options.limit)
                found = score_rows(
                    data, lambda sample: {name: each.predict(sample.image).label_map() for name, each in models.items()}
                )
                scores[root.name] = {
                    name: by_column(summarise(rows).all_frames.percentages()) for name, rows in found.items()
                }
            seconds = seconds_of(models, options.repeats)
        except UOISError as error:
            print(f"int8: {error}", file=sys.stderr)
            return 2
    rows = [([name, each], row.values()) for name, found in scores.items() for each, row in found.items()]
    print(scores_table(["photos", "graphs"], rows))
    for name, taken in seconds.items():
        print(f"{name}: float32 {taken['float32']:.3f} s, int8 {taken['int8']:.3f} s of the processor")
    payload = {"calibrated_on": len(photos), "graphs": list(options.graphs), "scores": scores, "cpu_seconds": seconds}
    if options.out:
        write_record(options.out, make_record("int8", payload))
    return 0


if __name__ == "__main__":
    sys.exit(main())
