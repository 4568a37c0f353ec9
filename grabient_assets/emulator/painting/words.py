"""What a prompt asks to be painted: its colours, what is to be seen, and how it is arranged."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

WORDS = Path(__file__).with_name("words.toml")
MOST_READ = 8_000
"""Characters of a prompt that are read. More of them say nothing new to a picture."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What was found in a prompt, each in the order of its first mention. Colours are `#rrggbb`."""

    colours: tuple[str, ...]
    motifs: tuple[str, ...]
    arrangements: frozenset[str]


def read_prompt(prompt: str) -> Wish:
    text = _left_out().sub(" ", prompt[:MOST_READ].lower())
    colours, motifs, arrangements = _tables()
    return Wish(
        tuple(dict.fromkeys(_found(colours, text))),
        tuple(dict.fromkeys(_found(motifs, text))),
        frozenset(_found(arrangements, text)),
    )


def colour_names() -> tuple[str, ...]:
    return tuple(_lexicon()["colours"])


@cache
def _lexicon() -> dict[str, Any]:
    return tomllib.loads(WORDS.read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class _Table:
    """Words and what each of them means."""

    pattern: re.Pattern[str]
    meaning: dict[str, str]


@cache
def _tables() -> tuple[_Table, _Table, _Table]:
    lexicon = _lexicon()
    motifs = {word: motif for motif, words in lexicon["motifs"].items() for word in words}
    motifs |= {f"{word}{ending}": motif for word, motif in motifs.items() for ending in ("s", "es")}
    arrangements = {words: name for name, found in lexicon["arrangements"].items() for words in found}
    return _table(lexicon["colours"]), _table(motifs), _table(arrangements)


def _table(meaning: dict[str, str]) -> _Table:
    longest = sorted(meaning, key=lambda word: (-len(word), word))
    return _Table(re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, longest))})(?![a-z])"), meaning)


def _found(table: _Table, text: str) -> list[str]:
    return [table.meaning[one] for one in table.pattern.findall(text)]


@cache
def _left_out() -> re.Pattern[str]:
    """`no people`, `without a boat`: a word of refusal and what stands behind it."""
    before = "|".join(_lexicon()["left_out"]["before"])
    return re.compile(rf"(?<![a-z])(?:{before}) (?:an? |any |pure |hard |modern )*[a-z]+")
