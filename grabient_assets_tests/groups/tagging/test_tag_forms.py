"""Tags meet in one form; words of different meaning never do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.groups.tagging.tag_forms import tag_form, tag_forms

SAME = [
    ("sunset", "Sunsets", "sun-set", "SUN SET", " sunset "),
    ("mid century modern", "Mid-Century Modern", "midcentury modern", "mid–century modern"),
    ("cozy", "cosy"),
    ("gray sky", "grey skies", "Grey Sky"),
    ("color", "colours"),
    ("theater", "theatre", "theatres"),
    ("leaf", "leaves"),
    ("beach", "beaches"),
    ("city", "cities"),
    ("wave", "waves"),
    ("volcano", "volcanoes"),
    ("glass", "Glass"),
    ("sci fi", "sci-fi", "scifi", "science fiction"),
    ("minimalist", "minimal", "minimalistic"),
    ("caf\u00e9", "cafe\u0301", "caf\u00e9s"),
    ("idea", "ideas"),
    ("house", "houses"),
    ("bus", "buses"),
]
APART = [
    ("gold", "golden hour"),
    ("gold", "golden"),
    ("rose", "roses"),
    ("orange", "oranges"),
    ("peach", "peaches"),
    ("wood", "woods"),
    ("glass", "glasses"),
    ("blue", "blues"),
    ("retro", "vintage"),
    ("fall", "autumn"),
    ("80", "80s"),
    ("80s", "1980s"),
    ("canva", "canvas"),
    ("len", "lens"),
    ("cosmo", "cosmos"),
    ("new", "news"),
    ("mar", "mars"),
    ("pari", "paris"),
    ("mos", "moss"),
    ("gras", "grass"),
    ("lotu", "lotus"),
    ("acoustic", "acoustics"),
    ("cafe", "caf\u00e9"),
    ("sea", "seas of grass"),
]


@pytest.mark.parametrize("words", SAME, ids=lambda words: words[0])
def test_spellings_of_one_word_meet(words: tuple[str, ...]) -> None:
    assert {tag_form(word) for word in words} == {words[0]}


@pytest.mark.parametrize("words", APART, ids=" ".join)
def test_words_of_different_meaning_stay_apart(words: tuple[str, str]) -> None:
    assert tag_form(words[0]) != tag_form(words[1])


@given(st.text(min_size=1, max_size=40))
def test_a_form_is_its_own_form(tag: str) -> None:
    assert tag_form(tag_form(tag)) == tag_form(tag)


def test_the_lists_are_in_the_form_they_give() -> None:
    """A synonym in another form than the rules give would never be found, and a chain would be followed halfway."""
    lists = tag_forms()
    for names in (lists.spellings, lists.plurals, lists.synonyms):
        assert list(names) == sorted(names), "sort the list: a pair that stands twice is overlooked"
        assert not set(names) & set(names.values())
    assert {tag_form(word) for word in lists.synonyms} == set(lists.synonyms.values())
    assert all(tag_form(word) == word for word in lists.synonyms.values())
    assert all(tag_form(word) == word for word in lists.invariant)
    assert not lists.invariant & set(lists.plurals)
