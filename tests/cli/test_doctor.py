"""`uois-sam doctor`: what it finds, and what it says where something is missing or broken."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from uois_sam.benchmark import diagnosis
from uois_sam.benchmark.diagnosis import Finding, requirements
from uois_sam.cli.main import main
from uois_sam.errors import WeightsError
from uois_sam.pipeline import UOISSAM
from uois_sam.runtime import cores


def test_a_working_installation_is_reported_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["works"] is True
    found = {finding["what"]: finding for finding in report["findings"]}
    assert {"uois-sam", "python", "packages", "threads", "devices", "processor", "photo", "cache"} <= set(found)
    assert found["packages"]["values"]["versions"]["torch"]
    assert found["photo"]["values"]["objects"] > 0
    assert found["photo"]["values"]["seconds"] > 0


def test_weights_that_do_not_load_are_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> UOISSAM:
        raise WeightsError("model.safetensors: truncated or altered")

    monkeypatch.setattr(UOISSAM, "from_pretrained", refuse)
    assert main(["doctor"]) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "BROKEN" in line)
    assert "photo" in line and "truncated or altered" in line


def test_every_finding_is_one_line_in_a_pipe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [Finding("cache", "ok", f"/{'long/' * 40}path"), Finding("photo", "broken", "a reason\nof two lines")]
    monkeypatch.setattr(diagnosis, "examine", lambda watch: findings)
    assert main(["doctor"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.split() == ["ok", "cache", f"/{'long/' * 40}path"]
    assert second.split() == ["BROKEN", "photo", "a", "reason", "of", "two", "lines"]


def test_a_needed_package_that_cannot_be_imported_is_named_and_nothing_else_is_tried() -> None:
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ImportError("libtorch_cpu.so: cannot open")
sys.meta_path.insert(0, Block())
from uois_sam.cli.main import main
sys.exit(main(["doctor", "--json"]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    findings = json.loads(run.stdout)["findings"]
    assert [finding["status"] for finding in findings] == ["ok", "ok", "broken"]
    assert findings[-1]["text"].startswith("torch: libtorch_cpu.so: cannot open")


def test_the_light_distribution_works_without_torch() -> None:
    pytest.importorskip("onnxruntime")
    code = """
import sys
from importlib import metadata
from without_packages import hide

hide("torch")
version, light = metadata.version, ["numpy>=1.26", "onnxruntime>=1.18", 'absent-package; extra == "serve"']

def version_of_light(name):
    if name in ("uois-sam", "absent-package"):
        raise metadata.PackageNotFoundError(name)
    return "1" if name == "uois-sam-light" else version(name)

metadata.version = version_of_light
metadata.requires = lambda name: light if name == "uois-sam-light" else None
from uois_sam.cli.main import main
status = main(["doctor", "--json"])
assert "torch" not in sys.modules
sys.exit(status)
"""
    helpers = str(Path(__file__).parents[1] / "helpers")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([helpers, os.environ.get("PYTHONPATH", "")])}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found = {finding["what"]: finding for finding in json.loads(run.stdout)["findings"]}
    assert found["torch"]["status"] == "absent"
    assert found["photo"]["status"] == "ok" and found["photo"]["values"]["objects"] > 0
    assert set(found["packages"]["values"]["versions"]) == {"numpy", "onnxruntime"}
    install = found["extra serve"]["values"]["install"]
    assert install == "pip install -c constraints.txt './light[serve]' in a clone of uois-sam"


def test_a_missing_extra_comes_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = diagnosis.version_of
    monkeypatch.setattr(diagnosis, "version_of", lambda name: None if name == "ray" else real(name))
    found = {finding.what: finding for finding in diagnosis._extras()}
    assert found["extra ray"].status == "absent"
    assert found["extra ray"].text == "without ray: pip install -c constraints.txt '.[ray]' in a clone of uois-sam"
    assert "extra dev" not in found and "extra docs" not in found


def test_requirements_are_those_of_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["numpy>=1.26", 'ray>=2; extra == "ray"', "uois-sam[ray]; extra == 'dev'", "x.y-z[a]~=1; extra == 'dev'"]
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    assert requirements() == {"": ("numpy",), "ray": ("ray",), "dev": ("x.y-z",)}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_more_threads_than_the_quota_allows_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    monkeypatch.setattr(cores, "cpu_quota", lambda: 1.5)
    (finding,) = diagnosis._processor()
    assert finding.status == "note"
    assert finding.text.endswith("8 threads of torch get in each other's way: set OMP_NUM_THREADS=2")
