"""Where the command's own files of a photo go: beside each other in folders, or into shards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from uois_sam.cli.options import expect_at_least
from uois_sam.cli.segment.formats import FormatPlan
from uois_sam.cli.segment.inputs import Source
from uois_sam.cli.segment.outputs import (
    PictureOptions,
    Result,
    Segmenter,
    check_earlier,
    is_done,
    made_by,
    path_of,
    remove_stale_crops,
)
from uois_sam.errors import UOISError

if TYPE_CHECKING:
    from uois_sam.io.shards import ShardWriter


class Sink(Protocol):
    """Takes the files of photos, one photo at a time."""

    def is_done(self, stem: Path) -> bool:
        """Return whether it has all files of a photo from an earlier run."""
        ...

    def paths(self, stem: Path, result: Result) -> Sequence[Path]:
        """Return the files that :meth:`write` would replace."""
        ...

    def write(self, stem: Path, result: Result) -> None:
        """Write the files of a photo.

        Raises:
            OutputError: if they cannot be written.
        """
        ...


@dataclass(frozen=True)
class ShardOptions:
    """Many photos in few files."""

    shards: Literal["tar", "parquet"] | None = None
    """Write label maps and records into shard-000000.tar and so on (as WebDataset reads them), or into Parquet tables
    (extra: parquet), with an index, shards.json: for more photos than a folder should hold."""
    shard_size: int = 1000
    """Photos a shard."""

    def check(self, plan: FormatPlan, pictures: PictureOptions) -> None:
        """
        Raises:
            UOISError: if other options do not fit.
        """
        expect_at_least("shard_size", self.shard_size, 1)
        if self.shards is None:
            return
        others = {"--format": bool(plan.formats) or not plan.native, "--crops": pictures.crops,
                  "--contact-sheet": pictures.contact_sheet, "--show": pictures.show}  # fmt: skip
        if taken := [name for name, is_set in others.items() if is_set]:
            raise UOISError(f"--shards: expected no {taken[0]}, which needs files of each photo's own")

    def pictures(self, pictures: PictureOptions) -> PictureOptions:
        """The pictures to draw: shards hold no overlays, which are larger than all else together."""
        return pictures if self.shards is None else replace(pictures, overlay=False)


@contextmanager
def open_sink(
    options: ShardOptions,
    out: Path,
    model: Segmenter,
    plan: FormatPlan,
    pictures: PictureOptions,
    sources: Sequence[Source],
    *,
    go_on: bool,
) -> Iterator[Sink]:
    """Open the place of the results; closing it writes what is still to be written.

    Args:
        options: shards, or none.
        out: folder of the results.
        model: whose results they are.
        plan: formats of the results, and the depth that goes with the photos.
        pictures: to be drawn.
        sources: whose earlier results are looked at.
        go_on: keep earlier results, which must be of the same model and settings.

    Raises:
        OutputError: if they are of others.
    """
    if options.shards is None:
        if go_on:
            check_earlier(sources, out, model, plan)
        yield _Files(out, pictures)
        return
    from uois_sam.io.shards import ShardWriter

    with ShardWriter(out, options.shards, options.shard_size, made_by(model, plan), go_on=go_on) as writer:
        yield _Shards(writer)


class _Files:
    """Files beside each other, in folders as the inputs are."""

    def __init__(self, out: Path, pictures: PictureOptions) -> None:
        self._out, self._pictures = out, pictures
        self._prepared: set[Path] = set()
        """Folders of results that have been made, or looked at."""

    def is_done(self, stem: Path) -> bool:
        return is_done(self._out, stem, self._pictures)

    def paths(self, stem: Path, result: Result) -> Sequence[Path]:
        return [path_of(self._out, stem, ending) for ending in result.contents]

    def write(self, stem: Path, result: Result) -> None:
        from uois_sam.io.files import make_output_folder, write_together

        contents = dict(zip(self.paths(stem, result), result.contents.values(), strict=True))
        for folder in {path.parent for path in contents}:
            if folder not in self._prepared or not folder.is_dir():
                make_output_folder(folder)  # which also removes what a killed run left there
                self._prepared.add(folder)
        write_together(contents)
        if self._pictures.crops and not result.earlier:
            remove_stale_crops(self._out, stem, result.objects)


class _Shards:
    """Shards of many photos."""

    def __init__(self, writer: ShardWriter) -> None:
        self._writer = writer

    def is_done(self, stem: Path) -> bool:
        return stem.as_posix() in self._writer.done

    def paths(self, stem: Path, result: Result) -> Sequence[Path]:
        return []

    def write(self, stem: Path, result: Result) -> None:
        self._writer.add(stem.as_posix(), result.contents)
