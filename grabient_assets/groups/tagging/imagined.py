"""Colours that models name and the palette does not hold: in tags, and in prose.

docs/colour-facts.md says when a name is contradicted, docs/tags-and-consensus.md what becomes of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from grabient_assets.gradient.colour_words import (
    COLOUR_NOUNS,
    are_contradicted,
    claimed_names,
    claims_of,
    colour_word,
    is_contradicted,
    is_modified_colour,
    parts_of,
)
from grabient_assets.gradient.palette import RGB
from grabient_assets.groups.tagging.answers import OPEN_FIELDS
from grabient_assets.groups.tagging.spared_words import is_denied, is_proper_name
from grabient_assets.groups.tagging.tag_forms import tag_form

# Letters, those of a compound held together by hyphens; everything else parts words: blanks, slashes, markup.
_COMPOUND = re.compile(r"[^\W\d_]+(?:[-\u2010-\u2013][^\W\d_]+)*(?:['’]s\b)?")
_LETTERS = re.compile(r"[^\W\d_]+")
_HYPHEN = re.compile(r"[-\u2010-\u2013]")
_PAUSE = re.compile(r"[.,;:!?…]")
_JOINED = re.compile(r"\s*(?:[,/&+]|(?:,\s*)?\b(?:and|or|to)\b)\s*")


def is_hallucinated(field: str, tag: str, rgb: Sequence[RGB]) -> bool:
    """Whether `tag` names a colour that none of these colours comes near to.

    Without colours nothing is. An open tag counts only when it is nothing but colours: "red", "dark green" and "red &
    orange", not "red wine", nor "rose": roses are flowers too.
    """
    if not rgb:
        return False
    if field == "dominant_colors":
        return is_contradicted(tag, rgb)
    return field in OPEN_FIELDS and _all_contradicted(_claims(tag_form(tag)), rgb)


def imagined_names(tags: Iterable[str], rgb: Sequence[RGB]) -> frozenset[str]:
    """The named colours among the words of these tags that the colours contradict."""
    words = (part for tag in tags for word in _LETTERS.findall(tag_form(tag)) for part in parts_of(word))
    names = {colour.name for word in words if (colour := colour_word(word))}
    return frozenset(name for name in names if rgb and is_contradicted(name, rgb))


Phrase = tuple[str, ...]


def thing_phrases(tags: Iterable[str]) -> frozenset[Phrase]:
    """Those of these tags in which a word for a colour may be a thing: "golden hour", not "gold", nor "amber gold"."""
    found = (tuple(form for match in _COMPOUND.finditer(tag) for form in _forms(_parts(match[0]))) for tag in tags)
    return frozenset(one for one in found if any(map(colour_word, one)) and not all(map(colour_word, one)))


@dataclass(frozen=True, slots=True)
class Unseen:
    """What prose on one palette may not name.

    `rgb`: its colours. `flagged`: named colours that somebody took for colours of it and that they contradict. Words
    that are things too (orange, rose) name a colour only then, and where the words around them make them colours.
    `things`: within one of these such a word is a thing.
    """

    rgb: Sequence[RGB]
    flagged: frozenset[str] = frozenset()
    things: frozenset[Phrase] = frozenset()

    def named(self, words: Sequence[str]) -> frozenset[int]:
        """The places of the words, as they stand between blanks, that name such a colour as one that is seen. A proper
        name ("Red Sea") and a denial ("no red in it", "without any orange") do not."""
        found = [_Found(place, match) for place, word in enumerate(words) for match in _COMPOUND.finditer(word)]
        out = [
            self._is_unseen(one.parts) and not self._is_spared(words, found, place) for place, one in enumerate(found)
        ]
        for number in reversed(range(len(found) - 1)):
            one, following = found[number], found[number + 1]
            is_noun = len(following.parts) == 1 and following.parts[0] in COLOUR_NOUNS
            if not out[number] and (out[number + 1] or is_noun) and _adjacent(one, following):
                out[number] = self._is_imagined(words, found, number)
            if not out[number + 1] and _adjacent(one, following) and _is_modified(one, following):
                out[number + 1] = self._is_imagined(words, found, number + 1)
        self._follow(words, found, out)
        return frozenset(one.place for one, is_named in zip(found, out, strict=True) if is_named)

    def _is_spared(self, words: Sequence[str], found: Sequence[_Found], number: int) -> bool:
        if is_denied(words, found[number].place) or is_proper_name(words, found[number].place):
            return True
        return not any(map(_is_certain, found[number].parts)) and any(
            _reads(found, start, number, phrase)
            for phrase in self.things
            for start in range(max(number - len(phrase) + 1, 0), number + 1)
        )

    def _follow(self, words: Sequence[str], found: Sequence[_Found], out: list[bool]) -> None:
        """A word that is a thing too is a colour beside one: the orange of "red, orange and yellow". What was only
        flagged may be a thing itself, and says nothing of its neighbours."""
        pairs = list(_joined_pairs(words, found)) if any(out) else []
        colours = [
            gone and (any(map(_is_certain, one.parts)) or not self._is_flagged(one.parts))
            for one, gone in zip(found, out, strict=True)
        ]
        for number, other in (*pairs, *((other, number) for number, other in reversed(pairs))):
            if colours[number] and not found[other].parts[-1].endswith("s") and self._is_imagined(words, found, other):
                out[other] = colours[other] = True  # but roses are flowers

    def _is_unseen(self, parts: tuple[str, ...]) -> bool:
        """Whether a word or compound names such a colour by itself, whatever stands before it: "blood-red"."""
        if self._is_flagged(parts):
            return True
        claims = (claimed_names(parts[start:]) for start in range(len(parts)))
        return _all_contradicted([names for names in claims if names][:1], self.rgb)

    def _is_flagged(self, parts: tuple[str, ...]) -> bool:
        return any((colour := colour_word(part)) and colour.name in self.flagged for part in parts)

    def _is_imagined(self, words: Sequence[str], found: Sequence[_Found], number: int) -> bool:
        colour = colour_word(found[number].parts[-1])
        if colour is None or not self.rgb or not is_contradicted(colour.name, self.rgb):
            return False
        return not self._is_spared(words, found, number)


class _Found:
    """A word or compound in a text. `place`: in which of its words."""

    def __init__(self, place: int, match: re.Match[str]) -> None:
        self.place, self.match = place, match
        self.parts = _parts(match[0])


def _parts(compound: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKC", compound).lower().removesuffix("'s").removesuffix("’s")
    return tuple(_HYPHEN.split(plain))


def _forms(parts: Iterable[str]) -> Phrase:
    return tuple(map(tag_form, parts))


def _is_certain(part: str) -> bool:
    return any((colour := colour_word(one)) and colour.always for one in parts_of(part))


def _is_modified(one: _Found, following: _Found) -> bool:
    return len(following.parts) == 1 and is_modified_colour(one.parts[-1], following.parts[0])


def _reads(found: Sequence[_Found], start: int, number: int, phrase: Phrase) -> bool:
    """Whether the words from `start` on are that phrase, and the one at `number` among them."""
    read, end = _forms(found[start].parts), start + 1
    while len(read) < len(phrase) and end < len(found) and _adjacent(found[end - 1], found[end]):
        read, end = read + _forms(found[end].parts), end + 1
    return read == phrase and number < end


def _joined_pairs(words: Sequence[str], found: Sequence[_Found]) -> Iterator[tuple[int, int]]:
    """The neighbours with nothing but a comma, a slash or "and" between them."""
    for number in range(len(found) - 1):
        for other in (number + 1, number + 2):
            if other < len(found) and _JOINED.fullmatch(_between(words, found[number], found[other])):
                yield number, other


def _between(words: Sequence[str], one: _Found, other: _Found) -> str:
    if one.place == other.place:
        return words[one.place][one.match.end() : other.match.start()].lower()
    inside = words[one.place + 1 : other.place]
    return " ".join((words[one.place][one.match.end() :], *inside, words[other.place][: other.match.start()])).lower()


def _adjacent(one: _Found, following: _Found) -> bool:
    return (
        following.place == one.place + 1
        and one.match.end() == len(one.match.string)
        and not _PAUSE.search(following.match.string[: following.match.start()])
    )


@lru_cache(maxsize=65_536)
def _claims(form: str) -> tuple[frozenset[str], ...]:
    return claims_of(form)


def _all_contradicted(claims: Sequence[frozenset[str]], rgb: Sequence[RGB]) -> bool:
    return bool(claims and rgb) and all(are_contradicted(names, rgb) for names in claims)
