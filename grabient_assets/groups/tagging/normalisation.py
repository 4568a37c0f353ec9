"""One spelling for one word: rules that bring what models write to the form in which it is counted and kept."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

from grabient_assets.gradient.vocabulary import (
    CATEGORICAL_SYNONYMS,
    CATEGORICAL_VALUES,
    COLOUR_NAMES,
    HARMONY_WORDS,
    SEASONS,
)

MAX_TAG_CHARS = 100
# A list is asked to hold at most 7 tags (10 in refinement). Thirty tolerates a generous model and stops a runaway one.
MAX_TAGS = 30
_MAX_VISITED = 1_000
_MAX_RAW_CHARS = 1_000

_EMOJI = "\u2600-\u27bf\ufe0f\U0001f000-\U0001faff"
# Control characters, soft hyphen, zero-width and direction marks, invisible fillers, surrogates, tag characters.
# The zero-width joiner stays between two emoji, where it makes one picture of them.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\U000e0000-\U000e0fff]"
    f"|(?<![{_EMOJI}])\u200d|\u200d(?![{_EMOJI}])"
)
QUOTES = "\"'`“”„‟‘’‚‛«»‹›「」『』"
_APOSTROPHE = re.compile(r"(?<=\w)[’ʼ](?=\w)")
_FRAGMENT = re.compile(r'[{}\[\]"]')
_WORTH_KEEPING = re.compile(r"[^\W_]|[^\x00-\x7f]")
_SEPARATORS = re.compile(r"[\s_/–—-]+")

_COLOUR_SPELLINGS = {
    "grey": "gray",
    "fuchsia": "magenta",
    "navy-blue": "navy",
    "mint-green": "mint",
    "slate-gray": "slate",
    "slate-grey": "slate",
    "charcoal-gray": "charcoal",
    "charcoal-grey": "charcoal",
}
_HARMONY_SPELLINGS = {
    "monochrome": "monochromatic",
    "monochromatism": "monochromatic",
    "analogue": "analogous",
    "complement": "complementary",
    "splitcomplementary": "split-complementary",
    "doublecomplementary": "double-complementary",
    "triad": "triadic",
    "tetrad": "tetradic",
    "rectangular": "tetradic",
}
_SEASON_SPELLINGS = {
    "fall": "autumn",
    "autumnal": "autumn",
    "springtime": "spring",
    "summertime": "summer",
    "wintertime": "winter",
}
_CLOSED: dict[str, dict[str, str]] = {
    "dominant_colors": {**{name: name for name in COLOUR_NAMES}, **_COLOUR_SPELLINGS},
    "harmony": {**{word: word for word in HARMONY_WORDS}, **_HARMONY_SPELLINGS},
    "seasonal": {**{season: season for season in SEASONS}, **_SEASON_SPELLINGS},
}
_CATEGORICAL: dict[str, dict[str, str]] = {
    field: {**{value: value for value in values}, **CATEGORICAL_SYNONYMS[field]}
    for field, values in CATEGORICAL_VALUES.items()
}
_CATEGORICAL["temperature"]["warm-cool"] = "cool-warm"


def visible_text(text: str) -> str:
    """`text` without invisible and control characters, in NFC, runs of blanks as one space, none at the ends."""
    if not text.isascii() or not text.isprintable():
        text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    return " ".join(text.split())


@lru_cache(maxsize=32_768)
def clean_tag(text: str) -> str | None:
    """The form in which a tag is kept, or None when it is none.

    Lower case, without invisible characters and quotation marks around it, NFC, single spaces. Dropped: longer than
    100 characters, nothing but punctuation, a piece of JSON (one of `{}[]"` together with a colon), or its word null,
    which a list in PostgreSQL would lose too (docs/decisions.md). Any language and any HTML stays: pages escape what
    they show.
    """
    if len(text) > _MAX_RAW_CHARS:
        return None
    tag = visible_text(text)
    if not tag.isascii():
        tag = _APOSTROPHE.sub("'", tag)
    if ":" in tag and _FRAGMENT.search(tag):
        return None
    tag = unicodedata.normalize("NFC", tag.strip(QUOTES + " ").lower())
    if len(tag) > MAX_TAG_CHARS or tag == "null" or not _WORTH_KEEPING.search(tag):
        return None
    return tag


@lru_cache(maxsize=4_096)
def categorical_word(field: str, text: str) -> str | None:
    """The value of the enumeration `field` that `text` means, by itself or as a synonym, or None."""
    return _look_up(_CATEGORICAL[field], text)


@lru_cache(maxsize=4_096)
def listed_word(field: str, text: str) -> str | None:
    """The word of the closed list `field` (dominant_colors, harmony, seasonal) that `text` means, or None."""
    return _look_up(_CLOSED[field], text)


def _look_up(words: dict[str, str], text: str) -> str | None:
    tag = clean_tag(text)
    if tag is None:
        return None
    if tag in words:
        return words[tag]
    bare = tag.strip(QUOTES + " .,;:!?*()")
    return words.get(bare) or words.get(_SEPARATORS.sub("-", bare))


def strings_in(value: Any) -> tuple[list[str], bool]:
    """(strings, others): the strings in `value` in order, lists opened to any depth; whether anything else was dropped.

    A string alone counts as a list of one, None as an empty list.
    """
    if isinstance(value, list) and set(map(type, value[:_MAX_VISITED])) <= {str}:
        return value[:_MAX_VISITED], len(value) > _MAX_VISITED
    strings: list[str] = []
    others = False
    stack = [] if value is None else [value]
    for _ in range(_MAX_VISITED):
        if not stack:
            return strings, others
        item = stack.pop()
        if isinstance(item, str):
            strings.append(item)
        elif isinstance(item, list):
            stack.extend(reversed(item[:_MAX_VISITED]))
        elif item is not None:
            others = True
    return strings, True


def quoted(text: str) -> str:
    """`text` for a sentence: visible, in quotes, cut to 40 characters."""
    return f"'{shortened(text)}'"


def shortened(text: str) -> str:
    """`text`, visible, cut to 40 characters."""
    shown = visible_text(text[:200])
    return shown if len(shown) <= 40 else shown[:37] + "..."
