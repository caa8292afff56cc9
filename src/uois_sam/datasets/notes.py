"""Summary of notes on single frames, as lines of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from uois_sam.errors import count


def sum_notes(frames: Iterable[tuple[str, Mapping[str, int]]]) -> list[str]:
    """Return one line per kind of note: its count, number of frames, and first frame.

    Args:
        frames: name and :attr:`uois_sam.types.Sample.notes` of each.
    """
    totals: dict[str, tuple[int, int, str]] = {}
    for name, notes in frames:
        for what, number in notes.items():
            times, where, first = totals.get(what, (0, 0, name))
            totals[what] = (times + number, where + 1, first)
    return [
        f"{what}: {times} in {count(where, 'frame')}, first {first}" for what, (times, where, first) in totals.items()
    ]
