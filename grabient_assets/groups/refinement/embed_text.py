"""The text that is embedded for search: 30 to 50 words of prose, by rule.

A word is what stands between blanks, punctuation included. A text outside the limits, or one that names a colour which
is not there, is repaired and never rejected. What is wrong goes by the clause or the sentence, and sentences made from
the tags fill up what is missing; so the same answer always gives the same text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES, with_capitals
from grabient_assets.groups.refinement.clauses import (
    NEVER_LAST,
    Sentence,
    beginning,
    beginning_of_a_long_one,
    clauses,
    finished,
    leans_back,
    sentences,
    stands_alone,
    without_loose_brackets,
)
from grabient_assets.groups.tagging.normalisation import visible_text

MIN_WORDS = 30
MAX_WORDS = 50
# Longer "words" are encoded data or a script without blanks; an embedding model gains nothing from them.
MAX_WORD_CHARS = 100
# Enough for 50 words of 100 characters; what lies behind can never be kept.
_MAX_CHARS = 6_000
_LONGEST_FILLING = MAX_WORDS - MIN_WORDS
"""So that a sentence always fits where there are fewer than 30 words."""
_MOST_WORDS_OF_A_TAG = 4
"""Longer ones are sentences themselves, and would not read well in a list."""

_MARKUP = re.compile(r"<[^<>]*>|[<>]")
_EDGES = ".,;:!?…()[]{}\"'“”‘’«»*_"
_TAG = re.compile(r"[^\W_]+(?:[ '’&-]+[^\W_]+)*")
_NEUTRAL_TEXT = (
    "The gradient runs in steps from one edge to the other.",
    "Each step has a place of its own.",
    "It serves as a background, a backdrop or a wallpaper.",
    "The picture shows stripes of colour side by side.",
    "It is a palette for screens, posters and pages.",
)
"""True of every palette, so they tell a search nothing; used last. Together more than 30 words."""

Named = Callable[[Sequence[str]], frozenset[int]]
"""The places of the words that name a colour which is not there."""


@dataclass(frozen=True, slots=True)
class EmbedText:
    """30 to 50 words; `repaired` when they are not the words the model wrote."""

    text: str
    repaired: bool


@dataclass(frozen=True, slots=True)
class Description:
    """What sentences are made from. `measured`: the word of each categorical field."""

    mood: Sequence[str] = ()
    style: Sequence[str] = ()
    colours: Sequence[str] = ()
    harmonies: Sequence[str] = ()
    seasonal: Sequence[str] = ()
    associations: Sequence[str] = ()
    measured: Mapping[str, str] = field(default_factory=dict)


def word_count(text: str) -> int:
    """Number of words: runs of characters between blanks."""
    return len(text.split())


def _nothing(words: Sequence[str]) -> frozenset[int]:
    return frozenset()


def fit_embed_text(text: str, description: Description, named: Named = _nothing) -> EmbedText:
    """`text` with 30 to 50 words, free of HTML and control characters, in which `named` finds nothing.

    A sentence with a colour that is not there is left out, but for the clauses of it that stand alone. Of more than 50
    words the first sentences stay. Fewer than 30 are filled up with sentences made from `description`, each tag whole
    and only when the text does not hold all its words yet. Applying the rule to its own result changes nothing.
    """
    words = plain_words(text)
    if MIN_WORDS <= len(words) <= MAX_WORDS and not named(words):
        return EmbedText(" ".join(words), repaired=words != text.split())
    filling = _Filling(description, named)
    kept, gap = _truthful(words, named)
    kept = _shortened(kept, named)
    if gap is not None:
        colours = filling.colours(kept)
        if colours and gap <= len(kept) and _count(kept) + len(colours) <= MAX_WORDS:
            kept.insert(gap, colours)
    kept = filling.filled(kept)
    return EmbedText(" ".join(word for sentence in kept for word in sentence), repaired=True)


def plain_words(text: str) -> list[str]:
    """The words of `text` without markup, control and invisible characters; HTML entities as what they stand for."""
    plain = _plain(text[:_MAX_CHARS])
    while "&" in plain and (again := _plain(plain)) != plain:  # an entity may stand for the "&" of another
        plain = again
    return [word for word in plain.split() if len(word) <= MAX_WORD_CHARS]


def _plain(text: str) -> str:
    return visible_text(_MARKUP.sub(" ", html.unescape(text)))


def _truthful(words: Sequence[str], named: Named) -> tuple[list[Sentence], int | None]:
    """The sentences without what names a colour that is not there, and the place of the first that was left out."""
    kept: list[Sentence] = []
    gap: int | None = None
    is_left_out = False
    for sentence in sentences(words):
        if not named(sentence):
            if not (is_left_out and leans_back(sentence)):
                kept.append(sentence)
                is_left_out = False
            continue
        left = _clauses_without(sentence, named)
        is_left_out = not left
        gap = len(kept) if gap is None and is_left_out else gap
        kept += left
    return kept, gap


def _clauses_without(sentence: Sentence, named: Named) -> list[Sentence]:
    left: list[Sentence] = []
    parts = clauses(sentence)
    for part in parts:
        places = named(part)
        if places:
            part = beginning(part, min(places))
        elif len(parts) == 1 or not stands_alone(part):
            part = []
        if part:
            left.append(part)
    return left


def _shortened(kept: Sequence[Sentence], named: Named) -> list[Sentence]:
    """At most 50 words: whole sentences; a beginning of the next one only when they are fewer than 30."""
    short: list[Sentence] = []
    for sentence in _checked(kept, named):
        room = MAX_WORDS - _count(short)
        if len(sentence) <= room:
            short.append(sentence)
            continue
        if _count(short) < MIN_WORDS:
            start = beginning(sentence, room) or ([] if short else beginning_of_a_long_one(sentence, room))
            short += [start] if start else []
        break
    return _checked(short, named)


def _checked(kept: Sequence[Sentence], named: Named) -> list[Sentence]:
    """The sentences with a capital first and a full stop last. One in which that makes a name of a colour goes."""
    made = without_loose_brackets([one for sentence in kept if (one := finished(sentence))])
    fitting = ([word for word in one if len(word) <= MAX_WORD_CHARS] for one in map(finished, made))
    return [one for one in fitting if one and not named(one)]


class _Filling:
    """The sentences that the tags make, in this order: what people search for first, measured fields last."""

    def __init__(self, description: Description, named: Named) -> None:
        self.description, self.named = description, named

    def colours(self, kept: Sequence[Sentence]) -> Sentence:
        """Names all of them, or nothing where the text does: some of them alone would not be "the colours"."""
        colours = self.description.colours
        held = _held(kept)
        if all(held.issuperset(map(_bare, colour.split())) for colour in colours):
            return []
        return self._listed("The {} {}.", ("colour is", "colours are"), colours, [])

    def filled(self, kept: Sequence[Sentence]) -> list[Sentence]:
        filled = list(kept)
        for made in self._made(filled):
            if _count(filled) >= MIN_WORDS:
                break
            if made and _count(filled) + len(made) <= MAX_WORDS and not self.named(made):
                filled.append(made)
        return filled

    def _made(self, filled: Sequence[Sentence]) -> Iterator[Sentence]:
        """Topics that the text does not mention come first, so that no two sentences begin with "The mood is"."""
        mentioned = _held(filled)
        for is_repeated in (False, True):
            for topic in ("mood", "style", "colours", "harmony", "season", "associations", "temperature"):
                if (topic in mentioned) == is_repeated:
                    yield self._on(topic, filled)
        yield from map(str.split, _NEUTRAL_TEXT)

    def _on(self, topic: str, filled: Sequence[Sentence]) -> Sentence:
        described = self.description
        match topic:
            case "mood":
                return self._listed("The mood {} {}.", ("is", "is"), described.mood, filled)
            case "style":
                return self._listed("The style {} {}.", ("is", "is"), described.style, filled)
            case "colours":
                return self.colours(filled)
            case "harmony":
                return self._listed("The harmony {} {}.", ("is", "is"), described.harmonies, filled)
            case "season":
                return self._listed("The {} {}.", ("season is", "seasons are"), described.seasonal, filled)
            case "associations":
                return self._listed("Associations {} {}.", ("include", "include"), described.associations, filled)
        measured = [
            f"{name} is {described.measured[name]}" for name in CATEGORICAL_VALUES if name in described.measured
        ]
        return f"The {_enumeration(measured)}.".split() if measured else []

    def _listed(self, pattern: str, verbs: tuple[str, str], tags: Sequence[str], kept: Sequence[Sentence]) -> Sentence:
        held = _held(kept)
        listed: list[str] = []
        for tag in tags:
            bare = [_bare(word) for word in tag.split()]
            if not _is_plain(tag, bare) or held.issuperset(bare):
                continue
            longer = self._sentence(pattern, verbs, [*listed, with_capitals(tag)])
            if len(longer) <= _LONGEST_FILLING and not self.named(longer):
                listed.append(with_capitals(tag))
                held.update(bare)
        return self._sentence(pattern, verbs, listed) if listed else []

    @staticmethod
    def _sentence(pattern: str, verbs: tuple[str, str], listed: Sequence[str]) -> Sentence:
        return pattern.format(verbs[len(listed) > 1], _enumeration(listed)).split()


def _held(kept: Sequence[Sentence]) -> set[str]:
    return {_bare(word) for sentence in kept for word in sentence}


def _is_plain(tag: str, bare: Sequence[str]) -> bool:
    return (
        len(bare) <= _MOST_WORDS_OF_A_TAG
        and bool(_TAG.fullmatch(tag))
        and bare[-1] not in NEVER_LAST
        and all(len(word) < MAX_WORD_CHARS for word in bare)
    )


def _enumeration(phrases: Sequence[str]) -> str:
    return " and ".join([", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 1 else phrases)


def _count(kept: Sequence[Sentence]) -> int:
    return sum(map(len, kept))


def _bare(word: str) -> str:
    return word.casefold().strip(_EDGES)
