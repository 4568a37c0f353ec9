"""Which words claim which colours, and names that a palette contradicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient.color import NAMED_COLOURS, color_names, to_oklch
from grabient_assets.gradient.colour_words import (
    ALWAYS_A_COLOUR,
    COLOUR_NOUNS,
    NEUTRAL_NAME,
    NEUTRAL_NAMES,
    QUALIFIERS,
    are_contradicted,
    claimed_names,
    claims_of,
    colour_word,
    is_contradicted,
)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("red", {"red"}),
        ("reds", {"red"}),
        ("reddish", {"red"}),
        ("bluish", {"blue"}),
        ("greys", {"gray"}),
        ("navies", {"navy"}),
        ("scarlet", {"red"}),
        ("fuchsia", {"magenta"}),
        ("orangish", {"orange"}),
        ("bright red", {"red"}),
        ("very dark green", set()),
        ("dark forest green", {"green"}),
        ("navy blue", {"navy", "blue"}),
        ("golden yellow", {"gold", "yellow"}),
        ("red orange", {"red", "orange"}),
        ("slate blue", {"blue"}),
        ("blue gray", {"blue", "gray"}),
        ("black white", {"white"}),
        ("lightgreen", {"green"}),
        ("greenyellow", {"green", "yellow"}),
        ("orange tones", {"orange"}),
        ("gold tinted", {"gold"}),
        ("reddish hues", {"red"}),
        ("burnt orange", {"orange"}),
        ("pale gold", {"gold"}),
        ("soft bright coral", {"coral"}),
        ("vivid lime", {"lime"}),
        ("neonorange", set()),
        ("brightorange", {"orange"}),
        ("gold gradient", {"gold"}),
        ("red color", {"red"}),
        ("orange ish", {"orange"}),
        *((word, {"red"}) for word in ("redder", "reddest", "redden", "reddened", "reddening", "redness")),
        *((word, {"white"}) for word in ("whiter", "whitest", "whitened", "whitening", "whiteness")),
        *((word, {"yellow"}) for word in ("yellower", "yellowed", "yellowing")),
        *((word, {"blue"}) for word in ("bluest", "blueness")),
        ("greying", {"gray"}),
    ],
)
def test_what_is_nothing_but_a_colour(words: str, names: set[str]) -> None:
    assert claimed_names(tuple(words.split())) == names


THINGS = """
    rose|roses|gold|golden hour|orange|oranges|amber|emerald|blues|red wine|green tea|white chocolate|dark chocolate|
    red rose|white gold|rose gold|blood orange|fresh mint|evergreen|redwood|bluebell|blackboard|greenhouse|dark|tones|
    warm tones|hundred|sacred|moody blue|sea|ruby red shoes|dark olive|fresh lime|milk chocolate|bright oranges|whiting|
    greenen|burnt orange grove
"""


@pytest.mark.parametrize("words", THINGS.split("|"))
def test_what_may_be_a_thing(words: str) -> None:
    assert claimed_names(tuple(words.split())) == frozenset()


@pytest.mark.parametrize(
    ("tag", "claims"),
    [
        ("red", [{"red"}]),
        ("blue green", [{"blue", "green"}]),
        *((f"red{joined}orange", [{"red"}, {"orange"}]) for joined in (" and ", " & ", "/", ", ", " to ", ", and ")),
        ("orange and red tones", [{"orange"}, {"red"}]),
        ("dark red, gold and lime", [{"red"}, {"gold"}, {"lime"}]),
        ("gold and orange", []),
        ("red and fire", []),
        ("red wine, rose", []),
        ("sandy red", []),
        ("red,", []),
    ],
)
def test_colours_that_are_joined(tag: str, claims: list[set[str]]) -> None:
    """Beside a certain colour an orange is one. Without one these are things, and so is a tag that names a thing."""
    assert claims_of(tag) == tuple(map(frozenset, claims))


def test_the_lists_name_colours_that_exist() -> None:
    assert set(NAMED_COLOURS) >= ALWAYS_A_COLOUR
    assert {name for name, rgb in NAMED_COLOURS.items() if to_oklch(rgb)[1] < NEUTRAL_NAME} == NEUTRAL_NAMES
    assert not any(colour_word(noun) for noun in COLOUR_NOUNS)
    assert not any((colour := colour_word(word)) and colour.always for word in QUALIFIERS)


REDS = [(120, 10, 10), (200, 40, 20), (255, 120, 90)]
BLUES = [(10, 20, 80), (60, 120, 200), (170, 210, 240)]
GREYS = [(20, 20, 20), (120, 122, 121), (235, 235, 236)]
PASTELS = [(250, 240, 245), (240, 230, 250), (225, 240, 235)]


@pytest.mark.parametrize(
    ("rgb", "names"),
    [
        (REDS, ["red", "crimson", "maroon", "orange", "brown", "coral", "salmon", "pink"]),
        (BLUES, ["blue", "navy", "azure", "cyan", "indigo", "slate", "black", "white"]),
        (GREYS, ["gray", "black", "white", "silver", "charcoal", "slate", "ivory"]),
    ],
)
def test_what_can_be_seen_is_no_contradiction(rgb: list[tuple[int, int, int]], names: list[str]) -> None:
    assert [name for name in names if is_contradicted(name, rgb)] == []


@pytest.mark.parametrize(
    ("rgb", "names"),
    [
        (REDS, ["green", "blue", "teal", "cyan", "turquoise", "navy", "white", "gray"]),
        (BLUES, ["red", "orange", "yellow", "brown", "olive", "crimson", "gold"]),
        (GREYS, ["red", "green", "blue", "yellow", "purple", "pink", "gold"]),
        (PASTELS, ["black", "charcoal"]),
    ],
)
def test_what_cannot_be_seen_is_one(rgb: list[tuple[int, int, int]], names: list[str]) -> None:
    assert [name for name in names if not is_contradicted(name, rgb)] == []


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=11))
def test_a_name_that_is_there_as_such_is_never_contradicted(rgb: list[tuple[int, int, int]]) -> None:
    there = {name for name, named in NAMED_COLOURS.items() if named in rgb} | set(color_names(rgb))
    assert not [name for name in there if is_contradicted(name, rgb)]


def test_every_named_colour_supports_itself_and_its_computed_name() -> None:
    for name, rgb in NAMED_COLOURS.items():
        assert not is_contradicted(name, [rgb])
        assert not is_contradicted(color_names([rgb])[0], [rgb])


@pytest.mark.parametrize(
    "rgb", [(155, 122, 1), (100, 84, 3), (136, 104, 6), (115, 92, 18), (107, 91, 42), (105, 97, 18), (111, 78, 55)]
)
def test_browns_from_red_to_olive_are_brown(rgb: tuple[int, int, int]) -> None:
    assert not is_contradicted("brown", [rgb])
    assert not is_contradicted("brown", [NAMED_COLOURS["red"]]) and not is_contradicted("brown", [(128, 0, 0)])
    assert is_contradicted("brown", [(60, 120, 60)]) and is_contradicted("brown", [(200, 60, 180)])


@pytest.mark.parametrize("rgb", [(0, 150, 160), (0, 140, 150), (64, 150, 157)])
def test_a_colour_between_two_names_is_both(rgb: tuple[int, int, int]) -> None:
    assert is_contradicted("blue", [rgb]) and is_contradicted("green", [rgb])
    assert not are_contradicted(["blue", "green"], [rgb])
    assert not are_contradicted(["green", "blue"], [rgb])


def test_what_lies_between_two_names_lies_on_the_shorter_way() -> None:
    """Blue and red are 125 degrees apart: purples are between them, greens are not. Blue and yellow are opposite."""
    assert not are_contradicted(["blue", "red"], [(200, 0, 200)])
    assert are_contradicted(["blue", "red"], [(0, 160, 60)])
    assert are_contradicted(["blue", "yellow"], [(0, 150, 140)])
    assert are_contradicted(["blue", "green"], [(128, 128, 128)]), "a grey has no hue"
    assert are_contradicted(["blue", "white"], [(0, 100, 20)]), "white has no hue"
    assert not are_contradicted(["red"], REDS) and are_contradicted(["red"], BLUES)


def test_a_word_that_is_no_colour_is_never_contradicted() -> None:
    assert not is_contradicted("ocean", REDS)
