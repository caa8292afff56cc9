"""Learning curves of the fits as a table, a picture and TensorBoard files."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.errors import MissingExtraError
from uois_sam.io.files import write_atomically

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

TITLES = {"hpg": "HPG: validation loss (Eq. 4)", "hdnet": "HDNet: validation loss (Eq. 7)"}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Epoch:
    """One pass of one head over the training rows."""

    head: str
    """``hpg``, ``hdnet`` or ``evidence``."""
    number: int
    """0 is the head before the fit."""
    train: float
    """Mean training loss; NaN in epoch 0."""
    validation: float
    """Mean loss of the held-out rows."""
    rate: float
    """Learning rate."""
    seconds: float


class Curves:
    """Collector of epochs; ``add`` rewrites the files, so they are up to date while a training runs.

    Args:
        folder: receives ``curves.csv``, ``curves.png`` (with the extra ``plot``) and ``tensorboard/``.
        tensorboard: write TensorBoard files too.

    Raises:
        MissingExtraError: if ``tensorboard`` is set and the package is not installed.
    """

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        self.folder = folder
        self.epochs: list[Epoch] = []
        self._writer = tensorboard_writer()(str(folder / "tensorboard")) if tensorboard else None

    def add(self, epoch: Epoch) -> None:
        """Add an epoch and rewrite the table."""
        self.epochs.append(epoch)
        write_atomically(self.folder / "curves.csv", as_csv(self.epochs).encode())
        if self._writer is not None:
            for name in ("train", "validation", "rate"):
                self._writer.add_scalar(f"{epoch.head}/{name}", getattr(epoch, name), epoch.number)
            self._writer.flush()

    def draw(self) -> None:
        """Write the picture; without matplotlib, log how to install it."""
        try:
            picture = as_png(self.epochs)
        except MissingExtraError as error:
            logger.info("no curves.png: %s", error)
            return
        write_atomically(self.folder / "curves.png", picture)


def as_csv(epochs: Sequence[Epoch]) -> str:
    """CSV with one line an epoch and losses to all digits."""
    text = io.StringIO()
    table = csv.DictWriter(text, [field.name for field in fields(Epoch)], lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(epoch) for epoch in epochs)
    return text.getvalue()


def as_png(epochs: Sequence[Epoch]) -> bytes:
    """Plot training and validation loss over epochs, one panel a head, with the kept epoch marked.

    Raises:
        MissingExtraError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise MissingExtraError("drawing learning curves", "plot", "matplotlib") from error
    heads = list(dict.fromkeys(epoch.head for epoch in epochs))
    figure = Figure(figsize=(5.2 * max(1, len(heads)), 3.6), layout="constrained")
    for axes, head in zip(figure.subplots(1, max(1, len(heads)), squeeze=False)[0], heads, strict=False):
        own = [epoch for epoch in epochs if epoch.head == head]
        numbers = [epoch.number for epoch in own]
        kept = min(own, key=lambda epoch: (epoch.validation != epoch.validation, epoch.validation))
        axes.plot(numbers, [epoch.train for epoch in own], label="training", color="#4477aa")
        axes.plot(numbers, [epoch.validation for epoch in own], label="validation", color="#ee6677")
        axes.plot(kept.number, kept.validation, "o", color="#ee6677", label=f"kept: {kept.validation:.4g}")
        positive = any(loss > 0 for epoch in own for loss in (epoch.train, epoch.validation))
        axes.set(title=TITLES.get(head, head), xlabel="epoch", ylabel="loss", yscale="log" if positive else "linear")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.3)
        axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def tensorboard_writer() -> type[SummaryWriter]:
    """Import the writer of TensorBoard files.

    Raises:
        MissingExtraError: if the package is not installed.
    """
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("--tensorboard", "tensorboard", "tensorboard") from error
    return SummaryWriter
