"""Colours that are not there: found in tags and in prose. What may be a thing is none, unless it was flagged."""

from __future__ import annotations

import pytest

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


def named(unseen: Unseen, prose: str) -> str:
    words = prose.split()
    return " ".join(words[place] for place in sorted(unseen.named(words)))


@pytest.mark.parametrize(
    ("prose", "names"),
    [
        ("Crimson waves, deep yellow. A rose in red-hot navy blue.", "Crimson yellow."),
        ("reds, greens and blues", "reds, greens"),
        ("a reddish sky of red-orange and blood-red", "reddish red-orange blood-red"),
        ("light-green hills, olive green trees", "light-green olive green"),
        ("_red_ *red* (red) #red red's \uff52\uff45\uff44!", "_red_ *red* (red) #red red's \uff52\uff45\uff44!"),
        ("red/navy and navy\u2014red, done", "red/navy navy\u2014red,"),
        ("a rose garden at golden hour with orange trees", ""),
        ("warm orange tones, gold-tinted", "orange gold-tinted"),
        ("gold red tones", "gold red"),
        ("orange, red tones", "orange, red"),
        ("Red, orange and yellow fire", "Red, orange yellow"),
        ("gold, amber and red/orange light", "gold, amber red/orange"),
        ("from orange to red, roses and yellow sand", "orange red, yellow"),
        ("orange. Red sails; gold", "Red"),
        ("burnt orange embers, bright coral sails", "orange coral"),
        ("a deep gold trim on dark chocolate, blood orange", "gold"),
        ("reddened clouds over yellowing grass, redder still", "reddened yellowing redder"),
        ("scarlet evergreen redwood", "scarlet"),
    ],
)
def test_which_words_of_prose_name_colours_that_are_not_there(prose: str, names: str) -> None:
    assert named(Unseen(BLUES), prose) == names
    assert named(Unseen(()), prose) == ""


@pytest.mark.parametrize(
    "prose",
    """
    There is no red in it|without any orange tones|not a trace of red|never turning red|neither red nor hot pink
    free of red and green|devoid of yellow|anything but red|rather than red, a cold blue|no red, orange or pink
    no longer quite red|Red is absent|red and orange never appear|Green tones do not appear|red-free and clean
    it lacks red|navy instead of red|not even a hint of dark red|nothing red in sight|none of the red
    red is entirely missing
    over the Red Sea|The Red Sea at night|Red Rocks glow|a Red Cross tent|along the Yellow River's bank
    the Great Red Spot turns|a Green Park bench|Crimson Tide banners over the wide navy sea
    """.replace("\n", "|").split("|"),
)
def test_a_denial_and_a_proper_name_claim_nothing(prose: str) -> None:
    assert named(Unseen(BLUES), prose) == ""


@pytest.mark.parametrize(
    ("prose", "names"),
    [
        ("not only red but green", "red green"),
        ("nothing but red", "red"),
        ("no doubt red rules", "red"),
        ("no cloud dims the red sun", "red"),
        ("never without red", "red"),
        ("no trace of warmth, red glows", "red"),
        ("There is no fuss. Red glows", "Red"),
        ("not blue; red", "red"),
        ("not blue but red", "red"),
        ("red never fades", "red"),
        ("None. A red sun", "red"),
        ("none, a red sun", "red"),
        ("free of haste, red", "red"),
        ("the red sea at night", "red"),
        ("A Red And Orange Gradient With Blue Tones", "Red Orange"),
        ("Red Scandinavian cottages by the water", "Red"),
        ("Red Bauhaus squares by the water", "Red"),
        ("RED SEA", "RED"),
        ("a red Mediterranean evening", "red"),
        ("all in Red. Seas rise", "Red."),
    ],
)
def test_what_only_looks_like_a_denial_or_a_name(prose: str, names: str) -> None:
    assert named(Unseen(BLUES), prose) == names


def test_a_thing_is_a_colour_where_somebody_took_it_for_one() -> None:
    prose = "Orange groves, oranges and amber light in a rose garden"
    assert imagined_names(["Burnt Orange", "navy", "ocean"], BLUES) == {"orange"}
    assert named(Unseen(BLUES, frozenset({"orange"})), prose) == "Orange oranges amber"


def test_what_follows_a_colour_follows_it_where_the_colour_is_flagged_too() -> None:
    unseen = Unseen(BLUES, frozenset({"red", "orange"}))
    assert named(unseen, "red and gold. orange and rose") == "red gold. orange"


def test_a_word_within_a_thing_that_is_a_tag_is_that_thing() -> None:
    things = thing_phrases(["golden hour", "rose garden", "orange grove", "red", "gold", "amber gold", "calm sea"])
    assert things == {("golden", "hour"), ("rose", "garden"), ("orange", "grove")}
    unseen = Unseen(BLUES, frozenset({"gold", "rose", "orange"}), things)
    assert named(unseen, "a golden hour, Golden-Hour and golden hours in the rose garden, red orange groves") == "red"
    gone = "gold, golden. Hour golden rose garden gardens orange, grove red-orange grove"
    assert named(unseen, gone) == "gold, golden. golden orange, red-orange"
    assert named(Unseen(BLUES, things=frozenset({("red", "wine")})), "red wine") == "red"


def test_a_colour_between_two_that_it_is_called_by() -> None:
    for teal in ((0, 150, 160), (0, 140, 150), (64, 150, 157)):
        assert not is_hallucinated("mood", "blue-green", [teal])
        assert is_hallucinated("mood", "blue and orange", [teal])
        assert named(Unseen([teal]), "blue-green sea") == ""
