from __future__ import annotations

from xml.etree import ElementTree

import pytest

from grabient_assets.gradient.svg import render_svg
from grabient_assets.gradient.vocabulary import STYLES
from grabient_assets_tests.vectors import vectors

# Rounded corners, a highlighted swatch and a query string in the credit belong to the site's editor, not to us.
EDITOR_ONLY = ("borderRadius", "activeIndex", "searchString")
SVG = "{http://www.w3.org/2000/svg}"
COLOURS = ("#ff0000", "#00ff00", "#0000ff")


def test_every_vector_is_equal_to_the_last_character():
    compared = 0
    for case in vectors("svg.json")["cases"]:
        if any(option in case for option in EDITOR_ONLY):
            continue
        svg = render_svg(case["hex"], case["style"], case["angle"], case["width"], case["height"], case["seed"])
        assert svg == case["svg"], (case["seed"], case["style"], case["angle"])
        compared += 1
    assert compared >= 101


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("steps", [2, 3, 50])
def test_every_style_is_valid_xml_of_the_right_size(style: str, steps: int):
    colours = [f"#{at:02x}0000" for at in range(steps)]
    root = ElementTree.fromstring(render_svg(colours, style, 33.3, 120, 70, "_a--b---c"))
    assert (root.tag, root.get("width"), root.get("height")) == (f"{SVG}svg", "120", "70")
    paints = [e.get("fill") or e.get("stop-color") for e in root.iter() if e.tag in (f"{SVG}path", f"{SVG}stop")]
    assert set(colours) <= set(paints)
    if style.endswith("Swatches") or style in ("linearGradient", "radialGradient"):
        assert [paint for paint in paints if paint] == colours


def test_swatches_of_a_line_at_90_degrees():
    root = ElementTree.fromstring(render_svg(COLOURS, "linearSwatches", 90, 300, 400, "s"))
    first = next(root.iter(f"{SVG}path"))
    assert first.get("d") == "M 0.000,450.000 L 0.000,-50.000 L 100.000,-50.000 L 100.000,450.000 Z"


def test_two_wedges_are_half_circles():
    svg = render_svg(COLOURS[:2], "angularSwatches", 0, 60, 80, "s")
    assert "L 30.000,-10.000\n              A 50.000,50.000 0 0 1 30.000,90.000" in svg


def test_a_smooth_turn_starts_with_a_wedge_of_one_and_a_half_degrees():
    svg = render_svg(["#000000", "#ffffff"], "angularGradient", 90, 100, 100, "s")
    assert '<path d="M 50,50 L 122.71,50.00 A 72.71,72.71 0 0 1 122.69,51.90 Z" fill="#000000"/>' in svg
    assert svg.count('" fill="#') == 360
    assert 'fill="#808080"' in svg


def test_hyphens_in_a_seed_keep_the_comment_valid():
    assert "<!-- https://grabient.com/_a-%2Db-%2D-c -->" in render_svg(
        COLOURS, "linearGradient", 0, 10, 10, "_a--b---c"
    )


def test_turning_all_the_way_round_changes_nothing():
    for style in STYLES:
        assert render_svg(COLOURS, style, 370, 44, 10, "s") == render_svg(COLOURS, style, 10, 44, 10, "s")


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="no style 'stripes'; the styles are linearGradient, linearSwatches"):
        render_svg(COLOURS, "stripes", 90, 440, 100, "s")


def test_a_single_colour_is_refused():
    with pytest.raises(ValueError, match="at least 2 colours, not 1"):
        render_svg(COLOURS[:1], "linearGradient", 90, 440, 100, "s")
