"""The server's own routes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from uois_sam._version import __version__
from uois_sam.io.encoding import encode_png
from uois_sam.io.masks import decode_mask
from uois_sam.io.shapes import paint_masks
from uois_sam.serve.answers import NPZ, PNG, encode_answer, json_response
from uois_sam.serve.config import LARGEST_RESULT
from uois_sam.serve.openapi import described
from uois_sam.serve.problems import RequestError, TooLargeError
from uois_sam.serve.reading import read_body
from uois_sam.serve.schemas import Encode, Found, Health, Kept, Masks, Prompt, Segment
from uois_sam.serve.service import Service, timed

OTHER_ANSWERS = {PNG: {"schema": {"type": "string", "format": "binary"}}, NPZ: {"schema": {"type": "string"}}}


def photo_routes(service: Service) -> APIRouter:
    """Routes that work on photos."""
    router = APIRouter(prefix="/v1", tags=["photos"])

    @router.post("/segment", **described(Segment, Found, OTHER_ANSWERS))
    async def segment(request: Request) -> Response:
        """Find every object in a photo, or what is asked for.

        Send JSON with the photo in base64, or a form with its file; form fields hold the same words, lists as JSON.
        """
        body, content = await read_body(request, Segment)

        def job() -> Response:
            result, seconds = timed(lambda: service.segment(content, body))
            return encode_answer(service.model, result, body, seconds)

        return await service.run(job)

    @router.post("/encode", **described(Encode, Kept))
    async def encode(request: Request) -> Response:
        """Run the encoder on a photo once, and keep it for prompts."""
        _, content = await read_body(request, Encode)
        key, kept = await service.run(lambda: service.encode(content))
        height, width = kept.encoded.image_hw
        said = {"id": key, "height": height, "width": width, "model": service.model.name}
        return json_response({**said, "expires_s": service.config.kept_s, "notes": list(kept.notes)})

    @router.post("/prompt", **described(Prompt, Found, OTHER_ANSWERS))
    async def prompt(request: Request) -> Response:
        """Find objects in a kept photo: under clicks, in boxes, or all of them with other limits."""
        body, _ = await read_body(request, Prompt)

        def job() -> Response:
            result, seconds = timed(lambda: service.prompt(body))
            return encode_answer(service.model, result, body, seconds)

        return await service.run(job)

    @router.post("/label_map", **described(Masks, None, {PNG: {"schema": {"type": "string", "format": "binary"}}}))
    async def label_map(request: Request) -> Response:
        """Paint masks, best first, into one 16-bit label map, as /v1/segment does with those that it finds."""
        body, _ = await read_body(request, Masks)
        return await service.run(lambda: Response(_painted(body), media_type=PNG))

    return router


def _painted(body: Masks) -> bytes:
    height, width = body.segmentations[0].size
    if height < 1 or width < 1:
        raise RequestError(f"segmentations: expected masks of at least 1x1 pixel, found {width}x{height}")
    if len(body.segmentations) * height * width > LARGEST_RESULT:
        raise TooLargeError(f"segmentations: expected at most {LARGEST_RESULT} pixels in all masks, found more")
    masks = [decode_mask(each.model_dump(), (height, width)) for each in body.segmentations]
    return encode_png(paint_masks(np.stack(masks)), 1)


def state_routes(service: Service) -> APIRouter:
    """Routes about the server itself."""
    router = APIRouter(tags=["state"])

    @router.get("/health", response_model=Health)
    async def health() -> dict[str, Any]:
        """Say that the server is up, and what it runs."""
        model = service.model
        return {
            "status": "ok",
            "model": model.name,
            "version": __version__,
            "device": str(model.device),
            "token": service.config.token is not None,
            "defaults": asdict(model.settings),
            "request": model.request.to_json(),
        }

    text = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format"}}

    @router.get("/metrics", response_class=Response, responses=described(None, None)["responses"] | text)
    async def metrics() -> Response:
        """Counters for Prometheus."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return router
