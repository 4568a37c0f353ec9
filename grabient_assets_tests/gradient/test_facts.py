from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient.color import to_hsl, to_lch
from grabient_assets.gradient.colour_data import describe
from grabient_assets.gradient.facts import brightness, compute_facts, contrast, saturation_word, temperature
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets_tests.vectors import vectors

channels = st.integers(0, 255)
VIVID = [80] * 11


def truths():
    for case in vectors("categorical_truth_shared.json")["cases"]:
        facts = describe(decode_seed(case["seed"])).facts
        for field, truth in case["fields"].items():
            yield case["seed"], field, truth, facts


def test_unambiguous_vectors_have_exactly_their_value():
    checked = [
        (seed, field, getattr(facts, field), truth["value"])
        for seed, field, truth, facts in truths()
        if not truth["ambiguous"]
    ]
    assert [one for one in checked if one[2] != one[3]] == []
    assert len(checked) >= 115


def test_ambiguous_vectors_have_an_acceptable_value():
    wrong = [(s, f, getattr(x, f)) for s, f, truth, x in truths() if getattr(x, f) not in truth["acceptable"]]
    assert wrong == []


def test_clear_cut_is_never_claimed_of_an_ambiguous_field():
    assert [
        (seed, field) for seed, field, truth, facts in truths() if field in facts.clear_cut and truth["ambiguous"]
    ] == []


def test_most_unambiguous_fields_are_clear_cut():
    plain = [field in facts.clear_cut for _, field, truth, facts in truths() if not truth["ambiguous"]]
    assert sum(plain) >= 0.9 * len(plain)


@pytest.mark.parametrize(
    ("hues", "saturations", "expected"),
    [
        ([10] * 11, VIVID, "warm"),
        ([320] * 11, VIVID, "warm"),
        ([200] * 11, VIVID, "cool"),
        ([200] * 8 + [30] * 3, VIVID, "cool-warm"),
        ([200] * 9 + [30] * 2, VIVID, "cool"),
        ([30] * 9 + [200] * 2, VIVID, "warm"),
        ([10] * 11, [14] * 6 + [80] * 5, "neutral"),
        ([10] * 11, [14] * 5 + [80] * 6, "warm"),
        ([90] * 11, VIVID, "warm"),
        ([120] * 11, VIVID, "cool"),
        ([275] * 11, VIVID, "cool"),
        ([290] * 11, VIVID, "warm"),
        ([60] + [120] * 10, VIVID, "warm"),
        ([61] + [150] + [120] * 9, VIVID, "cool"),
        ([30] * 2 + [200] * 2 + [100] * 3 + [110] * 4, VIVID, "cool"),
        ([30] * 2 + [200] * 2 + [100] * 3 + [110] * 3 + [0], [80] * 10 + [0], "cool-warm"),
    ],
)
def test_temperature(hues: list[int], saturations: list[int], expected: str):
    assert temperature(hues, saturations) == expected


@pytest.mark.parametrize(
    ("spread", "expected"), [(0, "low"), (24, "low"), (25, "medium"), (50, "medium"), (51, "high"), (100, "high")]
)
def test_contrast(spread: int, expected: str):
    assert contrast([0, spread // 2, spread]) == expected


@pytest.mark.parametrize(
    ("lightnesses", "expected"),
    [
        ([34] * 11, "dark"),
        ([35] * 11, "medium"),
        ([65] * 11, "medium"),
        ([66] * 11, "light"),
        ([20] * 3 + [50] * 5 + [80] * 3, "varied"),
        ([20] * 2 + [50] * 6 + [80] * 3, "medium"),
        ([20] * 8 + [80] * 3, "varied"),
        ([34] * 3 + [50] * 5 + [65] * 3, "medium"),
    ],
)
def test_brightness(lightnesses: list[int], expected: str):
    assert brightness(lightnesses) == expected


@pytest.mark.parametrize(
    ("saturations", "expected"),
    [
        ([51] * 6 + [10] * 5, "vibrant"),
        ([51] * 5 + [10] * 6, "muted"),
        ([51] * 5 + [10] * 5 + [45], "mixed"),
        ([45] * 11, "mixed"),
        ([50] * 11, "mixed"),
        ([40] * 11, "mixed"),
        ([39] * 11, "muted"),
    ],
)
def test_saturation(saturations: list[int], expected: str):
    assert saturation_word(saturations) == expected


def facts_of(*colours: tuple[int, int, int]):
    eleven = [colours[at * len(colours) // 11] for at in range(11)]
    return compute_facts([to_hsl(one) for one in eleven], [to_lch(one) for one in eleven], ())


def test_black_is_a_neutral_dark_muted_palette_beyond_dispute():
    facts = facts_of((0, 0, 0))
    assert (facts.temperature, facts.contrast, facts.brightness, facts.saturation) == (
        "neutral",
        "low",
        "dark",
        "muted",
    )
    assert facts.clear_cut == {"temperature", "contrast", "brightness", "saturation"}
    assert (facts.lightness_range, facts.lightness_mean, facts.grey_share, facts.dull_share) == (0, 0, 1, 1)


def test_black_and_white_are_disputable_in_brightness_only():
    facts = facts_of((0, 0, 0), (255, 255, 255))
    assert facts.brightness == "varied"
    assert facts.clear_cut == {"temperature", "contrast", "saturation"}
    assert facts.lightness_range == 100


def test_shares_count_colours():
    facts = facts_of((255, 60, 0), (0, 90, 255))
    assert facts.temperature == "cool-warm"
    assert facts.warm_share == 6 / 11
    assert facts.cool_share == 5 / 11
    assert facts.vivid_share == 1


def clear(
    hues: list[int], saturations: list[int], lightnesses: list[int], lch_hues: list[int] | None = None
) -> frozenset:
    """The clear-cut fields of made-up colours whose HSL and LCH agree, unless LCH hues are given."""
    hsl = list(zip(hues, saturations, lightnesses, strict=True))
    lch = [(light, 50, hue) for light, hue in zip(lightnesses, lch_hues or hues, strict=True)]
    return compute_facts(hsl, lch, ()).clear_cut


@pytest.mark.parametrize(
    ("hues", "saturations", "expected"),
    [
        ([30] * 11, [80] * 11, True),
        ([30] * 8 + [200] * 3, [80] * 11, True),
        ([30] * 9 + [200] * 2, [80] * 11, False),
        ([59] * 6 + [120] * 5, [80] * 11, False),
        ([57] * 6 + [120] * 5, [80] * 11, True),
        ([30] * 5 + [120] * 6, [80] * 11, False),
        ([30] * 11, [10] * 11, True),
        ([30] * 11, [10] * 6 + [80] * 5, False),
        ([30] * 11, [10] * 5 + [80] * 6, True),
    ],
)
def test_clear_cut_temperature(hues: list[int], saturations: list[int], expected: bool):
    assert ("temperature" in clear(hues, saturations, [50] * 11)) is expected


def test_temperature_is_not_clear_when_hsl_and_lch_disagree():
    assert "temperature" not in clear([30] * 11, VIVID, [50] * 11, lch_hues=[200] * 11)


@pytest.mark.parametrize(
    ("lightnesses", "contrast_is_clear", "brightness_is_clear"),
    [
        ([50] * 11, True, True),
        ([40] * 10 + [63], True, True),
        ([40] * 10 + [64], False, True),
        ([40] * 10 + [66], False, True),
        ([14] * 10 + [63], False, True),
        ([14] * 10 + [64], False, True),
        ([12] * 10 + [64], True, True),
        ([34] * 11, True, False),
        ([33] * 11, True, True),
        ([64] * 11, True, False),
        ([10] * 10 + [70], True, False),
    ],
)
def test_clear_cut_lightness(lightnesses: list[int], contrast_is_clear: bool, brightness_is_clear: bool):
    found = clear([30] * 11, VIVID, lightnesses)
    assert ("contrast" in found, "brightness" in found) == (contrast_is_clear, brightness_is_clear)


@pytest.mark.parametrize(
    ("vivid", "dull", "expected"),
    [
        (11, 0, True),
        (9, 2, True),
        (0, 9, True),
        (8, 2, False),
        (8, 0, True),
        (7, 0, True),
        (1, 7, False),
        (6, 3, False),
        (6, 0, False),
        (5, 3, True),
        (5, 2, False),
        (4, 4, True),
        (5, 0, False),
    ],
)
def test_clear_cut_saturation(vivid: int, dull: int, expected: bool):
    saturations = [80] * vivid + [20] * dull + [45] * (11 - vivid - dull)
    assert ("saturation" in clear([30] * 11, saturations, [50] * 11)) is expected


@given(st.lists(st.tuples(channels, channels, channels), min_size=11, max_size=11))
def test_every_palette_has_a_value_of_the_list(rgb: list[tuple[int, int, int]]):
    facts = facts_of(*rgb)
    assert {field: getattr(facts, field) in values for field, values in CATEGORICAL_VALUES.items()} == dict.fromkeys(
        CATEGORICAL_VALUES, True
    )
    assert facts.clear_cut <= set(CATEGORICAL_VALUES)
