from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.gradient import vocabulary
from grabient_assets.groups.refinement.embed_text import word_count
from grabient_assets.groups.refinement.refined_answer import LIMITS, Refined, read_refined
from grabient_assets.groups.tagging.answers import Answer, Unusable
from grabient_assets.groups.tagging.consensus import Consensus, ModelAnswer, build_consensus
from grabient_assets.groups.tagging.imagined import Unseen

PROSE = (
    "Deep navy rises slowly through teal and soft turquoise into a pale mint morning. The mood is calm and airy, the "
    "style clean and scandinavian, like mist lifting from a quiet lake beside wet pines and cold stones at dawn."
)
FULL: dict[str, Any] = {
    "ref": "r-1",
    "temperature": "cool",
    "contrast": "high",
    "brightness": "varied",
    "saturation": "mixed",
    "mood": ["calm", "airy"],
    "style": ["scandinavian", "minimalist"],
    "dominant_colors": ["teal", "navy"],
    "seasonal": ["winter"],
    "associations": ["lake", "mist", "pine", "stone", "dawn"],
    "embed_text": PROSE,
}


def panel() -> Consensus:
    answer = Answer(
        temperature="warm",
        contrast="low",
        brightness="light",
        saturation="muted",
        mood=("serene", "calm", "airy", "quiet"),
        style=("modern", "minimalist"),
        dominant_colors=("blue", "teal"),
        associations=("fjord", "ice", "lake", "linen", "rain"),
    )
    return build_consensus([ModelAnswer("groq", "a", 0, answer)])


def read(changes: dict[str, Any], consensus: Consensus | None = None, **facts: Any) -> Refined:
    fields = {key: value for key, value in {**FULL, **changes}.items() if value is not None}
    refined = read_refined(json.dumps(fields), "r-1", consensus, **facts)
    assert isinstance(refined, Refined), refined
    return refined


def refuse(text: str, consensus: Consensus | None = None, ref: str | None = "r-1") -> Unusable:
    refused = read_refined(text, ref, consensus)
    assert isinstance(refused, Unusable), refused
    return refused


def test_a_right_answer_is_taken_as_it_is() -> None:
    assert read({}, panel()) == Refined(
        temperature="cool",
        contrast="high",
        brightness="varied",
        saturation="mixed",
        mood=("calm", "airy"),
        style=("scandinavian", "minimalist"),
        dominant_colors=("teal", "navy"),
        seasonal=("winter",),
        associations=("lake", "mist", "pine", "stone", "dawn"),
        embed_text=PROSE,
    )
    assert 30 <= word_count(PROSE) <= 50


def test_no_consensus_is_needed_for_a_right_answer() -> None:
    assert read({}) == read({}, panel())


def test_dressed_and_broken_json_is_read_as_in_tagging() -> None:
    refined = read_refined(f"<think>{{}}</think>```json\n{json.dumps(FULL)[:-1]}\n```", "r-1", None)
    assert isinstance(refined, Refined)
    assert (refined.repaired, refined.embed_text_repaired, refined.mood) == (True, False, ("calm", "airy"))


def test_tags_are_cleaned_as_in_tagging() -> None:
    refined = read(
        {"mood": ["Calm", "calm ", "Café"], "dominant_colors": ["Grey"], "contrast": "Strong", "seasonal": ["fall"]}
    )
    assert refined.mood == ("calm", "café")
    assert (refined.dominant_colors, refined.contrast, refined.seasonal) == (("gray",), "high", ("autumn",))
    assert not refined.repaired


@pytest.mark.parametrize("field", list(LIMITS))
def test_too_many_tags_are_cut_to_the_first(field: str) -> None:
    most = LIMITS[field][1]
    words = {"dominant_colors": vocabulary.COLOUR_NAMES, "seasonal": vocabulary.SEASONS}.get(
        field, tuple(f"tag{number}" for number in range(12))
    )
    given_tags = list(words[: most + 1])
    refined = read({field: given_tags})
    assert getattr(refined, field) == tuple(given_tags[:most])
    assert refined.repaired
    assert refined.notes == (f"{field}: only the first {most} of {most + 1} tags were kept.",)


def test_too_few_tags_are_filled_from_the_consensus() -> None:
    refined = read({"mood": ["airy"], "style": [], "associations": ["lake", "mist"]}, panel())
    assert refined.mood == ("airy", "calm")
    assert refined.style == ("minimalist", "modern")
    assert refined.associations == ("lake", "mist", "fjord", "ice", "linen")
    assert refined.repaired
    assert "mood: calm was taken from the consensus." in refined.notes


def test_dominant_colours_fall_back_to_the_palettes_own() -> None:
    assert read({"dominant_colors": ["sky"]}, panel()).dominant_colors == ("blue",)
    own = read({"dominant_colors": []}, None, color_names=["mint", "teal"])
    assert (own.dominant_colors, own.notes) == (
        ("mint",),
        ("dominant_colors: mint was taken from the palette's own colour names.",),
    )
    voted = read({"dominant_colors": []}, panel(), color_names=["mint", "teal"])
    assert voted.notes == ("dominant_colors: blue was taken from the consensus.",)


@pytest.mark.parametrize("field", list(vocabulary.CATEGORICAL_VALUES))
def test_a_missing_categorical_is_taken_from_the_consensus(field: str) -> None:
    refined = read({field: "lukewarm"}, panel())
    assert getattr(refined, field) == panel().top(field)
    assert refined.repaired
    assert f"{field}: {panel().top(field)} was taken from the consensus." in refined.notes


@pytest.mark.parametrize("field", [*vocabulary.CATEGORICAL_VALUES, "mood", "style", "dominant_colors", "associations"])
def test_what_nothing_fills_makes_the_answer_unusable(field: str) -> None:
    text = json.dumps({**FULL, field: None})
    expected = Unusable(f"The answer has too little for {field}, and the consensus has no more to add.")
    assert refuse(text) == expected
    assert refuse(text, build_consensus([])) == expected


def test_a_refiner_that_says_almost_nothing_is_not_replaced_by_the_panel() -> None:
    few = {key: FULL[key] for key in ("ref", "mood", "style", "contrast", "embed_text")}
    assert refuse(json.dumps(few), panel()).reason == "The answer fills fewer than half of the fields asked for."
    assert isinstance(read_refined(json.dumps({**few, "temperature": "cool"}), "r-1", panel()), Refined)


@pytest.mark.parametrize("text", ["", "null", "[]", "42", "{}", "I cannot help with that."])
def test_nothing_is_unusable(text: str) -> None:
    assert refuse(text, panel()).fate == "invalid"


def test_another_requests_answer() -> None:
    assert refuse(json.dumps({**FULL, "ref": "r-2"}), panel()).fate == "mismatched"
    assert read({"ref": None}).mood == ("calm", "airy")


def test_sentences_from_the_tags_fill_up_a_short_embed_text() -> None:
    refined = read({"embed_text": "Calm lake."}, None, color_names=["teal", "mint"], harmonies=["analogous"])
    assert refined.embed_text == (
        "Calm lake. The mood is airy. The style is Scandinavian and minimalist. The colours are teal and navy. The "
        "harmony is analogous. The season is winter. Associations include mist, pine, stone and dawn."
    )
    one = {"embed_text": "Calm lake.", "dominant_colors": ["teal"]}
    names = ["teal", "mint", "gray", "olive", "tan"]
    assert "The colours are teal, mint, gray and olive." in read(one, None, color_names=names).embed_text
    assert (refined.embed_text_repaired, refined.repaired) == (True, False)
    assert refined.notes == ("embed_text: brought to plain text of 30 to 50 words.",)


@pytest.mark.parametrize("value", [None, "", 7, ["Calm lake."]])
def test_a_missing_embed_text_is_made(value: Any) -> None:
    refined = read({"embed_text": value})
    assert refined.embed_text == (
        "The mood is calm and airy. The style is Scandinavian and minimalist. The colours are teal and navy. The "
        "season is winter. Associations include lake, mist, pine, stone and dawn."
    )


def test_a_long_embed_text_is_cut() -> None:
    refined = read({"embed_text": PROSE + " And " + PROSE})
    assert refined.embed_text == PROSE
    assert refined.embed_text_repaired


_WORD = st.sampled_from(["warm", "calm", "Teal", "fall", "low", "x" * 101, "", "lukewarm", "grey", "zen"]) | st.text(
    max_size=8
)
_FIELD = st.none() | _WORD | st.lists(_WORD, max_size=12)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(list(FULL)[1:]), _FIELD))
def test_what_is_returned_is_always_within_the_limits(changes: dict[str, Any]) -> None:
    refined = read_refined(json.dumps({**FULL, **changes}), "r-1", panel(), ["teal"], ["analogous"])
    if isinstance(refined, Unusable):
        return
    for field, (fewest, most) in LIMITS.items():
        tags = getattr(refined, field)
        assert fewest <= len(tags) <= most
        assert len(set(tags)) == len(tags)
    for field, values in vocabulary.CATEGORICAL_VALUES.items():
        assert getattr(refined, field) in values
    assert set(refined.dominant_colors) <= set(vocabulary.COLOUR_NAMES)
    assert set(refined.seasonal) <= set(vocabulary.SEASONS)
    assert 30 <= word_count(refined.embed_text) <= 50


BLUES = ((10, 20, 80), (20, 40, 120), (0, 120, 130))


def test_colours_that_are_not_there_are_dropped_and_do_not_reach_the_embed_text() -> None:
    answer = Answer(associations=("lakes", "lake", "yellow", "brook", "mist", "ice"))
    consensus = build_consensus([ModelAnswer("groq", "a", 0, answer)], BLUES)
    changes: dict[str, Any] = {
        "dominant_colors": ["yellow", "teal"],
        "associations": ["lake", "crimson", "mist", "pine", "stone"],
        "embed_text": "Crimson and teal.",
    }
    refined = read(changes, consensus, rgb=BLUES)
    assert refined.dominant_colors == ("teal",)
    assert refined.associations == ("lake", "mist", "pine", "stone", "brook")
    assert refined.embed_text.startswith("The colour is teal. The mood is calm and airy.")
    assert not {"crimson", "yellow"} & set(refined.embed_text.lower().split())
    assert (refined.repaired, refined.embed_text_repaired) == (True, True)
    assert refined.notes[:3] == (
        "dominant_colors: yellow was dropped, no colour of the palette comes near.",
        "associations: crimson was dropped, no colour of the palette comes near.",
        "associations: brook was taken from the consensus.",
    )
    assert read(changes, consensus).dominant_colors == ("yellow", "teal")


_CALM = (
    "A calm deep ocean night with storm and ice, a modern clean look for quiet winter evenings where waves roll slowly "
    "toward a distant shore and the wind settles down at last over water."
)


_NOT_THERE = """
    orange gold golden lime coral salmon olive chocolate tan khaki rose peach fuchsia amber emerald scarlet reds
    greens reddish red-orange blood-red light-green _red_ re\u00add re\u200bd <i>red</i> crimsons Yellow,
"""


@pytest.mark.parametrize("word", _NOT_THERE.split())
def test_no_spelling_of_a_colour_that_is_not_there_reaches_the_embed_text(word: str) -> None:
    refined = read({"embed_text": f"Calm {word} sails. {_CALM}", "dominant_colors": ["teal", word]}, rgb=BLUES)
    assert refined.embed_text.endswith(_CALM)
    assert refined.embed_text.removesuffix(_CALM) == "The colour is teal. "
    assert refined.embed_text_repaired
    assert "embed_text: what names colours that no colour of the palette comes near was left out." in refined.notes


def test_what_the_panel_took_for_a_colour_is_not_named_either() -> None:
    answer = Answer(dominant_colors=("teal", "orange"))
    changes = {"embed_text": f"Orange and rose. {_CALM}"}
    panel = build_consensus([ModelAnswer("groq", "a", 0, answer)], BLUES)
    assert read(changes, panel, rgb=BLUES).embed_text == f"The colours are teal and navy. {_CALM}"
    assert read(changes, rgb=BLUES).embed_text == f"Orange and rose. {_CALM}", "an orange is a fruit too"


def blue_panel(wrong: dict[str, int], associations: tuple[str, ...] = ()) -> Consensus:
    """Ten models of which so many took that for a colour of a blue palette."""
    said = [("blue", *(name for name, models in wrong.items() if number < models)) for number in range(10)]
    answers = [Answer(dominant_colors=names, associations=associations) for names in said]
    return build_consensus([ModelAnswer("groq", str(n), 0, answer) for n, answer in enumerate(answers)], BLUES)


THINGS = {
    "gold": "Golden hour is near.",
    "rose": "A rose garden is near.",
    "orange": "An orange grove is near.",
    "chocolate": "It is a chocolate box.",
    "lime": "A lime tree is near.",
}
THINGS_AND_COLOURS = " ".join([*THINGS.values(), " ".join(_CALM.split()[:20]) + "."])


@pytest.mark.parametrize("name", ["gold", "rose", "orange", "chocolate", "lime"])
def test_less_than_half_of_the_models_spoil_no_word(name: str) -> None:
    text = {"embed_text": THINGS_AND_COLOURS}
    assert read(text, blue_panel({name: 4}), rgb=BLUES).embed_text == THINGS_AND_COLOURS
    spoilt = read(text, blue_panel({name: 5}), rgb=BLUES)
    assert [one for one in THINGS.values() if one not in spoilt.embed_text] == [THINGS[name]]


@pytest.mark.parametrize("whose", ["refiner", "panel"])
def test_a_word_stays_within_a_thing_that_somebody_named(whose: str) -> None:
    """The colour is taken for one of the palette by the refiner or by all models, and is not."""
    things = ("golden hour", "rose garden", "orange grove", "chocolate box", "lime tree")
    prose = f"Gold light. {THINGS_AND_COLOURS}"
    names = ("gold", "rose", "orange", "chocolate", "lime")
    if whose == "refiner":
        changes: dict[str, Any] = {"dominant_colors": ["teal", *names], "associations": list(things)}
        consensus = None
    else:
        changes, consensus = {}, blue_panel(dict.fromkeys(names, 10), associations=things)
    assert THINGS_AND_COLOURS in read({**changes, "embed_text": prose}, consensus, rgb=BLUES).embed_text
    short = read({**changes, "embed_text": "Calm.", "associations": list(things)}, consensus, rgb=BLUES)
    named = "Associations include golden hour, rose garden, orange grove, chocolate box and lime tree."
    assert named in short.embed_text


@pytest.mark.parametrize("tag", ["burnt orange", "bright coral", "pale gold", "red & orange", "reddened", "r&#101;d"])
def test_a_plain_claim_of_a_colour_that_is_not_there_reaches_neither_tags_nor_text(tag: str) -> None:
    refined = read({"associations": [tag, *FULL["associations"]], "embed_text": f"Calm {tag} sails."}, rgb=BLUES)
    assert (tag in refined.associations) == ("&#" in tag), "a tag keeps its markup, pages escape it"
    assert not {"orange", "coral", "gold", "red", "reddened", "r&#101;d"} & set(refined.embed_text.split())


def test_what_extends_a_short_text_names_no_such_colour() -> None:
    changes = {"embed_text": "Calm.", "associations": ["red wine", "green tea", "gold", "ice", "fog", "coral"]}
    text = read({**changes, "dominant_colors": ["teal", "gold"]}, rgb=BLUES).embed_text
    assert "Associations include ice, fog and coral." in text
    assert not {"red", "green", "gold", "wine", "tea"} & set(text.split()), "a tag is told whole or not at all"


@settings(deadline=None)
@given(st.lists(st.sampled_from(["gold", "tones", "red", "hues", "shades", "coral", "calm", "olive"]), max_size=60))
def test_the_final_text_names_no_such_colour_and_has_its_length(words: list[str]) -> None:
    changes = {"embed_text": " ".join(words), "associations": ["gold", "coral", "olive", "red wine", "rose"]}
    text = read(changes, rgb=BLUES).embed_text
    assert 30 <= word_count(text) <= 50
    assert not Unseen(BLUES).named(text.split())
