from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.groups.refinement.embed_text import Description, EmbedText, fit_embed_text, word_count

NOTHING = Description()


def words(count: int, start: int = 1) -> str:
    return " ".join(f"W{number}" for number in range(start, start + count))


@pytest.mark.parametrize("count", [30, 41, 50])
def test_a_text_within_the_limits_stays_as_it_is(count: int) -> None:
    text = words(count - 1).lower() + " Ünde"
    assert fit_embed_text(text, NOTHING) == EmbedText(text, repaired=False)
    assert fit_embed_text(f"\n {text}\n", NOTHING) == EmbedText(text, repaired=False)


def test_of_a_long_text_the_first_sentences_stay() -> None:
    text = f"{words(20)}. {words(15)}. {words(10)}! {words(20)}."
    fitted = fit_embed_text(text, NOTHING)
    assert fitted == EmbedText(f"{words(20)}. {words(15)}. {words(10)}!", repaired=True)
    assert word_count(fitted.text) == 45


@pytest.mark.parametrize("end", [".", "?", "!”", ".)", "…"])
def test_what_ends_a_sentence(end: str) -> None:
    start = {"!”": "“", ".)": "("}.get(end, "")
    text = f"{start}{words(30)}{end} {words(40)}"
    assert fit_embed_text(text, NOTHING).text == f"{start}{words(30)}{end}"


@pytest.mark.parametrize(
    "start", ["St. Ives lies", "J. M. W. Turner paints", "It glows... and then", "It is e.g. calm, and"]
)
def test_what_ends_none(start: str) -> None:
    text = f"{words(32)}. {start} {words(20)}."
    assert fit_embed_text(text, NOTHING).text == f"{words(32)}."


def test_a_long_sentence_ends_with_a_clause() -> None:
    long = (
        "The navy of the deep sea sinks into a quiet teal; a lighthouse turns above it, while the last boats of the day"
    )
    assert fit_embed_text(f"{long} {words(40)}.", Description(mood=["calm"])).text.startswith(
        "The navy of the deep sea sinks into a quiet teal; a lighthouse turns above it. The mood is calm. "
    )
    assert fit_embed_text(f"Calm sea. {words(60)}.", NOTHING).text.startswith("Calm sea. The gradient runs")
    phrases = f"{words(33)} and {words(9)} with {words(9)}"
    assert fit_embed_text(phrases, NOTHING).text == f"{words(33)} and {words(9)}."
    assert fit_embed_text(words(60), NOTHING).text == f"{words(50)}."


@pytest.mark.parametrize("end", ["sea,", "sea —", "sea, of the", "sea and"])
def test_nothing_is_left_dangling(end: str) -> None:
    count = 50 - len(end.split())
    assert fit_embed_text(f"{words(count)} {end} {words(9)}", NOTHING).text == f"{words(count)} sea."


def test_brackets_without_their_other_half_go() -> None:
    text = f"“Calm” (and {words(31)}. {words(10)}) and more words “than can stay {words(20)}."
    assert fit_embed_text(text, NOTHING).text == f"“Calm” and {words(31)}."
    assert fit_embed_text(f"(“Calm {words(31)}. {words(40)}", NOTHING).text == f"Calm {words(31)}."


SAID = Description(
    mood=["calm", "airy", "sea-like"],
    style=["scandinavian", "swiss modernism"],
    colours=["navy", "teal"],
    harmonies=["analogous"],
    seasonal=["winter", "spring"],
    associations=["mist", "Greek shutter", "a tag that has five words", "{x}", "of the", "rope"],
    measured={"temperature": "cool", "contrast": "low", "brightness": "dark", "saturation": "muted"},
)
_ALL_OF_IT_WORDS = """
    The mood is calm, airy and sea-like. The style is Scandinavian and Swiss modernism. The colours are navy and
    teal. The harmony is analogous. The seasons are winter and spring. Associations include mist, Greek shutter and
    rope. The temperature is cool, contrast is low, brightness is dark and saturation is muted.
"""
ALL_OF_IT = _ALL_OF_IT_WORDS.split()


def test_sentences_from_the_tags_fill_up_a_short_text_in_order() -> None:
    fitted = fit_embed_text("", SAID)
    assert fitted == EmbedText(" ".join(ALL_OF_IT[:30]), repaired=True)
    assert fit_embed_text(f"{words(25)}", SAID).text == f"{words(25)}. " + " ".join(ALL_OF_IT[:7])
    sparse = Description(measured=SAID.measured)
    assert " ".join(ALL_OF_IT[-13:]) in fit_embed_text("", sparse).text


def test_what_the_text_holds_is_not_said_again() -> None:
    text = "A Calm, airy mood in Scandinavian colours, navy and teal, with mist over the rope"
    fitted = fit_embed_text(text, SAID).text
    assert fitted.startswith(f"{text}. The style is Swiss modernism. The harmony is analogous. The seasons are winter")
    assert fit_embed_text("Navy glows.", SAID).text.count("The colours are navy and teal.") == 1


@pytest.mark.parametrize(
    "start", ["Then it fades", "Its string is white", "No, only navy", "Both rest", "This glow ends"]
)
def test_a_sentence_that_leans_on_one_that_went_goes_too(start: str) -> None:
    def named(all_: Sequence[str]) -> frozenset[int]:
        return frozenset(place for place, word in enumerate(all_) if "red" in word)

    text = f"A red sun. {start}. It is calm. {words(30)}."
    assert fit_embed_text(text, NOTHING, named).text == f"It is calm. {words(30)}."
    assert fit_embed_text(text, NOTHING).text == text


def test_a_tag_is_told_whole_or_not_at_all() -> None:
    def named(all_: Sequence[str]) -> frozenset[int]:
        return frozenset(place for place, word in enumerate(all_) if "golden" in word)

    said = Description(mood=["golden hour", "deep sea"])
    assert fit_embed_text(f"{words(25)}.", said, named).text == f"{words(25)}. The mood is deep sea."


@pytest.mark.parametrize("text", ["", "   ", "one"])
def test_neutral_sentences_fill_what_nothing_else_fills(text: str) -> None:
    fitted = fit_embed_text(text, Description(mood=["calm"]))
    assert 30 <= word_count(fitted.text) <= 50
    assert "The mood is calm. The gradient runs in steps" in fitted.text


def test_markup_and_control_characters_go() -> None:
    fitted = fit_embed_text(f"<p>Calm<br>sea</p> a\u0007b \u200bc > d &\n{words(30)}<script", NOTHING)
    assert fitted.text == f"Calm sea ab c d & {words(30)} script"
    assert fitted.repaired
    fitted.text.encode("utf-8")
    assert fit_embed_text("a\ud800b " + words(30), NOTHING).text == "ab " + words(30)


def test_entities_are_what_they_stand_for() -> None:
    text = "r&#101;d &lt;b&gt;calm R&amp;D &amp;amp;lt;i&amp;amp;gt; &#<b>1;01; AT&T&#x200b;"
    fitted = fit_embed_text(f"{text} {words(30)}", NOTHING)
    assert fitted.text.startswith("red calm R&D ") and fitted.repaired
    assert fit_embed_text(fitted.text, NOTHING) == EmbedText(fitted.text, repaired=False)


def test_encoded_data_is_not_a_word() -> None:
    assert fit_embed_text("x" * 101 + " " + words(30), NOTHING).text == words(30)
    assert word_count(fit_embed_text("x " * 1_000_000, NOTHING).text) == 50
    assert word_count(fit_embed_text("x" * 100, NOTHING).text) >= 30, "with a full stop it has 101 characters"


_PIECES = st.sampled_from(["calm", "&amp;", "&lt", "&#x26;", "amp;", "sea,", "sky.", "<b>", "Deep", "—", "море"])
_PROSE = st.text(max_size=400) | st.lists(_PIECES, max_size=80).map(" ".join)


_TAGS = st.lists(st.text(max_size=20), max_size=10)


@settings(deadline=None)
@given(_PROSE, st.builds(Description, mood=_TAGS, colours=_TAGS, associations=_TAGS))
def test_always_within_the_limits_and_stable(text: str, said: Description) -> None:
    fitted = fit_embed_text(text, said)
    assert 30 <= word_count(fitted.text) <= 50
    assert fit_embed_text(fitted.text, said) == EmbedText(fitted.text, repaired=False)
    assert fitted.repaired == (fitted.text.split() != text.split())
    assert not set("<>\0\n\r\t") & set(fitted.text)
    fitted.text.encode("utf-8")
