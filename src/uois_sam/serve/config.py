"""What a server allows: who may ask, how much, and for how long."""

from __future__ import annotations

import ipaddress
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from uois_sam.errors import UOISError
from uois_sam.validation import check_fields

SHORTEST_TOKEN = 16
LARGEST_RESULT = 1 << 31
"""Bytes of all masks of one answer, as (N, H, W) bool."""


@dataclass(frozen=True)
class ServerConfig:
    """Limits of a server; the defaults are safe on a laptop."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Meta(ge=0, le=65535)] = 8000
    """Port to listen on; 0 takes a free one."""
    token: str | None = field(default=None, repr=False)
    """Bearer token that requests must carry; None for none."""
    open_to_all: bool = False
    """Allow a host that other machines reach without a token."""
    allowed_hosts: tuple[str, ...] = ()
    """Names of this machine that a request's Host header may have, beside localhost and IP addresses."""
    photos: str | None = None
    """Folder with Label Studio's photos, the only files that a client may name; None for none."""
    body_mib: Annotated[float, Meta(gt=0, le=1024)] = 32
    """Largest body in MiB."""
    megapixels: Annotated[float, Meta(gt=0, le=178)] = 50
    """Largest photo."""
    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Photos in the model at the same time."""
    queue: Annotated[int, Meta(ge=0, le=10_000)] = 32
    """Photos that may wait for it."""
    deadline_s: Annotated[float, Meta(gt=0, le=3600)] = 30
    """Seconds for a body to arrive, and then for the answer."""
    kept: Annotated[int, Meta(ge=1, le=10_000)] = 16
    """Encoded photos held for further prompts."""
    kept_mib: Annotated[float, Meta(gt=0, le=1 << 20)] = 1024
    """Memory of them in MiB: of pixels, features, maps, and what earlier prompts have left computed."""
    kept_s: Annotated[float, Meta(gt=0, le=86_400)] = 600
    """Seconds after its last use that one of them is held."""

    def __post_init__(self) -> None:
        check_fields(self)
        if self.token is not None and (len(self.token) < SHORTEST_TOKEN or not self.token.isascii()):
            raise UOISError(f"token: expected at least {SHORTEST_TOKEN} ASCII characters, found {len(self.token)}")
        if self.photos is not None and not Path(self.photos).is_dir():
            raise UOISError(f"--photos: expected a folder, found {self.photos}")
        if not (self.is_loopback or self.token or self.open_to_all):
            raise UOISError(
                f"--host {self.host}: expected a token for a server that other machines reach (UOIS_SAM_TOKEN or "
                f"--token-file; for example {secrets.token_urlsafe(24)}), or --open-to-all, found neither"
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host == "localhost" or (is_ip(self.host) and ipaddress.ip_address(self.host).is_loopback)

    @property
    def body_bytes(self) -> int:
        """Largest body in bytes."""
        return int(self.body_mib * (1 << 20))

    @property
    def pixels(self) -> int:
        """Largest photo in pixels."""
        return int(self.megapixels * 1e6)


def is_ip(host: str) -> bool:
    """Whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
