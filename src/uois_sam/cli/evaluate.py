"""``uois-sam evaluate``: score a model, a baseline or anyone's predictions on a labelled data set."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from uois_sam.cli.options import Switch, asked_for
from uois_sam.config import PromptMode, ScoreMode
from uois_sam.errors import UOISError, count
from uois_sam.runtime.progress import print_line, progress

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.datasets.base import FrameDataset
    from uois_sam.evaluation.frame_scores import FrameResult
    from uois_sam.evaluation.predictions import PredictionFolder
    from uois_sam.evaluation.report.report import MethodInfo, Report
    from uois_sam.evaluation.run import FrameFailure, FrameOutcome, Predictor, Scoring


_MANY_SETS = ("folder", "bop")
"""Layouts that many data sets come in, so that the folder's name tells which one it is."""


@dataclass(frozen=True)
class Evaluate:
    """Score a model, a baseline or anyone's label PNGs on a data set, by the published protocol.

    Writes below --out: predictions/ (label PNGs and scores; a run that was stopped goes on with them), report.json
    (every figure, protocol, versions, counts), per_image.csv, report.md (beside the rows of the paper's tables) and
    report.html (one page with distributions and the worst, median and best frames).

    The bundled model on OCID; another method's labels on OSD; SAM's scheme on 30 frames of your own data:

    uois-sam evaluate ocid OCID-dataset --out runs/ocid

    uois-sam evaluate osd OSD-0.2-depth --predictions their_labels --name MSMFormer --out runs/osd_msmformer

    uois-sam evaluate folder data/val --prompts grid --scores sam --limit 30 --out runs/val_grid

    Exit status: 0 all fine; 1 some frames failed (listed in the report); 2 nothing could be done; 130 interrupted.
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Which data set: ocid, osd, phocal, housecat6d, uoais-sim, tod, bop, or folder (rgb/ and label/ of your own)."""
    root: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="ROOT")]
    """Its folder."""
    out: Path
    """Folder for the results; made if missing."""

    model: str = "compact"
    """Name of a model ("uois-sam models" lists them), a folder that holds one, or a Hugging Face id (org/name)."""
    sam: str | None = None
    """SAM's weights, for models that stand on it: Meta's .pth file, a Hugging Face folder or id; downloaded if left
    out."""
    dinov2: str | None = None
    """DINOv2's weights, likewise."""
    predictions: Path | None = None
    """Score these label PNGs instead of a model: NAME.png or NAME_label.png for each sample, scores in NAME.json."""
    baseline: Literal["components"] | None = None
    """Instead of the model's objects, the connected components of its foreground."""
    prompts: PromptMode | None = None
    """Where point prompts come from; the model's own setting if left out."""
    scores: ScoreMode | None = None
    """What ranks masks: the decoder's own IoU estimate (sam), HDNet's, or one that has seen the masks (evidence, as
    compact has it); the model's own setting if left out."""
    zoom: Switch | None = None
    """Look again, closer, where all objects lie in a part of the photo; the model's own setting if left out."""
    device: str = "auto"
    """Where the model computes: auto, cpu, cuda, cuda:1, mps."""

    every: int | None = None
    """Take every n-th frame in name order; as in published scores if left out (10 for PhoCAL and HouseCat6D)."""
    offset: int = 0
    """First frame taken when sampling."""
    partial: bool = False
    """Go on when the data set has fewer frames than published."""
    limit: int | None = None
    """Score only so many frames, drawn from all over the data set, always the same ones."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Another option of the data set, for example split=test; may be given often. An unknown key lists them all."""

    protocol: Literal["ucn", "uois"] = "ucn"
    """Whose boundaries: ucn as in the paper's tables, or uois as in that older code."""
    inclusive_75: bool = False
    """Count F = 0.75 for %75, as the paper's text has it; its code does not."""
    tolerance: float = 0.003
    """Boundary tolerance: a share of the diagonal below 1, else pixels."""
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="HEIGHT WIDTH")] = None
    """Height and width to bring photos and labels to before anything else, for example 480 640."""
    background_labels: int = 1
    """With --predictions: how many labels from 0 on are no objects; 2 where 1 is the table."""
    missing: Literal["error", "empty", "skip"] = "error"
    """With --predictions: refuse a frame without prediction, count it as nothing found, or leave it out."""

    name: str | None = None
    """What tables call the method; made up from its settings if left out."""
    title: str | None = None
    """What tables call the data set; its usual name, or the folder's, if left out."""
    pictures: int = 8
    """How many worst, median and best frames report.html shows of each, and of each kind of error."""
    workers: int = max(1, min(os.cpu_count() or 1, 16))
    """Processes that score side by side."""
    overwrite: bool = False
    """Predict every frame anew, and take --out over from another method."""

    def run(self, console: Console) -> int:
        """Predict, score, write the report, and return the exit status.

        Raises:
            UOISError: nothing could be done: another layout, missing predictions, unknown names, --out not writable.
        """
        from uois_sam.datasets import open_dataset
        from uois_sam.evaluation.run import evenly_spaced
        from uois_sam.io.files import make_output_folder

        self._check()
        dataset = open_dataset(self.dataset, self.root, **self._dataset_options())
        task = _Task(dataset, evenly_spaced(len(dataset), self.limit), self._scoring(), console)
        make_output_folder(self.out)
        folder, method, failures = self._predictions(task)
        outcomes, seconds = self._score(task, folder, failures)
        return self._report(task, folder, outcomes, method, seconds)

    def _check(self) -> None:
        if self.predictions is not None and (self.baseline or self.prompts or self.scores):
            raise UOISError("expected --predictions or a model with its settings, found both; drop one of them")
        if self.predictions is None and (self.missing != "error" or self.background_labels != 1):
            raise UOISError("expected --missing and --background-labels with --predictions only, found them without")
        for option, value, least in (
            ("limit", self.limit, 1),
            ("workers", self.workers, 1),
            ("pictures", self.pictures, 0),
        ):
            if value is not None and value < least:
                raise UOISError(f"expected --{option} of at least {least}, found {value}")
        if self.size is not None and min(self.size) < 1:
            raise UOISError(f"expected --size as height and width in pixels, found {self.size[0]} {self.size[1]}")

    def _dataset_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"offset": self.offset, "partial": self.partial}
        if self.every is not None:
            options["every"] = self.every
        return options | dict(parse_option(text) for text in self.set)

    def _scoring(self) -> Scoring:
        from uois_sam.evaluation.metrics import PROTOCOLS
        from uois_sam.evaluation.run import Scoring as Settings

        protocol = replace(
            PROTOCOLS[self.protocol].without_label_rule(),
            strict_75=not self.inclusive_75,
            boundary_tolerance=self.tolerance,
        )
        return Settings(protocol, self.size, self.missing if self.predictions is not None else "error")

    def _predictions(self, task: _Task) -> tuple[PredictionFolder, MethodInfo, dict[str, FrameFailure]]:
        """The folder to score, what made it, and the frames that could not be predicted."""
        from uois_sam.evaluation.predictions import PredictionFolder as Folder
        from uois_sam.evaluation.report.report import MethodInfo as Info

        if self.predictions is not None:
            folder = Folder(self.predictions, self.background_labels)
            if self.missing == "error":
                folder.check_complete([task.dataset.names[index] for index in task.indices])
            elif not self.predictions.is_dir():
                raise UOISError(f"{self.predictions}: expected a folder of label PNGs, found no folder")
            made_by = folder.method() or {"name": self.predictions.resolve().name, "kind": "predictions"}
            return folder, Info(self.name or made_by["name"], made_by), {}
        predictor = self._load()
        folder = Folder(self.out / "predictions")
        made_by = {"name": predictor.name, **predictor.description, "size": self.size}
        folder.claim(made_by, replace=self.overwrite)
        failures = self._predict(task, predictor, folder)
        return folder, Info(self.name or predictor.name, made_by), failures

    def _load(self) -> Predictor:
        from uois_sam.evaluation.predictors import ComponentsBaseline, ModelPredictor
        from uois_sam.pipeline import UOISSAM

        model = UOISSAM.from_pretrained(self.model, sam=self.sam, dinov2=self.dinov2, device=self.device)
        model = model.with_settings(**asked_for(self.prompts, self.scores, self.zoom))
        kind = ComponentsBaseline if self.baseline == "components" else ModelPredictor
        return kind(model)

    def _predict(self, task: _Task, predictor: Predictor, folder: PredictionFolder) -> dict[str, FrameFailure]:
        from uois_sam.evaluation.run import predict_missing

        failures = {}
        outcomes = predict_missing(task.dataset, task.indices, predictor, folder, self.size, anew=self.overwrite)
        with progress(task.console, "predicting", len(task.indices)) as advance:
            for failure in outcomes:
                if failure is not None:
                    failures[failure.name] = failure
                advance()
        return failures

    def _score(
        self, task: _Task, folder: PredictionFolder, failures: dict[str, FrameFailure]
    ) -> tuple[list[FrameOutcome], float]:
        """The outcome of every frame, and what scoring took in seconds."""
        from uois_sam.evaluation.run import score_all

        start = time.perf_counter()
        outcomes: list[FrameOutcome] = []
        scored = score_all(task.dataset, task.indices, folder, task.scoring, self.workers)
        with progress(task.console, "scoring", len(task.indices)) as advance:
            for index, outcome in zip(task.indices, scored, strict=True):
                outcomes.append(failures.get(task.dataset.names[index], outcome))
                advance()
        return outcomes, time.perf_counter() - start

    def _report(
        self, task: _Task, folder: PredictionFolder, outcomes: list[FrameOutcome], method: MethodInfo, seconds: float
    ) -> int:
        """Write everything below --out, tell the main figures, and return the exit status."""
        from uois_sam.evaluation.frame_scores import FrameResult as Result
        from uois_sam.evaluation.report import html, markdown
        from uois_sam.evaluation.report.gallery import choose, draw
        from uois_sam.evaluation.report.per_image import to_csv
        from uois_sam.evaluation.report.report import REPORT_FILE, ScoredDataset, make_report
        from uois_sam.evaluation.run import read_pair
        from uois_sam.io.files import write_together

        own_name = self.root.resolve().name if self.dataset in _MANY_SETS else task.dataset.info.title
        info = ScoredDataset(self.dataset, self.title or own_name, len(task.dataset), task.dataset.notes)
        report = make_report(outcomes, method, info, task.scoring, seconds)
        results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
        places = {task.dataset.names[index]: index for index in task.indices}
        shown = [
            (choice, draw(*read_pair(task.dataset, folder, task.scoring, places[choice.result.name])))
            for choice in choose(results, self.pictures)
        ]
        write_together(
            {
                self.out / "per_image.csv": to_csv(results),
                self.out / "report.md": markdown.report_page(report).encode(),
                self.out / "report.html": html.render(report, results, shown).encode(),
                self.out / REPORT_FILE: (json.dumps(report, indent=1) + "\n").encode(),
            }
        )
        _print_summary(task.console, report, results, self.out)
        return 1 if report["failures"] else 0


@dataclass(frozen=True)
class _Task:
    """What is evaluated, and where progress goes."""

    dataset: FrameDataset
    indices: Sequence[int]
    scoring: Scoring
    console: Console


def parse_option(text: str) -> tuple[str, Any]:
    """``key=value`` as a pair; values are numbers, true and false where they read as such, else words.

    Raises:
        UOISError: there is no "=".
    """
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise UOISError(f"expected --set with key=value, found {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _print_summary(console: Console, report: Report, results: Sequence[FrameResult], out: Path) -> None:
    from uois_sam.evaluation.report.published import COLUMN_NAMES
    from uois_sam.evaluation.report.report import percentages

    values = percentages(report["scores"]["all_frames"])
    figures = ", ".join(f"{name} {value:.1f}" for name, value in zip(COLUMN_NAMES, values, strict=True))
    print_line(console, f"{report['method']['name']} on {report['dataset']['title']}: {figures}")
    seconds = report["seconds"]["scoring"]
    rate = f"{len(results) / seconds:.1f} frames/s" if seconds else "at once"
    print_line(console, f"{count(len(results), 'frame')} scored ({rate}); report.html and the rest are in {out}")
    for note in report["dataset"]["notes"]:
        print_line(console, f"note: {note}")
    if report["failures"]:
        print_line(console, f"{count(len(report['failures']), 'frame')} failed:")
        for failure in report["failures"]:
            print_line(console, f"  {failure['name']}: {failure['reason']}")
