"""Skies: built-in ones, a user's own panoramas, and files that cannot be used."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from uois_sam.errors import DatasetError
from uois_sam.synth.assets.collection import BUILT_IN, Assets
from uois_sam.synth.assets.skies import SKY_HW, load_skies
from uois_sam.synth.scene import Sky


@pytest.mark.parametrize("kind", ["room", "outdoors"])
def test_skies_are_positive_and_scale(kind: str) -> None:
    sky = BUILT_IN.paint_sky(Sky(kind, 3, 1.0))
    assert sky.shape == (*SKY_HW, 3)
    assert sky.dtype == np.float32
    assert sky.min() > 0
    assert np.allclose(BUILT_IN.paint_sky(Sky(kind, 3, 2.0)), 2 * sky)


def test_own_hdr_pictures_become_skies(tmp_path: Path) -> None:
    light = np.full((16, 32, 3), 4.0, np.float32)
    light[:4] = 40
    cv2.imwrite(str(tmp_path / "hall.hdr"), light)
    (tmp_path / "broken.hdr").write_bytes(b"nothing")
    assets = Assets.load(hdris=tmp_path)
    assert assets.own_skies == ["file/hall.hdr"]
    sky = assets.paint_sky(Sky("file/hall.hdr", 0, 1.0))
    assert sky.mean() == pytest.approx(0.6, rel=0.05)
    assert sky[0].mean() > 5 * sky[-1].mean()


def test_unknown_skies_and_empty_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="unknown sky"):
        BUILT_IN.paint_sky(Sky("file/nowhere.hdr"))
    with pytest.raises(DatasetError, match=r"expected a folder with \.hdr or \.exr"):
        load_skies(tmp_path)


def test_panoramas_that_cannot_be_used_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bad.hdr").write_text("no picture")
    with caplog.at_level(logging.WARNING), pytest.raises(DatasetError, match="found none to read"):
        load_skies(tmp_path)
    assert f"skipped {tmp_path / 'bad.hdr'}: expected a Radiance HDR picture" in caplog.text


def test_exr_skies_are_painted_by_processes_of_one_thread(tmp_path: Path) -> None:
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    light = np.random.default_rng(0).random((16, 32, 3), dtype=np.float32)
    mitsuba.Bitmap(light).write(str(tmp_path / "hall.exr"))
    code = f"""
from pathlib import Path
from uois_sam.synth.assets.collection import Assets
from uois_sam.synth.rendering.variants import choose_variant, limit_threads
from uois_sam.synth.scene import Sky
choose_variant("scalar")
assets = Assets.load(hdris=Path({str(tmp_path)!r}))
limit_threads(1)
print(assets.paint_sky(Sky("file/hall.exr")).mean())
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert float(run.stdout) == pytest.approx(0.6, rel=0.01)
