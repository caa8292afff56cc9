"""``uois-sam train shipped``: reproduce the bundled weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.cli.generate import Generate
from uois_sam.cli.train_compact import TrainCompact
from uois_sam.errors import UOISError
from uois_sam.runtime.cores import usable_cores
from uois_sam.synth.dataset.config import GenerateConfig
from uois_sam.synth.sampling.config import Variety

if TYPE_CHECKING:
    from rich.console import Console


SCENE_HW = 384, 512
"""Size of every rendered scene."""


@dataclass(frozen=True)
class SceneSet:
    """Scenes rendered from one seed, which names their folder."""

    seed: int
    scenes: int
    surroundings: float = 0.0
    """Share of the scenes that have a room (``Variety.surroundings``); the first sets were made without."""


@dataclass(frozen=True)
class TrainingPart:
    """One part of the training: new scenes, and the steps taken on them and on earlier ones."""

    name: str
    """Name of the resulting weights."""
    new: tuple[SceneSet, ...]
    """Scenes that no part before has seen."""
    steps: int
    rate: float
    earlier_seeds: tuple[int, ...] = ()
    """Seeds of earlier scenes to train on again."""
    context: int = 0
    """Width of the context branch (``train compact --context``)."""
    composites: float = 0.0
    """Share of composite views (``train compact --composites``)."""
    hard_looks: float = 0.0
    """Share of views with hard looks (``train compact --hard-looks``)."""
    start_share: float = 0.0
    """Share of the part before in the result (``train compact --start-share``)."""


PARTS = (
    TrainingPart("compact-2", (SceneSet(11, 840),), steps=3000, rate=6e-4),
    TrainingPart("compact-3", (SceneSet(12, 560),), steps=2500, rate=5e-4, earlier_seeds=(11,)),
    TrainingPart("compact-4", (SceneSet(13, 720),), steps=3000, rate=5e-4),
    TrainingPart("compact-5", (SceneSet(14, 480),), steps=5000, rate=8e-4, earlier_seeds=(13,)),
    TrainingPart(
        "compact-6",
        (SceneSet(15, 136), SceneSet(16, 247, 1.0), SceneSet(17, 774, 0.5)),
        steps=1900,
        rate=7e-4,
        context=128,
        composites=0.35,
        start_share=0.25,  # what was shipped under this name had none of it; compact-7 started from the mixture
    ),
    TrainingPart(
        "compact-7",
        (SceneSet(18, 611, 0.5),),
        steps=2200,
        rate=7e-4,
        earlier_seeds=(15, 16, 17),
        context=128,
        composites=0.35,
        hard_looks=0.3,
        start_share=0.25,
    ),
)
"""Parts of the bundled weights' training; each starts from the one before, the first from ImageNet's weights."""


@dataclass(frozen=True)
class TrainShipped:
    """Reproduce the bundled weights: render scenes and train on them, six times in a row (extras: synth,train).

        uois-sam train shipped --out runs/shipped --share 0.01

    About eleven hours on two cores; a GPU is used where there is one. Everything goes below OUT:
    scenes-SEED for each part's scenes, compact-N for its training; model/ of the last one is the result. What is there
    already is kept, so that a stopped run continues.
    """

    out: Path
    """Folder for all scenes and trainings; 3 GB."""
    share: float = 1.0
    """Share of all scenes and steps, to try the whole chain: 0.01 takes a few minutes, and its weights are useless."""
    workers: int = usable_cores()
    """Processes that render side by side; each takes about 1 GB."""
    device: str = "auto"
    """Device to train on: auto, cpu, cuda, cuda:1."""

    def run(self, console: Console) -> int:
        """Render and train the missing parts; return the exit status."""
        if not 0 < self.share <= 1:
            raise UOISError(f"share={self.share:g}: expected above 0 and at most 1")
        from uois_sam.runtime.progress import print_line
        from uois_sam.training.imagenet import expect_packages

        expect_packages()  # before hours of rendering
        for number, part in enumerate(PARTS):
            if self._is_done(number):
                print_line(console, f"{part.name} is there already")
                continue
            commands: list[Generate | TrainCompact] = [self.scenes_of(new) for new in part.new]
            for command in (*commands, self.training_of(number)):
                if status := command.run(console):
                    return status
        return 0

    def scenes_of(self, new: SceneSet) -> Generate:
        """Return the command that renders new scenes."""
        height, width = SCENE_HW
        scenes = self._shortened(new.scenes, 3)
        variety = Variety(surroundings=new.surroundings)
        config = GenerateConfig(scenes=scenes, seed=new.seed, height=height, width=width, variety=variety)
        return Generate(self._folder(new.seed), config, workers=self.workers)

    def training_of(self, number: int) -> TrainCompact:
        """Return the command that trains a part."""
        part = PARTS[number]
        start = str(self.out / PARTS[number - 1].name / "model") if number else None
        return TrainCompact(
            data=tuple(self._folder(seed) for seed in (*part.earlier_seeds, *(new.seed for new in part.new))),
            out=self.out / part.name, start=start, steps=self._shortened(part.steps, 1), rate=part.rate,
            context=part.context, composites=part.composites, hard_looks=part.hard_looks,
            start_share=part.start_share, name=part.name, device=self.device,
        )  # fmt: skip

    def _is_done(self, number: int) -> bool:
        """Return whether the model of a part exists.

        Raises:
            UOISError: if it was trained for another number of steps, as with another --share.
        """
        from uois_sam.checkpoints.folder import read_folder

        folder = self.out / PARTS[number].name / "model"
        if not folder.exists():
            return False
        target = self.training_of(number).steps
        card, _ = read_folder(folder)
        found = card.training["recipe"]["base"]["steps"]
        if found != target:
            raise UOISError(f"{folder}: expected a model of {target} steps, found one of {found}; choose another --out")
        return True

    def _folder(self, seed: int) -> Path:
        return self.out / f"scenes-{seed}"

    def _shortened(self, number: int, least: int) -> int:
        return max(least, round(self.share * number))
