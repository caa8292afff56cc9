"""Choice of the labelled images of a training: a seeded share, the validation split, and a hash of their content."""

from __future__ import annotations

import hashlib
import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np

from uois_sam.datasets.base import Dataset
from uois_sam.datasets.notes import sum_notes
from uois_sam.errors import DatasetError, UOISError, count
from uois_sam.runtime.executors import threads_of_a_run
from uois_sam.types import Sample

READERS = 4
"""Threads that read images; decoding releases the GIL."""
MOST_LEFT_OUT = 0.5
"""Share of unreadable images above which a data set is refused: it is another one than was meant."""
_MOST_LINES = 20
"""Lines about single images that are printed; the record of a run has all."""

logger = logging.getLogger(__name__)


class SubsetDataset:
    """Some samples of a data set, in a given order."""

    def __init__(self, data: Dataset, indices: Sequence[int]) -> None:
        self.data = data
        self.indices = tuple(indices)
        names = data.names
        self.names = tuple(names[index] for index in self.indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.data[self.indices[index]]


@dataclass(frozen=True)
class Split:
    """Training images followed by validation images."""

    data: Dataset
    """Training images first, in the data set's order, then the validation images."""
    validation: int
    """Number of validation images, the last ones of ``data``."""


def sample_percent(data: Dataset, percent: float, seed: int) -> Dataset:
    """Sample a share of the images, as the paper trains on 10 % of UOAIS-Sim (Sec. IV-A, Table V).

    With one seed, a smaller share is a subset of every larger one. At least one image is kept.

    Raises:
        DatasetError: if the percentage is not above 0 and at most 100.
    """
    if not 0 < percent <= 100:
        raise DatasetError(f"percent={percent:g}: expected above 0, at most 100")
    if percent == 100:
        return data
    share = max(1, round(len(data) * percent / 100))
    chosen = np.random.default_rng([seed, 1]).permutation(len(data))[:share]
    return SubsetDataset(data, sorted(chosen.tolist()))


def first_images(data: Dataset, number: int | None) -> Dataset:
    """Return the first ``number`` images of a data set; all of them if ``number`` is None or larger than the set."""
    return data if number is None else SubsetDataset(data, range(min(number, len(data))))


def split_data(data: Dataset, share: float, seed: int) -> Split:
    """Hold out a random share of the images (at least one) to choose the epoch by.

    Raises:
        DatasetError: if there are fewer than two images, which leaves none to train on.
    """
    if len(data) < 2:
        raise DatasetError(f"training needs at least 2 labelled images, one of them to validate; got {len(data)}")
    held_out = min(max(1, math.floor(share * len(data) + 0.5)), len(data) - 1)
    order = np.random.default_rng([seed, 2]).permutation(len(data)).tolist()
    return Split(SubsetDataset(data, [*sorted(order[held_out:]), *sorted(order[:held_out])]), held_out)


@dataclass(frozen=True)
class LeftOut:
    """An image that cannot be read, or whose labels cannot."""

    index: int
    """Number in the data set."""
    name: str
    reason: str


@dataclass(frozen=True)
class DataFacts:
    """Summary of the labelled images."""

    sha256: str
    """Hash of names, labels and every 16th pixel, in order."""
    images: int
    """Images that can be read; the others are in ``left_out``."""
    objects: int
    """Labelled objects, all images together."""
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    """What loaders left out of images or guessed about them, one line a kind."""

    def to_json(self) -> dict[str, Any]:
        """Return plain data for the record of a run."""
        left_out = [{"name": each.name, "reason": each.reason} for each in self.left_out]
        return {"sha256": self.sha256, "images": self.images, "objects": self.objects,
                **({"left_out": left_out} if left_out else {}),
                **({"notes": list(self.notes)} if self.notes else {})}  # fmt: skip

    def log(self) -> None:
        """Say what was left out."""
        for each in self.left_out[:_MOST_LINES]:
            logger.warning("left out %s: %s", each.name, each.reason)
        if self.left_out:
            total = count(self.images + len(self.left_out), "image")
            logger.warning("%d of %s left out, which cannot be read; the record names all", len(self.left_out), total)
        for note in self.notes:
            logger.info("note: %s", note)


def look_through(data: Dataset, advance: Callable[[int], None] = lambda done: None) -> DataFacts:
    """Read every image once, to hash the data and to find unreadable images before the long work starts.

    Calls ``advance`` with the number of images read so far.

    Raises:
        DatasetError: if more than :data:`MOST_LEFT_OUT` of the images cannot be read, or none has a labelled object.
    """
    digest, objects, left_out, notes = hashlib.sha256(), 0, [], []
    for index, (name, sample) in enumerate(zip(data.names, _read_ahead(data), strict=True)):
        advance(index + 1)
        if isinstance(sample, UOISError):
            left_out.append(LeftOut(index, name, str(sample)))
            if len(left_out) > MOST_LEFT_OUT * len(data):
                raise DatasetError(
                    f"expected labelled images, found {len(left_out)} of the first {index + 1} that cannot be read; "
                    f"the first: {left_out[0].reason}"
                )
            continue
        digest.update(name.encode())
        digest.update(sample.labels.tobytes())
        digest.update(sample.image[::16, ::16].tobytes())
        if sample.ignore is not None:
            digest.update(np.packbits(sample.ignore).tobytes())
        objects += len(np.unique(sample.labels[sample.labels > 0]))
        notes.append((name, sample.notes))
    if objects == 0:
        raise DatasetError(f"expected labelled objects to learn from, found none in {count(len(data), 'image')}")
    return DataFacts(digest.hexdigest(), len(data) - len(left_out), objects, tuple(left_out), tuple(sum_notes(notes)))


def leave_out(split: Split, facts: DataFacts) -> Split:
    """Return the split without the images that cannot be read.

    Raises:
        DatasetError: if no image is left to train on, or none to validate by.
    """
    if not facts.left_out:
        return split
    bad, first_held_out = {each.index for each in facts.left_out}, len(split.data) - split.validation
    good = [index for index in range(len(split.data)) if index not in bad]
    validation = sum(index >= first_held_out for index in good)
    if not 0 < validation < len(good):
        raise DatasetError(
            f"expected images to train on and to validate by, found {len(good) - validation} and {validation} that "
            f"can be read; the first that cannot: {facts.left_out[0].reason}"
        )
    return Split(SubsetDataset(split.data, good), validation)


def _read_ahead(data: Dataset) -> Iterator[Sample | UOISError]:
    """Yield all samples in order and read a few ahead; an error in place of one that cannot be read."""

    def read(index: int) -> Sample | UOISError:
        try:
            return data[index]
        except UOISError as error:
            return error

    with threads_of_a_run(READERS) as pool:
        waiting: deque[Future[Sample | UOISError]] = deque()
        for index in range(len(data)):
            waiting.append(pool.submit(read, index))
            if len(waiting) > 2 * READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
