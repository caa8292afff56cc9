"""Predictions on disk: label PNGs named after a data set's samples, with scores beside them.

Scoring reads nothing else, so the predictions of any method can be scored, and those of a model can be scored again by
another protocol without running it. For a sample ``a/b`` a folder holds

* ``a/b.png``: one integer channel of 8 or 16 bits, 0 = background, or ``a/b_label.png``, as ``uois-sam segment``
  writes it;
* optionally ``a/b.json`` with ``{"scores": {"1": 0.93, ...}, "seconds": 0.2}``, label to score, and ``notes`` on what
  limits left out; or the JSON that ``uois-sam segment`` writes, whose instance i is label i.

A folder written by :class:`PredictionFolder` also has ``method.json``, which describes the method.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from uois_sam.datasets.labels import read_label_map
from uois_sam.errors import UOISError, count
from uois_sam.evaluation.frame_scores import Prediction
from uois_sam.io.encoding import encode_png
from uois_sam.io.files import make_output_folder, sweep_leftovers, write_atomically, write_together
from uois_sam.io.json_files import read_json
from uois_sam.validation import validated

METHOD_FILE = "method.json"
_LARGEST_LABEL = 65535
_LARGEST_RECORD = 1 << 26
"""Bytes of a record; thousands of masks in RLE take some megabytes."""
_ENDINGS = (".png", "_label.png")


class PredictionError(UOISError):
    """A prediction is missing, ambiguous, or cannot be read."""


class PredictionFolder:
    """Label PNGs and scores by sample name.

    Args:
        root: the folder.
        background_labels: number of labels from 0 on that are background; 2 for methods that label the table 1.
    """

    def __init__(self, root: str | os.PathLike[str], background_labels: int = 1) -> None:
        self.root = Path(root)
        self.background_labels = background_labels

    def has(self, name: str) -> bool:
        """Return whether a sample has a prediction."""
        return any(os.path.isfile(path) for path in self._candidates(name))

    def read(self, name: str) -> Prediction:
        """Read one prediction.

        Raises:
            PredictionError: if it is missing or ambiguous, or its JSON has another form.
            DatasetError: if the PNG is not one channel of integers in 0..65535.
        """
        found = [path for path in self._candidates(name) if os.path.isfile(path)]
        if len(found) != 1:
            here = " and ".join(path.name for path in found) or "none"
            raise PredictionError(
                f"{self.root / name}: expected one prediction called .png or _label.png, found {here}"
            )
        labels = read_label_map(found[0])
        if self.background_labels > 1:
            labels = np.where(labels < self.background_labels, 0, labels).astype(np.uint16)
        scores = self.root / f"{name}.json"
        return Prediction(labels, *_read_scores(scores)) if os.path.isfile(scores) else Prediction(labels)

    def write(self, name: str, prediction: Prediction) -> None:
        """Write one prediction; either all of its files appear or none.

        Raises:
            OutputError: if a file cannot be written.
        """
        path = self.root / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {}
        if prediction.scores is not None:
            content["scores"] = {str(label): round(score, 6) for label, score in prediction.scores.items()}
        if prediction.seconds is not None:
            content["seconds"] = round(prediction.seconds, 6)
        if prediction.notes:
            content["notes"] = list(prediction.notes)
        text = json.dumps(content) + "\n"
        # The PNG comes last: where it exists, the prediction is complete.
        write_together({path.with_name(f"{path.stem}.json"): text.encode(), path: encode_png(prediction.labels)})

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return the samples without prediction, in order."""
        return [name for name in names if not self.has(name)]

    def check_complete(self, names: Sequence[str]) -> None:
        """Check that every sample has a prediction.

        Raises:
            PredictionError: if some have none; the message says how many, which is the first, and what the folder has.
        """
        if not os.path.isdir(self.root):
            raise PredictionError(f"{self.root}: expected a folder of label PNGs, found no folder")
        missing = self.missing(names)
        if missing:
            there = sorted(path.relative_to(self.root).as_posix() for path in self.root.rglob("*.png"))
            instead = f"{count(len(there), 'PNG')}, first {there[0]}" if there else "no PNG"
            raise PredictionError(
                f"{self.root}: expected predictions for {count(len(names), 'frame')}, "
                f"found {len(names) - len(missing)}; "
                f"the first one missing is {missing[0]}.png (the folder has {instead})"
            )

    def method(self) -> dict[str, Any] | None:
        """Return the description of the method that :meth:`claim` wrote; None without one.

        Raises:
            PredictionError: if it cannot be read.
        """
        path = self.root / METHOD_FILE
        if not os.path.isfile(path):
            return None
        found = _parse(path)
        if not isinstance(found, dict) or not isinstance(found.get("name"), str):
            raise PredictionError(f"{path}: expected a method with a name, found something else")
        return found

    def claim(self, method: Mapping[str, Any], replace: bool = False) -> None:
        """Write down which method fills this folder, so that a resumed run cannot mix two methods.

        Args:
            method: JSON-ready description with a ``name``; equal descriptions must give equal predictions.
            replace: accept another method's folder (the caller then writes every prediction again).

        Raises:
            PredictionError: if the folder belongs to another method.
            OutputError: if the file cannot be written.
        """
        make_output_folder(self.root)
        sweep_leftovers(self.root, recursive=True)
        path, claimed = self.root / METHOD_FILE, json.loads(json.dumps(method))
        if os.path.isfile(path) and not replace:
            found = _parse(path)
            if found != claimed:
                raise PredictionError(
                    f"{self.root}: expected the predictions of an interrupted run to be made in the same way, "
                    f"found {_difference(found, claimed)}; choose another folder, or take this one over (--overwrite)"
                )
        write_atomically(path, (json.dumps(claimed, indent=1) + "\n").encode())

    def _candidates(self, name: str) -> list[Path]:
        return [self.root / f"{name}{ending}" for ending in _ENDINGS]


def _read_scores(path: Path) -> tuple[dict[int, float] | None, float | None, tuple[str, ...]]:
    """Scores by label, seconds, and notes; None for what the file lacks."""
    content = _parse(path)
    where = f'{path}: expected {{"scores": {{"<label>": <number>}}}}'
    if not isinstance(content, dict):
        raise PredictionError(f"{where}, found other content")
    if "instances" in content:
        found = validated(content["instances"], list[_Instance], f"{where} or instances", PredictionError)
        notes = validated(content.get("notes", []), list[str], f"{path}: notes", PredictionError)
        return {i: each.score for i, each in enumerate(found, start=1)}, None, tuple(notes)
    known = {name: content[name] for name in ("scores", "seconds", "notes") if name in content}
    record = validated(known, _Record, where, PredictionError)
    if record.scores is None:
        return None, record.seconds, tuple(record.notes)
    if not all(label.isdecimal() and 0 < int(label) <= _LARGEST_LABEL for label in record.scores):
        raise PredictionError(f"{where} with labels from 1 to {_LARGEST_LABEL}, found others")
    return {int(label): score for label, score in record.scores.items()}, record.seconds, tuple(record.notes)


@dataclass(frozen=True)
class _Instance:
    score: float


@dataclass(frozen=True)
class _Record:
    scores: dict[Annotated[str, Meta(max_length=20)], float] | None = None
    seconds: Annotated[float, Meta(ge=0)] | None = None
    notes: Sequence[str] = ()


def _parse(path: Path) -> Any:
    return read_json(path, what="JSON", error=PredictionError, largest=_LARGEST_RECORD)


def _difference(found: Any, expected: Any) -> str:
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return f"{found!r}"
    keys = [key for key in {**expected, **found} if found.get(key) != expected.get(key)]
    return "; ".join(f"{key} {found.get(key)!r} where {expected.get(key)!r} was asked for" for key in keys[:2])
