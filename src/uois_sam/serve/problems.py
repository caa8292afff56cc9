"""Errors that a client of the server meets, each with its HTTP status."""

from __future__ import annotations

from typing import ClassVar

from uois_sam.errors import UOISError


class RequestError(UOISError):
    """A request that cannot be served; any other :class:`UOISError` has this status as well."""

    status: ClassVar[int] = 400
    headers: ClassVar[dict[str, str]] = {}


class NoTokenError(RequestError):
    """The bearer token is missing or another one."""

    status = 401
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": "Bearer"}


class OtherSiteError(RequestError):
    """A page of another site asks."""

    status = 403


class NotHereError(RequestError):
    """There is no such id, or no longer."""

    status = 404


class SlowBodyError(RequestError):
    """The body did not arrive in time."""

    status = 408


class TooLargeError(RequestError):
    """The body, or what it asks for, is too large."""

    status = 413


class WrongTypeError(RequestError):
    """The body is neither JSON nor a form."""

    status = 415


class WrongHostError(RequestError):
    """The request was meant for another host (DNS rebinding)."""

    status = 421


class BusyError(RequestError):
    """The queue is full."""

    status = 429
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


class LateError(RequestError):
    """The deadline passed before the answer was there."""

    status = 503
    headers: ClassVar[dict[str, str]] = {"Retry-After": "1"}


STATUSES = (400, 401, 403, 404, 408, 413, 415, 421, 429, 500, 503)
"""Of all errors that a route may answer with."""


def status_of(error: UOISError) -> tuple[int, dict[str, str]]:
    """HTTP status and headers of an error."""
    return (
        (error.status, error.headers)
        if isinstance(error, RequestError)
        else (RequestError.status, RequestError.headers)
    )
