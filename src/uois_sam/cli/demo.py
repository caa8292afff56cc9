"""``uois-sam demo``: what masks are good for, in simulation."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from uois_sam.cli.options import NetworkOptions, expect_at_least
from uois_sam.cli.parsing import CommandGroup
from uois_sam.errors import MissingExtraError, count
from uois_sam.runtime.progress import print_line, progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from uois_sam.grasping.rounds import MaskSource, Round, Summary

_WIDTH_OF_A_FILE = 200
Masks = Literal["model", "grid", "true", "none"]


@dataclass(frozen=True)
class DemoGrasp:
    """Clear tables with a floating hand: render, segment, plan, pick, until nothing is left (extra: grasp).

        uois-sam demo grasp --out demo
        uois-sam demo grasp --out bench --masks model true none --rounds 100

    Tables hold things of kinds that the bundled model never saw, rendered as its training scenes are. The hand opens
    8 cm and has no arm; grasps are antipodal ones on each mask's depth; a round ends when the table is empty, when no
    grasp is found, or after two failures in a row (VGN's protocol). The same tables are cleared with each kind of
    masks. Below --out: a picture of every pick, picks.gif, and grasp.json with all outcomes. The table of rates, with
    Wilson's 95 % intervals, goes to standard output.
    """

    out: Path
    """Folder for pictures and results."""
    masks: tuple[Masks, ...] = ("model",)
    """Where masks come from: the model; "grid": its decoder prompted by a grid, as SAM's automatic scheme does; "true"
    ones; "none": all that stands on the table is one thing."""
    rounds: int = 3
    """Tables to clear with each kind of masks."""
    objects: int = 5
    """Things on a table."""
    arrangement: Literal["pile", "packed"] = "pile"
    """Dropped on a heap, or standing close to each other."""
    target: bool = False
    """Name one thing at each look, by a point on it, and grasp only what the mask there covers."""
    seed: int = 0
    """Of the first table; the others follow."""
    width: int = 640
    """Width of the photos; their height is three quarters of it."""
    samples: int = 8
    """Light paths a pixel."""
    model: tyro.conf.OmitArgPrefixes[NetworkOptions] = field(default_factory=NetworkOptions)

    def run(self, console: Console) -> int:
        """Clear the tables and print the rates.

        Raises:
            UOISError: if an option, the model or --out cannot be used.
            MissingExtraError: if the packages of the extra are not installed.
        """
        for name, least in (("rounds", 1), ("objects", 1), ("width", 64), ("samples", 1)):
            expect_at_least(name, getattr(self, name), least)
        from uois_sam.io.files import make_output_folder, write_atomically
        from uois_sam.synth.rendering.variants import choose_variant

        make_output_folder(self.out)
        sources = self._sources()
        _expect_packages()
        choose_variant()
        rounds: dict[str, list[Round]] = {name: [] for name in sources}
        with progress(console) as watch:
            watch.stage("clearing tables", self.rounds * len(sources))
            for done, (name, cleared) in enumerate(self._cleared(sources), start=1):
                rounds[name].append(cleared)
                self._draw(name, cleared)
                watch.advance(done, f"{name}: {cleared.objects - cleared.left} of {count(cleared.objects, 'thing')}")
        self._animate(rounds)
        write_atomically(self.out / "grasp.json", (json.dumps(self._record(rounds), indent=1) + "\n").encode())
        from rich.console import Console as Output

        output = Output(highlight=False)
        if not output.is_terminal:
            output = Output(highlight=False, width=_WIDTH_OF_A_FILE)
        output.print(_table(rounds, self.target))
        sys.stdout.flush()
        print_line(console, f"pictures and grasp.json in {self.out}")
        return 0

    def _sources(self) -> dict[str, MaskSource]:
        from uois_sam.grasping.sources import ModelMasks, NoMasks, TrueMasks

        sources: dict[str, MaskSource] = {}
        model = self.model.load() if {"model", "grid"} & set(self.masks) else None
        for name in self.masks:
            if name == "true":
                sources[name] = TrueMasks()
            elif name == "none":
                sources[name] = NoMasks()
            elif model is not None:
                sources[name] = ModelMasks(model if name == "model" else model.with_settings(prompts="grid"))
        return sources

    def _cleared(self, sources: dict[str, MaskSource]) -> Iterator[tuple[str, Round]]:
        from uois_sam.grasping.antipodal import AntipodalPlanner
        from uois_sam.grasping.rounds import clear_table
        from uois_sam.grasping.tables import TableConfig

        config = TableConfig(self.objects, self.arrangement, (self.width * 3 // 4, self.width), self.samples)
        for seed in range(self.seed, self.seed + self.rounds):
            for name, source in sources.items():
                yield name, clear_table(seed, config, source, AntipodalPlanner(), targeted=self.target)

    def _draw(self, name: str, cleared: Round) -> None:
        from uois_sam.grasping.pictures import picture_of
        from uois_sam.io.encoding import encode_jpeg
        from uois_sam.io.files import write_atomically

        for number, attempt in enumerate(cleared.attempts, start=1):
            picture = picture_of(attempt, f"table {cleared.seed}, pick {number}, {name} masks")
            path = self.out / f"{name}_{cleared.seed:04d}_{number:02d}.jpg"
            write_atomically(path, encode_jpeg(picture, 90))

    def _animate(self, rounds: dict[str, list[Round]]) -> None:
        """Animate the first table of the first kind of masks."""
        from uois_sam.grasping.pictures import animation, picture_of
        from uois_sam.io.files import write_atomically

        name, cleared = next((name, each) for name, many in rounds.items() for each in many)
        pictures = [picture_of(attempt, f"pick {k}, {name} masks") for k, attempt in enumerate(cleared.attempts, 1)]
        if pictures:
            write_atomically(self.out / "picks.gif", animation(pictures))

    def _record(self, rounds: dict[str, list[Round]]) -> dict[str, Any]:
        from uois_sam.runtime.provenance import describe_machine

        asked = {key: value for key, value in asdict(replace(self, out=Path(self.out.name))).items() if key != "model"}
        return {
            "asked": {**asked, "out": self.out.name, "model": self.model.model or "compact"},
            "rounds": {name: [_round_json(each) for each in many] for name, many in rounds.items()},
            "machine": describe_machine(),
        }


def _expect_packages() -> None:
    try:
        import mujoco  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("uois-sam demo grasp", "grasp", "mujoco") from error


def _round_json(cleared: Round) -> dict[str, Any]:
    return {
        "seed": cleared.seed, "objects": cleared.objects, "left": cleared.left,
        "attempts": [
            {"masks": len(each.masks), "target": each.target, "pick": each.pick and asdict(each.pick)}
            for each in cleared.attempts
        ],
    }  # fmt: skip


def _table(rounds: dict[str, list[Round]], targeted: bool) -> Table:
    from rich import box
    from rich.table import Table

    from uois_sam.grasping.rounds import summarise

    table = Table("masks", box=box.MARKDOWN)
    columns = {"picks that lift": "grasps", "cleared": "declutter", "picks that disturb": "disturbed"}
    if targeted:
        columns["named thing lifted"] = "chosen"
    for title in columns:
        table.add_column(title, justify="right")
    for name, many in rounds.items():
        summary: Summary = summarise(many)
        table.add_row(name, *(str(getattr(summary, of)) for of in columns.values()))
    return table


DEMO = CommandGroup(
    """See what masks are good for, in simulation.

    uois-sam demo grasp --out demo
""",
    {"grasp": DemoGrasp},
)
