from __future__ import annotations

import pytest

from grabient_assets.gradient.cosine import colors
from grabient_assets.gradient.seed import decode_seed
from grabient_assets_tests.vectors import vectors


def test_every_vector_has_the_colours_of_the_site():
    for case in vectors("hex11_shared.json")["cases"]:
        assert [list(rgb) for rgb in colors(decode_seed(case["seed"]))] == case["rgb"], case["seed"]


def test_ties_round_up():
    assert colors(decode_seed("0.1,0.3,0.5,0,0,0,1,1,1,0,0,0"), steps=2) == [(26, 77, 128), (26, 77, 128)]


def test_channels_are_clamped():
    assert colors(decode_seed("9,-9,0.5,0,0,0.5,1,1,0.5,0,0,0"), steps=3) == [(255, 0, 255), (255, 0, 128), (255, 0, 0)]


def test_modifiers_act_on_the_colours():
    plain = decode_seed("0.5,0.5,0.5,0.5,0.5,0.5,1,1,1,0.3,0.3,0.3")
    modified = decode_seed("0.25,0.25,0.25,0.25,0.25,0.25,0.5,0.5,0.5,0.1,0.1,0.1,0.25,2,2,0.2")
    assert colors(modified) == colors(plain)


def test_as_many_colours_as_steps_from_end_to_end():
    grey = decode_seed("0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0.5,0,0,0")
    assert [rgb[0] for rgb in colors(grey, steps=5)] == [255, 218, 128, 37, 0]
    assert len(colors(grey)) == 11


def test_one_step_is_no_gradient():
    with pytest.raises(ValueError, match="at least 2 steps, not 1"):
        colors(decode_seed("0,0,0,0,0,0,0,0,0,0,0,0"), steps=1)
