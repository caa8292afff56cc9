"""A process in which packages cannot be imported, as if they were not installed.

    python tests/helpers/without_packages.py torch,onnxruntime segment photo.jpg --out results

runs the command line and fails if one of them was loaded after all.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence


class Absent:
    """Finder that knows of some packages that they are not there."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raise for these packages and whatever is in them."""
        package = name.partition(".")[0]
        if package in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=package)


def hide(*names: str) -> None:
    """Let packages be absent from here on."""
    assert not sys.modules.keys() & set(names)
    sys.meta_path.insert(0, Absent(names))  # type: ignore[arg-type]


def main() -> int:
    """Run the command line."""
    names = sys.argv[1].split(",")
    hide(*names)
    from uois_sam.cli.main import main as command

    status = command(sys.argv[2:])
    assert not sys.modules.keys() & set(names)
    return status


if __name__ == "__main__":
    sys.exit(main())
