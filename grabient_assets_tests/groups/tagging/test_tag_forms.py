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
    ("grays", "greys"),
    ("calm", "calm.", "#calm", "Calm!", '"calm"'),
    ("\u2600", "\u2600\ufe0f"),
    ("dreamlike", "dream-like", "dream like"),
    ("lo fi", "lo-fi", "lofi"),
    ("retro futuristic", "retro-futuristic", "retrofuturistic"),
    ("multicolored", "multi-coloured", "multicoloured", "multi-colored"),
    ("hot spring", "hot springs"),
    ("city light", "city lights"),
    ("aurora borealis", "northern lights", "Northern Light"),
]
SAME_BY_LIST = """
    favorite favourites|neighbor neighbours|artifact artefacts|aluminum aluminium|jeweled jewelled|coziness cosiness
    smoldering smouldering|crystallized crystallised|organized organised|canceled cancelled|stylized stylised
    tranquilization tranquilisation|modernizing modernising|colorless colourless|watercolor watercolours|crocus crocuses
    lotus lotuses|virus viruses|canvas canvases|atlas atlases|gas gases|avalanche avalanches|niche niches|pie pies
    tie ties|genie genies|calorie calories|mango mangoes|flamingo flamingoes|fresco frescoes|crisis crises|elf elves
    life lives|calf calves|waltz waltzes|shoe shoes|potato potatoes|house houses|sky skies|beach beaches|raised raised
    improvisation improvisation|bias bias|hibiscus hibiscuses|practiced practised
    quiz quizzes|creche creches|mantis mantises|emphasis emphases|junkie junkies|birdie birdies|gouache gouaches
    topaz topazes|trellis trellises|fez fezzes
"""
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
APART_BY_LIST = """
    falls fall|springs spring|sweets sweet|lights light|shorts short|blinds blind|briefs brief|spectacles spectacle
    shades shade|greys gray|reds red|golds gold|corals coral|flats flat|plains plain|marbles marble|grounds ground
    folks folk|tears tear|chills chill|pants pant|fries fry|axes axis|canoes cano|shoes sho|muses mus|vases vas
    lens len|bias bia|eros ero|aries ary|pisces pisce|raised raized|surprising surprizing|rise rize|paradise paradize
    neon neonoir|child children's|dream dreamlike|rock rocks|content contents|ash ashes|dunes dun|leaves leave
"""


def pairs(text: str) -> list[list[str]]:
    return [pair.split() for line in text.strip().splitlines() for pair in line.strip().split("|")]


@pytest.mark.parametrize("words", SAME, ids=lambda words: words[0])
def test_spellings_of_one_word_meet(words: tuple[str, ...]) -> None:
    assert {tag_form(word) for word in words} == {words[0]}


@pytest.mark.parametrize("words", pairs(SAME_BY_LIST), ids=" ".join)
def test_spellings_by_rule_and_list_meet(words: list[str]) -> None:
    assert {tag_form(word) for word in words} == {words[0]}


@pytest.mark.parametrize("words", pairs(APART_BY_LIST), ids=" ".join)
def test_what_looks_like_one_word_and_is_not_stays_apart(words: list[str]) -> None:
    assert tag_form(words[0]) != tag_form(words[1])


@pytest.mark.parametrize("words", APART, ids=" ".join)
def test_words_of_different_meaning_stay_apart(words: tuple[str, str]) -> None:
    assert tag_form(words[0]) != tag_form(words[1])


_LISTED = sorted({*tag_forms().spellings, *tag_forms().plurals, *tag_forms().synonyms, *tag_forms().invariant})


@given(st.text(min_size=1, max_size=40) | st.lists(st.sampled_from(_LISTED), min_size=1, max_size=3).map("-".join))
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
    assert not (lists.invariant | lists.invariant_alone) & set(lists.plurals)
    assert all(tag_form(word) == word for word in lists.invariant_alone)
    assert {tag_form(f"old {word}") for word in lists.invariant_alone} & {"old fall", "old spring", "old light"}
    assert all(tag_form(word) == lists.spellings.get(word, word) for word in lists.always_s)
