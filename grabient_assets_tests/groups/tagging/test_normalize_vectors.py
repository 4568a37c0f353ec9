"""The 103 raw answers of the vectors: where we agree with the real system, and where we differ on purpose."""

from __future__ import annotations

from typing import Any

import pytest

from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS, Answer, Unusable, read_answer
from grabient_assets_tests.vectors import vectors

NO_CATEGORICAL = dict.fromkeys(CATEGORICAL_FIELDS)


class Whole(dict[str, Any]):
    """The plain answer of the first vector, with these changes."""


BASE = Whole()


def base(**changes: Any) -> Whole:
    return Whole(changes)


# id: (what we return, None for unusable; why). Fields not named are empty.
DIFFERENT: dict[int, tuple[dict[str, Any] | None, str]] = {
    10: (BASE, "the final answer counts, not the sketch before it"),
    11: (base(mood=["calm"]), "a fence inside a string is text; the piece of JSON is dropped as a tag"),
    15: (BASE, "an opening thought tag that is never closed does not cost the answer"),
    16: (BASE, "<thinking> is a thought too"),
    17: (BASE, "thought tags in any case"),
    21: (BASE, "braces in prose are not the answer"),
    22: (base(mood=["second"]), "of two full answers the later one is the correction"),
    23: (BASE, "an empty object is no answer; the one after it is"),
    25: (BASE, "a wrapper is taken off"),
    26: (
        {"mood": ["calm", "serene"], "style": ["minimalist"]},
        "broken off: what is whole is kept, the half word is not",
    ),
    27: ({"mood": ["calm"]}, "broken off: what is whole is kept"),
    29: (BASE, "a missing brace is repaired"),
    30: ({"mood": ["calm"]}, "a trailing comma is repaired"),
    31: ({"mood": ["calm"]}, "single quotes are repaired"),
    32: ({"mood": ["calm"]}, "typographic quotes are repaired"),
    33: (base(mood=["calm", "it's cosy"]), "an apostrophe is an apostrophe"),
    34: ({"mood": ["calm"]}, "unquoted keys are repaired"),
    35: ({"mood": ["calm"]}, "comments are repaired"),
    36: ({"mood": ["calm"]}, "NaN costs its field, not the answer"),
    40: (None, "null is no vote"),
    41: (None, "a string is no vote"),
    42: (None, "a number is no vote"),
    43: (None, "an empty object is no vote"),
    44: (None, "an empty list is no vote"),
    47: ({"mood": ["calm serene"]}, "a raw line break inside a string is a blank"),
    59: (base(**NO_CATEGORICAL), "unknown words are no values"),
    60: (base(**{**NO_CATEGORICAL, "temperature": "cool-warm"}), "warm-cool is cool-warm; the others are no values"),
    61: (base(temperature=None, contrast="high", saturation="vibrant"), "punctuation around a value is not part of it"),
    65: (base(temperature="warm", contrast=None, saturation="vibrant"), "synonyms count inside lists too"),
    67: (base(contrast=None), "one odd field costs itself, not the answer"),
    68: (base(contrast=None), "one odd field costs itself, not the answer"),
    69: (base(contrast=None), "one odd field costs itself, not the answer"),
    70: (base(temperature=None, contrast=None, saturation=None), "foreign words are no values, and are not mutilated"),
    71: (base(**NO_CATEGORICAL), "'constructor' is a word like any other"),
    77: (base(mood=["too deep", "ok"]), "lists are opened to any depth"),
    79: (base(mood=[]), "one odd field costs itself, not the answer"),
    80: (base(mood=[]), "one odd field costs itself, not the answer"),
    83: (base(mood=["naïve", "café", "zürich", "façade"]), "every language is kept"),
    84: (base(mood=["море", "海", "🌊", "ocean 🌊"]), "every language is kept"),
    85: (base(mood=["calm", "bell", "softhyphen"]), "invisible characters vanish, they do not part words"),
    87: (base(mood=["ratio 3:1", "quoted", "key: value"]), "quotation marks around a tag are not part of it"),
    93: (base(harmony=["split-complementary"]), "only words of the list, in the list's spelling"),
    94: (base(seasonal=[]), "only the four seasons"),
    97: ({"mood": ["café", "🌊"], "style": ["art"], "temperature": "cool"}, "every language is kept"),
    99: ({"mood": ["a"]}, "a wrong escape is repaired"),
    102: ({"mood": ["calm"], "temperature": "warm"}, "capital letters in keys do not matter"),
    103: (BASE, "braces in prose are not the answer"),
}


def as_dict(answer: Answer | Unusable) -> dict[str, Any] | None:
    if isinstance(answer, Unusable):
        return None
    words = {field: getattr(answer, field) for field in CATEGORICAL_FIELDS}
    return {**words, **{field: list(getattr(answer, field)) for field in LIST_FIELDS}}


def complete(fields: dict[str, Any] | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    plain = as_dict(read_answer(vectors("normalize.json")["cases"][0]["raw"], None)) or {}
    rest = plain if isinstance(fields, Whole) else {**NO_CATEGORICAL, **{field: [] for field in LIST_FIELDS}}
    return {**rest, **fields}


def theirs(case: dict[str, Any]) -> dict[str, Any] | None:
    """The real output in our spelling: lower case, no tag twice, None for an empty word."""
    if not case["normalised"]["ok"]:
        return None
    value = case["normalised"]["value"]
    words = {field: value[field].lower() or None for field in CATEGORICAL_FIELDS}
    return {**words, **{field: list(dict.fromkeys(map(str.lower, value[field]))) for field in LIST_FIELDS}}


@pytest.mark.parametrize("number", range(1, 104))
def test_vector(number: int) -> None:
    case = next(case for case in vectors("normalize.json")["cases"] if case["id"] == number)
    ours = as_dict(read_answer(case["raw"], None))
    if number in DIFFERENT:
        expected, why = DIFFERENT[number]
        assert ours == complete(expected), why
        assert ours != theirs(case), "no difference is left to explain"
    else:
        assert ours == theirs(case), case["note"]


def test_all_vectors_are_covered() -> None:
    assert [case["id"] for case in vectors("normalize.json")["cases"]] == list(range(1, 104))


def test_repairs_are_marked_and_nothing_else_is() -> None:
    repaired = [
        case["id"]
        for case in vectors("normalize.json")["cases"]
        if isinstance(answer := read_answer(case["raw"], None), Answer) and answer.repaired
    ]
    assert repaired == [26, 27, 29, 30, 31, 32, 34, 35, 99]
