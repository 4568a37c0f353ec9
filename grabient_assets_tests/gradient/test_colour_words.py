"""Which words claim which colours."""

from __future__ import annotations

import pytest

from grabient_assets.gradient.claims import NEUTRAL_NAME
from grabient_assets.gradient.color import to_oklch
from grabient_assets.gradient.colour_words import (
    ALWAYS_A_COLOUR,
    COLOUR_NOUNS,
    NEUTRAL_NAMES,
    QUALIFIERS,
    claimed_names,
    claims_of,
    colour_word,
)
from grabient_assets.gradient.names import NAMED_COLOURS


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
