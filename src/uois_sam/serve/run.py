"""Run the server until it is told to end."""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn

from uois_sam.errors import UOISError, count
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime.interrupts import AGAIN, aside
from uois_sam.runtime.threads import photos_at_once
from uois_sam.serve.app import make_app
from uois_sam.serve.config import ServerConfig

MORE_CONNECTIONS = 64
"""Beside photos that wait: the page's files, health checks, and connections that are kept open."""


def listen(config: ServerConfig) -> socket.socket:
    """Take the port, before a model is loaded.

    Raises:
        UOISError: the port is taken, or the address is not of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        # asyncio looks at the protocol: without it, it leaves out TCP_NODELAY, and every answer waits 40 ms for the
        # client to acknowledge its header.
        taken = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UOISError(f"--host: expected an address of this machine, found {config.host!a} ({error})") from error
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(address)
        taken.listen(128)
    except OSError as error:
        taken.close()
        reason = error.strerror or str(error)
        raise UOISError(f"expected a free port at {config.host}:{config.port}, found: {reason}") from error
    return taken


def url_of(taken: socket.socket) -> str:
    """Address to open in a browser."""
    host, port = taken.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


class Server(uvicorn.Server):
    """A server that finishes what it has taken when it is told to end, says so, and stops at once the second time."""

    def __init__(self, config: uvicorn.Config, tell: Callable[[str], None]) -> None:
        """``tell`` is called in a signal's handler, see :func:`~uois_sam.runtime.interrupts.aside`."""
        super().__init__(config)
        self._tell = tell

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self.should_exit and sig == signal.SIGINT:
            logging.getLogger("uvicorn.error").disabled = True  # of every request that is broken off, a traceback
            raise KeyboardInterrupt
        requests = len(self.server_state.tasks)
        if requests and not self.should_exit:
            self._tell(f"finishing {count(requests, 'request')} in hand; {AGAIN}")
        super().handle_exit(sig, frame)


def make_server(model: UOISSAM, config: ServerConfig, tell: Callable[[str], None] = lambda line: None) -> Server:
    """A server that finishes what it has taken when it is told to end."""
    return Server(
        uvicorn.Config(
            make_app(model, config),
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=config.workers + config.queue + MORE_CONNECTIONS,
            timeout_graceful_shutdown=int(config.deadline_s) + 1,
        ),
        tell,
    )


def serve(
    model: UOISSAM,
    config: ServerConfig,
    taken: socket.socket,
    ready: Callable[[str], None],
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        model: shared by all threads.
        config: limits.
        taken: as :func:`listen` gives it.
        ready: told the address once requests are answered.
        tell: told what is finished before the end.

    Raises:
        KeyboardInterrupt: Ctrl+C came a second time.
    """
    with photos_at_once(config.workers), aside(tell) as say, _signals_end_it():
        server = make_server(model, config, say)
        ready(url_of(taken))  # connections wait in the socket's queue until the first is taken
        server.run([taken])


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """uvicorn raises the signals that ended it once more: then they have done their work."""
    usual = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
