"""Labelled photos of a fine-tuning: looked through once, held out by sequence, and copied small to learn from."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from uois_sam.datasets.base import Dataset, FrameDataset
from uois_sam.errors import DatasetError, count
from uois_sam.evaluation.frame_scores import resize_sample
from uois_sam.io.encoding import encode_jpeg, encode_png
from uois_sam.training.splits import SubsetDataset, look_through
from uois_sam.types import Sample

FEWEST_PHOTOS = 5
"""Photos with a labelled object: three to learn from and two to be judged by."""
FEWEST_HELD_OUT = 2
ENOUGH_HELD_OUT = 5
"""Held out where that is at most half of the photos, whatever the share: the gain on 2 of 10 photos was measured as 6.3
+- 1 points where 20 other photos of the place gave 1.2."""
MOST_HELD_OUT = 50
"""More held-out photos make the figures hardly more certain, and every photo to learn from counts."""
MOST_IGNORED = 0.5
"""Share of all pixels up to which labels may say nothing."""
LARGEST_SIDE = 1280
"""Larger photos are learned from as copies of this length: views are crops of 28 to 100 % of a photo at 336x448."""
_COUNTER = re.compile(r"[-_ .]*(?:burst|frame)?[-_ .]*\d+(?:[-_ .]*cover)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """Summary of the labelled photos."""

    sha256: str
    """Hash of names, labels and every 16th pixel, in order."""
    objects: tuple[int, ...]
    """Labelled objects of each photo."""
    notes: tuple[str, ...]
    """What was left out, guessed or converted in reading them."""


@dataclass(frozen=True)
class HeldOut:
    """The photos to learn from and those to be judged by."""

    learn: tuple[int, ...]
    test: tuple[int, ...]
    """Indices, ascending."""
    words: str
    """How they were chosen, for the user."""


class _Noting:
    """A data set that remembers of each photo how many objects it has and how much of it is ignored."""

    def __init__(self, data: Dataset) -> None:
        self.data, self.names = data, data.names
        self.objects: dict[int, int] = {}
        self.ignored: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        sample = self.data[index]
        self.objects[index] = len(np.unique(sample.labels[sample.labels > 0]))
        ignored = 0 if sample.ignore is None else int(sample.ignore.sum())
        self.ignored[index] = ignored, sample.labels.size
        return sample


def examine(data: Dataset, advance: Callable[[int], None]) -> Facts:
    """Read every photo once, before the long work starts.

    Raises:
        DatasetError: if fewer than :data:`FEWEST_PHOTOS` photos have a labelled object, or labels say nothing about
            most of the pixels.
        UOISError: if a photo or its labels cannot be read, or differ in size.
    """
    where = f"{root}: " if (root := getattr(data, "root", None)) else ""
    if len(data) < FEWEST_PHOTOS:
        raise DatasetError(
            f"{where}expected {FEWEST_PHOTOS} labelled photos or more to fine-tune on, found {len(data)}"
        )
    noting = _Noting(data)
    seen = look_through(noting, advance)
    if seen.left_out:  # labelled by hand, each of them is worth a correction
        raise DatasetError(
            f"{where}expected photos and labels that can be read, found {len(seen.left_out)} of {len(data)} that "
            f"cannot; the first: {seen.left_out[0].reason}"
        )
    objects = tuple(noting.objects[index] for index in range(len(data)))
    labelled = sum(number > 0 for number in objects)
    if labelled < FEWEST_PHOTOS:
        raise DatasetError(
            f"{where}expected {FEWEST_PHOTOS} photos or more with a labelled object, found {labelled} of {len(data)}"
        )
    ignored, pixels = (sum(column) for column in zip(*noting.ignored.values(), strict=True))
    if ignored > MOST_IGNORED * pixels:
        raise DatasetError(
            f"{where}expected labels for at least half of all pixels, found {100 * ignored / pixels:.0f} % ignored"
        )
    said = data.notes if isinstance(data, FrameDataset) else ()
    notes = [note for note in said if not any(line.startswith(f"{note}: ") for line in seen.notes)] + list(seen.notes)
    if ignored:
        notes.append(
            f"{100 * ignored / pixels:.1f} % of all pixels are marked to be ignored: they are left out of scores, and "
            "learned as background"
        )
    if labelled < len(data):
        notes.append(
            f"{len(data) - labelled} of {count(len(data), 'photo')} without a labelled object: they teach what is none"
        )
    return Facts(seen.sha256, objects, tuple(notes))


def hold_out(names: Sequence[str], objects: Sequence[int], share: float, seed: int) -> HeldOut:
    """Choose the photos to be judged by, at random but always the same ones.

    Photos of one sequence stay together, if their names tell sequences: names that differ in the last number alone.
    They tell none where that leaves fewer than four sequences, or one with more than half of the photos.

    Args:
        names: of all photos.
        objects: number of labelled objects of each.
        share: of the photos to hold out, at least :data:`ENOUGH_HELD_OUT` or half of them, at most
            :data:`MOST_HELD_OUT`.
        seed: of the choice.

    Raises:
        DatasetError: if that leaves too few photos to learn from.
    """
    groups = _sequences(names)
    least = max(FEWEST_HELD_OUT, min(ENOUGH_HELD_OUT, len(names) // 2))
    wanted = min(max(least, round(share * len(names))), MOST_HELD_OUT)
    chosen: list[int] = []
    taken = 0
    for place in np.random.default_rng([seed, 3]).permutation(len(groups)).tolist():
        if len(chosen) >= wanted and sum(objects[index] > 0 for index in chosen) >= FEWEST_HELD_OUT:
            break
        chosen += groups[place]
        taken += 1
    learn = sorted(set(range(len(names))) - set(chosen))
    if sum(objects[index] > 0 for index in learn) < FEWEST_PHOTOS - FEWEST_HELD_OUT:
        raise DatasetError(
            f"expected {FEWEST_PHOTOS - FEWEST_HELD_OUT} photos with objects to learn from, "
            f"found {count(len(learn), 'photo')} left beside {len(chosen)} held out; lower the held-out share"
        )
    words = f"{len(chosen)} of {len(names)} photos held out"
    if len(groups) < len(names):
        words += f" ({taken} of {len(groups)} sequences, by names that differ in the last number alone)"
    return HeldOut(tuple(learn), tuple(sorted(chosen)), words)


def _sequences(names: Sequence[str]) -> list[list[int]]:
    """Indices by sequence, in order of names; each photo alone where names tell no sequences."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        found[_COUNTER.sub("", name)].append(index)
    groups = list(found.values())
    if len(groups) < 4 or max(map(len, groups)) > len(names) / 2:
        return [[index] for index in range(len(names))]
    return groups


class SmallCopies:
    """The photos to learn from; large ones as copies in memory, because every step reads several.

    Copies have :data:`LARGEST_SIDE` as their longer side and are kept as JPEG (photo) and PNG (labels).
    """

    def __init__(self, data: Dataset, indices: Sequence[int], advance: Callable[[int], None]) -> None:
        self.data = SubsetDataset(data, indices)
        self.names = self.data.names
        self._copies: dict[int, _Copy] = {}
        for index in range(len(self.data)):
            sample = self.data[index]
            height, width = sample.labels.shape
            if (longer := max(height, width)) > LARGEST_SIDE:
                scale = LARGEST_SIDE / longer
                self._copies[index] = _Copy.of(
                    resize_sample(sample, (max(1, round(height * scale)), max(1, round(width * scale))))
                )
            advance(index + 1)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        copy = self._copies.get(index)
        return self.data[index] if copy is None else copy.decoded()

    @property
    def copied(self) -> int:
        """Number of photos that are learned from as smaller copies."""
        return len(self._copies)


@dataclass(frozen=True)
class _Copy:
    """One sample, compressed."""

    name: str
    photo: bytes
    labels: bytes
    ignore: bytes | None

    @classmethod
    def of(cls, sample: Sample) -> _Copy:
        ignore = None if sample.ignore is None else encode_png(sample.ignore.view(np.uint8), 1)
        return cls(sample.name, encode_jpeg(sample.image, quality=95), encode_png(sample.labels, 1), ignore)

    def decoded(self) -> Sample:
        image = cv2.cvtColor(_decoded(self.photo, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        ignore = None if self.ignore is None else _decoded(self.ignore, cv2.IMREAD_UNCHANGED) > 0
        labels = _decoded(self.labels, cv2.IMREAD_UNCHANGED).astype(np.uint16)
        return Sample(self.name, np.asarray(image, dtype=np.uint8), labels, ignore)


def _decoded(content: bytes, flags: int) -> npt.NDArray[np.integer]:
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), flags))
