"""Words for numbers, wherever people read them."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """A number of things: "1 photo", "2 photos"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
