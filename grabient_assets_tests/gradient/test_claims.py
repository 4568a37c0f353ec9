"""Colour names that a palette contradicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grabient_assets.gradient.claims import is_contradicted
from grabient_assets.gradient.names import NAMED_COLOURS, color_names

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


def test_a_word_that_is_no_colour_is_never_contradicted() -> None:
    assert not is_contradicted("ocean", REDS)
