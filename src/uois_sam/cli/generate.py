"""``uois-sam generate``: write rendered, labelled scenes to train on."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from uois_sam.cli.convert import convert
from uois_sam.errors import UOISError, count
from uois_sam.runtime.cores import usable_cores
from uois_sam.synth.dataset.config import GenerateConfig, with_preset

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.synth.dataset.generate import Run


@dataclass(frozen=True)
class Generate:
    """Make photorealistic, physically settled, labelled scenes (extra: synth).

        uois-sam generate --out scenes --scenes 20 --variety.places table bin
        uois-sam generate --out videos --scenes 8 --video 30 --height 240 --width 320

    Writes rgb/, label/ (uint16, 0 = background), depth/ (uint16 millimetres), scenes.jsonl (camera, poses, visible
    fractions, and the description that --from-scenes renders again), dataset.json (configuration, statistics, versions,
    speed and memory) and contact_sheet.jpg. A run that was stopped goes on where it was when started again with the
    same options; more --scenes may be asked for.
    """

    out: Path
    """Folder to write into."""
    config: Annotated[GenerateConfig, tyro.conf.arg(name="")] = field(default_factory=GenerateConfig)
    """Settings of the scenes."""
    format: Literal["native", "uoais", "bop"] = "native"
    """Also write the finished data set as UOAIS-Sim's COCO files below OUT/uoais or in BOP's format below OUT/bop;
    implies --amodal. "uois-sam convert" does the same later."""
    preset: Literal["tabletop-val"] | None = None
    """A data set that is the same for everybody, instead of the settings of scenes: tabletop-val is 300 scenes of
    shapes, textures and lights that no training scene shows. Refused beside options that it settles."""
    video: int | None = None
    """Make a video of this many frames (15 a second) of each scene, below OUT/video_000000 and so on: in turn nothing
    moves, objects are pushed, the camera moves, and something is carried past. Labels are ids, the same in all
    frames."""
    workers: int = usable_cores()
    """Processes that render side by side; each takes about 1 GB."""
    ray: str | None = None
    """Render on the Ray cluster at this address instead of --workers (extra: ray); "local" starts one here."""

    def run(self, console: Console) -> int:
        """Render the missing scenes; return the exit status."""
        from uois_sam.errors import MissingExtraError
        from uois_sam.io.files import make_output_folder, only_run

        try:
            import uois_sam.synth.dataset.generate  # noqa: F401
        except ImportError as error:
            raise MissingExtraError("uois-sam generate", "synth", str(error.name)) from error
        there = self.out.exists()
        make_output_folder(self.out)
        try:
            with only_run(self.out):
                return self._make(console)
        except UOISError:
            if not there:
                with suppress(OSError):  # only an empty folder goes: nothing was made
                    self.out.rmdir()
            raise

    def _make(self, console: Console) -> int:
        from uois_sam.runtime.progress import print_line
        from uois_sam.synth.dataset.generate import Run

        if self.video is not None:
            return self._film(self.video, console)
        run = Run(self._resolved_config(), self.out, self.workers, self.ray)
        there = run.total - len(run.todo)
        if there:
            print_line(console, f"{there} of {count(run.total, 'scene')} there already")
        for line in _make(run, console):
            print_line(console, line)
        if self.format != "native":
            split = "val" if run.config.variety.split == "val" else "train"
            convert(self.out, self.out / self.format, self.format, split, console)
        return 0

    def _film(self, frames: int, console: Console) -> int:
        from uois_sam.runtime.progress import print_line
        from uois_sam.synth.dataset.videos import videos

        if self.preset is not None or self.format != "native":
            raise UOISError("--video: expected no --preset or --format beside it, found one")
        for run in videos(self.config, self.out, frames, self.workers, self.ray):
            if not run.todo:
                print_line(console, f"{run.out} is there already")
                continue
            for line in _make(run, console, "frame"):
                print_line(console, line)
        return 0

    def _resolved_config(self) -> GenerateConfig:
        config = replace(self.config, amodal=self.config.amodal or self.format != "native")
        return with_preset(config, self.preset) if self.preset else config


def _make(run: Run, console: Console, what: str = "scene") -> list[str]:
    """Make the scenes while showing progress; return the lines of the summary."""
    from uois_sam.runtime.progress import progress

    made, objects, redraws = 0, 0, Counter[str]()
    started = time.monotonic()
    with progress(console) as watch:
        watch.stage(f"{what}s", len(run.todo))
        for made, annotation in enumerate(run, start=1):
            objects += len(annotation.objects)
            redraws.update(annotation.redraws)
            watch.advance(made, f"{3600 * made / (time.monotonic() - started):.0f} an hour")
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(redraws.items())) or "none"
    return [f"{count(made, what)} made with {count(objects, 'labelled object')}; draws thrown away: {told}",
            f"{count(run.total, what)} in {run.out}, at a glance in {run.out / 'contact_sheet.jpg'}"]  # fmt: skip
