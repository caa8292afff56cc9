"""Names of version 0.1.0 that have moved: they still work for one release, with a DeprecationWarning."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MOVED_MODULES: Mapping[str, str] = {
    "uois_sam.hub": "uois_sam.checkpoints.loading",
    "uois_sam.images": "uois_sam.io.images",
    "uois_sam.coco": "uois_sam.io.masks",
    "uois_sam.visualize": "uois_sam.io.overlay",
    "uois_sam.training.full": "uois_sam.training.train_heads",
    "uois_sam.training.compact": "uois_sam.training.train_compact",
    "uois_sam.training.processes": "uois_sam.training.distributed",
}
"""Modules that README or docs showed: old name -> new name."""
MOVED_NAMES: Mapping[str, str] = {
    "Selection": "uois_sam.config.InferenceConfig",
    "Instances": "uois_sam.instances.Instances",
    "Watch": "uois_sam.runtime.progress.ProgressCallback",
    "HeadsRecipe": "uois_sam.training.train_heads.HeadTrainingConfig",
    "Recipe": "uois_sam.training.train_compact.CompactTrainingConfig",
}
"""Classes and functions: old name -> where it is now."""


def moved_names(module: str, *names: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module from which ``names`` have moved."""

    def find(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, new = MOVED_NAMES[name].rpartition(".")
        warn(f"{module}.{name}", MOVED_NAMES[name])
        return getattr(import_module(home), new)

    return find


def warn(old: str, new: str) -> None:
    """Warn, at the user's line, that a name is going away."""
    level, frame = 2, sys._getframe(1)
    while frame is not None and (name := str(frame.f_globals.get("__name__"))).startswith(("uois_sam", "importlib")):
        level += name.startswith("uois_sam")  # frames of the import system are passed over by warnings itself
        frame = frame.f_back  # type: ignore[assignment]
    message = f"{old} is now {new}; the old name goes with the next release"
    warnings.warn(message, DeprecationWarning, stacklevel=level)


class _Alias(ModuleType):
    """An old module's name for a new module."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module = import_module(MOVED_MODULES[self.__name__])
        if not hasattr(module, name) and name in MOVED_NAMES:
            home, _, new = MOVED_NAMES[name].rpartition(".")
            return getattr(import_module(home), new)
        return getattr(module, name)


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MOVED_MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warn(spec.name, MOVED_MODULES[spec.name])
        return _Alias(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing to run: attributes are looked up when they are used."""


def install() -> None:
    """Let old module names be imported."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


class OldSettingsNames:
    """``selection`` and ``with_selection``, the former names of ``settings`` and ``with_settings``."""

    def with_selection(self, **changes: Any) -> Any:
        """Deprecated name of ``with_settings``."""
        warn("with_selection", "with_settings")
        return self.with_settings(**changes)  # type: ignore[attr-defined]

    @property
    def selection(self) -> Any:
        """Deprecated name of ``settings``."""
        warn("selection", "settings")
        return self.settings  # type: ignore[attr-defined]
