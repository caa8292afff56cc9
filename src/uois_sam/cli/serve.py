"""``uois-sam serve``: the model over HTTP, and a page for the browser."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from uois_sam.cli.options import ModelOptions
from uois_sam.errors import MissingExtraError, UOISError
from uois_sam.runtime.progress import print_line

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.pipeline import UOISSAM
    from uois_sam.serve.config import ServerConfig

TOKEN = "UOIS_SAM_TOKEN"
_LONGEST_TOKEN = 1000


@dataclass(frozen=True)
class Serve:
    """Segment over HTTP, and in the browser on a page that needs no network.

        uois-sam serve --port 8000

    Then open http://127.0.0.1:8000, or ask:

        curl -F image=@photo.jpg http://127.0.0.1:8000/v1/segment

    Only this machine can connect. With another --host, clients have to send "Authorization: Bearer TOKEN"; the token
    comes from the environment variable UOIS_SAM_TOKEN or a file. HTTP is not encrypted: put a proxy with TLS before it.
    Ends on Ctrl+C or SIGTERM, after what it has taken.
    """

    host: str = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for all of this machine."""
    port: int = 8000
    """Port to listen on; 0 takes a free one."""
    token_file: Path | None = None
    """File with the token that clients have to send."""
    open_to_all: bool = False
    """Serve other machines without a token."""
    allow_host: tuple[str, ...] = ()
    """Names by which clients call this machine, beside localhost and IP addresses."""
    photos: Path | None = None
    """Folder with Label Studio's photos (its LOCAL_FILES_DOCUMENT_ROOT, or media folder): the only files that clients
    may name."""
    model: tyro.conf.OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)
    workers: int | None = None
    """Photos in the model at the same time, each on its share of the cores; by default one per core for the compact
    model on a processor, else one."""
    queue: int = 32
    """Photos that may wait; more are refused with status 429."""
    deadline: float = 30
    """Seconds for a body to arrive, and then for the answer, else status 503."""
    body_mib: float = 32
    """Largest body in MiB."""
    megapixels: float = 50
    """Largest photo."""
    keep: int = 16
    """Encoded photos held for clicks."""
    keep_minutes: float = 10
    """How long one of them is held after its last use."""

    def run(self, console: Console) -> int:
        """Serve until a signal comes.

        Raises:
            UOISError: a port that is taken, limits out of bounds, a host that others reach without a token, or an
                unknown model.
            MissingExtraError: the extra ``serve`` is not installed.
        """
        try:
            from uois_sam.serve.run import listen, serve
        except ImportError as error:
            raise MissingExtraError("uois-sam serve", "serve", str(error.name)) from error
        self._config(1)  # before the port is taken and weights are loaded
        with listen(self._config(1)) as taken:
            model = self.model.load()
            config = self._config(self.workers or usual_workers(model))

            def ready(url: str) -> None:
                print_line(console, f"{model.name} on {model.device}: {url} (Ctrl+C ends)")

            serve(model, config, taken, ready, partial(print_line, console))
        print_line(console, "ended")
        return 0

    def _config(self, workers: int) -> ServerConfig:
        from uois_sam.serve.config import ServerConfig

        return ServerConfig(
            host=self.host,
            port=self.port,
            token=read_token(self.token_file),
            open_to_all=self.open_to_all,
            allowed_hosts=self.allow_host,
            photos=None if self.photos is None else str(self.photos),
            body_mib=self.body_mib,
            megapixels=self.megapixels,
            workers=self.workers or workers,
            queue=self.queue,
            deadline_s=self.deadline,
            kept=self.keep,
            kept_s=60 * self.keep_minutes,
        )


def read_token(path: Path | None) -> str | None:
    """The token of a file, or else of the environment.

    Raises:
        UOISError: the file cannot be read, or is empty.
    """
    if path is None:
        return os.environ.get(TOKEN) or None
    try:
        with path.open(encoding="utf-8") as file:
            token = file.read(_LONGEST_TOKEN).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UOISError(f"--token-file: expected a text file, found {path} ({error})") from error
    if not token:
        raise UOISError(f"--token-file: expected a token, found {path} empty")
    return token


def usual_workers(model: UOISSAM) -> int:
    """Photos in the model at the same time, as ``uois-sam segment`` has them."""
    from uois_sam.cli.segment.executors import choose_workers

    return choose_workers(None, model)
