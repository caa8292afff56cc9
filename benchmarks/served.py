"""Run `uois-sam serve` as a process of its own on a free port, for benchmarks that ask it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    url: str
    process: subprocess.Popen[str]
    """Ended with the block: its exit status is known after that."""


@contextmanager
def served(*options: str) -> Iterator[Served]:
    """Run the command with options, and end it as SIGTERM does.

    Raises:
        RuntimeError: it does not start; the message is what it said.
    """
    command = [sys.executable, "-m", "uois_sam", "serve", "--port", "0", "--deadline", "600", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:  # notes may come before the address
            said.append(line)
            if found := re.search(r"http://\S+", line):
                break
        else:
            raise RuntimeError(f"the server did not start: {''.join(said).strip()}")
        try:
            yield Served(found[0], process)
        finally:
            process.terminate()
            process.communicate()
