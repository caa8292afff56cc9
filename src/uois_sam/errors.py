"""Errors that users meet: one base class, so that callers need to catch only one."""

from __future__ import annotations


class UOISError(Exception):
    """Bad input or a bad environment, told in one line that names what was expected and what was found.

    Everything the package raises on purpose derives from this class. The command prints the message, without a
    traceback, and exits with status 2.
    """

    def __str__(self) -> str:
        """The message in one line, whatever names and values of foreign files it has in it."""
        return super().__str__().replace("\n", "\\n").replace("\r", "\\r")


class ImageError(UOISError):
    """A photo cannot be read or has a shape or dtype that the package does not take."""


class WeightsError(UOISError):
    """Weights are missing, truncated, altered, or do not fit the architecture they are loaded into."""


class DatasetError(UOISError):
    """A folder does not have the layout that a data set should have."""


class MissingExtraError(UOISError):
    """A feature needs packages of an extra that is not installed; the message gives the install command."""

    def __init__(self, feature: str, extra: str, missing: str) -> None:
        super().__init__(f"{feature} needs the package {missing!r}: {install_command(extra)}")


class OutputError(UOISError):
    """A result cannot be written: the message names the path and the system's reason."""


class WorkerError(UOISError):
    """Processes kept dying over a job, most often because memory ran out."""


LIGHT = "uois-sam-light"
"""The distribution of the same sources without torch."""
LIGHT_EXTRAS = ("parquet", "serve")
"""Extras that it has, too."""


def install_command(extra: str = "") -> str:
    """Return the command that installs an extra, or all but extras, torch among it: from a clone, as no index has them.

    Where :data:`LIGHT` is installed, its own extra, or another environment: both distributions hold the same package.
    """
    light = is_light()
    folder = "./light" if light and extra in LIGHT_EXTRAS else "."
    what = f"'{folder}[{extra}]'" if extra else folder
    elsewhere = f", in an environment without {LIGHT}" if light and folder == "." else ""
    return f"pip install -c constraints.txt {what} in a clone of uois-sam{elsewhere}"


def is_light() -> bool:
    """Return whether the distribution without torch is installed, and the other is not."""
    from importlib import metadata  # costs time, which only an error has

    def is_there(name: str) -> bool:
        try:
            return bool(metadata.version(name))
        except metadata.PackageNotFoundError:
            return False

    return is_there(LIGHT) and not is_there("uois-sam")


def is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, on the CPU or an accelerator; PyTorch and OpenCV share no exception for it."""
    message = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in message for sign in _OUT_OF_MEMORY)


_OUT_OF_MEMORY = ("out of memory", "allocate memory", "enough memory", "insufficient memory")
"""How PyTorch and OpenCV word it, in lower case."""


def count(number: int, noun: str) -> str:
    """A number of things: "1 photo", "2 photos"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
