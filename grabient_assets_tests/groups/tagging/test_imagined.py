"""Colours that are not there: found in tags, taken out of prose. What may be a thing stays, unless it was flagged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.groups.tagging.imagined import Unseen, imagined_names, is_hallucinated, thing_phrases

BLUES = ((10, 20, 80), (20, 40, 120), (0, 60, 130))
NOT_THERE = """
    red|reds|red.|#red|Red!|reddish|red-orange|bright red|bright  RED|deep red|dark green|dark-green|light pink|pinks|
    fuchsia|mint green|scarlet|olive green|forest green|golden yellow|blood-red|lightgreen|orange tones|
    red and orange|red & orange|red/orange|red, orange|red-ish|red color|red colour|redness|red gradient|burnt orange|
    dark orange|neon orange|bright coral|pale gold|light salmon|reddened|yellowing|redder
"""
MAY_BE = (
    "red wine|yellow sand|green tea|rose|oranges|golden hour|amber|blues|navy blue|dark blue|sky blue|blue-green|"
    "red and navy|blood orange|milk chocolate|dark chocolate|coral reef|gold and orange"
)


@pytest.mark.parametrize("tag", NOT_THERE.split("|"))
def test_open_tags_that_are_a_colour(tag: str) -> None:
    assert is_hallucinated("associations", tag, BLUES)
    assert not is_hallucinated("associations", tag, ())
    assert not is_hallucinated("seasonal", tag, BLUES)


@pytest.mark.parametrize("tag", MAY_BE.split("|"))
def test_open_tags_that_may_be_true(tag: str) -> None:
    assert not is_hallucinated("associations", tag, BLUES)


@pytest.mark.parametrize(
    ("prose", "left"),
    [
        ("Crimson waves, deep yellow. A rose in red-hot navy blue.", "waves, deep. A rose in red-hot navy blue."),
        ("reds, greens and blues", "and blues"),
        ("a reddish sky of red-orange and blood-red", "a sky of and"),
        ("light-green hills, olive green trees", "hills, trees"),
        ("_red_ *red* (red) #red red's \uff52\uff45\uff44!", ""),
        ("red/navy and navy\u2014red, done", "navy and navy, done"),
        ("a rose garden at golden hour with orange trees", "a rose garden at golden hour with orange trees"),
        ("warm orange tones, gold-tinted", "warm tones,"),
        ("gold red tones", "tones"),
        ("orange, red tones", "tones"),
        ("Red, orange and yellow fire", "and fire"),
        ("gold, amber and red/orange light", "and light"),
        ("from orange to red, roses and yellow sand", "from to, roses and sand"),
        ("orange. Red sails; gold", "orange. sails; gold"),
        ("burnt orange embers, bright coral sails", "burnt embers, bright sails"),
        ("a deep gold trim on dark chocolate, blood orange", "a deep trim on dark chocolate, blood orange"),
        ("reddened clouds over yellowing grass, redder still", "clouds over grass, still"),
        ("scarlet evergreen redwood", "evergreen redwood"),
    ],
)
def test_prose_loses_the_colours_that_are_not_there(prose: str, left: str) -> None:
    assert Unseen(BLUES).without(prose.split()) == left.split()
    assert Unseen(()).without(prose.split()) == prose.split()


def test_a_thing_is_taken_out_where_somebody_took_it_for_a_colour() -> None:
    prose = "Orange groves, oranges and amber light in a rose garden"
    assert imagined_names(["Burnt Orange", "navy", "ocean"], BLUES) == {"orange"}
    left = Unseen(BLUES, frozenset({"orange"})).without(prose.split())
    assert " ".join(left) == "groves, and light in a rose garden"


def test_what_follows_a_colour_follows_it_where_the_colour_is_flagged_too() -> None:
    unseen = Unseen(BLUES, frozenset({"red", "orange"}))
    assert unseen.without(["red", "and", "gold.", "orange", "and", "rose"]) == ["and.", "and", "rose"]


def test_a_word_stays_within_a_thing_that_is_a_tag() -> None:
    things = thing_phrases(["golden hour", "rose garden", "orange grove", "red", "gold", "amber gold", "calm sea"])
    assert things == {("golden", "hour"), ("rose", "garden"), ("orange", "grove")}
    unseen = Unseen(BLUES, frozenset({"gold", "rose", "orange"}), things)
    kept = "a golden hour, Golden-Hour and golden hours in the rose garden, red orange groves"
    assert " ".join(unseen.without(kept.split())) == kept.replace(" red", "")
    gone = "gold, golden. Hour golden rose garden gardens orange, grove red-orange grove"
    assert " ".join(unseen.without(gone.split())) == "Hour rose garden gardens, grove grove"
    assert "red" not in Unseen(BLUES, things=frozenset({("red", "wine")})).without(["red", "wine"])


def test_a_colour_between_two_that_it_is_called_by() -> None:
    for teal in ((0, 150, 160), (0, 140, 150), (64, 150, 157)):
        assert not is_hallucinated("mood", "blue-green", [teal])
        assert is_hallucinated("mood", "blue and orange", [teal])
        assert Unseen([teal]).without(["blue-green", "sea"]) == ["blue-green", "sea"]


_WORDS = st.sampled_from(
    [
        "red",
        "Orange",
        "gold",
        "tones",
        "navy",
        "sea.",
        "light-green",
        "*red*",
        "red/gold",
        "\u2014",
        "and",
        "gold,",
        "burnt",
        "hour",
    ]
)


@settings(deadline=None)
@given(st.lists(_WORDS | st.text(min_size=1, max_size=6).filter(str.strip), max_size=40))
def test_once_is_enough(words: list[str]) -> None:
    unseen = Unseen(BLUES, frozenset({"rose", "gold"}), frozenset({("gold", "hour")}))
    words = [part for word in words for part in word.split()]
    assert unseen.without(unseen.without(words)) == unseen.without(words)
    assert not {"red", "*red*", "light-green"} & set(unseen.without(words))
