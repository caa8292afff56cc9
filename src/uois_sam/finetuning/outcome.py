"""Settings of a fine-tuning, and what it came to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from uois_sam.errors import UOISError, count
from uois_sam.finetuning.scores import Comparison, Verdict

Kept = Literal["trained", "start"]
Keep = Literal["not-worse", "better", "trained"]
"""When the trained weights become the model: unless they are worse beyond noise, where they are better beyond noise, or
in any case. Where the held-out photos are too few to tell, only the last keeps them."""


def choose(keep: Keep, verdict: Verdict) -> Kept:
    """Decide which weights become the model."""
    taken: dict[Keep, tuple[Verdict, ...]] = {"not-worse": ("better", "within noise"), "better": ("better",)}
    return "trained" if keep == "trained" or verdict in taken[keep] else "start"


@dataclass(frozen=True)
class FineTuneConfig:
    """Settings of a fine-tuning.

    Raises:
        UOISError: if a number makes no sense.
    """

    steps: int | None = None
    """Optimiser steps; None: by the number of photos."""
    rate: float = 3e-4
    """Highest learning rate, half of it for the encoder; rises over the first sixth of the steps, then falls to 0."""
    held_out: float = 0.25
    """Share of the photos held out to be judged by: at least 5 or half of them, at most 50."""
    keep: Keep = "not-worse"
    """When the trained weights become ``model``. Five held-out photos seldom tell a gain of five points from noise, and
    every training on ten photos or more that was measured on others brought one."""
    seed: int = 0
    """Seed of the held-out photos, views and prompts."""

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UOISError(f"steps: expected 1 or more, found {self.steps}")
        if not 0 < self.rate <= 1:
            raise UOISError(f"rate: expected above 0 and at most 1, found {self.rate:g}")
        if not 0 < self.held_out <= 0.8:
            raise UOISError(f"held_out: expected a share above 0 and at most 0.8, found {self.held_out:g}")


@dataclass(frozen=True)
class FineTuneResult:
    """What a fine-tuning came to; ``result.json`` holds the same."""

    model: Path
    """Folder of the model to use: the trained weights, or those of the start where ``FineTuneConfig.keep`` says so."""
    trained: Path
    """Folder of the trained weights."""
    kept: Kept
    """Which of the two ``model`` holds."""
    name: str
    """Name of the trained model."""
    start: str
    """Full name of the model that it started from."""
    learned: tuple[str, ...]
    """Names of the photos that it learned from."""
    held_out: tuple[str, ...]
    """Names of the photos that it is judged by."""
    steps: int
    """Steps taken."""
    comparison: Comparison
    notes: tuple[str, ...]
    """What was left out, guessed or converted in reading the photos."""

    def table(self) -> str:
        """Format the scores before and after as a markdown table."""
        return self.comparison.markdown(f"before: {self.start}", f"after: {self.name}")

    def verdict(self) -> str:
        """Say in one line what came of it and which weights ``model`` holds."""
        gain, photos = self.comparison.overlap_f, count(self.comparison.before.photos, "held-out photo")
        told = {
            "better": f"Better on held-out photos: overlap F {gain}.",
            "worse": f"Worse on held-out photos: overlap F {gain}.",
            "within noise": f"No difference beyond noise on held-out photos: overlap F {gain}.",
            "too few to tell": f"{photos} cannot tell: overlap F {gain}.",
        }[self.comparison.verdict]
        other = "" if self.kept == "trained" else f"; the trained ones are in {self.trained}"
        which = "trained weights" if self.kept == "trained" else f"weights of the start, {self.start}"
        return f"{told} {self.model} holds the {which}{other}."

    def as_json(self) -> bytes:
        """Return every field as JSON; folders by their name alone."""
        values: dict[str, Any] = {**asdict(self), "model": self.model.name, "trained": self.trained.name}
        verdict = {"verdict": self.comparison.verdict}
        return (json.dumps({**values, **verdict}, indent=1) + "\n").encode()

    def as_markdown(self) -> bytes:
        """Return the table, what it is about, and what came of it."""
        notes = "".join(f"- {note}\n" for note in self.notes)
        return f"{self.table()}\n\n{self.comparison.words()}\n\n{self.verdict()}\n\n{notes}".encode()
