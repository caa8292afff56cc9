"""Notes on many photos, frames or images about what limits left out of their results, once a kind."""

from __future__ import annotations

from collections.abc import Iterable

from uois_sam.errors import count


class LimitNotes:
    """Collects notes in the form of :attr:`uois_sam.instances.Instances.notes`: ``"kind: numbers; what to do"``.

    Args:
        what: that notes are on, in the singular.
    """

    def __init__(self, what: str = "photo") -> None:
        self._what = what
        self._kinds: dict[str, tuple[int, str]] = {}
        """Kind to the number of photos that have it, and what it says of the first of them."""

    def add(self, name: str, notes: Iterable[str]) -> None:
        """Add the notes on one photo."""
        for note in notes:
            kind, colon, rest = note.partition(": ")
            photos, first = self._kinds.get(kind, (0, f"{name}{colon}{rest}"))
            self._kinds[kind] = photos + 1, first

    def lines(self) -> list[str]:
        """Return one line a kind: in how many photos, and what is said of the first."""
        return [
            f"{kind} in {count(photos, self._what)}{', first ' if photos > 1 else ', '}{first}"
            for kind, (photos, first) in self._kinds.items()
        ]
