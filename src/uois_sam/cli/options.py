"""Settings of the pipeline that the commands share as options."""

from __future__ import annotations

from typing import Any, Literal

from uois_sam.config import PromptMode, ScoreMode

Switch = Literal["on", "off"]


def asked_for(prompts: PromptMode | None, scores: ScoreMode | None, zoom: Switch | None) -> dict[str, Any]:
    """Changes for ``UOISSAM.with_settings``: what was given, nothing for what was left out."""
    given = {"prompts": prompts, "scores": scores, "zoom": None if zoom is None else zoom == "on"}
    return {name: value for name, value in given.items() if value is not None}
