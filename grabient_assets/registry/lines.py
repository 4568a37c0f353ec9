"""Where in a TOML text something stands, for messages that name the line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from decimal import Decimal
from itertools import takewhile
from typing import TypeAlias

Location: TypeAlias = tuple[str | int, ...]
"""A path as pydantic reports it, e.g. ("models", 3, "prices", 0, "batch")."""

_HEADER = re.compile(r"""\s*(\[{1,2})\s*([\w."'\- ]+?)\s*\]{1,2}\s*(?:#.*)?$""")


def line_of(text: str, place: Location) -> int:
    """The number of the line (from 1) where `place` stands, or of the nearest thing around it.

    A value is named by the line on which it begins. Lines inside a value are not told from others, so one that looks
    like a table header misleads.
    """
    lines = text.split("\n")  # the ends of lines that TOML knows
    start, stop, best, table = 0, len(lines), 1, ""
    for position, step in enumerate(place):
        if isinstance(step, int):
            continue
        written = _assigned(lines[start:stop], place[position:])
        if written is not None:
            return start + written + 1
        table = f"{table}.{step}" if table else step
        following = place[position + 1] if position + 1 < len(place) else None
        entry = following if isinstance(following, int) else 0
        headers = [n for n in range(start, stop) if _header(lines[n]) in (("[", table), ("[[", table))]
        if entry >= len(headers):
            break
        start = best = headers[entry] + 1
        stop = next((n for n in range(start, stop) if not _is_within(lines[n], table)), stop)
    return best


def line_of_failure(text: str) -> int:
    """The number of the line on which the statement begins that keeps `text` from being TOML."""
    lines = text.split("\n")
    whole = max(n for n in range(len(lines)) if _is_toml("\n".join(lines[:n])))
    return whole + 1


def _is_toml(text: str) -> bool:
    try:
        tomllib.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, RecursionError):
        return False
    return True


def _assigned(lines: Sequence[str], place: Location) -> int | None:
    """The line that writes the key, of those before the first sub-table; a dotted key as far as it goes."""
    keys = [str(key) for key in takewhile(lambda step: isinstance(step, str), place)]
    own = [*takewhile(lambda line: _header(line) is None, lines)]
    for length in range(len(keys), 0, -1):
        dotted = r"\s*\.\s*".join(rf"""["']?{re.escape(key)}["']?""" for key in keys[:length])
        assignment = re.compile(rf"\s*{dotted}\s*[.=]")
        for number, line in enumerate(own):
            if assignment.match(line):
                return number
    return None


def _header(line: str) -> tuple[str, str] | None:
    """The brackets and the name of a table header."""
    found = _HEADER.match(line)
    return (found[1], re.sub(r"""[\s"']""", "", found[2])) if found else None


def _is_within(line: str, table: str) -> bool:
    """Whether the line belongs to the table that was begun: it is no header, or one of a table inside it."""
    header = _header(line)
    return header is None or header[1].startswith(f"{table}.")
