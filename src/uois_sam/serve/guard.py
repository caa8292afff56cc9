"""The door of the server: which host, which site, which token, how large, how slow; and headers on the way out."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uois_sam.errors import UOISError, is_out_of_memory
from uois_sam.serve.config import ServerConfig, is_ip
from uois_sam.serve.problems import (
    LateError,
    NoTokenError,
    OtherSiteError,
    RequestError,
    SlowBodyError,
    TooLargeError,
    WrongHostError,
    status_of,
)

_log = logging.getLogger(__name__)

OPEN_PATHS = ("/", "/health", "/openapi.json")
"""Without a token; and the files of the page, which hold no secret."""
PAGE_PATH = "/page/"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware that lets through what the server's limits allow."""

    def __init__(self, app: ASGIApp, config: ServerConfig) -> None:
        self.app = app
        self.config = config

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with an error."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, started = Headers(scope=scope), False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                out.setdefault("Cache-Control", "no-cache" if scope["path"].startswith(PAGE_PATH) else "no-store")
            await send(message)

        try:
            self._check(scope["path"], headers)
        except RequestError as problem:
            await problem_response(problem)(scope, receive, with_headers)
            return
        try:
            await self.app(scope, self._bounded(receive), with_headers)
        except Exception as error:
            if started:
                raise
            await _unexpected(error, scope)(scope, receive, with_headers)

    def _check(self, path: str, headers: Headers) -> None:
        host = _host_of(headers.get("host", ""))
        if not (is_ip(host) or host in ("localhost", self.config.host, *self.config.allowed_hosts)):
            raise WrongHostError(
                "Host: expected localhost, an IP address or a name given by --allow-host, found another"
            )
        origin = headers.get("origin")
        if origin is not None and _site_of(origin) != headers.get("host"):
            raise OtherSiteError("Origin: expected this server's own page, found another site")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate":
            raise OtherSiteError("Sec-Fetch-Site: expected this server's own page, found another site")
        if self.config.token and path not in OPEN_PATHS and not path.startswith(PAGE_PATH):
            given = _token_of(headers)
            if not hmac.compare_digest(given.encode(), self.config.token.encode()):
                raise NoTokenError(
                    "expected the header Authorization: Bearer TOKEN with this server's token, found another"
                )
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:19]) > self.config.body_bytes:
            raise self._too_large()

    def _bounded(self, receive: Receive) -> Receive:
        """Receive a body that is neither too large nor too slow."""
        until, received = time.monotonic() + self.config.deadline_s, 0
        ended = False

        async def bounded() -> Message:
            nonlocal received, ended
            if ended:  # what follows is the end of the connection, which may take its time
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.001, until - time.monotonic()))
            except asyncio.TimeoutError:
                raise SlowBodyError(
                    f"expected the whole body within {self.config.deadline_s:g} s, found a part"
                ) from None
            received += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if received > self.config.body_bytes:
                raise self._too_large()
            return message

        return bounded

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"expected a body of at most {self.config.body_mib:g} MiB, found a larger one")


def problem_response(error: UOISError) -> Response:
    """An error as ``{"error": "..."}``."""
    status, headers = status_of(error)
    return Response(json.dumps({"error": str(error)}), status, headers, "application/json")


def _unexpected(error: Exception, scope: Scope) -> Response:
    """Tell the log, and not the client, what happened."""
    if is_out_of_memory(error):
        return problem_response(LateError("expected free memory for this photo, found none: try again later"))
    _log.error("%s %s: %s", scope["method"], scope["path"], type(error).__name__, exc_info=error)
    return Response('{"error": "an error inside the server; its log has it"}', 500, media_type="application/json")


def _token_of(headers: Headers) -> str:
    """Token of a request: as a bearer, as the password of Basic (Label Studio), or in a header (X-AnyLabeling)."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(given.strip()).decode().partition(":")[2]
        except ValueError:
            return ""
    return given.strip() if scheme.lower() == "bearer" else headers.get("token", "")


def _site_of(origin: str) -> str:
    """Host and port of an Origin header; empty for what is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _host_of(header: str) -> str:
    """Host of a Host header, without its port and the brackets of IPv6."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""
