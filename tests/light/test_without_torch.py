"""In a process that cannot import torch, the bundled model finds what it finds in torch; what needs torch says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from uois_sam import UOISSAM, Instances

ROOT = Path(__file__).parents[2]
HELPERS = ROOT / "tests" / "helpers"
PHOTO = ROOT / "examples" / "coffee.jpg"
SERVE = """
import sys
from without_packages import hide

hide("torch")
from fastapi.testclient import TestClient
from uois_sam import UOISSAM
from uois_sam.serve.app import make_app
from uois_sam.serve.config import ServerConfig

app = make_app(UOISSAM.from_pretrained("compact"), ServerConfig(deadline_s=600))
with TestClient(app, base_url="http://localhost") as client:
    files = {"image": ("a.jpg", open(sys.argv[1], "rb").read())}
    found = client.post("/v1/segment", files=files)
    kept = client.post("/v1/encode", files=files)
    state = client.get("/v1/health")
assert "torch" not in sys.modules
print(found.text, kept.status_code, sep="\\n")
"""

pytest.importorskip("onnxruntime")
pytestmark = pytest.mark.skipif(not PHOTO.is_file(), reason="an sdist has no photos")


def run(*command: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def run_without(absent: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run(HELPERS / "without_packages.py", absent, *arguments)


@pytest.fixture(scope="module")
def expected() -> Instances:
    return UOISSAM.from_pretrained("compact", device="cpu").predict(PHOTO)


def mean_iou(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """Of label maps with the same objects in the same order."""
    values = np.unique(expected[expected > 0])
    assert np.array_equal(values, np.unique(found[found > 0])) and len(values) > 3
    pairs = [(found == value, expected == value) for value in values]
    return float(np.mean([np.count_nonzero(a & b) / np.count_nonzero(a | b) for a, b in pairs]))


def test_segment_finds_the_same_and_writes_every_format(tmp_path: Path, expected: Instances) -> None:
    done = run_without("torch", "segment", PHOTO, "--out", tmp_path, "--format", "native,coco")
    assert done.returncode == 0, done.stderr
    labels = np.asarray(Image.open(next(tmp_path.rglob("*coffee*label*.png"))))
    assert mean_iou(labels, expected.label_map()) >= 0.999
    files = [json.loads(path.read_text()) for path in tmp_path.rglob("*.json")]
    assert [len(content["annotations"]) for content in files if "annotations" in content] == [len(expected)]


def test_watch_finds_the_same(tmp_path: Path, expected: Instances) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(PHOTO, tmp_path / "in")
    found = ("--track", "--json-lines", "--label-maps", tmp_path / "out")
    done = run_without("torch", "watch", tmp_path / "in", "--idle", "0.1", *found)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1
    labels = np.asarray(Image.open(next((tmp_path / "out").glob("*.png"))))
    assert len(np.unique(labels)) - 1 == len(expected)


def test_the_server_finds_the_same(expected: Instances) -> None:
    done = run("-c", SERVE, PHOTO)
    assert done.returncode == 0, done.stderr
    answer, status = done.stdout.splitlines()
    rows = json.loads(answer)["instances"]
    np.testing.assert_allclose([row["score"] for row in rows], expected.scores, atol=1e-4)
    assert status == "200"


@pytest.mark.parametrize(
    ("absent", "arguments", "message"),
    [
        (
            "torch",
            ["segment", PHOTO, "--model", "sam-vit-l"],
            "torch is not installed: expected compact, or the folder",
        ),
        ("torch", ["segment", PHOTO, "--masks", "sam-vit-l"], "expected no sam, dinov2 or masks, which need torch"),
        ("torch", ["segment", PHOTO, "--backend", "torch"], "this needs torch, which is not installed: pip install"),
        ("torch", ["export", "compact"], "this needs torch, which is not installed: pip install"),
        ("torch,onnxruntime", ["segment", PHOTO], "the backend onnxruntime needs the package 'onnxruntime'"),
    ],
)
def test_what_needs_torch_says_so_in_one_line(
    tmp_path: Path, absent: str, arguments: list[object], message: str
) -> None:
    done = run_without(absent, *arguments, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split()) and "Traceback" not in done.stderr


def test_neither_package_nor_pipeline_load_torch() -> None:
    code = "import sys, uois_sam; uois_sam.UOISSAM; print('torch' in sys.modules)"
    done = run("-c", code)
    assert done.stdout.strip() == "False", done.stderr


def test_a_command_loads_what_it_needs(tmp_path: Path) -> None:
    """Other commands, and Pillow's readers of other files, would make up a sixth of a cold start."""
    code = (
        "import sys; from uois_sam.cli.main import main; status = main(sys.argv[1:]);"
        "print(status, *sorted(sys.modules))"
    )
    said = run("-c", code, "segment", PHOTO, "--out", tmp_path, "--backend", "onnxruntime")
    status, *loaded = said.stdout.split()
    assert status == "0", said.stderr
    assert {"uois_sam.cli.segment.command", "PIL.JpegImagePlugin", "onnxruntime"} <= set(loaded)
    unused = {f"uois_sam.cli.{name}" for name in ("bag", "evaluate", "generate", "prelabel", "serve", "train", "watch")}
    assert not set(loaded) & (unused | {"torch", "PIL.PdfImagePlugin", "PIL.TiffImagePlugin"})
