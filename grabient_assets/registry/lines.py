"""Where in a TOML text a row stands, for messages that name the line."""

from __future__ import annotations

import re
from typing import TypeAlias

Location: TypeAlias = tuple[str | int, ...]
"""A path as pydantic reports it, e.g. ("models", 3, "prices", 0, "batch")."""


def line_of(text: str, place: Location) -> int:
    """The number of the line (from 1) where `place` stands, or of the nearest thing around it."""
    lines = text.splitlines()
    start, stop, best = 0, len(lines), 1
    table = ""
    for position, step in enumerate(place):
        if isinstance(step, int):
            headers = [n for n in range(start, stop) if _is_header(lines[n], table, listed=True)]
            if step >= len(headers):
                break
            start, stop = headers[step], headers[step + 1] if step + 1 < len(headers) else stop
            best = start + 1
            continue
        table = f"{table}.{step}" if table else step
        found = _find_key(lines, start, stop, step, table)
        if found is None and position + 1 < len(place) and isinstance(place[position + 1], int):
            continue
        if found is None:
            break
        best = found + 1
    return best


def _find_key(lines: list[str], start: int, stop: int, key: str, table: str) -> int | None:
    assignment = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*=""")
    for number in range(start, stop):
        if assignment.match(lines[number]) or _is_header(lines[number], table, listed=False):
            return number
    return None


def _is_header(line: str, table: str, *, listed: bool) -> bool:
    bare = line.split("#", 1)[0].strip()
    return bare.replace(" ", "") == (f"[[{table}]]" if listed else f"[{table}]")
