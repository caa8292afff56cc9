"""``uois-sam generate``: write rendered, labelled scenes to train on."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from uois_sam.cli.convert import convert
from uois_sam.synth.sampling.config import Variety

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.synth.dataset.generate import GenerateConfig, Run


@dataclass(frozen=True)
class Generate:
    """Make photorealistic, physically settled, labelled scenes (extra: pip install 'uois-sam[synth]').

    Writes rgb/, label/ (uint16, 0 = background), depth/ (uint16 millimetres), scenes.jsonl (camera, poses, visible
    fractions, and the description that --from-scenes renders again), dataset.json (configuration, statistics, versions,
    speed and memory) and contact_sheet.jpg. A run that was stopped goes on where it was when started again with the
    same options; more --scenes may be asked for.
    """

    out: Path
    """Folder to write into."""
    scenes: int = 100
    """Number of scenes."""
    seed: int = 0
    """Every scene of another seed is another draw of the same kinds of shapes, textures and places."""
    height: int = 480
    """Rows of each picture."""
    width: int = 640
    """Columns of each picture."""
    samples: int = 8
    """Light paths a pixel before denoising."""
    amodal: bool = False
    """Also write amodal/: the whole shape of every object, hidden parts included, as COCO RLE in JSON."""
    format: Literal["native", "uoais", "bop"] = "native"
    """Also write the finished data set as UOAIS-Sim's COCO files below OUT/uoais or in BOP's format below OUT/bop;
    implies --amodal. "uois-sam convert" does the same later."""
    preset: Literal["tabletop-val"] | None = None
    """A data set that is the same for everybody, instead of the options above and the variety: tabletop-val is 300
    scenes of shapes, textures and lights that no training scene shows. Refused beside options that it settles."""
    from_scenes: Path | None = None
    """Render the descriptions in this file (the scenes.jsonl of a data set) again instead of drawing new scenes; with
    another --height, --width or --samples, say."""
    workers: int = os.cpu_count() or 1
    """Processes that render side by side; each takes about 1 GB."""
    variant: Literal["auto", "llvm", "scalar", "cuda"] = "auto"
    """Mitsuba back end; auto takes LLVM where a libLLVM that works is installed (Debian: libllvm19), else scalar."""
    meshes: Path | None = None
    """Folder of your own meshes (OBJ, PLY, GLB, STL), those of folders in it as well: half of the objects are drawn
    from them."""
    mesh_scale: float = 1.0
    """Metres that one unit of your meshes stands for: 0.001 for millimetres. At 1, files too large for any tabletop are
    taken as millimetres, centimetres or inches, whichever fits, and the choice is told."""
    textures: Path | None = None
    """Folder of your own pictures for surfaces, used beside the built-in textures; folders in it are not searched."""
    hdris: Path | None = None
    """Folder of your own HDR panoramas (.hdr, .exr) for light and mirrors, used beside the built-in skies; folders in
    it are not searched."""
    ray: str | None = None
    """Render on the Ray cluster at this address instead of --workers (extra: ray); "local" starts one here."""
    variety: Variety = field(default_factory=Variety)
    """What varies from scene to scene, and the switches that turn it off."""

    def run(self, console: Console) -> int:
        """Render what is missing; returns the exit status."""
        from uois_sam.errors import MissingExtraError
        from uois_sam.runtime.progress import print_line

        try:
            from uois_sam.synth.dataset.generate import Run
        except ImportError as error:
            raise MissingExtraError("uois-sam generate", "synth", str(error.name)) from error
        run = Run(self._config(), self.out, self.workers, self.ray)
        there = run.total - len(run.todo)
        if there:
            print_line(console, f"{there} of {run.total} scenes are there already")
        for line in _make(run, console):
            print_line(console, line)
        if self.format != "native":
            split = "val" if run.config.variety.split == "val" else "train"
            convert(self.out, self.out / self.format, self.format, split, console)
        return 0

    def _config(self) -> GenerateConfig:
        from uois_sam.synth.dataset.generate import GenerateConfig, with_preset

        config = GenerateConfig(
            scenes=self.scenes, seed=self.seed, height=self.height, width=self.width, samples=self.samples,
            variant=self.variant, amodal=self.amodal or self.format != "native", variety=self.variety,
            from_scenes=self.from_scenes, meshes=self.meshes, mesh_scale=self.mesh_scale, textures=self.textures,
            hdris=self.hdris,
        )  # fmt: skip
        return with_preset(config, self.preset) if self.preset else config


def _make(run: Run, console: Console) -> list[str]:
    """Make the scenes while showing progress; return the lines of the summary."""
    from uois_sam.runtime.progress import progress

    made, objects, redraws = 0, 0, dict[str, int]()
    started = time.monotonic()
    with progress(console) as watch:
        watch.stage("scenes", len(run.todo))
        for made, record in enumerate(run, start=1):
            objects += len(record.objects)
            for reason, count in record.redraws.items():
                redraws[reason] = redraws.get(reason, 0) + count
            watch.advance(made, f"{3600 * made / (time.monotonic() - started):.0f} an hour")
    told = ", ".join(f"{reason} {count}" for reason, count in sorted(redraws.items())) or "none"
    return [f"{made} scenes made with {objects} labelled objects; draws thrown away: {told}",
            f"{run.total} scenes in {run.out}, at a glance in {run.out / 'contact_sheet.jpg'}"]  # fmt: skip
