"""What the routes do with photos; all of it but :meth:`Service.run` works on the engine's threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from uois_sam.io.images import PhotoPixels
from uois_sam.pipeline import UOISSAM, EncodedImage
from uois_sam.request.words import READERS
from uois_sam.serve.answers import Result
from uois_sam.serve.config import ServerConfig
from uois_sam.serve.engine import Engine
from uois_sam.serve.metrics import Metrics
from uois_sam.serve.problems import RequestError
from uois_sam.serve.reading import check_size, read_limited, words_of
from uois_sam.serve.schemas import Prompt, Segment, Words
from uois_sam.serve.store import KeptPhoto, PhotoStore

T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """A model with its limits, queue, kept photos and counters."""

    model: UOISSAM
    config: ServerConfig
    engine: Engine
    store: PhotoStore
    metrics: Metrics

    @classmethod
    def of(cls, model: UOISSAM, config: ServerConfig) -> Service:
        """Put the parts together."""
        metrics = Metrics()
        return cls(model, config, Engine(config, metrics), PhotoStore(config, metrics), metrics)

    async def run(self, job: Callable[[], T]) -> T:
        """Do a job in its turn, see :meth:`uois_sam.serve.engine.Engine.run`."""
        return await self.engine.run(job)

    def segment(self, photo: bytes | PhotoPixels, body: Segment) -> Result:
        """Find what is asked for in a photo: the content of its file, or what was read of it."""
        settings, words = self._words(body)
        asked = self.model.with_settings(**settings).with_request(**_over_defaults(words))  # before decoding
        photo = photo if isinstance(photo, PhotoPixels) else read_limited(photo, self.config)
        check_size(body, photo.pixels.shape[:2])
        return self._found(asked.encode_image(photo.pixels), photo.notes)

    def encode(self, content: bytes) -> tuple[str, KeptPhoto]:
        """Encode a photo and keep it; returns its id as well."""
        photo = read_limited(content, self.config)
        kept = KeptPhoto(self.model.encode_image(photo.pixels), photo.notes)
        return self.store.put(kept), kept

    def prompt(self, body: Prompt) -> Result:
        """Find what is asked for in a kept photo."""
        kept = self.store.get(body.id)
        settings, words = self._words(body)
        check_size(body, kept.encoded.image_hw)
        return self._found(kept.encoded.with_settings(**settings).with_request(**_over_defaults(words)), kept.notes)

    def _words(self, body: Words) -> tuple[dict[str, Any], dict[str, Any]]:
        settings, words = words_of(body)
        if "mask_agreement" in settings and self.model.networks.redrawer is None:
            raise RequestError("mask_agreement: expected a server started with --masks, which it is for, found another")
        return settings, words

    def _found(self, asked: EncodedImage, notes: tuple[str, ...]) -> Result:
        instances = asked.predict()
        self.metrics.objects.inc(len(instances))
        return Result(asked, instances, (*notes, *instances.notes))


def _over_defaults(words: dict[str, Any]) -> dict[str, Any]:
    """Words that take back what the server was started with where objects are pointed at, which limits do not suit."""
    pointing = {"points", "boxes"} & set(words)
    return {**dict.fromkeys(READERS), **words} if pointing else words


def timed(job: Callable[[], T]) -> tuple[T, float]:
    """The result of a job, and the seconds that it took."""
    began = time.perf_counter()
    result = job()
    return result, time.perf_counter() - began
