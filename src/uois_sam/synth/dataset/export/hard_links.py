"""Hard links, which put finished files into a second layout without copying them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from uois_sam.io.files import write_atomically


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source``, or a copy if the file system has no links.

    Raises:
        OutputError: if the target cannot be written.
    """
    with suppress(OSError):
        target.unlink(missing_ok=True)
        os.link(source, target)
        return
    write_atomically(target, source.read_bytes())
