from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.groups.refinement.embed_text import EmbedText, fit_embed_text, word_count


def words(count: int, start: int = 1) -> str:
    return " ".join(f"w{number}" for number in range(start, start + count))


@pytest.mark.parametrize("count", [30, 41, 50])
def test_a_text_within_the_limits_stays_as_it_is(count: int) -> None:
    text = words(count - 1) + " Ünde."
    assert fit_embed_text(text, ["extra"]) == EmbedText(text, repaired=False)
    assert fit_embed_text(f"\n {text}\n", ["extra"]) == EmbedText(text, repaired=False)


def test_a_long_text_ends_at_the_last_sentence_end_within_the_limits() -> None:
    text = f"{words(20)}. {words(15)}. {words(10)}! {words(20)}."
    fitted = fit_embed_text(text, [])
    assert fitted == EmbedText(f"{words(20)}. {words(15)}. {words(10)}!", repaired=True)
    assert word_count(fitted.text) == 45


@pytest.mark.parametrize("end", [".", "?", "!”", ".)", "…"])
def test_what_ends_a_sentence(end: str) -> None:
    text = f"{words(30)}{end} {words(40)}"
    assert fit_embed_text(text, []).text == f"{words(30)}{end}"


def test_a_sentence_end_before_word_30_or_after_word_50_does_not_count() -> None:
    text = f"{words(29)}. {words(40)}."
    assert fit_embed_text(text, []).text == " ".join(text.split()[:50])
    assert word_count(fit_embed_text(words(51) + ".", []).text) == 50


def test_no_comma_or_dash_is_left_dangling() -> None:
    assert fit_embed_text(f"{words(49)} sea, {words(9)}", []).text == f"{words(49)} sea"
    assert fit_embed_text(f"{words(48)} sea — {words(9)}", []).text == f"{words(48)} sea"


def test_a_short_text_is_extended_in_order_without_repeating() -> None:
    text = f"{words(25)} Calm sea."
    fitted = fit_embed_text(text, ["calm", "sea calm", "deep", "DEEP", "teal", "w3", "misty"])
    assert fitted == EmbedText(f"{text} deep teal misty", repaired=True)


def test_a_phrase_is_added_whole_or_not_at_all() -> None:
    text = f"{words(25)} Calm sea."
    fitted = fit_embed_text(text, ["deep sea", "rose garden at dusk", "teal"])
    assert fitted == EmbedText(f"{text} deep sea rose garden at dusk", repaired=True)
    without = fit_embed_text(text, ["golden hour", "deep sea", "teal"], lambda all_: [w for w in all_ if w != "golden"])
    assert without.text == f"{text} deep sea teal"
    too_long = " ".join(f"x{number}" for number in range(24))
    assert fit_embed_text(text, [too_long, "deep sea"]).text.startswith(f"{text} deep sea gradient")


@pytest.mark.parametrize("text", ["", "   ", "one"])
def test_neutral_words_fill_what_nothing_else_fills(text: str) -> None:
    fitted = fit_embed_text(text, ["calm"])
    assert word_count(fitted.text) == 30
    assert "calm gradient palette colours" in fitted.text
    assert len({word.lower() for word in fitted.text.split()}) == 30


def test_markup_and_control_characters_go() -> None:
    fitted = fit_embed_text(f"<p>Calm<br>sea</p> a\u0007b \u200bc > d &\n{words(30)}<script", ["x"])
    assert fitted.text == f"Calm sea ab c d & {words(30)} script"
    assert fitted.repaired
    fitted.text.encode("utf-8")
    assert fit_embed_text("a\ud800b " + words(30), []).text == "ab " + words(30)


def test_entities_are_what_they_stand_for() -> None:
    text = "r&#101;d &lt;b&gt;calm R&amp;D &amp;amp;lt;i&amp;amp;gt; &#<b>1;01; AT&T&#x200b;"
    fitted = fit_embed_text(f"{text} {words(30)}", [])
    assert fitted.text.startswith("red calm R&D ") and fitted.repaired
    assert fit_embed_text(fitted.text, []) == EmbedText(fitted.text, repaired=False)


def test_encoded_data_is_not_a_word() -> None:
    assert fit_embed_text("x" * 101 + " " + words(30), []).text == words(30)
    assert word_count(fit_embed_text("x " * 1_000_000, []).text) == 50


_PIECES = st.sampled_from(["calm", "&amp;", "&lt", "&#x26;", "amp;", "sea,", "sky.", "<b>", "Deep", "—", "море"])
_PROSE = st.text(max_size=400) | st.lists(_PIECES, max_size=80).map(" ".join)


@settings(deadline=None)
@given(_PROSE, st.lists(st.text(max_size=20), max_size=10))
def test_always_within_the_limits_and_stable(text: str, extension: list[str]) -> None:
    fitted = fit_embed_text(text, extension)
    assert 30 <= word_count(fitted.text) <= 50
    assert fitted == fit_embed_text(text, list(extension))
    assert fit_embed_text(fitted.text, extension) == EmbedText(fitted.text, repaired=False)
    assert fitted.repaired == (fitted.text.split() != text.split())
    assert not set("<>\0\n\r\t") & set(fitted.text)
    fitted.text.encode("utf-8")
