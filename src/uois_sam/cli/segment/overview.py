"""Results at a glance: a contact sheet of each folder, and a picture opened in the desktop's viewer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from uois_sam.cli.segment.outputs import RECORD, path_of
from uois_sam.cli.segment.search import SHEET
from uois_sam.errors import OutputError, UOISError, count
from uois_sam.io.files import real_path
from uois_sam.runtime.progress import ProgressCallback, print_line, tracked

if TYPE_CHECKING:
    from rich.console import Console

    from uois_sam.io.contact_sheet import Picture

OVERLAY = "_overlay.jpg"
_MOST_NAMED = 10
"""Names that are told with their numbers."""


def write_sheets(
    out: Path, stems: Iterable[Path], protected: frozenset[Path], watch: ProgressCallback, tell: Callable[[str], object]
) -> tuple[list[Path], list[str]]:
    """Draw a contact sheet of the overlays in each folder of results, from the files, one sheet at a time.

    Args:
        out: folder of the results.
        stems: of the photos that have results.
        protected: files that are never replaced.
        watch: told of each sheet.
        tell: takes a line on each sheet with names that no font here can write.

    Returns:
        The sheets, in the order of their folders; and a line for each that could not be drawn or written.
    """
    folders: dict[Path, list[Path]] = defaultdict(list)
    for stem in sorted(stems):
        folders[stem.parent].append(stem)
    sheets, failures = [], []
    for folder, inside in tracked(folders.items(), watch, "contact sheets", len(folders)):
        sheet = out / folder / SHEET
        try:
            if real_path(sheet) in protected:
                raise OutputError("it is one of the inputs")
            if numbered := _write(sheet, out, inside):
                tell(f"note: {sheet}: {numbered}")
            sheets.append(sheet)
        except UOISError as error:
            failures.append(f"cannot write {sheet}: {error}")
    return sheets, failures


def _write(sheet: Path, out: Path, stems: list[Path]) -> str:
    """Draw a sheet; return what is to be said of names that are shown as numbers, if there are any."""
    from uois_sam.io.captions import drawable
    from uois_sam.io.contact_sheet import write_contact_sheet
    from uois_sam.io.images import read_photo
    from uois_sam.io.json_files import read_json

    def read(index: int) -> Picture:
        # Not read_image: what is doubtful in a photo is logged when it is segmented, not again for its overlay.
        return read_photo(path_of(out, stems[index], OVERLAY)).pixels, None

    def caption(index: int) -> str:
        record = read_json(path_of(out, stems[index], RECORD), dict, what="a record of results", error=OutputError)
        name = drawable(stems[index].name)
        if name is None:
            numbered.append(index)
            name = f"no. {index + 1} of {len(stems)}"
        return f"{name}: {count(len(record['instances']), 'object')}"

    numbered: list[int] = []
    write_contact_sheet(read, len(stems), sheet, caption=caption)
    if not numbered:
        return ""
    which = ", ".join(f"no. {index + 1} is {stems[index].name}" for index in numbered[:_MOST_NAMED])
    more = ", ..." if len(numbered) > _MOST_NAMED else ""
    return f"{count(len(numbered), 'name')} that no font here can write, shown by place in their order: {which}{more}"


def show_first(console: Console, out: Path, sheets: Sequence[Path], stems: Iterable[Path]) -> None:
    """Open the first contact sheet, or else the first overlay, and say so."""
    pictures = [*sheets, *(path_of(out, stem, OVERLAY) for stem in stems)]
    if pictures:
        others = "" if sheets or len(pictures) == 1 else f", the first of {count(len(pictures), 'overlay')}"
        print_line(console, show(pictures[0]) or f"opened {pictures[0]}{others}")


def show(picture: Path) -> str | None:
    """Open a picture in the desktop's viewer, and return at once; where there is none, return why not."""
    opener = _opener()
    if opener is None:
        return f"no viewer here (no desktop) for --show; the picture is {picture}"
    try:
        silent = subprocess.DEVNULL
        process = subprocess.Popen(
            [opener, os.fspath(picture.absolute())], stdin=silent, stdout=silent, stderr=silent, start_new_session=True
        )
    except OSError as error:
        return f"no viewer here ({opener}: {error.strerror}) for --show; the picture is {picture}"
    threading.Thread(target=process.wait, daemon=True).start()  # a viewer may stay open for hours
    return None


def _opener() -> str | None:
    """The program that opens a file as a double click does."""
    if sys.platform in ("darwin", "win32"):
        return "open" if sys.platform == "darwin" else "explorer"
    desktop = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if desktop else None
