from __future__ import annotations

from grabient_assets.gradient.names import NAMED_COLOURS, color_names, nearest_name
from grabient_assets_tests.vectors import vectors


def test_every_vector_has_the_names_of_the_site():
    for case in vectors("hex11_shared.json")["cases"]:
        assert list(color_names(tuple(one) for one in case["rgb"])) == case["colorNames"], case["seed"]


def test_the_table_is_that_of_the_site():
    table = [[name, *rgb] for name, rgb in NAMED_COLOURS.items()]
    assert table == vectors("facts.json")["named_colours_41_in_order"]


def test_the_first_of_two_equal_names_wins():
    assert nearest_name((0, 255, 255)) == "cyan"
    assert {name for name, rgb in NAMED_COLOURS.items() if nearest_name(rgb) != name} == {"aqua"}


def test_a_colour_takes_the_nearest_name():
    assert nearest_name((12, 5, 120)) == "navy"
    assert nearest_name((200, 200, 190)) == "silver"


def test_each_name_once_in_order_of_appearance():
    assert color_names([(255, 0, 0), (0, 0, 0), (250, 4, 4), (255, 255, 255)]) == ("red", "black", "white")
