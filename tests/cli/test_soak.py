"""Ten thousand photos through one run of ``segment``: memory stays where it was after the first ones.

``pytest -m long -s tests/cli/test_soak.py`` prints resident memory at the start, in the middle and at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uois_sam.checkpoints.folder import card_settings
from uois_sam.checkpoints.loading import save
from uois_sam.pipeline import UOISSAM

PHOTOS = 10_000
MOST_GROWTH_MIB = 40
"""From a tenth of the photos to the last: names of 10 000 photos take 10."""


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks memory up in /proc")
def test_memory_is_flat_over_ten_thousand_photos(tiny_pipeline: UOISSAM, tmp_path: Path) -> None:
    save(tiny_pipeline.networks, tiny_pipeline.card, card_settings(tiny_pipeline.card), tmp_path / "tiny")
    rng, photos, out = np.random.default_rng(0), tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for index in range(PHOTOS):
        path = photos / f"{index:05d}.png"
        if index < 100:
            Image.fromarray(rng.integers(0, 256, (48, 64, 3), np.uint8)).save(path)
        else:
            os.link(photos / f"{index % 100:05d}.png", path)
    command = [sys.executable, "-m", "uois_sam", "segment", str(photos), "--model", str(tmp_path / "tiny")]
    memory: list[tuple[int, float]] = []
    with subprocess.Popen([*command, "--out", str(out)], stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            time.sleep(2)
            try:
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                break
            done = sum(entry.name.endswith("_label.png") for entry in os.scandir(out)) if out.is_dir() else 0
            memory.append((done, pages * os.sysconf("SC_PAGE_SIZE") / 2**20))
        _, told = process.communicate()
    assert process.returncode == 0, told
    assert f"{PHOTOS} photos" in told
    at = {share: next(each for each in memory if each[0] >= share * PHOTOS) for share in (0.1, 0.5, 0.9)}
    print("photos done and resident MiB:", *(f"{done}: {mib:.0f}" for done, mib in at.values()))
    assert at[0.9][1] - at[0.1][1] < MOST_GROWTH_MIB
