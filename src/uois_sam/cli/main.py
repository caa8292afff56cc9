"""Entry point of `uois-sam`: run the subcommand, turn errors into one line and an exit status."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Protocol

from rich.console import Console

from uois_sam._version import __version__
from uois_sam.cli.parsing import CommandGroup, Commands, parse
from uois_sam.errors import UOISError, install_command
from uois_sam.runtime.progress import print_line


class Command(Protocol):
    """Subcommand: a dataclass whose fields are its options, importable without anything heavy."""

    def run(self, console: Console) -> int:
        """Do the work, report through the console (standard error), and return the exit status."""
        ...


COMMANDS = Commands({
    "segment": "segment.command:Segment",
    "watch": "watch:Watch",
    "serve": "serve:Serve",
    "bag": "bag:Bag",
    "node": "node:Node",
    "evaluate": "evaluate:Evaluate",
    "tables": "tables:Tables",
    "benchmark": "benchmark:Benchmark",
    "models": "models:Models",
    "doctor": "doctor:Doctor",
    "generate": "generate:Generate",
    "convert": "convert:Convert",
    "export": "export:Export",
    "import": "import_labels:Import",
    "train": "train:TRAIN",
    "prelabel": "prelabel:PreLabel",
    "finetune": "finetune:FineTune",
    "reproduce": "reproduce:Reproduce",
    "demo": "demo:DEMO",
})  # fmt: skip
"""Name on the command line to the module here and its dataclass or group; a new subcommand is one line here."""

_DESCRIPTION = """Find every object in photos of cluttered scenes, without knowing the objects.

    uois-sam segment photo.jpg --out results

`uois-sam COMMAND --help` explains a command, `uois-sam --version` prints the version.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the name of the program; by default those of the process.

    Returns:
        Exit status: 0 success; 1 some inputs failed; 2 nothing could be done; 130 interrupted; 141 the reader of the
            output has ended.

    Raises:
        SystemExit: after ``--help`` (status 0) and on unknown or missing options (status 2).
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--version" in takewhile(lambda word: word.startswith("-"), arguments):
        print(f"uois-sam {__version__}")
        return 0
    # Silences FFmpeg's own lines about damaged videos; it reads this when the first video is opened.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    # torch reads this at its first tensor: large pages for large maps save a tenth of a photo's time on Linux.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    console = Console(stderr=True)
    try:
        # Options check their values as they are made.
        command: Command = parse(list(arguments), CommandGroup(_DESCRIPTION, COMMANDS), "uois-sam")
        with _log_to(console):
            return command.run(console)
    except UOISError as error:
        print_line(console, f"error: {error}")
        return 2
    except KeyboardInterrupt:
        print_line(console, "interrupted")
        return 130
    except ImportError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        print_line(console, f"error: this needs torch, which is not installed: {install_command()}")
        return 2
    except (OSError, MemoryError) as error:  # what no part of the package has words for
        if isinstance(error, BrokenPipeError):  # what reads the output has ended: "uois-sam evaluate --help | head"
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        where = f"{error.filename}: " if isinstance(error, OSError) and error.filename is not None else ""
        print_line(console, f"error: {where}{getattr(error, 'strerror', None) or str(error) or 'no free memory'}")
        return 2


@contextmanager
def _log_to(console: Console) -> Iterator[None]:
    """Show the package's log lines through the console, so that they do not tear a progress bar."""
    logger = logging.getLogger("uois_sam")
    handler = _ConsoleHandler(console)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _ConsoleHandler(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def emit(self, record: logging.LogRecord) -> None:
        print_line(self.console, self.format(record))


if __name__ == "__main__":
    sys.exit(main())
