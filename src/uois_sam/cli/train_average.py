"""``uois-sam train average``: one compact model out of several trainings from one start."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from uois_sam.cli.options import expect_at_least, expect_seed, open_datasets
from uois_sam.errors import UOISError

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.training.average_compact import Share


@dataclass(frozen=True)
class TrainAverage:
    """Average several trainings of the compact model that began from the same weights (a model soup).

        uois-sam train average compact runs/one/model:0.5 runs/two/model:0.5 --out runs/both --data scenes

    RUN:SHARE moves the start by that share of what the training RUN moved: shares that add up to 1 give a mean of the
    trainings, less leaves the rest to the start. Without --data that takes a second. The result is OUT/model, for
    --model of the other commands.
    """

    start: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="START")]
    """Compact model that the trainings began from: "compact" for the bundled one, or a folder."""
    runs: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN:SHARE...")]
    """Model folders of the trainings, each with its share from 0 to 1; together at most 1."""
    out: Path
    """Folder for the averaged model, and for cached features."""
    data: tuple[Path, ...] = ()
    """Folders with rgb/ and label/ to fit HDNet and the mask scorer on, anew; without any they are averaged, too."""
    head_images: int = 600
    """Images of --data that HDNet and the mask scorer are fitted on, at most."""
    seed: int = 0
    """Seed of which images of --data these are, and of their views."""
    name: str | None = None
    """Name of the model in results and tables; the name of the folder --out if left out."""
    device: str = "auto"
    """Device for the fit: auto, cpu, cuda, cuda:1."""

    def run(self, console: Console) -> int:
        """Average, fit and return the exit status."""
        expect_at_least("head-images", self.head_images, 2)
        expect_seed(self.seed)
        from uois_sam.checkpoints.folder import read_card
        from uois_sam.io.files import make_output_folder, only_run
        from uois_sam.runtime.progress import print_line, progress
        from uois_sam.training.average_compact import average_compact
        from uois_sam.training.train_compact import CompactTrainingConfig

        shares = self.shares()
        data = open_datasets("folder", self.data) if self.data else None
        default = CompactTrainingConfig()
        config = replace(default, head_images=self.head_images, seed=self.seed,
                         features=replace(default.features, seed=self.seed))  # fmt: skip
        make_output_folder(self.out)
        with only_run(self.out), progress(console) as watch:
            folder = average_compact(self.start, shares, self.out, watch, data=data, config=config, name=self.name,
                                     device=self.device)  # fmt: skip
        rest = max(0.0, round(1 - sum(each.share for each in shares), 6))  # not 1e-17
        parts = (f"{rest:.3g} of {self.start}", *(f"{each.share:g} of {each.model}" for each in shares))
        print_line(console, f"{', '.join(parts)}; model in {folder}")
        return 1 if "left_out" in read_card(folder).training else 0

    def shares(self) -> list[Share]:
        """Return the trainings with their shares.

        Raises:
            UOISError: if one has no share.
        """
        from uois_sam.training.average_compact import Share

        found = []
        for text in self.runs:
            model, colon, share = text.rpartition(":")
            try:
                found.append(Share(model, float(share) if colon else float("nan")))
            except ValueError:
                raise UOISError(f"expected FOLDER:SHARE, such as runs/one/model:0.5, found {text!r}") from None
            if not colon:
                raise UOISError(f"expected FOLDER:SHARE, such as runs/one/model:0.5, found {text!r}")
        return found
