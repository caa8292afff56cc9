"""Connecting to a Ray cluster, for every command that has ``--ray``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uois_sam.errors import MissingExtraError, UOISError


@contextmanager
def ray_cluster(address: str, command: str) -> Iterator[Any]:
    """The ``ray`` module, connected; where Ray is initialised already, that is used and left as it is.

    Args:
        address: as ``ray.init`` takes it (``auto``, ``ray://host:10001``); ``local`` starts a cluster on this machine.
        command: what asks for it, for the error.

    Raises:
        MissingExtraError: Ray is not installed.
        UOISError: there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(f"uois-sam {command} --ray", "ray", "ray") from error
    ours = not ray.is_initialized()
    if ours:
        _connect(ray, address)
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    options = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, logging_level="error", **options)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise UOISError(f"no Ray cluster at {address!r}: {' '.join(str(error).split())}") from error
