"""What benchmarks of the server share: the command in a process of its own, and the end of it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from live_server import tiny_model
from scripts import load_script


@pytest.mark.slow
def test_a_server_of_its_own_is_ended_with_the_block(tmp_path: Path) -> None:
    served = load_script("benchmarks/served.py").served
    tiny_model().save_pretrained(tmp_path / "tiny")
    with served("--model", str(tmp_path / "tiny"), "--device", "cpu") as server:
        assert httpx.get(f"{server.url}/health", timeout=60).json()["model"] == "tiny"
        assert server.process.poll() is None
    assert server.process.returncode == 0
    with pytest.raises(RuntimeError, match="did not start: error: "), served("--queue", "-1"):
        pass
