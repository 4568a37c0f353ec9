"""JSON arrays of palettes, over however few or many lines. One element is in memory, and what is read ahead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from io import StringIO
from itertools import chain
from typing import NoReturn, TextIO, TypeAlias

from grabient_assets.groups.palettes.palette_line import (
    BadLineError,
    PaletteRow,
    Sixteen,
    is_comment,
    row_from_value,
)
from grabient_assets.groups.palettes.palette_text import MAX_LINE, SHOWN_CHARS, numbered_lines

Entry: TypeAlias = tuple[int, str, Callable[[], PaletteRow]]
"""Where a palette begins, its text, and what reads it."""

_BEFORE = re.compile(r"(?:\s|#[^\n]*\n)*\[\s*")
_BETWEEN = re.compile(r"[\s,]*")
_NEXT_BEHIND = {
    "{": re.compile(r"\}\s*,\s*(?=[{\[\"])"),
    "[": re.compile(r"\]\s*,\s*(?=[{\[\"])"),
    "": re.compile(r"[}\]\"]\s*,\s*(?=[{\[\"])"),
}
"""Where the next element begins behind one that cannot be read, by the character that this one begins with."""


def elements(file: TextIO, sixteen: Sixteen | None) -> Iterator[Entry]:
    """The elements of the array at the start of the file, and of those that follow it.

    After one that cannot be read the next that begins behind a closing bracket and a comma is looked for.
    """
    decoder = json.JSONDecoder()
    number, position = 1, 0
    text = file.read(MAX_LINE)
    opened = False
    numbers: list[tuple[int, float]] = []  # an array of nothing else is one palette
    while True:
        blank = _BETWEEN.match(text, position) if opened else _BEFORE.match(text, position)
        assert blank is not None
        number += text.count("\n", position, blank.end())
        position, opened = blank.end(), True
        if position == len(text):
            text, position = file.read(MAX_LINE), 0
            if text:
                continue
        if text[position : position + 1] in ("", "]"):
            if numbers:
                line, values = numbers[0][0], [value for _, value in numbers]
                yield line, str(values), partial(row_from_value, line, values, sixteen)
            if position == len(text):
                return
            # What follows may be another array, as in a file with one on each line.
            text, numbers, opened = text[position + 1 :] + file.read(MAX_LINE), [], False
            begin = _BEFORE.match(text)
            if begin is None:
                yield from _behind_array(number, text, file)
                return
            position = 0
            continue
        try:
            value, end = decoder.raw_decode(text, position)
            # A number may go on in what was not read yet.
            if end == len(text) and (more := file.read(MAX_LINE)):
                text, position = text[position:] + more, 0
                continue
        except (ValueError, RecursionError) as error:
            if len(text) - position < MAX_LINE and (more := file.read(MAX_LINE)):
                text, position = text[position:] + more, 0
                continue
            element = text[position : position + SHOWN_CHARS]
            yield number, element, partial(refuse, f"it is not valid JSON ({getattr(error, 'msg', 'too deep')})")
            after = _NEXT_BEHIND.get(text[position], _NEXT_BEHIND[""]).search(text, position)
            end = after.end() if after else len(text)
            number += text.count("\n", position, end)
            position = end
            continue
        element = text[position:end]
        if type(value) in (int, float) and len(numbers) < MAX_LINE:
            numbers.append((number, value))
        else:
            yield number, element, partial(row_from_value, number, value, sixteen)
        number += element.count("\n")
        position = end


def _behind_array(number: int, text: str, file: TextIO) -> Iterator[Entry]:
    """Each line behind the end of a JSON array is refused; blank lines and comments are none."""
    begun = StringIO(text + file.readline(MAX_LINE))
    for line_number, line in enumerate(chain(begun, (line for _, line in numbered_lines(file))), number):
        if not is_comment(line):
            yield line_number, line, partial(refuse, "it stands behind the end of a JSON array")


def refuse(reason: str) -> NoReturn:
    """What reads an entry that is no palette."""
    raise BadLineError(reason)
