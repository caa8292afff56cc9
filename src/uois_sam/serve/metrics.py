"""Counters for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
"""Seconds; a photo takes 0.1 to 0.3 s on two cores."""


class Metrics:
    """Metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("uois_requests", "Requests", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "uois_request_seconds", "Time to answer", ["route"], registry=self.registry, buckets=BUCKETS
        )
        self.refused = Counter("uois_refused", "Requests refused under load", ["reason"], registry=self.registry)
        self.waiting = Gauge("uois_taken_photos", "Photos waiting for the model or in it", registry=self.registry)
        self.working = Gauge("uois_model_photos", "Photos in the model", registry=self.registry)
        self.objects = Counter("uois_objects", "Objects found", registry=self.registry)
        self.kept = Gauge("uois_kept_photos", "Encoded photos held for prompts", registry=self.registry)

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)


class CountRequests:
    """ASGI middleware that counts and times requests by route; unknown paths share one name."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), "none"

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self.metrics.requests.labels(route, status).inc()
            self.metrics.seconds.labels(route).observe(time.perf_counter() - began)
