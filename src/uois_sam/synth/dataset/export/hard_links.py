"""Hard links, which put finished files into a second layout without copying them."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from uois_sam.errors import DatasetError
from uois_sam.io.files import read_bounded, write_atomically
from uois_sam.io.formats import LARGEST_FILE


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source``, or a copy if the file system has no links.

    Raises:
        DatasetError: if the source cannot be read.
        OutputError: if the target cannot be written.
    """
    with suppress(OSError):
        target.unlink(missing_ok=True)
        os.link(source, target)
        return
    try:
        content = read_bounded(source, LARGEST_FILE)
    except OSError as error:
        raise DatasetError(f"{source}: expected a picture of the data set, found: {error.strerror or error}") from error
    write_atomically(target, content)
