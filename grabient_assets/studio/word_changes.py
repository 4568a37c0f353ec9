"""Which words of two texts differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_WORDS = re.compile(r"\s+|\S+")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text, and whether only the first (`del`) or only the second text (`ins`) has it. A template puts the
    text into the page, escaped, and the mark around it."""

    text: str
    mark: Literal["", "ins", "del"] = ""


def changed_words(first: str, second: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both texts in pieces, with the words marked that the other one does not have in this place."""
    before, after = _WORDS.findall(first), _WORDS.findall(second)
    left, right = list[Piece](), list[Piece]()
    for tag, a, b, c, d in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if a < b:
            left.append(Piece("".join(before[a:b]), "" if tag == "equal" else "del"))
        if c < d:
            right.append(Piece("".join(after[c:d]), "" if tag == "equal" else "ins"))
    return tuple(left), tuple(right)


def changed_tags(first: Sequence[str], second: Sequence[str]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both lists, with the tags marked that the other one does not have at all: their order says nothing."""
    left = tuple(Piece(one, "" if one in second else "del") for one in first)
    right = tuple(Piece(one, "" if one in first else "ins") for one in second)
    return left, right
