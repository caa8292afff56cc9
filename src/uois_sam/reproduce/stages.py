"""The stages of a reproduction, in order: scenes, heads, scores, components, times, shares."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from uois_sam.benchmark.drawing import drawn_photo
from uois_sam.benchmark.measure import Measurement, measure
from uois_sam.checkpoints.folder import read_card
from uois_sam.checkpoints.loading import load_base
from uois_sam.datasets.base import FrameDataset
from uois_sam.errors import UOISError, count
from uois_sam.evaluation import ModelPredictor, PredictionFolder, Scoring, evaluate
from uois_sam.evaluation.components import PAPER_VARIANTS, WHOLE_METHOD, Variant, predict_together
from uois_sam.evaluation.run import evenly_spaced
from uois_sam.pipeline import UOISSAM
from uois_sam.reproduce.config import SCORED_AT_HW, ReproduceConfig, TrainingData, open_training
from uois_sam.reproduce.ledger import Stage
from uois_sam.reproduce.shares import fit_share
from uois_sam.runtime.progress import ProgressCallback, tracked

Render = Callable[[Path, int, int, ProgressCallback], None]
"""Makes the scenes that a folder lacks: folder, number of scenes, seed, receiver of progress."""
REPEATS = 10
"""Photos that are timed."""


def row_name(base: str, percent: float) -> str:
    """Return the name of a model in tables, by its base and its share of the images in percent."""
    return f"UOIS-SAM on {base}, {percent:g} %"


@dataclass(frozen=True)
class Reproduction:
    """One reproduction under way."""

    config: ReproduceConfig
    out: Path
    render: Render
    watch: ProgressCallback

    @cached_property
    def training(self) -> TrainingData:
        """The data to train on; scenes must have been rendered."""
        if self.config.data is None:
            return open_training("folder", self.scenes)
        return open_training(self.config.kind, self.config.data)

    @property
    def scenes(self) -> Path:
        """Folder of rendered scenes."""
        return self.out / "scenes"

    def heads(self, percent: float) -> Path:
        """Return the folder of the training on a share of the images."""
        return self.out / ("heads" if percent == self.config.main_percent else f"heads-{percent:g}")

    def scores(self, name: str, variant: Variant = WHOLE_METHOD, percent: float | None = None) -> Path:
        """Return the folder of the scores of one model by one variant on one test set."""
        percent = percent or self.config.main_percent
        if percent != self.config.main_percent:
            return self.out / "scores" / f"{name}-{percent:g}-percent"
        row = PAPER_VARIANTS.index(variant) + 1
        return self.out / "scores" / (name if variant == WHOLE_METHOD else f"{name}-row-{row}")

    def stages(self) -> Iterator[Stage]:
        """Yield the stages; each is asked for once those before are done."""
        config, main = self.config, self.config.main_percent
        if config.data is None:
            yield Stage("scenes", f"render {count(config.scenes, 'scene')}",
                        {"scenes": config.scenes, "seed": config.seed},
                        self._render, self.scenes)  # fmt: skip
        yield self._training_stage(main)
        if (first := config.test_set_of_ablations) is not None:
            yield self._components_stage(first)
        for name in config.benchmarks:
            yield self._scores_stage(name, WHOLE_METHOD, main)
        for variant in PAPER_VARIANTS[:-1] if first is not None else ():
            yield self._scores_stage(str(first), variant, main)
        yield self._times_stage()
        for percent in (each for each in config.shares if each != main and first is not None):
            yield self._training_stage(percent)
            yield self._scores_stage(str(first), WHOLE_METHOD, percent)

    def _render(self) -> Mapping[str, Any]:
        self.render(self.scenes, self.config.scenes, self.config.seed, self.watch)
        return {}

    def _training_stage(self, percent: float) -> Stage:
        config, out = self.config, self.heads(percent)
        names = hashlib.sha256("\n".join(self.training.data.names).encode()).hexdigest()
        inputs = {
            "base": config.base,
            "prompts_backbone": config.prompts_backbone,
            "weights": {name: None if (given := getattr(config, name)) is None else Path(given).name
                        for name in ("sam", "dinov2")},
            "data": {"kind": "scenes" if config.data is None else config.kind, "images": len(self.training.data),
                     "names_sha256": names},
            "recipe": asdict(config.recipe(percent)),
        }  # fmt: skip
        title = f"cache and fit the heads on {percent:g} % of the images"
        return Stage(out.name, title, inputs, partial(self._train, percent), out)

    def _train(self, percent: float) -> Mapping[str, Any]:
        config, out = self.config, self.heads(percent)
        fitted = fit_share(
            partial(load_base, config.base, **config.base_weights()), self.training.data, config.recipe(percent), out,
            self.watch, validation=self.training.validation_for(percent, config.seed), device=config.device,
            name=row_name(config.base, percent),
        )  # fmt: skip
        if percent != config.main_percent:  # all shares together would take more room than the largest
            shutil.rmtree(out / "cache", ignore_errors=True)
        return fitted.to_json()

    def _load(self, percent: float, variant: Variant) -> UOISSAM:
        model = UOISSAM.from_pretrained(self.heads(percent) / "model", **self.config.weights())
        return model.with_settings(**variant.settings())

    def _inputs(self, name: str, data: FrameDataset, percent: float, variant: Variant) -> dict[str, Any]:
        """What decides the scores of one variant on one test set."""
        heads = read_card(self.heads(percent) / "model").weights_sha256
        return {
            "heads_sha256": heads, "settings": variant.settings(), "test_set": name, "frames": len(data),
            "root": str(data.root.resolve()), "limit": self.config.limit, "size_hw": self._size_hw(name),
        }  # fmt: skip

    @staticmethod
    def _size_hw(name: str) -> list[int] | None:
        size = SCORED_AT_HW.get(name)
        return None if size is None else list(size)

    def _scores_stage(self, name: str, variant: Variant, percent: float) -> Stage:
        data, out = self.config.open_benchmark(name), self.scores(name, variant, percent)
        title = f"score on {data.info.title}: {variant.name}, heads of {percent:g} % of the images"
        inputs = self._inputs(name, data, percent, variant)
        return Stage(f"scores-{out.name}", title, inputs, partial(self._score, name, data, variant, percent), out)

    def _score(self, name: str, data: FrameDataset, variant: Variant, percent: float) -> Mapping[str, Any]:
        report = evaluate(
            data, ModelPredictor(self._load(percent, variant)), self.scores(name, variant, percent),
            Scoring(size_hw=SCORED_AT_HW.get(name)), limit=self.config.limit,
            name=row_name(self.config.base, percent) + ("" if variant == WHOLE_METHOD else f", {variant.name}"),
            workers=self.config.workers, progress=self.watch,
        )  # fmt: skip
        return {"failures": len(report["failures"])}

    def _components_stage(self, name: str) -> Stage:
        """Predict the rows of Table IV with one encoding a photo; the stages that score find the predictions."""
        data, main = self.config.open_benchmark(name), self.config.main_percent
        title = f"predict the four rows of Table IV on {data.info.title}"
        inputs = self._inputs(name, data, main, WHOLE_METHOD)
        folder = self.out / "scores"
        return Stage("components", title, inputs, partial(self._predict_components, name, data), folder)

    def _predict_components(self, name: str, data: FrameDataset) -> Mapping[str, Any]:
        indices = evenly_spaced(len(data), self.config.limit)
        model = self._load(self.config.main_percent, WHOLE_METHOD)
        folders = {each: PredictionFolder(self.scores(name, each) / "predictions") for each in PAPER_VARIANTS}
        steps = predict_together(data, indices, model, folders, SCORED_AT_HW.get(name))
        for _ in tracked(steps, self.watch, "predicting four ways", len(indices)):
            pass
        return {}

    def _times_stage(self) -> Stage:
        heads = read_card(self.heads(self.config.main_percent) / "model").weights_sha256
        return Stage("times", "time a photo by stages", {"heads_sha256": heads}, self._time, self.out / "stages")

    def _time(self) -> Mapping[str, Any]:
        model = self._load(self.config.main_percent, WHOLE_METHOD)
        photo = drawn_photo(640, 480)
        if "ocid" in self.config.benchmarks:
            with suppress(UOISError):  # the scores name a frame that cannot be read
                photo = self.config.open_benchmark("ocid")[0].image
        return measure(model, photo, Measurement(repeats=REPEATS, lower_bound=False), self.watch)
