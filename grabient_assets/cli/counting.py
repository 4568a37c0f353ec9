"""Numbers with their noun."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """`1 palette`, `1,000 palettes`."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
