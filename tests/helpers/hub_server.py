"""A Hugging Face hub of a few files on this machine: what its client asks for when it downloads, and nothing more."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub.constants
import pytest


@dataclass
class HubServer:
    """What it serves and what it was asked."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Model id -> file name -> content; large files lie under their SHA256, as on the hub."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """(method, file name, range header) of every request for a file."""
    break_after: int | None = None
    """Bytes after which the next download's connection is closed, once."""
    announced_sha256: str | None = None
    """What the hub claims of every file, instead of the truth."""
    gated: set[str] = field(default_factory=set)
    """Model ids whose licence the user has not accepted."""
    address: str = ""

    def commit(self, repo: str) -> str:
        """Changes when any of the model's files does."""
        return hashlib.sha1(repr(sorted(self.files[repo].items())).encode()).hexdigest()


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """Run a server on a free port of the loopback interface."""
    hub = HubServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def _answer(self, *, with_body: bool) -> None:
            org, name, *rest = self.path.strip("/").split("/")
            repo, filename = f"{org}/{name}", rest[-1] if rest else ""
            wanted = self.headers.get("Range")
            if rest[:1] == ["resolve"]:
                hub.asked.append((self.command, filename, wanted))
            content = hub.files.get(repo, {}).get(filename)
            if content is None or repo in hub.gated:
                self.send_response(403 if repo in hub.gated else 404)
                missing = "EntryNotFound" if repo in hub.files else "RepoNotFound"
                self.send_header("X-Error-Code", "GatedRepo" if repo in hub.gated else missing)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
            body = content[start:]
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", f'"{hub.announced_sha256 or hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", hub.commit(repo))
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Accept-Ranges", "bytes")
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if with_body:
                cut, hub.break_after = hub.break_after, None
                self.wfile.write(body[:cut])
                self.close_connection = cut is not None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def hub_for_client(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[HubServer]:
    """An empty hub that the client asks instead of the real one, and a cache folder of its own."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with serve_hub() as server:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        yield server
