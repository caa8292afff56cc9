"""Encoded photos between requests: bounded in number, memory and time."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass

from uois_sam.models.networks import Networks
from uois_sam.pipeline import EncodedImage
from uois_sam.pipeline.view import View
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
            self._entries[key] = _Entry(photo, self._clock() + self.config.kept_s)
            self._drop(most)
        return key

    def get(self, key: str) -> KeptPhoto:
        """Return a photo, and keep it from now on for as long as a new one.

        Raises:
            NotHereError: there is none, or no longer.
        """
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is not None and entry.until > self._clock():
                self._entries[key] = _Entry(entry.photo, self._clock() + self.config.kept_s)
            else:
                entry = None
            self._drop(int(self.config.kept_mib * (1 << 20)))
        if entry is None:
            raise NotHereError(
                f"id: expected one of POST /v1/encode that is still kept ({self.config.kept} at most, for "
                f"{self.config.kept_s:g} s after their last use), found another: encode again"
            )
        return entry.photo

    def _drop(self, most: int) -> None:
        # Measured anew: the first click on a photo leaves what all its clicks share. That alone never costs the photo
        # its place which was used last, or clicks on it would fail for ever.
        now, held = self._clock(), sum(size_of(entry.photo) for entry in self._entries.values())
        while self._entries:
            oldest = next(iter(self._entries.values()))  # entries are in the order of their last use
            fits = len(self._entries) == 1 or (len(self._entries) <= self.config.kept and held <= most)
            if oldest.until > now and fits:
                break
            self._entries.popitem(last=False)
            held -= size_of(oldest.photo)
        self.metrics.kept.set(len(self._entries))


def size_of(photo: KeptPhoto) -> int:
    """Bytes of a photo's pixels and of all that was computed of it so far: features, maps, what its prompts share."""
    if photo.encoded.networks.hpg is not None:
        _ = photo.encoded.maps  # which every request needs
    return sum(_arrays(photo.encoded).values())


def _arrays(value: object) -> dict[int, int]:
    """Bytes of every array within a value, by its identity; networks, which all photos share, are left out."""
    if isinstance(value, Networks):
        return {}
    if isinstance(size := getattr(value, "nbytes", None), int):
        return {id(value): size}
    parts: Iterable[object] = ()
    if isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, tuple | list):
        parts = value
    elif isinstance(value, View) or is_dataclass(value):
        parts = vars(value).values()  # cached properties among them
    return {key: size for part in list(parts) for key, size in _arrays(part).items()}
