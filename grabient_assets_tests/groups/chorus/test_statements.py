"""What is read from an artist's text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.groups.chorus.statements import Statement, read_statement

SAID, PROMPT = "I paint what the harbour forgets. " * 12, "A harbour at dusk, oil on canvas, deep blue and ochre."


def answer(**fields: object) -> str:
    return json.dumps({"ref": "one-00", "statement": SAID, "image_prompt": PROMPT} | fields)


def read(text: str) -> Statement:
    found = read_statement(text, "one-00")
    assert found.statement or found.image_prompt
    return found


@pytest.mark.parametrize(
    ("text", "form", "fate"),
    [
        (answer(), "json", "succeeded"),
        (f"Here it is:\n```json\n{answer()}\n```", "json", "succeeded"),
        (f"<think>a harbour?</think>{answer()}", "json", "succeeded"),
        (answer()[:-1] + ",}", "json", "repaired"),
        (f"===ARTIST STATEMENT===\n{SAID}\n===FINAL IMAGE PROMPT===\n{PROMPT}\n", "delimiters", "succeeded"),
        (f"Sure!\n=== Artist Statement ===\n{SAID}\n=== final image prompt ===\n{PROMPT}", "delimiters", "succeeded"),
    ],
)
def test_every_form_of_an_answer_is_read(text: str, form: str, fate: str):
    found = read(text)
    assert (found.statement, found.image_prompt) == (SAID.strip(), PROMPT)
    assert (found.form, found.fate, found.error, found.words) == (form, fate, None, 72)
    assert found.notes == ()


@pytest.mark.parametrize(
    "text",
    [answer(image_prompt="  \n"), answer(image_prompt=None), f"===ARTIST STATEMENT===\n{SAID}", answer(image_prompt=7)],
)
def test_without_an_image_prompt_the_statement_is_kept_and_the_reason_named(text: str):
    found = read(text)
    assert found.statement == SAID.strip() and found.image_prompt is None
    assert found.error == "The artist wrote a statement but no image prompt, so nothing was painted."


def test_a_statement_of_400_words_is_noted_and_used():
    found = read(answer(statement="word " * 400))
    assert found.error is None and found.notes == ("The statement has 400 words instead of 60 to 150.",)


def test_an_image_prompt_that_never_ends_is_not_painted():
    assert (
        read(answer(image_prompt="sea " * 3_000)).error == "The image prompt has 11,999 characters; 8,000 are the most."
    )


@pytest.mark.parametrize("text", ["", "I will not.", "{}", '{"ref": "one-00"}', answer(statement="", image_prompt="")])
def test_a_text_that_says_neither_is_no_answer(text: str):
    found = read_statement(text, "one-00")
    assert (found.fate, found.statement, found.image_prompt) == ("invalid", None, None) and found.error


def test_an_answer_to_another_request_is_mismatched():
    found = read_statement(answer(ref="two-00"), "one-00")
    assert found.fate == "mismatched" and found.error and "'two-00'" in found.error


@settings(deadline=None)
@given(st.text(max_size=400))
def test_no_text_of_a_model_is_an_error(text: str):
    found = read_statement(text, "one-00")
    assert bool(found.error) == (found.fate not in ("succeeded", "repaired"))
    assert found.error or (found.image_prompt and found.image_prompt.strip())
