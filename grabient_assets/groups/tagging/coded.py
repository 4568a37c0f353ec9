"""The answers under one prompt version as annotations, field by field, and what the colours know for certain.

Gold without labels: where a field is clear-cut (docs/colour-facts.md) its computed value is the true one. A dominant
colour is true when it is the nearest name of one of the colours and false when they contradict it; between them lies
what can be argued about. A harmony is true or false where no threshold is near (gradient/vectorized.py); the
others, and those that cannot be computed, are left out.

Everything is read at once and the database closed; the annotations of a field, several times as large as what was read,
are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from grabient_assets.consensus.annotations import Annotations, categorical_annotations, tag_annotations
from grabient_assets.consensus.gold import ABSENT, AMBIGUOUS, PRESENT
from grabient_assets.consensus.grouping import Ints
from grabient_assets.gradient.harmony import HARMONIES
from grabient_assets.gradient.vectorized import clear_harmonies, contradicted_pairs
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.annotations import (
    Answered,
    clear_values,
    computed_colours,
    computed_words,
    distinct_tags,
    number_answers,
    tag_codes,
    value_codes,
)
from grabient_assets.groups.tagging.answers import LIST_FIELDS, OPEN_FIELDS
from grabient_assets.groups.tagging.tag_forms import tag_form

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class CodedValues:
    """A categorical field: its annotations, and the true value's code per palette; AMBIGUOUS where two readings are
    right."""

    field: str
    annotations: Annotations
    gold: Ints


@dataclass(frozen=True, slots=True)
class CodedTags:
    """A tag field: its annotations, the word of each code, and gold per candidate (None in open fields)."""

    field: str
    annotations: Annotations
    words: tuple[str, ...]
    gold: Ints | None


@dataclass(frozen=True, slots=True, eq=False)
class _Values:
    """Codes of the value in each answer, and of the computed value of each palette (-1 where it is not clear-cut)."""

    given: Ints
    clear: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Tags:
    """One row per tag of each answer: `answer`, and `tag` as a place in `words`. In fields that colours know about,
    `true`: (palette, word), one row per computed word."""

    words: tuple[str, ...]
    answer: Ints
    tag: Ints
    true: tuple[Ints, Ints] | None


@dataclass(frozen=True, eq=False)
class CodedVersion:
    """The usable answers of one prompt version as whole numbers."""

    prompt_version: str
    answered: Answered
    values: dict[str, _Values]
    tags_of: dict[str, _Tags]
    colours: Ints

    def fields(self) -> Iterator[CodedValues | CodedTags]:
        """Every field that has a value or a tag, the categorical ones first. Nothing without answers."""
        if not self.answered.seeds:
            return
        for field in CATEGORICAL_VALUES:
            yield self.categorical(field)
        for field in LIST_FIELDS:
            if field in self.tags_of and self.tags_of[field].words:
                yield self.tags(field)

    def categorical(self, field: str) -> CodedValues:
        """A categorical field."""
        who, values = self.answered, self.values[field]
        annotations = categorical_annotations(
            who.item,
            who.annotator,
            values.given,
            items=len(who.seeds),
            annotators=len(who.models),
            values=len(CATEGORICAL_VALUES[field]),
        )
        clear = values.clear.astype(np.int64)
        return CodedValues(field, annotations, np.where(clear < 0, AMBIGUOUS, clear))

    def tags(self, field: str) -> CodedTags:
        """A tag field, open tags in their forms."""
        who, coded = self.answered, self.tags_of[field]
        annotations = tag_annotations(
            who.item,
            who.annotator,
            coded.answer,
            coded.tag,
            items=len(who.seeds),
            annotators=len(who.models),
            tags=len(coded.words),
        )
        return CodedTags(field, annotations, coded.words, self._gold(field, annotations))

    def _gold(self, field: str, annotations: Annotations) -> Ints | None:
        coded, of = self.tags_of[field], annotations.candidates
        if coded.true is None:
            return None
        true = np.isin(of.item.astype(np.int64) * annotations.values + of.value, self._keys(coded.true, annotations))
        if field == "harmony":
            clear = self._clear_harmonies(coded.words)[of.item, of.value]
            gold = np.where(true & (clear == 1), PRESENT, AMBIGUOUS)
            gold[~true & (clear == 0)] = ABSENT
            return gold
        gold = np.where(true, PRESENT, AMBIGUOUS)
        doubtful = np.flatnonzero(~true)
        false = contradicted_pairs(coded.words, of.value[doubtful], self.colours, of.item[doubtful])
        gold[doubtful[false]] = ABSENT
        return gold

    def _clear_harmonies(self, words: Sequence[str]) -> Ints:
        """By palette and word: 1 certainly shown, 0 certainly not, -1 doubtful or beyond computing."""
        clear = clear_harmonies(self.colours)
        doubtful = np.full(len(clear), -1, dtype=np.int8)
        places = {name: place for place, name in enumerate(HARMONIES)}
        return np.stack([clear[:, places[word]] if word in places else doubtful for word in words], axis=1)

    @staticmethod
    def _keys(pairs: tuple[Ints, Ints], annotations: Annotations) -> Ints:
        return pairs[0].astype(np.int64) * annotations.values + pairs[1]


def read_version(connection: DuckDBPyConnection, prompt_version: str) -> CodedVersion:
    """Read the usable answers of the version, and what the colours of their palettes know."""
    answered, values = number_answers(connection, prompt_version), _read_values(connection)
    tags = {field: _read_tags(connection, field) for field in LIST_FIELDS}
    return CodedVersion(prompt_version, answered, values, tags, computed_colours(connection))


def read_values(
    connection: DuckDBPyConnection, prompt_version: str, among: Sequence[str] | None = None
) -> CodedVersion:
    """The same without tags: the categorical fields of all palettes, or of those `among`, by seed."""
    answered = number_answers(connection, prompt_version, among)
    return CodedVersion(prompt_version, answered, _read_values(connection), {}, np.zeros((0, 11, 3), dtype=np.uint8))


def _read_values(connection: DuckDBPyConnection) -> dict[str, _Values]:
    return {
        field: _Values(value_codes(connection, field, words), clear_values(connection, field, words))
        for field, words in CATEGORICAL_VALUES.items()
    }


_COMPUTED = {"dominant_colors": "color_names", "harmony": "harmonies"}


def _read_tags(connection: DuckDBPyConnection, field: str) -> _Tags:
    written = distinct_tags(connection, field)
    forms = [tag_form(word) if field in OPEN_FIELDS else word for word in written]
    words = tuple(sorted(set(forms)))
    number = {word: code for code, word in enumerate(words)}
    answer, tag = tag_codes(connection, field, {word: number[form] for word, form in zip(written, forms, strict=True)})
    true = computed_words(connection, _COMPUTED[field], words) if field in _COMPUTED else None
    return _Tags(words, answer, tag, true)
