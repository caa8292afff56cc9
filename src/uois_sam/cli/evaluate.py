"""``uois-sam evaluate``: score a model, a baseline or anyone's predictions on a labelled data set."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from uois_sam.cli.find_elsewhere import FindInManyOptions
from uois_sam.cli.options import ModelOptions, expect_at_least, parse_option, read_intrinsics
from uois_sam.errors import UOISError, count
from uois_sam.runtime.cores import usable_cores
from uois_sam.runtime.progress import print_line, progress

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.evaluation import Predictor, Report, Scoring


@dataclass(frozen=True)
class _ScoredModelOptions(ModelOptions):
    """The model of a run over a data set."""

    find: tyro.conf.OmitArgPrefixes[FindInManyOptions] = field(default_factory=FindInManyOptions)


@dataclass(frozen=True)
class Evaluate:
    """Score a model, a baseline or anyone's label PNGs on a data set, by the published protocol.

        uois-sam evaluate ocid OCID-dataset --out runs/ocid
        uois-sam evaluate osd OSD-0.2-depth --predictions their_labels --out runs/osd
        uois-sam evaluate osd OSD-0.2-depth --masks sam-vit-l --out runs/osd-sam
        uois-sam evaluate osd OSD-0.2-depth --peer hf:facebook/sam-vit-base --out runs/osd-automatic
        uois-sam evaluate folder data/val --prompts grid --limit 30 --out runs/val

    Writes below --out: predictions/ (label PNGs and scores; a run that was stopped goes on with them), report.json
    (every figure, protocol, versions, counts), per_image.csv, report.md (beside the rows of the paper's tables) and
    report.html (one page with distributions and the worst, median and best frames).

    Exit status: 0 success; 1 some frames failed (listed in the report); 2 nothing could be done; 130 interrupted.
    """

    dataset: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATASET")]
    """Data set: ocid, osd, phocal, housecat6d, uoais-sim, tod, bop; folder (rgb/ and label/ of your own); coco, yolo,
    labelme, voc or masks (your own labels from other tools)."""
    root: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="ROOT")]
    """Its folder."""
    out: Path
    """Folder for the results; created if missing."""

    model: tyro.conf.OmitArgPrefixes[_ScoredModelOptions] = field(default_factory=_ScoredModelOptions)
    predictions: Path | None = None
    """Score these label PNGs instead of a model: NAME.png or NAME_label.png for each sample, scores in NAME.json."""
    peer: Annotated[str | None, tyro.conf.arg(metavar="hf:MODEL")] = None
    """Instead of a model of this package, one that transformers runs: hf: and a Hugging Face id or a folder. Instance
    segmenters (MaskFormer, Mask2Former, RF-DETR), and mask generators (SAM and its kin) by their automatic scheme."""
    baseline: Literal["components"] | None = None
    """Instead of the model's objects, the connected components of its foreground."""

    depth: bool = False
    """Give the model the depth of each photo as well, where the data set has it."""
    intrinsics: str | None = None
    """With --depth, the camera's fx,fy,cx,cy in pixels, where the data set does not say them."""

    every: int | None = None
    """Take every n-th frame in order of names; by default as in published scores (10 for PhoCAL and HouseCat6D)."""
    offset: int = 0
    """First frame taken when sampling."""
    partial: bool = False
    """Accept a data set with fewer frames than published."""
    limit: int | None = None
    """Score at most this many frames, drawn from all over the data set, always the same ones."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="KEY=VALUE")] = ()
    """Option of the data set, for example split=test; may be repeated. An unknown key lists all options."""

    protocol: Literal["ucn", "uois"] = "ucn"
    """Definition of boundaries: ucn as in the tables of the paper, or uois as in that older code."""
    inclusive_75: bool = False
    """Count F = 0.75 towards %75, as the text of the paper has it; its code does not."""
    tolerance: float = 0.003
    """Boundary tolerance: a share of the diagonal below 1, else pixels."""
    size: Annotated[tuple[int, int] | None, tyro.conf.arg(metavar="HEIGHT WIDTH")] = None
    """Height and width that photos and labels are resized to first, for example 480 640."""
    background_labels: int = 1
    """With --predictions: number of labels, from 0 on, that are no objects; 2 where 1 is the table."""
    missing: Literal["error", "empty", "skip"] = "error"
    """With --predictions: refuse a frame without prediction, count it as nothing found, or leave it out."""

    name: str | None = None
    """Name of the method in tables; derived from its settings if left out."""
    title: str | None = None
    """Name of the data set in tables; its usual name, or that of the folder, if left out."""
    pictures: int = 8
    """Number of frames that report.html shows of each of worst, median and best, and of each kind of error."""
    workers: int = min(usable_cores(), 16)
    """Processes that score side by side."""
    overwrite: bool = False
    """Predict every frame anew, also where --out holds predictions of another method."""

    def run(self, console: Console) -> int:
        """Evaluate, print the main figures, and return the exit status.

        Raises:
            UOISError: if nothing could be done: another layout, missing predictions, unknown names, --out not writable.
        """
        from uois_sam.datasets import open_dataset
        from uois_sam.evaluation import PredictionFolder, evaluate
        from uois_sam.io.files import make_output_folder, only_run

        self._check()
        dataset = open_dataset(self.dataset, self.root, **self._dataset_options())
        scoring = self._scoring()
        make_output_folder(self.out)  # before a model is loaded
        given = self.predictions
        predictor = self._load() if given is None else PredictionFolder(given, self.background_labels)
        with only_run(self.out), progress(console) as watch:
            report = evaluate(
                dataset, predictor, self.out, scoring, limit=self.limit, name=self.name, title=self.title,
                pictures=self.pictures, workers=self.workers, overwrite=self.overwrite, progress=watch,
            )  # fmt: skip
        _print_summary(console, report, self.out)
        return 1 if report["failures"] else 0

    def _check(self) -> None:
        if self.predictions is not None and (self.baseline or self.peer or self.model != _ScoredModelOptions()):
            raise UOISError("expected --predictions or a model with its settings, found both; drop one of them")
        if self.peer is not None and (self.baseline or self.model != _ScoredModelOptions(device=self.model.device)):
            raise UOISError(
                "expected --peer with --device at most, found --baseline or options of a model of this package"
            )
        self.model.find.words_for_many()
        self.model.find.expect_depth(self.depth)
        if self.baseline and self.model.find != FindInManyOptions():
            raise UOISError("expected --baseline components without what to find, which it does not heed; found both")
        if self.depth and (self.predictions is not None or self.baseline or self.size is not None):
            raise UOISError(
                "--depth: expected a model at the photos' own size, found --predictions, --baseline or --size"
            )
        if self.intrinsics is not None and not self.depth:
            raise UOISError("--intrinsics: expected --depth as well, found none")
        if self.predictions is None and (self.missing != "error" or self.background_labels != 1):
            raise UOISError("expected --missing and --background-labels with --predictions only, found them without")
        expect_at_least("limit", self.limit, 1)
        expect_at_least("workers", self.workers, 1)
        expect_at_least("pictures", self.pictures, 0)
        if self.size is not None and min(self.size) < 1:
            raise UOISError(f"expected --size as height and width in pixels, found {self.size[0]} {self.size[1]}")

    def _dataset_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"offset": self.offset, "partial": self.partial}
        options |= {"depth": True} if self.depth else {}
        if self.every is not None:
            options["every"] = self.every
        return options | dict(parse_option(text) for text in self.set)

    def _scoring(self) -> Scoring:
        from uois_sam.evaluation import Scoring
        from uois_sam.evaluation.metrics import PROTOCOLS

        protocol = replace(
            PROTOCOLS[self.protocol].without_label_rule(),
            strict_75=not self.inclusive_75,
            boundary_tolerance=self.tolerance,
        )
        return Scoring(protocol, self.size, self.missing)

    def _load(self) -> Predictor:
        from uois_sam.evaluation import ComponentsBaseline, DepthPredictor, HuggingFacePeer, ModelPredictor

        if self.peer is not None:
            return HuggingFacePeer(self.peer, self.model.device)
        model = self.model.load()
        if self.depth:
            return DepthPredictor(model, None if self.intrinsics is None else read_intrinsics(self.intrinsics))
        kind = ComponentsBaseline if self.baseline == "components" else ModelPredictor
        return kind(model)


def _print_summary(console: Console, report: Report, out: Path) -> None:
    from uois_sam.evaluation.report.published import COLUMN_NAMES
    from uois_sam.evaluation.report.report import percentages

    values = percentages(report["scores"]["all_frames"])
    figures = ", ".join(f"{name} {value:.1f}" for name, value in zip(COLUMN_NAMES, values, strict=True))
    print_line(console, f"{report['method']['name']} on {report['dataset']['title']}: {figures}")
    scored, seconds = report["dataset"]["scored"], report["seconds"]["scoring"]
    rate = f"{scored / seconds:.1f} frames/s" if seconds else "at once"
    print_line(console, f"{count(scored, 'frame')} scored ({rate}); report.html and the rest are in {out}")
    for note in (*report["dataset"]["notes"], *report["method"].get("notes", ())):
        print_line(console, f"note: {note}")
    if report["failures"]:
        print_line(console, f"{count(len(report['failures']), 'frame')} failed:")
        for failure in report["failures"]:
            print_line(console, f"  {failure['name']}: {failure['reason']}")
