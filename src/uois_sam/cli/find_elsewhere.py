"""What to find, for commands that have no use for some of the words: their help says so, and giving them is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from uois_sam.cli.options import FindOptions

_Several = Annotated[tuple[str, ...], tyro.conf.UseAppendAction]


@dataclass(frozen=True)
class FindInManyOptions(FindOptions):
    """:class:`FindOptions` for a data set of many photos."""

    point: Annotated[_Several, tyro.conf.arg(metavar="X,Y[,LABEL]")] = ()
    """Refused here: it is of one photo."""
    box: Annotated[_Several, tyro.conf.arg(metavar="X0,Y0,X1,Y1")] = ()
    """Refused here, likewise."""


@dataclass(frozen=True)
class FindHeldOutOptions(FindInManyOptions):
    """:class:`FindInManyOptions` for photos that are held out, whose depth is not looked at."""

    workspace: Annotated[str | None, tyro.conf.arg(metavar="off")] = None
    """Anything but off is refused here: it needs depth."""


@dataclass(frozen=True)
class FindWithoutDepthOptions(FindOptions):
    """:class:`FindOptions` for a command that takes no depth."""

    workspace: Annotated[str | None, tyro.conf.arg(metavar="off")] = None
    """Anything but off is refused here: it needs depth."""
