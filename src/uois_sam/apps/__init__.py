"""The command `uois-sam`: one module per subcommand, each a frozen dataclass of options with a ``run`` method.

These modules import nothing heavy at their top, so that ``--help`` answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def print_line(console: Console, text: str) -> None:
    """Print text as it is and on one line, however long: no markup, no wrapping, no colouring of numbers."""
    console.print(text.replace("\n", " "), markup=False, highlight=False, soft_wrap=True)
