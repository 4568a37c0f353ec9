from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.groups.tagging.answers import LIST_FIELDS, Answer, Unusable, read_answer

FULL: dict[str, Any] = {
    "ref": "r-1",
    "temperature": "cool",
    "contrast": "low",
    "brightness": "light",
    "saturation": "muted",
    "mood": ["calm", "airy"],
    "style": ["minimalist"],
    "dominant_colors": ["teal"],
    "harmony": ["analogous"],
    "seasonal": ["winter"],
    "associations": ["ocean", "linen"],
}
READ = Answer(
    temperature="cool",
    contrast="low",
    brightness="light",
    saturation="muted",
    mood=("calm", "airy"),
    style=("minimalist",),
    dominant_colors=("teal",),
    harmony=("analogous",),
    seasonal=("winter",),
    associations=("ocean", "linen"),
)
TEXT = json.dumps(FULL)
OTHER = json.dumps({**FULL, "mood": ["stormy"]})


def read(text: str, ref: str | None = "r-1") -> Answer:
    answer = read_answer(text, ref)
    assert isinstance(answer, Answer), answer
    return answer


def refuse(text: str, ref: str | None = "r-1") -> Unusable:
    answer = read_answer(text, ref)
    assert isinstance(answer, Unusable), answer
    return answer


def mood(*tags: Any) -> tuple[str, ...]:
    return read(json.dumps({"temperature": "warm", "mood": list(tags)})).mood


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        f"  \n{TEXT}\n",
        f"\ufeff\u00a0{TEXT}",
        f"```json\n{TEXT}\n```",
        f"``` {TEXT} ```",
        f"```json\n{TEXT}",
        f"Sure, as {{asked}}:\n{TEXT}\nAnything [else] {{really}}?",
        f"<think>{OTHER}</think>{TEXT}",
        f"<THINKING>\n{OTHER}\n</THINKING>\n{TEXT}",
        f"<think>a</think><think>{OTHER}</think>{TEXT}",
        f"{OTHER} so much for that </think> {TEXT}",
        f"<think>never closed {{x}} {TEXT}",
        f"[{TEXT}]",
        f"```json\n[{TEXT}, {OTHER}]\n```",
        f'{{"result": {TEXT}}}',
        f'{{"ref": "r-1", "data": {{"tags": [{TEXT}]}}}}',
        json.dumps(
            {"Ref": "r-1", **{key.title().replace("_", " "): value for key, value in FULL.items() if key != "ref"}}
        ),
        TEXT.replace("dominant_colors", "dominantColours"),
        f'{{"mood": []}}\nfinal:\n{TEXT}',
        f"{OTHER}\nNo, better:\n{TEXT}",
        f'{TEXT}\nThat is {{"mood": ["calm"]}} in short.',
        f'{{"ref": "r-1", "hex": ["#000000"], "color_names": ["black"]}}\n{TEXT}',
        f"{json.dumps({**FULL, 'ref': 'r-9'})} for you, {TEXT} and {json.dumps({**FULL, 'ref': 'r-7'})}",
        TEXT.replace('"ref": "r-1", ', ""),
        TEXT.replace('"r-1"', '""'),
        TEXT.replace('"r-1"', "null"),
        TEXT.replace('"r-1"', '" r-1 "'),
    ],
)
def test_the_same_answer_in_many_dresses(text: str) -> None:
    assert read(text) == READ


@pytest.mark.parametrize(
    "text",
    [
        TEXT[:-1],
        TEXT.replace('"airy"]', '"airy",]'),
        TEXT.replace('"', "'"),
        TEXT.replace('"mood"', "mood"),
        TEXT.replace('"cool",', '"cool", // by far\n'),
        f"Here: {TEXT[:-1]}",
        f"```json\n{TEXT[:-1]}\n``` done",
        '{"mood": ["sketch"]} then ' + TEXT[:-1],
    ],
)
def test_broken_json_is_repaired_and_marked(text: str) -> None:
    answer = read(text)
    assert answer.repaired
    assert answer.mood == ("calm", "airy")
    assert (answer.temperature, answer.style) == ("cool", ("minimalist",))


def test_strict_json_is_never_marked_repaired() -> None:
    assert not read(f"so {TEXT}").repaired
    assert not read('so {"mood": ["calm"]}').repaired


def test_a_text_that_breaks_off_inside_a_word_loses_that_word() -> None:
    answer = read('{"mood": ["calm", "serene"], "style": ["minim')
    assert (answer.mood, answer.style, answer.repaired) == (("calm", "serene"), (), True)
    assert refuse('{"mood": ["cal').fate == "invalid"


def test_another_requests_answer_is_no_vote() -> None:
    refused = refuse(json.dumps({**FULL, "ref": "r-2"}))
    assert refused == Unusable("The answer belongs to the request 'r-2', not to r-1.", "mismatched")
    assert refuse('{"ref": "r-2", "result": {"mood": ["calm"]}}').fate == "mismatched"
    assert refuse('{"Ref": 7, "mood": ["calm"]}').fate == "mismatched"
    assert read(json.dumps({**FULL, "ref": "r-2"}), None) == READ


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "The answer is empty."),
        (" \n", "The answer is empty."),
        ("null", "The answer is JSON (null), but holds none of the fields asked for."),
        ("[]", "The answer is JSON (a list), but holds none of the fields asked for."),
        ("42", "The answer is JSON (a number), but holds none of the fields asked for."),
        ("true", "The answer is JSON (true or false), but holds none of the fields asked for."),
        ('"calm"', "The answer is JSON (a string), but holds none of the fields asked for."),
        ("{}", "The answer is JSON (an object), but holds none of the fields asked for."),
        ('{"ref": "r-1"}', "The answer is JSON (an object), but holds none of the fields asked for."),
        ("I cannot help with that.", "The answer holds no JSON object with the fields asked for."),
        (f"<think>{TEXT}</think>", "The answer holds no JSON object with the fields asked for."),
        ('{"mood": [], "temperature": ""}', "The answer is JSON, but none of its fields holds a usable word."),
        (
            '{"mood": ["", " ", "-"], "contrast": "x"}',
            "The answer is JSON, but none of its fields holds a usable word.",
        ),
    ],
)
def test_nothing_usable_is_unusable(text: str, reason: str) -> None:
    assert refuse(text) == Unusable(reason, "invalid")


@pytest.mark.parametrize("field", [field for field in FULL if field != "ref"])
def test_one_field_makes_an_answer(field: str) -> None:
    answer = read(json.dumps({field: FULL[field]}))
    assert not answer.is_empty
    assert getattr(answer, field) == getattr(READ, field)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("temperature", " Cool_Warm ", "cool-warm"),
        ("temperature", "cool / warm", "cool-warm"),
        ("temperature", "warm-cool", "cool-warm"),
        ("temperature", "mixed", "cool-warm"),
        ("contrast", "“Strong”", "high"),
        ("contrast", "HIGH;", "high"),
        ("brightness", "very light", "light"),
        ("brightness", ["nonsense", ["Bright"], "dark"], "light"),
        ("saturation", "**vivid**", "vibrant"),
        ("saturation", "mixed", "mixed"),
    ],
)
def test_categorical_words_and_their_synonyms(field: str, value: Any, word: str) -> None:
    answer = read(json.dumps({field: value}))
    assert getattr(answer, field) == word
    assert answer.notes == ()


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ("lukewarm", "temperature: 'lukewarm' is not one of warm, cool, neutral, cool-warm."),
        ("constructor", "temperature: 'constructor' is not one of warm, cool, neutral, cool-warm."),
        ("cool, mostly", "temperature: 'cool, mostly' is not one of warm, cool, neutral, cool-warm."),
        (3, "temperature: a value of type int is not one of warm, cool, neutral, cool-warm."),
        ({"value": "warm"}, "temperature: a value of type dict is not one of warm, cool, neutral, cool-warm."),
    ],
)
def test_an_unknown_word_leaves_the_field_empty_and_a_note(value: Any, note: str) -> None:
    answer = read(json.dumps({"temperature": value, "mood": ["calm"]}))
    assert (answer.temperature, answer.mood, answer.notes) == (None, ("calm",), (note,))


@pytest.mark.parametrize("value", [None, "", [], [""]])
def test_an_absent_word_leaves_no_note(value: Any) -> None:
    assert read(json.dumps({"temperature": value, "mood": ["calm"]})) == Answer(mood=("calm",))


def test_nan_and_infinity_are_dropped() -> None:
    answer = read('{"mood": ["calm", NaN], "contrast": NaN, "style": -Infinity}')
    assert (answer.mood, answer.contrast, answer.style) == (("calm",), None, ())
    assert len(answer.notes) == 3


def test_of_repeated_keys_the_last_counts() -> None:
    assert read('{"mood": ["first"], "mood": ["second"]}').mood == ("second",)
    assert read('{"Mood": ["loose"], "mood": ["exact"], "MOOD": ["late"]}').mood == ("exact",)


def test_tags_are_cleaned() -> None:
    assert mood("Deep  Sea", "ART   DECO\t") == ("deep sea", "art deco")
    assert mood("calm", "Calm", " CALM ", "calm") == ("calm",)
    assert mood("café", "cafe\u0301", "МОРЕ", "海", "🌊", "naïve") == ("café", "море", "海", "🌊", "naïve")
    assert mood("ca\u200blm", "bell\u0007", "soft\u00adhyphen", "a\u0000b") == ("calm", "bell", "softhyphen", "ab")
    assert mood("“calm”", '"calm"', "it’s cosy", "it's cosy", "«été»") == ("calm", "it's cosy", "été")
    assert mood("x" * 100, "y" * 101) == ("x" * 100,)
    assert mood('{"a": 1}', '["b"]: c', "ratio 3:1", "key: value") == ("ratio 3:1", "key: value")
    assert mood("<b>calm</b>", "---", "...") == ("<b>calm</b>",)
    assert mood("👨‍👩‍👧", "a\u200db") == ("👨‍👩‍👧", "ab")


def test_lone_surrogates_cannot_break_what_is_written_later() -> None:
    answer = read('{"mood": ["\\ud83c", "a\\udfffb"], "contrast": "\\ud83c high?", "\\ud800": 1}')
    assert answer.mood == ("ab",)
    assert (
        refuse('{"ref": "\\ud800x", "mood": ["calm"]}').reason == "The answer belongs to the request 'x', not to r-1."
    )
    str(answer).encode("utf-8")
    assert read('\ud800 {"mood": ["a\ud800b"]}').mood == ("ab",)


def test_lists_are_opened_and_other_things_dropped() -> None:
    answer = read('{"mood": [["calm", ["serene", [[["deep"]]]]], "cosy", null, 3, true, {"tag": "x"}], "style": "zen"}')
    assert answer.mood == ("calm", "serene", "deep", "cosy")
    assert answer.style == ("zen",)
    assert answer.notes == ("mood: something that is not text was dropped.",)


def test_the_word_null_is_no_tag() -> None:
    answer = read('{"mood": ["null", "calm", " NULL "], "associations": ["null island"]}')
    assert answer.mood == ("calm",) and answer.associations == ("null island",)
    assert answer.notes == ("mood: 'null' was dropped.", "mood: ' NULL ' was dropped.")


def test_closed_lists_keep_only_their_words() -> None:
    answer = read(
        json.dumps(
            {
                "harmony": ["Split Complementary", "split_complementary", "rainbow", "Triad"],
                "dominant_colors": ["Grey", "gray", "Navy Blue", "sky", "TEAL"],
                "seasonal": ["Fall", "autumn", "xmas"],
            }
        )
    )
    assert answer.harmony == ("split-complementary", "triadic")
    assert answer.dominant_colors == ("gray", "navy", "teal")
    assert answer.seasonal == ("autumn",)
    assert answer.notes == (
        "dominant_colors: 'sky' was dropped.",
        "harmony: 'rainbow' was dropped.",
        "seasonal: 'xmas' was dropped.",
    )


def test_a_runaway_list_is_cut() -> None:
    answer = read(json.dumps({"mood": [f"tag{number}" for number in range(31)]}))
    assert answer.mood == tuple(f"tag{number}" for number in range(30))
    assert answer.notes == ("mood: only the first 30 of 31 tags were kept.",)


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    assert isinstance(read_answer(text, "r-1"), (Answer, Unusable))


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(FULL)), inner, max_size=6),
    max_leaves=25,
)


@given(st.dictionaries(st.sampled_from(list(FULL)), _JSON), st.booleans())
def test_any_object_gives_clean_tags_that_read_the_same_again(fields: dict[str, Any], ascii_only: bool) -> None:
    answer = read_answer(json.dumps(fields, ensure_ascii=ascii_only), None)
    if isinstance(answer, Unusable):
        return
    again: dict[str, Any] = {field: list(getattr(answer, field)) for field in LIST_FIELDS}
    again |= {field: getattr(answer, field) for field in ("temperature", "contrast", "brightness", "saturation")}
    second = read(json.dumps(again, ensure_ascii=False), None)
    assert {field: getattr(second, field) for field in again} == {field: getattr(answer, field) for field in again}
    for field in LIST_FIELDS:
        tags = getattr(answer, field)
        assert len(set(tags)) == len(tags) <= 30
        assert all(0 < len(tag) <= 100 and tag.encode("utf-8") for tag in tags)
