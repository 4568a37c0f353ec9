"""The answers under one prompt version as annotations, field by field, and what the colours know for certain.

Gold without labels: where a field is clear-cut (docs/colour-facts.md) its computed value is the true one. A dominant
colour is true when it is the nearest name of one of the colours and false when they contradict it; between them lies
what can be argued about. A harmony that can be computed is true or false; one that cannot be is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from grabient_assets.consensus.annotations import Annotations, categorical_annotations, tag_annotations
from grabient_assets.consensus.gold import AMBIGUOUS
from grabient_assets.consensus.grouping import Ints
from grabient_assets.consensus.tag_model import ABSENT, PRESENT
from grabient_assets.gradient.claims import is_contradicted
from grabient_assets.gradient.cosine import RGB
from grabient_assets.gradient.harmony import HARMONIES
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.consensus import OPEN_FIELDS
from grabient_assets.groups.tagging.tag_forms import tag_form
from grabient_assets.warehouse.annotations import (
    Answered,
    clear_values,
    computed_of,
    number_answers,
    tags_said,
    values_said,
    words_said,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Verdict = Callable[[str], int]
"""PRESENT, ABSENT or AMBIGUOUS for a word of one palette."""
PALETTES_AT_ONCE = 5_000
"""Palettes whose colours are in memory together."""


@dataclass(frozen=True, slots=True)
class CodedTags:
    """A tag field: its annotations, the word of each code, and gold per candidate (None in open fields)."""

    annotations: Annotations
    words: tuple[str, ...]
    gold: Ints | None


@dataclass(frozen=True)
class CodedVersion:
    """The usable answers of one prompt version. Reads from the connection it was made with."""

    connection: DuckDBPyConnection
    prompt_version: str

    @cached_property
    def answered(self) -> Answered:
        """The palettes and models, numbered."""
        return number_answers(self.connection, self.prompt_version)

    def categorical(self, field: str) -> tuple[Annotations, Ints]:
        """The annotations, and the true value's code per palette; AMBIGUOUS where two readings are right."""
        who, values = self.answered, CATEGORICAL_VALUES[field]
        annotations = categorical_annotations(
            who.item,
            who.annotator,
            values_said(self.connection, field, values),
            items=len(who.seeds),
            annotators=len(who.models),
            values=len(values),
        )
        gold = clear_values(self.connection, field, values).astype(np.int64)
        return annotations, np.where(gold < 0, AMBIGUOUS, gold)

    def tags(self, field: str) -> CodedTags:
        """The annotations of a tag field, open tags in their forms."""
        who, said = self.answered, words_said(self.connection, field)
        forms = [tag_form(word) if field in OPEN_FIELDS else word for word in said]
        words = tuple(sorted(set(forms)))
        number = {word: code for code, word in enumerate(words)}
        codes = {word: number[form] for word, form in zip(said, forms, strict=True)}
        answer, tag = tags_said(self.connection, field, codes)
        annotations = tag_annotations(
            who.item, who.annotator, answer, tag, items=len(who.seeds), annotators=len(who.models), tags=len(words)
        )
        return CodedTags(annotations, words, self._gold_of_tags(field, annotations, words))

    def _gold_of_tags(self, field: str, annotations: Annotations, words: tuple[str, ...]) -> Ints | None:
        if field not in ("dominant_colors", "harmony"):
            return None
        of = annotations.candidates
        gold = np.full(of.item.size, AMBIGUOUS)
        verdicts = self._colours() if field == "dominant_colors" else self._harmonies()
        item, verdict = next(verdicts, (-1, _nothing_known))
        for row, (owner, value) in enumerate(zip(of.item.tolist(), of.value.tolist(), strict=True)):
            while item < owner:
                item, verdict = next(verdicts)
            gold[row] = verdict(words[value])
        return gold

    def _colours(self) -> Iterator[tuple[int, Verdict]]:
        for first in range(0, len(self.answered.seeds), PALETTES_AT_ONCE):
            past = first + PALETTES_AT_ONCE
            named = computed_of(self.connection, "color_names", first, past)
            rgb = computed_of(self.connection, "rgb", first, past)
            for number, (names, colours) in enumerate(zip(named, rgb, strict=True)):
                yield first + number, partial(_colour_verdict, names, colours)

    def _harmonies(self) -> Iterator[tuple[int, Verdict]]:
        for first in range(0, len(self.answered.seeds), PALETTES_AT_ONCE):
            found = computed_of(self.connection, "harmonies", first, first + PALETTES_AT_ONCE)
            for number, harmonies in enumerate(found):
                yield first + number, partial(_harmony_verdict, harmonies)


def _nothing_known(_: str) -> int:
    return AMBIGUOUS


def _colour_verdict(names: Sequence[str], rgb: Sequence[RGB], name: str) -> int:
    if name in names:
        return PRESENT
    return ABSENT if is_contradicted(name, rgb) else AMBIGUOUS


def _harmony_verdict(found: Sequence[str], harmony: str) -> int:
    if harmony in found:
        return PRESENT
    return ABSENT if harmony in HARMONIES else AMBIGUOUS
