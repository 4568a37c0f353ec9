from __future__ import annotations

import pickle

from grabient_assets.gradient.colour_data import describe
from grabient_assets.gradient.seed import decode_seed


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
