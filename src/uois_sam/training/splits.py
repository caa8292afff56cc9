"""Choice of the labelled images of a training: a seeded share, the validation split, and a hash of their content."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from uois_sam.datasets.base import Dataset
from uois_sam.errors import DatasetError, count
from uois_sam.types import Sample

READERS = 4
"""Threads that read images; decoding releases the GIL."""


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
class DataFacts:
    """Summary of the labelled images."""

    sha256: str
    """Hash of names, labels and every 16th pixel, in order."""
    images: int
    objects: int
    """Labelled objects, all images together."""


def look_through(data: Dataset, advance: Callable[[int], None] = lambda done: None) -> DataFacts:
    """Read every image once, to hash the data and to find unreadable images before the long work starts.

    Calls ``advance`` with the number of images read so far.

    Raises:
        UOISError: if an image or its labels cannot be read.
        DatasetError: if no image has a labelled object.
    """
    digest, objects = hashlib.sha256(), 0
    for done, (name, sample) in enumerate(zip(data.names, _read_ahead(data), strict=True), start=1):
        digest.update(name.encode())
        digest.update(sample.labels.tobytes())
        digest.update(sample.image[::16, ::16].tobytes())
        if sample.ignore is not None:
            digest.update(np.packbits(sample.ignore).tobytes())
        objects += len(np.unique(sample.labels[sample.labels > 0]))
        advance(done)
    if objects == 0:
        raise DatasetError(f"expected labelled objects to learn from, found none in {count(len(data), 'image')}")
    return DataFacts(digest.hexdigest(), len(data), objects)


def _read_ahead(data: Dataset) -> Iterator[Sample]:
    """Yield all samples in order and read a few ahead."""
    with ThreadPoolExecutor(READERS) as pool:
        waiting: deque[Future[Sample]] = deque()
        for index in range(len(data)):
            waiting.append(pool.submit(data.__getitem__, index))
            if len(waiting) > 2 * READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
