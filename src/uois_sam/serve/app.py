"""The server as an ASGI application."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from uois_sam.errors import UOISError
from uois_sam.pipeline import UOISSAM
from uois_sam.serve.compat import AnyLabelingRequest, OsamRequest, anylabeling_routes, osam_routes
from uois_sam.serve.config import ServerConfig
from uois_sam.serve.guard import PAGE_PATH, Guard, problem_response
from uois_sam.serve.label_studio import LabelStudioPredict, LabelStudioSetup, label_studio_routes
from uois_sam.serve.metrics import CountRequests
from uois_sam.serve.openapi import document
from uois_sam.serve.routes import photo_routes, state_routes
from uois_sam.serve.schemas import Encode, Error, Found, Health, Kept, Masks, Prompt, Segment
from uois_sam.serve.service import Service

PAGE = Path(__file__).parent / "page"
SCHEMAS = (Segment, Encode, Prompt, Masks, Found, Kept, Health, Error, OsamRequest, AnyLabelingRequest,
           LabelStudioPredict, LabelStudioSetup)  # fmt: skip


def make_app(model: UOISSAM, config: ServerConfig) -> FastAPI:
    """Make the application: routes, page, guard and counters around one model."""
    service = Service.of(model, config)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.engine.close()

    # The usual documentation pages load scripts from a content network: the document itself is enough.
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan, redirect_slashes=False)
    for routes in (photo_routes, osam_routes, anylabeling_routes, label_studio_routes, state_routes):
        app.include_router(routes(service))
    _add_page(app)
    _add_errors(app)
    app.add_middleware(CountRequests, metrics=service.metrics)
    app.add_middleware(Guard, config=config)
    return app


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @lru_cache(maxsize=1)
    def openapi() -> bytes:
        return json.dumps(document(app, SCHEMAS)).encode()

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi_document() -> Response:
        return Response(openapi(), media_type="application/json")

    app.mount(PAGE_PATH.rstrip("/"), StaticFiles(directory=PAGE), "page")


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(UOISError)
    async def expected(_: Request, error: UOISError) -> Response:
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def routing(_: Request, error: HTTPException) -> Response:
        return Response(json.dumps({"error": str(error.detail)}), error.status_code, error.headers, "application/json")

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return Response(status_code=400)  # nobody reads it
