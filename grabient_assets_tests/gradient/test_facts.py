from __future__ import annotations

import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient.color import to_hsl, to_lch
from grabient_assets.gradient.facts import brightness, compute_facts, contrast, describe, saturation_word, temperature
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.gradient.vectorized import clear_harmonies
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


def test_how_many_fields_are_clear_cut():
    """The figures of docs/colour-facts.md. The vectors know the numbers only, not what a person sees."""
    clear = Counter(field for _, field, _, facts in truths() if field in facts.clear_cut)
    assert clear == {"temperature": 7, "contrast": 29, "brightness": 17, "saturation": 27}


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


def rgb(*hexes: str) -> list[tuple[int, int, int]]:
    return [(int(one[:2], 16), int(one[2:4], 16), int(one[4:], 16)) for one in hexes]


@pytest.mark.parametrize("seed", ["_gMdgOjgP6gDPf-cf-Of6gf5yf0zgAgf9tf-x", "_gA6f__f_ggDsgELgC0gILgIqgLDgLlgsUhNC"])
def test_pale_and_nearly_black_palettes_are_not_vibrant_for_certain(seed: str):
    facts = describe(decode_seed(seed)).facts
    assert facts.saturation == "vibrant"
    assert "saturation" not in facts.clear_cut
    assert "brightness" in facts.clear_cut


@pytest.mark.parametrize(
    ("hexes", "clear"),
    [
        # Looked at: pastels, near blacks, strong colours.
        ("8cc4ff 9bd8ff a8dcff b8d8ff e0c4ff", "contrast brightness"),
        ("ffffa8 ffffa8 ffe8b0 ffb8c0", "brightness"),
        ("ff8577 ffd060 e0f560 a0ff80 70ffb0", "brightness saturation"),
        ("28b0f0 30d8e8 30f8e0 28f098", "temperature saturation"),
        ("ff0000 ff5020 e02000 d01010", "temperature contrast brightness saturation"),
        ("1a4e82 1a4e82", "contrast brightness saturation"),
        ("0e1a2a 141e30 182848 203868", "contrast brightness"),
        # One word for two opposite colours.
        ("488898 706070 e80000 806048", "temperature brightness"),
        ("40c0ff 9060ff e030c0 ff2090 ff6840", "temperature brightness saturation"),
        ("b03020 90a020 2030c0", "brightness saturation"),
        # Half dark and half light; more than the mean says.
        ("4058d0 6018f0 d050b8 ffc078 ffd060", "saturation"),
        ("18000c 000000 444450 988060 c87810", ""),
        ("101010 101010 101010 606060 101010", "temperature contrast brightness saturation"),
        # Magenta is warm to some and cool to others; so is a grey with a tint.
        ("e000e0 e010d0 f030e0 ff40f0", "contrast brightness saturation"),
        ("917b70 8f786d", "contrast brightness saturation"),
        ("d07050 60a0d0 c06040 5090c0", "temperature brightness"),
    ],
)
def test_gold_is_what_a_person_agrees_with(hexes: str, clear: str):
    assert facts_of(*rgb(*hexes.split())).clear_cut == set(clear.split())


@given(st.sampled_from([0, 255]), st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=11, max_size=11))
def test_noise_on_black_or_white_is_never_warm_nor_vibrant_for_certain(end: int, noise: list[tuple[int, int, int]]):
    eleven = [(abs(end - red), abs(end - green), abs(end - blue)) for red, green, blue in noise]
    facts = facts_of(*eleven)
    if "temperature" in facts.clear_cut:
        assert facts.temperature == "neutral"
    if "saturation" in facts.clear_cut:
        assert facts.saturation == "muted"
    assert {"contrast", "brightness"} <= facts.clear_cut


@pytest.mark.parametrize("one", ["010000", "000100", "020001", "030302", "050000", "fffefe", "fdfffe", "fafffa"])
def test_a_tint_that_nobody_sees_makes_no_certain_word(one: str):
    facts = facts_of(*rgb(one))
    assert not {"temperature", "saturation"} & facts.clear_cut
    assert not (clear_harmonies(np.asarray([rgb(one) * 11])) == 1).any()


@pytest.mark.parametrize("one", ["000000", "010101", "050504", "808180", "7f8080", "fefefe", "ffffff"])
def test_grey_is_neutral_and_muted_for_certain(one: str):
    facts = facts_of(*rgb(one))
    assert {"temperature", "saturation"} <= facts.clear_cut
    assert (facts.temperature, facts.saturation) == ("neutral", "muted")


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


def test_one_palette_in_every_notation():
    # A grey ramp can be checked by eye: 0.5 + 0.5*cos(pi*t).
    colours = describe(decode_seed("0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0,0,0"))
    assert colours.hex[0] == "#ffffff"
    assert colours.hex[5] == "#808080"
    assert colours.hex[10] == "#000000"
    assert colours.rgb[5] == (128, 128, 128)
    assert colours.hsl[5] == (0, 0, 50)
    assert colours.lch[5] == (54, 0, 158)
    assert colours.color_names == ("white", "lavender", "silver", "gray", "charcoal", "black")
    assert colours.harmonies == ()
    assert colours.facts.temperature == "neutral"
    assert {len(colours.hex), len(colours.rgb), len(colours.hsl), len(colours.lch)} == {11}


def test_the_facts_carry_the_harmonies():
    colours = describe(decode_seed("0.5,0.2,0.2,0.3,0.1,0.1,0.5,0.5,0.5,0,0,0"))
    assert colours.harmonies == colours.facts.harmonies == ("monochromatic",)


def test_descriptions_are_values():
    palette = decode_seed("0.5,0.4,0.4,0.5,0.4,0.3,0.5,0.5,0.5,0,0.1,0.2")
    assert describe(palette) == describe(palette)
    assert pickle.loads(pickle.dumps(describe(palette))) == describe(palette)
