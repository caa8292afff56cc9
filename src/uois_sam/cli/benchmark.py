"""``uois-sam benchmark``: time of a photo by stage, beside the paper, other implementations and a lower bound."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from uois_sam.cli.options import NetworkOptions, expect_at_least
from uois_sam.errors import UOISError, count

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from uois_sam.pipeline import UOISSAM
    from uois_sam.types import ImageArray

_PARTS = {
    "dinov2": "  DINOv2", "maps": "  foreground and heatmap", "prompts": "  peaks", "encoder": "  image encoder",
    "decoder": "  mask decoder", "selection": "  scores, selection, masks at photo size",
}  # fmt: skip
_STAGES = {"hpg": "HPG", "features": "features", "masks": "masks", "total": "total"}


@dataclass(frozen=True)
class Benchmark:
    """Time one photo in the stages of the paper (prompt generator, features, masks), without loading the model.

        uois-sam benchmark --image photo.jpg --threads 1
        uois-sam benchmark --model sam-vit-l --random --against transformers

    A base without heads (sam-vit-l) is timed with 30 points spread over the photo.

    Every run is timed with a monotonic clock after the accelerator has finished; the first ones are not counted. The
    table gives medians and interquartile ranges, the paper's times beside them (another machine), the floor (the
    model's own matrix products, convolutions and attention calls, each repeated by itself), the roofline (their
    arithmetic and memory traffic at this machine's measured peaks), and ratios to peers that were timed in the same
    run. It goes to standard output. Compare numbers of one machine with nothing else running.

    Exit status: 0 success; 2 nothing could be measured.
    """

    model: tyro.conf.OmitArgPrefixes[NetworkOptions] = field(default_factory=NetworkOptions)
    random: bool = False
    """Give a base (sam-vit-l, sam2.1-hiera-tiny, ...) random weights, where the published ones are not at hand: its
    masks are noise, its times are not."""
    image: Path | None = None
    """Photo to time; a synthetic one if left out."""
    width: int = 640
    """Width that the photo is resized to, in pixels."""
    height: int = 480
    """Height, likewise."""
    repeats: int = 20
    """Number of runs that are counted."""
    warm_up: int = 3
    """Number of runs before them."""
    against: tuple[str, ...] = ()
    """Peers with the same weights in the same run, for models that stand on SAM: transformers, official, or one
    precision of either (transformers-bfloat16); several with commas or spaces between."""
    sweep: tuple[Literal["size", "prompts", "batch", "threads"], ...] = ()
    """Also measure how cost grows with the photo's size, the number of prompts, photos at the same time, threads."""
    floor: bool = True
    """Also measure the floor."""
    threads: int | None = None
    """Threads of the processor; torch's own choice if left out."""
    clock: Literal["wall", "cpu"] = "wall"
    """wall, or cpu: processor time of all threads, which other processes on the machine disturb less; with --threads 1
    it is the time of an undisturbed core."""
    out: Path | None = None
    """JSON file for the complete record: quartiles, machine, versions."""

    def run(self, console: Console) -> int:
        """Measure, print the tables and return the exit status.

        Raises:
            UOISError: if options, photo, model or peers cannot be used, or --out cannot be written.
        """
        from rich.console import Console as Output

        from uois_sam.benchmark.measure import Measurement, measure, names_of
        from uois_sam.io.files import write_atomically
        from uois_sam.runtime.progress import print_table, progress
        from uois_sam.runtime.provenance import summary
        from uois_sam.runtime.threads import threads_of

        for name in ("width", "height", "repeats", "threads"):
            expect_at_least(name, getattr(self, name), 1)
        expect_at_least("warm_up", self.warm_up, 0)
        if self.out is not None and not os.path.isdir(self.out.parent):
            raise UOISError(f"--out {self.out}: expected an existing folder")
        image = self._photo()
        model = self._load_model()
        request = Measurement(
            self.repeats, self.warm_up, names_of(self.against), self.sweep, lower_bound=self.floor, clock=self.clock
        )
        with threads_of(self.threads), progress(console, bars=False) as watch:
            record = measure(model, image, request, watch)
        output = Output(highlight=False)
        for table in tables(record):
            print_table(output, table)
        output.print(footer(record), markup=False, soft_wrap=True)
        output.print(summary(record["machine"]), markup=False, soft_wrap=True)
        if self.out is not None:
            write_atomically(self.out, (json.dumps(record, indent=1) + "\n").encode())
        sys.stdout.flush()
        return 0

    def _photo(self) -> ImageArray:
        from uois_sam.benchmark.drawing import drawn_photo
        from uois_sam.benchmark.sweeps import resized
        from uois_sam.io.images import read_image

        if self.image is None:
            return drawn_photo(self.width, self.height)
        return resized(read_image(self.image), (self.width, self.height))

    def _load_model(self) -> UOISSAM:
        from uois_sam.benchmark.peers import random_sam
        from uois_sam.benchmark.stages import ready
        from uois_sam.runtime.device import choose_device, choose_precision

        if not self.random:
            return ready(self.model.load())
        device = choose_device(self.model.device)
        name, precision = self.model.model or "compact", choose_precision(self.model.precision, device)
        return ready(random_sam(name, precision, str(device)))


def tables(record: dict[str, Any]) -> list[Table]:
    """Return the tables of a record."""
    return [_stages(record), *([_peers(record["peers"])] if record["peers"] else []), *_sweeps(record["sweeps"])]


def footer(record: dict[str, Any]) -> str:
    """Return one line about the measurement."""
    width, height = record["image_wh"]
    clock = "processor seconds, " if record["clock"] == "cpu" else ""
    share = record["other_than_networks_seconds"] / record["stages_seconds"]["total"]["median"]
    return (
        f"{record['model']}, {width}x{height}, {record['precision']} on {record['device']}, "
        f"{record['machine']['torch_threads']} threads, {clock}{record['prompts']} "
        f"prompts, {count(record['objects'], 'object')}; peaks, selection, label map, RLE and PNG together are "
        f"{share:.0%} of the total"
    )


def _stages(record: dict[str, Any]) -> Table:
    from uois_sam.benchmark.stages import OUTPUTS, STAGES

    table = _table("stage", "median", "IQR", "floor", "x floor", "roofline", "x", "paper (TITAN RTX)")
    floors, parts = record["floor_seconds"] or {}, record["parts_seconds"]
    rooflines = record["roofline_seconds"] or {}
    for stage, title in _STAGES.items():
        spread, floor = record["stages_seconds"][stage], floors.get(stage)
        bounds = [cell for bound in (floor, rooflines.get(stage)) for cell in (
            _ms(bound), f"{spread['median'] / bound:.2f}" if bound else "")]  # fmt: skip
        paper = _ms(record["paper_seconds"][stage])
        table.add_row(title, _ms(spread["median"]), _iqr(spread), *bounds, paper)
        for part in STAGES.get(stage, ()):
            if part in parts:
                table.add_row(_PARTS[part], _ms(parts[part]["median"]), _iqr(parts[part]), *[""] * 5)
    for part in OUTPUTS:
        table.add_row(f"then: {part}", _ms(parts[part]["median"]), _iqr(parts[part]), *[""] * 5)
    return table


def _peers(peers: dict[str, Any]) -> Table:
    table = _table("same weights", "features", "IQR", "x ours", "30 masks", "IQR", "x ours")
    for name, row in peers.items():
        table.add_row(name, *(cell for what in ("features", "masks") for cell in (
            _ms(row[what]["median"]), _iqr(row[what]), f"{row[f'{what}_ratio']:.2f}")))  # fmt: skip
    return table


def _sweeps(sweeps: dict[str, list[dict[str, Any]]]) -> list[Table]:
    """Return a table for every sweep; the first key of a row is what varies, the others are quartiles."""
    found = []
    for rows in sweeps.values():
        varied, *measured = rows[0]
        table = _table(varied.replace("_", " "), *(f"{name.replace('_', ' ')} (IQR)" for name in measured))
        for row in rows:
            value = "x".join(map(str, row[varied])) if isinstance(row[varied], (list, tuple)) else str(row[varied])
            table.add_row(value, *(f"{_ms(row[name]['median'])} ({_iqr(row[name])})" for name in measured))
        found.append(table)
    return found


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(first, box=box.MARKDOWN, pad_edge=True)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _iqr(spread: dict[str, float]) -> str:
    return _ms(spread["q75"] - spread["q25"])
