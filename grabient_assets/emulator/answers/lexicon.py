"""The emulated models' vocabulary: which words of lexicon.toml fit a palette, best first."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from grabient_assets.emulator.answers.measures import Measures, measure
from grabient_assets.gradient.vocabulary import with_capitals

LEXICON = Path(__file__).with_name("lexicon.toml")
FIELDS = ("mood", "style", "associations", "seasonal")
ARTICLES = ("a ", "an ", "the ")
_BEHIND_THE_NOUN = re.compile(r" (?:at|by|for|from|in|of|on|under|with) ")
_PLURAL = re.compile(r"[^ius]s$")  # not grass, hibiscus, iris
_PLURALS, _SINGULARS = frozenset({"koi"}), frozenset({"canvas"})


@dataclass(frozen=True, slots=True)
class Word:
    """A word that fits, with how well (larger is better) and whose leaning it is."""

    text: str
    weight: float
    leanings: frozenset[str]


@cache
def _lexicon() -> dict[str, Any]:
    return tomllib.loads(LEXICON.read_text(encoding="utf-8"))


@lru_cache(maxsize=8192)
def fitting(hexes: tuple[str, ...]) -> dict[str, tuple[Word, ...]]:
    """Words for a palette per field (mood, style, associations, seasonal), best first. Never empty but seasonal."""
    found: dict[str, dict[str, Word]] = {field: {} for field in FIELDS}
    for group in _lexicon()["group"]:
        weight = _weight(group, measure(hexes))
        if weight <= 0:
            continue
        leanings = frozenset(group["leaning"])
        for field in FIELDS:
            for rank, text in enumerate(group.get(field, ())):
                known = found[field].get(text)
                value = weight * 0.93**rank + (known.weight if known else 0.0)
                found[field][text] = Word(text, value, leanings | known.leanings if known else leanings)
    return {field: tuple(sorted(words.values(), key=lambda word: -word.weight)[:36]) for field, words in found.items()}


def _weight(group: dict[str, Any], palette: Measures) -> float:
    """How strongly a group speaks for the palette; 0 when a filter shuts it out."""
    for filter_name in ("depth", "chroma", "contrast", "temperature"):
        if filter_name in group and getattr(palette, filter_name) not in group[filter_name]:
            return 0.0
    if len(palette.families) < group.get("families", 0):
        return 0.0
    shares = palette.families
    if "together" in group:
        least = min(shares.get(family, 0.0) for family in group["together"])
        return least * 2.4 if least >= 0.09 else 0.0
    if "hue" in group:
        return sum(shares.get(family, 0.0) for family in group["hue"])
    return 0.3


def hue_names(family: str, lightness: float) -> list[str]:
    """What people call a hue family at a lightness (L of LCh)."""
    depth = "dark" if lightness < 36 else "light" if lightness > 72 else "mid"
    return _lexicon()["hues"][family][depth]


def without_article(phrase: str) -> str:
    """An association as a tag: `a misty forest` is `misty forest`."""
    return next((phrase[len(article) :] for article in ARTICLES if phrase.startswith(article)), phrase)


def phrase_of(tag: str) -> str:
    """An association tag as it stands in a sentence: with the article and the capitals that the lexicon knows."""
    return _phrases().get(tag.lower()) or with_capitals(tag)


def is_plural(phrase: str) -> bool:
    """Whether a verb behind the phrase is in the plural: "brake lights come to mind", "a brake light comes"."""
    if phrase.startswith(("a ", "an ")):
        return False
    head, joined, _ = phrase.partition(" and ")
    last = _BEHIND_THE_NOUN.split(head, maxsplit=1)[0].split(" ")[-1]
    return bool(joined) or last in _PLURALS or (last not in _SINGULARS and bool(_PLURAL.search(last)))


@cache
def _phrases() -> dict[str, str]:
    return {without_article(text).lower(): text for group in _lexicon()["group"] for text in group["associations"]}
