"""Metrics of pictures and texts against values computed by hand, and what must hold for any of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from grabient_assets.errors import ImageError
from grabient_assets.gradient.color import to_hsl, to_oklch
from grabient_assets.gradient.facts import GREY_SATURATION
from grabient_assets.groups.comparisons.signal_metrics import SIGNALS, palette_distance, pixel_signals, text_signals
from grabient_assets_tests.imaging.painted import noise, plain, png, saved

RED, BLUE, BLACK, WHITE, GREY = (255, 0, 0), (0, 0, 255), (0, 0, 0), (255, 255, 255), (128, 128, 128)
PIXELS = set(SIGNALS) - {"palette_distance"} - set(text_signals("a", "b"))


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> bytes:
    array = np.zeros((32, 32, 3), dtype=np.uint8)
    array[:, :16], array[:, 16:] = left, right
    return png(array)


def test_one_colour():
    found = pixel_signals(plain(RED))
    lightness, chroma, _ = to_oklch(RED)
    assert found == pytest.approx(
        {
            "lightness": lightness,
            "chroma": chroma,
            "hue_spread": 0.0,
            # rg = 255, yb = 127.5, no spread: 0.3 * sqrt(255^2 + 127.5^2)
            "colourfulness": 0.3 * math.hypot(255, 127.5),
            "contrast": 0.0,
            "edge_density": 0.0,
            "entropy": 0.0,
            "symmetry": 1.0,
            "dark_share": 0.0,
            "light_share": 0.0,
            "warm_share": 1.0,
        },
        abs=1e-9,
    )


def test_black_beside_white():
    found = pixel_signals(halves(BLACK, WHITE))
    assert "hue_spread" not in found
    assert found["lightness"] == pytest.approx(0.5, abs=1e-6)
    assert found["contrast"] == pytest.approx(0.5, abs=1e-6)
    assert found["chroma"] == pytest.approx(0, abs=1e-6)
    assert found["colourfulness"] == pytest.approx(0)
    assert found["entropy"] == pytest.approx(1)
    assert found["symmetry"] == pytest.approx(-1)
    assert found["dark_share"] == found["light_share"] == 0.5
    # The two columns at the border, of 30 that have neighbours on all sides.
    assert found["edge_density"] == pytest.approx(2 / 30)


def test_two_colours():
    """Hasler and Suesstrunk by hand: rg = 255 and 0, yb = 127.5 and -255."""
    found = pixel_signals(halves(RED, BLUE))
    spread, mean = math.hypot(127.5, 191.25), math.hypot(127.5, -63.75)
    assert found["colourfulness"] == pytest.approx(spread + 0.3 * mean)
    assert found["warm_share"] == 0.5
    hues = [math.radians(to_oklch(one)[2]) for one in (RED, BLUE)]
    chroma = [to_oklch(one)[1] for one in (RED, BLUE)]
    x, y = (sum(c * turn(h) for c, h in zip(chroma, hues, strict=True)) for turn in (math.cos, math.sin))
    assert found["hue_spread"] == pytest.approx(1 - math.hypot(x, y) / sum(chroma))


def test_a_soft_edge_is_none():
    ramp = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    assert pixel_signals(png(ramp))["edge_density"] == 0
    assert pixel_signals(png(noise(64, 64)))["edge_density"] > 0.5


def test_dark_and_light_are_those_of_cie_lightness():
    # CIE lightness 35 is grey 82.5, 65 is grey 157.5.
    dark = [pixel_signals(plain((grey, grey, grey)))["dark_share"] for grey in (81, 84)]
    light = [pixel_signals(plain((grey, grey, grey)))["light_share"] for grey in (156, 159)]
    assert (dark, light) == ([1, 0], [0, 1])


def test_warm_pixels_are_those_of_hsl():
    array = noise(40, 40, seed=7)
    each = [to_hsl((r, g, b)) for r, g, b in array.reshape(-1, 3).tolist()]
    warm = [one for one in each if one[1] >= GREY_SATURATION and not 60 < one[0] < 300]
    # Rounded there, exact here: a few pixels at the limits may differ.
    assert pixel_signals(png(array))["warm_share"] == pytest.approx(len(warm) / len(each), abs=0.01)


def test_a_picture_is_measured_at_256_pixels():
    board = np.indices((1024, 512)).sum(axis=0) % 2 * 255
    content = png(np.repeat(board[:, :, None], 3, axis=2))
    found = pixel_signals(content)
    # Single pixels of black and white are one grey.
    assert found["contrast"] == pytest.approx(0)
    assert found["edge_density"] == 0
    array = noise(64, 64, seed=2)
    large = Image.fromarray(array).resize((512, 512), Image.Resampling.NEAREST)
    once = Image.fromarray(array).resize((256, 256), Image.Resampling.NEAREST)
    assert pixel_signals(saved(large)) == pytest.approx(pixel_signals(saved(once)))


pictures = st.builds(noise, st.integers(16, 40), st.integers(16, 40), st.integers(0, 1000)) | st.builds(
    lambda colour, width: np.full((20, width, 3), colour, dtype=np.uint8),
    st.tuples(*[st.integers(0, 255)] * 3),
    st.integers(16, 40),
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(pictures)
def test_what_holds_for_any_picture(array: NDArray[np.uint8]):
    found = pixel_signals(png(array))
    assert PIXELS - {"hue_spread"} <= set(found) <= PIXELS
    assert all(math.isfinite(value) for value in found.values())
    mirrored = pixel_signals(png(array[:, ::-1]))
    assert mirrored == pytest.approx(found, abs=1e-9)
    shares = [value for metric, value in found.items() if metric.endswith("share")]
    assert all(0 <= value <= 1 for value in [*shares, found["lightness"], found["edge_density"]])
    assert 0 <= found.get("hue_spread", 0) <= 1
    assert 0 <= found["contrast"] <= 0.5
    assert 0 <= found["entropy"] <= 8
    assert -1 - 1e-9 <= found["symmetry"] <= 1 + 1e-9
    both = np.concatenate([array, array[:, ::-1]], axis=1)
    assert pixel_signals(png(both))["symmetry"] == pytest.approx(1)


def test_what_is_no_picture_is_refused():
    with pytest.raises(ImageError):
        pixel_signals(b"no")
    with pytest.raises(ImageError):
        palette_distance(b"no", [RED])


STATEMENT = "I paint the sea. The sea is teal; my hands aren't! We wait..."


def test_the_words_of_a_text():
    found = text_signals(STATEMENT, "A teal sea, rose light, 8k")
    # i paint the sea the sea is teal my hands aren't we wait | a teal sea rose light 8k
    assert found["statement_words"] == 13
    assert found["prompt_words"] == 6
    assert found["sentence_length"] == pytest.approx(13 / 3)
    assert found["type_token_ratio"] == pytest.approx(11 / 13)
    assert found["first_person"] == pytest.approx(3 / 13)
    assert found["colour_words"] == pytest.approx(2 / 19)
    # teal, sea | 11 + 6 - 2
    assert found["prompt_overlap"] == pytest.approx(2 / 15)


def test_different_words_are_counted_in_a_window():
    """MATTR does not fall with length, as the plain ratio does."""
    words = [f"w{number % 30}" for number in range(600)]
    assert text_signals(" ".join(words), "")["type_token_ratio"] == 1
    assert text_signals("same " * 100, "")["type_token_ratio"] == pytest.approx(1 / 25)
    # 26 words, the last as the first: both windows hold 25 different ones. As the second from the end: one holds 24.
    first = [f"w{number}" for number in range(25)]
    assert text_signals(" ".join([*first, "w0"]), "")["type_token_ratio"] == 1
    assert text_signals(" ".join([*first, "w5"]), "")["type_token_ratio"] == pytest.approx((25 + 24) / 50)


def test_first_person_in_every_spelling():
    assert text_signals("I'm I’ve My OURS myself", "")["first_person"] == 1
    assert text_signals("ice mine-field usual India", "")["first_person"] == 0


def test_colour_words_in_every_spelling():
    assert text_signals("Teal greenish lightgreen blue-grey reds", "")["colour_words"] == 1
    assert text_signals("rose gold a peach", "")["colour_words"] == 0


def test_a_text_without_words_has_fewer_metrics():
    assert text_signals("", "...") == {"statement_words": 0, "prompt_words": 0}
    assert set(text_signals("", "red")) == {"statement_words", "prompt_words", "colour_words", "prompt_overlap"}


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.text(max_size=200), st.text(max_size=200))
def test_what_holds_for_any_text(statement: str, image_prompt: str):
    found = text_signals(statement, image_prompt)
    assert set(found) <= set(SIGNALS)
    assert all(math.isfinite(value) and value >= 0 for value in found.values())
    for metric in ("type_token_ratio", "colour_words", "first_person", "prompt_overlap"):
        assert found.get(metric, 0) <= 1
    if found["statement_words"]:
        assert text_signals(statement, statement)["prompt_overlap"] == 1


def test_a_signal_has_a_unit_and_a_sentence():
    for metric, (unit, method) in SIGNALS.items():
        assert unit and method.endswith("."), metric


def test_colours_that_are_there_are_near():
    assert palette_distance(halves(RED, BLUE), [RED, BLUE]) == pytest.approx(0, abs=1e-6)
    assert palette_distance(plain(BLACK), [WHITE]) == pytest.approx(1, abs=1e-6)
    assert palette_distance(plain(BLACK), [WHITE, BLACK]) == pytest.approx(0.5, abs=1e-6)
    # A pixel in a thousand is no main colour.
    array = np.zeros((100, 100, 3), dtype=np.uint8)
    array[0, :10] = 255
    assert palette_distance(png(array), [WHITE]) == pytest.approx(1, abs=1e-6)
    array[0] = 255
    assert palette_distance(png(array), [WHITE]) == pytest.approx(0, abs=1e-6)


def test_a_picture_of_a_palette_is_nearer_to_it_than_to_another():
    colours = [(20 + 20 * step, 60, 200 - 15 * step) for step in range(11)]
    other = [(60, 200 - 10 * step, 20 + 5 * step) for step in range(11)]
    stripes = np.repeat(np.array(colours, dtype=np.uint8)[None, :, :], 40, axis=0).repeat(10, axis=1)
    assert palette_distance(png(stripes), colours) < 0.02 < 0.1 < palette_distance(png(stripes), other)
    assert 0.1 < palette_distance(png(noise(64, 64)), colours) < 1
