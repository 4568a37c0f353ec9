"""Which words of two texts differ."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

_WORDS = re.compile(r"\S+\s*|^\s+")
"""A word with the blanks behind it."""


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
    compared = difflib.SequenceMatcher(None, [w.strip() for w in before], [w.strip() for w in after], autojunk=False)
    for tag, a, b, c, d in compared.get_opcodes():
        left += _pieces("".join(before[a:b]), "" if tag == "equal" else "del")
        right += _pieces("".join(after[c:d]), "" if tag == "equal" else "ins")
    return tuple(left), tuple(right)


def _pieces(text: str, mark: Literal["", "ins", "del"]) -> list[Piece]:
    """The text as a piece, with the blanks behind it outside of the mark."""
    words = text.rstrip() if mark else text
    return [piece for piece in (Piece(words, mark), Piece(text[len(words) :])) if piece.text]


def changed_tags(first: Sequence[str], second: Sequence[str]) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both lists, with the tags marked that the other one does not have at all: their order says nothing."""
    left = tuple(Piece(one, "" if one in second else "del") for one in first)
    right = tuple(Piece(one, "" if one in first else "ins") for one in second)
    return left, right
