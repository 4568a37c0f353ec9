"""The answer of one model about one palette, parsed from its raw text.

Pure: the raw text is kept elsewhere, so every answer can be read again when these rules change.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES, CLOSED_LISTS
from grabient_assets.groups.tagging.normalisation import (
    MAX_TAGS,
    categorical_word,
    clean_tag,
    listed_word,
    quoted,
    shortened,
    strings_in,
)
from grabient_assets.prompting.extraction import AnswerFinder, Found

CATEGORICAL_FIELDS = tuple(CATEGORICAL_VALUES)
LIST_FIELDS = ("mood", "style", "dominant_colors", "harmony", "seasonal", "associations")
OPEN_FIELDS = tuple(field for field in LIST_FIELDS if field not in CLOSED_LISTS)
"""The fields whose tags are not from a list, so that one word comes in many spellings."""
_FINDER = AnswerFinder((*CATEGORICAL_FIELDS, *LIST_FIELDS))
_MAX_NOTES = 20
_MAX_OUTSIDE = 30


@dataclass(frozen=True, slots=True)
class Answer:
    """A usable answer: at least one field holds something.

    A categorical field is a word of its enumeration or None. Tags are cleaned and no field holds one twice; their order
    is the model's. `repaired`: the text was not valid JSON. `notes`: sentences on what was changed or dropped.
    `outside`: words in a field with a closed list that are not in it, as `field=word`, at most 30.
    """

    temperature: str | None = None
    contrast: str | None = None
    brightness: str | None = None
    saturation: str | None = None
    mood: tuple[str, ...] = ()
    style: tuple[str, ...] = ()
    dominant_colors: tuple[str, ...] = ()
    harmony: tuple[str, ...] = ()
    seasonal: tuple[str, ...] = ()
    associations: tuple[str, ...] = ()
    repaired: bool = False
    notes: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no field holds anything. `read_answer` never returns such an answer."""
        words = self.temperature or self.contrast or self.brightness or self.saturation
        tags = self.mood or self.style or self.dominant_colors or self.harmony or self.seasonal or self.associations
        return not (words or tags)


@dataclass(frozen=True, slots=True)
class Unusable:
    """A text that is no answer and never a vote.

    `reason` is a sentence. `fate` is 'mismatched' when the text answers another request, otherwise 'invalid'.
    """

    reason: str
    fate: Literal["mismatched", "invalid"] = "invalid"


def read_answer(text: str, ref: str | None) -> Answer | Unusable:
    """The answer in `text`, the raw text of a model. `ref` is the request's own; None leaves it unchecked."""
    found = find_fields(_FINDER, text, ref)
    if isinstance(found, Unusable):
        return found
    fields, notes, outside = found.fields, [], []
    answer = Answer(
        temperature=read_word(fields, "temperature", notes, outside),
        contrast=read_word(fields, "contrast", notes, outside),
        brightness=read_word(fields, "brightness", notes, outside),
        saturation=read_word(fields, "saturation", notes, outside),
        mood=read_tags(fields, "mood", notes, outside),
        style=read_tags(fields, "style", notes, outside),
        dominant_colors=read_tags(fields, "dominant_colors", notes, outside),
        harmony=read_tags(fields, "harmony", notes, outside),
        seasonal=read_tags(fields, "seasonal", notes, outside),
        associations=read_tags(fields, "associations", notes, outside),
        repaired=found.repaired,
        outside=tuple(dict.fromkeys(outside))[:_MAX_OUTSIDE],
    )
    if answer.is_empty:
        return Unusable("The answer is JSON, but none of its fields holds a usable word.")
    return replace(answer, notes=tuple(notes[:_MAX_NOTES])) if notes else answer


def find_fields(finder: AnswerFinder, text: str, ref: str | None) -> Found | Unusable:
    """The fields of the answer in `text`, once its `ref` is the one asked for or absent."""
    found = finder.find(text, ref)
    if isinstance(found, str):
        return Unusable(found)
    if ref is not None and found.ref not in (None, ref):
        return Unusable(f"The answer belongs to the request {quoted(str(found.ref))}, not to {ref}.", "mismatched")
    return found


def read_word(fields: dict[str, Any], field: str, notes: list[str], outside: list[str]) -> str | None:
    """The value of a categorical field: the first string that means a word of the enumeration."""
    value = fields.get(field)
    if isinstance(value, str):
        strings, others = [value], False
    else:
        strings, others = strings_in(value)
    for string in strings:
        word = categorical_word(field, string)
        if word is not None:
            return word
    if others or any(strings):
        first = next((string for string in strings if string), None)
        kind = f"a value of type {type(value).__name__}"
        shown = kind if first is None else quoted(first)
        notes.append(f"{field}: {shown} is not one of {', '.join(CATEGORICAL_VALUES[field])}.")
        outside.append(f"{field}={kind if first is None else shortened(first)}")
    return None


def read_tags(fields: dict[str, Any], field: str, notes: list[str], outside: list[str]) -> tuple[str, ...]:
    """The cleaned tags of a list field, each once, in the model's order, at most 30."""
    value = fields.get(field)
    if not value and not isinstance(value, (int, float)):
        return ()
    strings, others = strings_in(value)
    if others:
        notes.append(f"{field}: something that is not text was dropped.")
    closed = field not in OPEN_FIELDS
    meaning = partial(listed_word, field) if closed else clean_tag
    meant = list(map(meaning, strings))
    if None in meant:
        dropped = [string for string, tag in zip(strings, meant, strict=True) if tag is None and string.strip()]
        notes += [f"{field}: {quoted(string)} was dropped." for string in dropped]
        outside += [f"{field}={shortened(string)}" for string in dropped if closed]
    tags = [tag for tag in dict.fromkeys(meant) if tag is not None]
    if len(tags) > MAX_TAGS:
        notes.append(f"{field}: only the first {MAX_TAGS} of {len(tags)} tags were kept.")
    return tuple(tags[:MAX_TAGS])
