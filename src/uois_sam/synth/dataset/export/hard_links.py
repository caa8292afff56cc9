"""Put finished files into a second layout without a second copy of their bytes, where the disk can."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from uois_sam.io.files import write_atomically


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` the same file as ``source`` (a hard link), or a copy where links are not possible.

    Raises:
        OutputError: the target cannot be written.
    """
    with suppress(OSError):
        target.unlink(missing_ok=True)
        os.link(source, target)
        return
    write_atomically(target, source.read_bytes())
