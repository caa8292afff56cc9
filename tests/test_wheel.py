"""The built wheel, installed in a fresh environment, segments a photo with the weights that came along."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = "evaluation/templates/report.html.jinja"


def run(*command: object, cwd: Path, **environment: str) -> str:
    alone = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}  # it would come before the wheel
    result = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=alone | environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, cwd=ROOT)
    return next(out.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_code_weights_and_type_marker_but_no_tests(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "weights/compact/model.safetensors",
        "weights/compact/model.json",
        "py.typed",
        "cli/main.py",
        PAGE,
        "serve/page/app.js",
    ):
        assert f"uois_sam/{needed}" in names
    assert not [name for name in names if "test" in name.split("/")[0]]
    assert wheel.stat().st_size < 25e6


@pytest.mark.skipif(not (ROOT / "examples").is_dir(), reason="an sdist has no photos")
@pytest.mark.slow
def test_the_wheel_segments_a_photo_in_a_fresh_environment(wheel: Path, tmp_path: Path) -> None:
    """Dependencies are borrowed from the running environment (a .pth file), the package itself comes from the wheel."""
    venv.create(tmp_path / "venv", with_pip=False)
    scripts = tmp_path / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    site = next((tmp_path / "venv").rglob("site-packages"))
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel, cwd=tmp_path)
    borrowed = sysconfig.get_path("purelib")
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    where = run(scripts / "python", "-c", "import uois_sam; print(uois_sam.__file__)", cwd=tmp_path)
    assert str(site) in where, "the package was not taken from the wheel"
    photo = ROOT / "examples" / "coffee.jpg"
    run(scripts / "python", "-m", "uois_sam", "segment", photo, "--out", tmp_path / "out", cwd=tmp_path)
    assert (tmp_path / "out" / "coffee_overlay.jpg").stat().st_size > 10_000


@pytest.mark.slow
def test_the_sdist_is_testable_by_itself(tmp_path: Path) -> None:
    """Without the scripts and documents of the repository every test can be imported, and skips what it lacks."""
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, cwd=ROOT)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    unpacked = next(path for path in tmp_path.iterdir() if path.is_dir())
    assert not {"benchmarks", "experiments", "docs"} & {path.name for path in unpacked.iterdir()}
    tests = ("tests/scripts", "tests/test_readme.py", "tests/evaluation/test_metrics.py", "tests/io/test_masks.py")
    pytest_here = partial(run, sys.executable, "-m", "pytest", "-q", cwd=unpacked, PYTHONPATH=str(unpacked / "src"))
    pytest_here("--collect-only")
    assert " passed" in pytest_here(*tests)
