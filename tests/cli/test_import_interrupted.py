"""An import that Ctrl+C ends: what it has, what failed and what it left is said."""

from __future__ import annotations

import io
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from cli.test_segment import photo
from uois_sam.cli.import_labels import Import
from uois_sam.datasets import importing

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")


def test_an_import_says_what_it_has_and_what_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(20):
        photo(tmp_path / f"in/rgb/{index:02d}.png")
        mask = np.zeros((12, 16), np.uint8)
        mask[2:6, 2:6] = 255
        (tmp_path / "in/masks").mkdir(exist_ok=True)
        Image.fromarray(mask[: 12 - (index == 1)]).save(tmp_path / f"in/masks/{index:02d}.png")
    plain = importing.import_sample

    def interrupting(dataset, index, out):
        if index == 5:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)
        return plain(dataset, index, out)

    monkeypatch.setattr(importing, "import_sample", interrupting)
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(KeyboardInterrupt):
        Import("masks", tmp_path / "in", tmp_path / "out", workers=1).run(console)
    said = console.file.getvalue()
    labels = len(list((tmp_path / "out/label").iterdir()))
    assert 5 <= labels < 19
    assert f"{labels} photos in {tmp_path / 'out'}, {19 - labels} left for another time" in said
    assert "1 photo failed:" in said and "01" in said.partition("1 photo failed:")[2]
