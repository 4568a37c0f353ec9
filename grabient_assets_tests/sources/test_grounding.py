"""Quotes in a text: found however white space and quotation marks are written, with places that give them back."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grabient_assets.sources.grounding import FoldedText, second_of
from grabient_assets.sources.transcripts import Segment

TEXT = "He said: “Don’t\n  defend the price — ask.”  Then\tI   waited… STRASSE or straße; co\u00adop, naïve."


@pytest.mark.parametrize(
    ("quote", "stands"),
    [
        ("He said", "He said"),
        ('"Don\'t defend the price - ask."', "“Don’t\n  defend the price — ask.”"),
        ("Don't defend the price -- ask", "Don’t\n  defend the price — ask"),
        ("  ask.' Then I waited...  ", "ask.”  Then\tI   waited…"),
        ("'Then I waited'", "Then\tI   waited"),
        ("he SAID", "He said"),
        ("straße", "straße"),
        ("Straße or", "STRASSE or"),
        ("coop", "co\u00adop"),
        ("nai\u0308ve", "naïve"),
        ("STRASSE;", "straße;"),
    ],
)
def test_a_quote_is_found_as_it_stands(quote: str, stands: str):
    found = FoldedText(TEXT).find(quote)
    assert found is not None
    assert TEXT[slice(*found)] == stands


@pytest.mark.parametrize("quote", ["", "  ", "“”", "...", "--", "Hesaid", "defend the cost", TEXT + "x", "price ask"])
def test_what_does_not_stand_there_is_not_found(quote: str):
    assert FoldedText(TEXT).find(quote) is None


def test_nothing_is_found_in_an_empty_text():
    assert FoldedText("").find("a") is None


def test_the_case_as_written_goes_first():
    assert FoldedText("PRICE and price").find("price") == (10, 15)
    assert FoldedText("PRICE and PRICE").find("price") == (0, 5)


MARKS = {"quote": "\"'“”„«»‘’′", "dash": "-–—‐", "space": [" ", "\n", "\t ", "\u00a0", "  \n "]}


@given(st.data())
@settings(deadline=None, max_examples=100)
def test_any_part_of_a_text_is_found_however_it_is_written(data: st.DataObject):
    text = data.draw(st.text(st.sampled_from("abAB \n\t\"'“”’-–—.…ßé語🙂"), min_size=1, max_size=120))
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : data.draw(st.integers(start + 1, len(text)))]
    assume(any(one.isalnum() for one in part))
    written = ""
    for one in " ".join(part.split()):
        if one == " ":
            written += data.draw(st.sampled_from(MARKS["space"]))
        elif one in "\"'“”’":
            written += data.draw(st.sampled_from(MARKS["quote"]))
        elif one in "-–—":
            written += data.draw(st.sampled_from(MARKS["dash"]))
        else:
            written += one
    found = FoldedText(text).find(written)
    assert found is not None
    assert 0 <= found[0] < found[1] <= len(text)
    plain = text[slice(*found)]
    assert not plain[0].isspace()
    assert not plain[-1].isspace()
    assert FoldedText(plain).find(written) == (0, len(plain))
    assert folded(plain) in folded(written)


def folded(text: str) -> str:
    """Folded by other means than the code's."""
    for marks, one in (('"“”„«»‘’′', "'"), ("–—‐", "-")):
        for mark in marks:
            text = text.replace(mark, one)
    text = text.replace("…", "...")
    while "--" in text:
        text = text.replace("--", "-")
    return " ".join(text.split())


def test_hundreds_of_quotes_of_a_whole_window_take_no_time():
    dice = random.Random(14)
    words = [f"word{number}" for number in range(3_000)]
    text = " ".join(dice.choices(words, k=30_000))
    began = time.perf_counter()
    whole = FoldedText(text)
    for place in range(0, 200_000, 500):
        assert whole.find(text[place : place + 60].replace(" ", "\n ")) is not None
        assert whole.find(f"{text[place : place + 40]} not here") is None
    assert time.perf_counter() - began < 5, "800 quotes took 0.3 s when this was written"


def test_a_place_has_the_second_of_its_segment():
    segments = (Segment(1.0, 2.0, "abc", 0, 3), Segment(4.0, 2.0, "def", 4, 7))
    assert [second_of(segments, place) for place in (0, 3, 4, 6, 100)] == [1.0, 1.0, 4.0, 4.0, 4.0]
    assert second_of((Segment(1.0, 2.0, "abc", 5, 8),), 2) == 1.0
    assert second_of(None, 3) is second_of((), 3) is None
