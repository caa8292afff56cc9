"""Encoded photos between requests: bounded in number, memory and time."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from uois_sam.arrays import Array
from uois_sam.models.interfaces import SceneFeatures
from uois_sam.pipeline import EncodedImage
from uois_sam.serve.config import ServerConfig
from uois_sam.serve.metrics import Metrics
from uois_sam.serve.problems import NotHereError, TooLargeError


@dataclass(frozen=True)
class KeptPhoto:
    """A photo after the encoder."""

    encoded: EncodedImage
    notes: tuple[str, ...]
    """On reading it."""


@dataclass(frozen=True)
class _Entry:
    photo: KeptPhoto
    size: int
    until: float


class PhotoStore:
    """Photos by ids that nobody can guess; the one used longest ago leaves first. Safe among threads.

    Args:
        config: limits.
        metrics: where the number of photos is shown.
        clock: seconds, monotonic.
    """

    def __init__(self, config: ServerConfig, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self.config = config
        self.metrics = metrics
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, photo: KeptPhoto) -> str:
        """Keep a photo and return its id.

        Raises:
            TooLargeError: it needs more memory than all photos may have.
        """
        key, size, most = secrets.token_urlsafe(18), size_of(photo), int(self.config.kept_mib * (1 << 20))
        if size > most:
            raise TooLargeError(f"expected an encoded photo of at most {most} bytes, found {size}")
        with self._lock:
            self._entries[key] = _Entry(photo, size, self._clock() + self.config.kept_s)
            self._drop(most)
        return key

    def get(self, key: str) -> KeptPhoto:
        """Return a photo, and keep it from now on for as long as a new one.

        Raises:
            NotHereError: there is none, or no longer.
        """
        with self._lock:
            self._drop(int(self.config.kept_mib * (1 << 20)))
            entry = self._entries.pop(key, None)
            if entry is not None:
                self._entries[key] = _Entry(entry.photo, entry.size, self._clock() + self.config.kept_s)
        if entry is None:
            raise NotHereError(
                f"id: expected one of POST /v1/encode in the last {self.config.kept_s:g} s, found another: encode again"
            )
        return entry.photo

    def _drop(self, most: int) -> None:
        now, held = self._clock(), sum(entry.size for entry in self._entries.values())
        while self._entries:
            oldest = next(iter(self._entries.values()))  # entries are in the order of their last use
            if oldest.until > now and len(self._entries) <= self.config.kept and held <= most:
                break
            self._entries.popitem(last=False)
            held -= oldest.size
        self.metrics.kept.set(len(self._entries))


def size_of(photo: KeptPhoto) -> int:
    """Bytes of a photo's pixels, features and maps."""
    encoded = photo.encoded
    maps = encoded.maps if encoded.networks.hpg is not None else None
    tensors = [*_tensors(encoded.features), *([maps.foreground_logits, maps.heatmap] if maps else [])]
    return encoded.image.nbytes + sum(each.nbytes for each in tensors)


def _tensors(features: SceneFeatures) -> list[Array]:
    return [features.prompt_features, features.mask_features.grid, *features.mask_features.fine]
