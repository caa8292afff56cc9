"""Names of earlier releases still work and say what they are called now."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from uois_sam import UOISSAM
from uois_sam._deprecated import MOVED_MODULES, MOVED_NAMES


@pytest.mark.parametrize("old", sorted(MOVED_MODULES))
def test_old_modules_can_be_imported(old: str) -> None:
    code = f"import warnings; warnings.simplefilter('error')\nimport {old}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"DeprecationWarning: {old} is now {MOVED_MODULES[old]}" in result.stderr


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("uois_sam", "Selection"),
        ("uois_sam.config", "Selection"),
        ("uois_sam.types", "Instances"),
        ("uois_sam.training.stages", "Watch"),
    ],
)
def test_old_names_are_the_new_ones(module: str, name: str) -> None:
    home, _, new = MOVED_NAMES[name].rpartition(".")
    with pytest.warns(DeprecationWarning, match=f"{module}.{name} is now {MOVED_NAMES[name]}"):
        assert getattr(import_module(module), name) is getattr(import_module(home), new)


def test_old_names_of_moved_modules() -> None:
    from uois_sam.training.full import HeadsRecipe

    from uois_sam.training.train_heads import HeadTrainingConfig

    assert HeadsRecipe is HeadTrainingConfig


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    for module in ("uois_sam.config", "uois_sam.hub"):
        with pytest.raises(AttributeError, match="nonsense"):
            _ = import_module(module).nonsense


def test_settings_were_called_selection(tiny_pipeline: UOISSAM) -> None:
    with pytest.warns(DeprecationWarning, match="with_selection is now with_settings"):
        changed = tiny_pipeline.with_selection(nms="box")
    with pytest.warns(DeprecationWarning, match="selection is now settings"):
        assert changed.selection is changed.settings


@pytest.mark.parametrize(
    "line",
    ["from uois_sam.config import Selection", "import uois_sam.images", "import uois_sam; uois_sam.Selection"],
)
def test_the_warning_is_shown_by_default_at_the_users_line(line: str, tmp_path: Path) -> None:
    """Python shows a DeprecationWarning only where the script itself is to blame."""
    script = tmp_path / "script.py"
    script.write_text(f"import os\n{line}\n")
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert f"{script}:2: DeprecationWarning" in result.stderr
