"""Colours that models name and the palette does not hold: in tags, and in prose.

docs/colour-facts.md says when a name is contradicted, docs/tags-and-consensus.md what becomes of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from grabient_assets.gradient.claims import is_contradicted
from grabient_assets.gradient.colour_words import COLOUR_NOUNS, claimed_names, colour_word, parts_of
from grabient_assets.gradient.cosine import RGB
from grabient_assets.groups.tagging.answers import OPEN_FIELDS
from grabient_assets.groups.tagging.tag_forms import tag_form

# Letters, those of a compound held together by hyphens; everything else parts words: blanks, slashes, markup.
_COMPOUND = re.compile(r"[^\W\d_]+(?:[-\u2010-\u2013][^\W\d_]+)*(?:['’]s\b)?")
_HYPHEN = re.compile(r"[-\u2010-\u2013]")
_PAUSE = re.compile(r"[.,;:!?…]")
_LOOSE_ENDS = re.compile(r"^[/&+|~_*–—-]+|[/&+|~_*–—-]+(?=[.,;:!?…]*$)")


def is_hallucinated(field: str, tag: str, rgb: Sequence[RGB]) -> bool:
    """Whether `tag` names a colour that none of these colours comes near to.

    Without colours nothing is. An open tag counts only when it is nothing but a colour: "red" and "dark green", not
    "red wine", nor "rose": roses are flowers too.
    """
    if not rgb:
        return False
    if field == "dominant_colors":
        return is_contradicted(tag, rgb)
    return field in OPEN_FIELDS and _all_contradicted(_claimed(tag_form(tag)), rgb)


def imagined_names(said: Iterable[str], rgb: Sequence[RGB]) -> frozenset[str]:
    """The named colours among the words of these tags that the colours contradict."""
    words = (part for tag in said for word in tag_form(tag).split(" ") for part in parts_of(word))
    names = {colour.name for word in words if (colour := colour_word(word))}
    return frozenset(name for name in names if rgb and is_contradicted(name, rgb))


@dataclass(frozen=True, slots=True)
class Unseen:
    """What prose on one palette may not name.

    `rgb`: its colours. `flagged`: named colours that somebody took for colours of it and that they contradict; words
    that are things too (orange, rose) are taken out only then.
    """

    rgb: Sequence[RGB]
    flagged: frozenset[str] = frozenset()

    def without(self, words: Sequence[str]) -> list[str]:
        """The words of a text, as they stand between blanks, without these colours."""
        left = list(words)
        while (kept := self._pass(left)) != left:  # what is taken out may bring "gold" before "tones"
            left = kept
        return left

    def _pass(self, words: Sequence[str]) -> list[str]:
        found = [_Found(place, match) for place, word in enumerate(words) for match in _COMPOUND.finditer(word)]
        out = [self._is_unseen(one.parts) for one in found]
        for number in reversed(range(len(found) - 1)):
            one, following = found[number], found[number + 1]
            is_noun = len(following.parts) == 1 and following.parts[0] in COLOUR_NOUNS
            if not out[number] and (out[number + 1] or is_noun) and _adjacent(one, following):
                out[number] = self._is_imagined(one.parts)
        taken: defaultdict[int, list[_Found]] = defaultdict(list)
        for one, gone in zip(found, out, strict=True):
            if gone:
                taken[one.place].append(one)
        kept: list[str] = []
        for place, word in enumerate(words):
            if place in taken:
                _keep_rest(word, taken[place], kept)
            else:
                kept.append(word)
        return kept

    def _is_unseen(self, parts: tuple[str, ...]) -> bool:
        """Whether a word or compound names such a colour by itself, whatever stands before it: "blood-red"."""
        if any((colour := colour_word(part)) and colour.name in self.flagged for part in parts):
            return True
        claims = (claimed_names(parts[start:]) for start in range(len(parts)))
        return _all_contradicted(next((names for names in claims if names), frozenset()), self.rgb)

    def _is_imagined(self, parts: tuple[str, ...]) -> bool:
        colour = colour_word(parts[-1])
        return colour is not None and _all_contradicted(frozenset({colour.name}), self.rgb)


class _Found:
    """A word or compound in a text. `place`: in which of its words."""

    def __init__(self, place: int, match: re.Match[str]) -> None:
        self.place, self.match = place, match
        plain = unicodedata.normalize("NFKC", match[0]).lower().removesuffix("'s").removesuffix("’s")
        self.parts = tuple(_HYPHEN.split(plain))


def _adjacent(one: _Found, following: _Found) -> bool:
    return (
        following.place == one.place + 1
        and one.match.end() == len(one.match.string)
        and not _PAUSE.search(following.match.string[: following.match.start()])
    )


def _keep_rest(word: str, taken: Sequence[_Found], kept: list[str]) -> None:
    """Append what is left of a word. Without letters only a pause is left, and goes to the word before it."""
    for one in reversed(taken):
        word = word[: one.match.start()] + word[one.match.end() :]
    rest = _LOOSE_ENDS.sub("", word)
    if any(map(str.isalnum, rest)):
        kept.append(rest)
    elif kept and kept[-1][-1].isalnum() and (pause := _PAUSE.search(rest)):
        kept[-1] += pause[0]


@lru_cache(maxsize=65_536)
def _claimed(form: str) -> frozenset[str]:
    return claimed_names(tuple(form.split(" ")))


def _all_contradicted(names: frozenset[str], rgb: Sequence[RGB]) -> bool:
    return bool(names and rgb) and all(is_contradicted(name, rgb) for name in names)
