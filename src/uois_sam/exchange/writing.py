"""Write many photos in several formats: whole files, in order, in bounded memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO

from uois_sam.errors import OutputError
from uois_sam.exchange.format import EncodedPhoto, Format, Gathering, expect_text
from uois_sam.exchange.photo import LabelledPhoto
from uois_sam.io.files import Content, make_output_folder, write_together


def encode_all(formats: Sequence[Format], photo: LabelledPhoto) -> tuple[EncodedPhoto, ...]:
    """Encode one photo in every format.

    Raises:
        FormatError: if one of them cannot hold it.
    """
    expect_text(photo.file_name)
    return tuple(each.encode(photo) for each in formats)


def write_photos(photos: Iterable[LabelledPhoto], out: Path, formats: Sequence[Format]) -> dict[str, int]:
    """Write photos and return the notes on them, see :class:`FormatWriter`."""
    with FormatWriter(out, formats) as writer:
        for photo in photos:
            writer.add(photo)
    return writer.notes


class FormatWriter:
    """Writer of photos in several formats; a context manager.

    The files of each photo appear as it is added; those over all photos when the block ends without an error. With an
    error or an interruption they do not appear, and earlier ones of the same name stay as they were.

    Args:
        out: folder; created where missing.
        formats: see :func:`uois_sam.exchange.registry.open_formats`.
        own_folders: write each format below ``out/<name of the format>``; else, for a single one, into ``out``.

    Raises:
        OutputError: if a folder or file cannot be written.
    """

    def __init__(self, out: Path, formats: Sequence[Format], *, own_folders: bool = True) -> None:
        self.out = out
        self.formats = tuple(formats)
        self._folders = tuple(out / each.name if own_folders else out for each in self.formats)
        self._stack = ExitStack()
        self._gathered: list[Gathering] = []
        self._stems: set[str] = set()

    def __enter__(self) -> FormatWriter:
        try:
            for each, folder in zip(self.formats, self._folders, strict=True):
                make_output_folder(folder)
                self._gathered.append(each.gather(self._scratch))
        except BaseException:
            self._stack.close()
            raise
        return self

    def add(self, photo: LabelledPhoto) -> None:
        """Encode one photo and write it.

        Raises:
            FormatError: if one of the formats cannot hold it; then none of its files is written.
            OutputError: if a file cannot be written, or another photo has the same name.
        """
        self.write(encode_all(self.formats, photo))

    def write(self, encoded: Sequence[EncodedPhoto | None]) -> None:
        """Write one photo that :func:`encode_all` has encoded, anywhere; None leaves it out of a format.

        Raises:
            OutputError: as :meth:`add`.
        """
        stem = next((one.stem for one in encoded if one is not None), None)
        if stem is None:
            return
        if stem in self._stems:
            raise OutputError(f"expected one photo called {stem}, found two")
        self._place(self._named({} if one is None else one.files for one in encoded))
        self._stems.add(stem)
        for gathered, one in zip(self._gathered, encoded, strict=True):
            if one is not None:
                with self._writing():
                    gathered.add(one)
                gathered.notes.update(one.notes)

    def paths(self, encoded: Sequence[EncodedPhoto | None]) -> list[Path]:
        """Files that :meth:`write` writes of one photo."""
        return list(self._named({} if one is None else one.files for one in encoded)) if encoded else []

    def _named(self, files: Iterable[Mapping[str, Content]]) -> dict[Path, Content]:
        return {
            folder / path: content
            for folder, named in zip(self._folders, files, strict=True)
            for path, content in named.items()
        }

    def _place(self, contents: Mapping[Path, Content]) -> None:
        for folder in {path.parent for path in contents}:
            if not folder.is_dir():
                make_output_folder(folder)
        write_together(contents)

    @property
    def notes(self) -> dict[str, int]:
        """What was left out, guessed or changed, with the name of the format, and how many times."""
        return {
            f"{each.name}: {what}": number
            for each, gathered in zip(self.formats, self._gathered, strict=False)
            for what, number in gathered.notes.items()
            if number
        }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._writing(), self._stack:
            if kind is None:
                self._place(self._named(gathered.finish() for gathered in self._gathered))

    def _scratch(self) -> IO[bytes]:
        """A file without a name in the folder of the results: it needs no other disk and leaves nothing behind."""
        with self._writing():
            return self._stack.enter_context(tempfile.TemporaryFile(dir=self.out))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say where a temporary file cannot be written: it has no name."""
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write into {self.out}: {error.strerror or error}") from error
