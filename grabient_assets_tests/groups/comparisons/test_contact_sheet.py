"""Where the pictures of a sheet stand, what is drawn for those that are missing, and which letters are drawn."""

from __future__ import annotations

from io import BytesIO
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFont

from grabient_assets.errors import ImageError
from grabient_assets.groups.comparisons.contact_sheet import Cell, contact_sheet, drawable, wrapped
from grabient_assets.imaging.picture import pixels, read_picture
from grabient_assets_tests.imaging.painted import plain

RED, GREEN, BLUE = (220, 10, 10), (10, 200, 10), (10, 10, 220)
FRAME = (178, 59, 59)
FONT = cast(ImageFont.FreeTypeFont, ImageFont.load_default(16))


def box_of(sheet: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Left, top, width and height of what has this colour."""
    rows, columns = np.nonzero((np.abs(sheet.astype(int) - colour) <= 1).all(axis=2))
    left, top = columns.min(), rows.min()
    return int(left), int(top), int(columns.max() - left + 1), int(rows.max() - top + 1)


def shape(character: str) -> bytes:
    return bytes(cast(Any, FONT.getmask(character)))


def ink(sheet: NDArray[np.uint8]) -> int:
    """Pixels darker than any of the pictures' colours."""
    return int((sheet.sum(axis=2) < 120).sum())


def test_pictures_stand_in_a_grid_scaled_to_the_width_of_a_cell():
    rows = [
        [Cell("one -> brush", plain(RED, 64, 32)), Cell("two -> brush", plain(GREEN, 32, 32))],
        [Cell("one -> brush", plain(BLUE, 640, 640))],
    ]
    sheet = pixels(contact_sheet(rows, ["first", "second"], ["statement 1", "statement 2"], cell_width=100))
    red, green, blue = (box_of(sheet, colour) for colour in (RED, GREEN, BLUE))
    assert red[2:] == (100, 50)
    assert green[2:] == blue[2:] == (100, 100)
    assert red[1] == green[1]
    assert red[0] == blue[0] >= 24 + 50
    assert green[0] == red[0] + 100 + 16
    assert blue[1] > green[1] + 100


def test_heads_captions_and_title_are_drawn():
    rows = [[Cell("", plain(RED))]]
    bare = pixels(contact_sheet(rows, [""], cell_width=100))
    assert ink(bare) == 0
    captioned = pixels(contact_sheet([[Cell("caption", plain(RED))]], [""], cell_width=100))
    headed = pixels(contact_sheet(rows, ["head"], cell_width=100))
    besides = pixels(contact_sheet(rows, [""], ["left"], cell_width=100))
    titled = pixels(contact_sheet(rows, [""], title="title", cell_width=100))
    below, top = box_of(captioned, RED), box_of(headed, RED)
    assert ink(captioned[below[1] + below[3] :]) == ink(captioned) > 50
    assert ink(headed[: top[1]]) == ink(headed) > 50
    assert ink(besides[:, : box_of(besides, RED)[0]]) == ink(besides) > 30
    assert ink(titled[: box_of(titled, RED)[1]]) == ink(titled) > 50


def test_a_failed_cell_is_a_frame_with_its_reason():
    rows = [
        [Cell("a", plain(RED)), Cell("b", None, "The provider refused the prompt."), Cell("c", b"no picture"), None]
    ]
    sheet = pixels(contact_sheet(rows, ["a", "b", "c", "d"], cell_width=200))
    left, top, _, _ = box_of(sheet, RED)
    holes = [sheet[top : top + 200, left + place * 216 : left + place * 216 + 200] for place in (1, 2, 3)]
    for hole in holes[:2]:
        for edge in (hole[0], hole[-1], hole[:, 0], hole[:, -1]):
            assert (edge == FRAME).all()
        assert (hole[12:60, 12:-12] != hole[100, 100]).any()
    assert (holes[2] == 255).all()
    # A long reason stays inside its frame.
    longest = [[Cell("a", plain(RED)), Cell("b", None, "refused " * 500 + "x" * 500)]]
    sheet = pixels(contact_sheet(longest, ["a", "b"], cell_width=200))
    hole = sheet[top : top + 200, left + 216 : left + 416]
    for band in (hole[2:12, 2:-2], hole[2:-2, 2:12], hole[2:-2, -12:-2]):
        assert (band == hole[4, 4]).all()


def test_a_picture_above_the_grid_is_over_all_others():
    sheet = pixels(contact_sheet([[Cell("a", plain(RED))]], ["a"], above=Cell("muse", plain(BLUE)), cell_width=100))
    red, blue = box_of(sheet, RED), box_of(sheet, BLUE)
    assert blue[1] + blue[3] < red[1]


def test_a_tall_picture_is_made_to_fit():
    sheet = pixels(contact_sheet([[Cell("", plain(RED, 20, 400))]], [""], cell_width=100))
    assert box_of(sheet, RED)[2:] == (10, 200)


def test_equal_input_gives_equal_bytes():
    rows = [[Cell("a", plain(RED)), Cell("b", None, "no")]]
    assert contact_sheet(rows, ["a", "b"]) == contact_sheet(rows, ["a", "b"])
    assert read_picture(contact_sheet(rows, ["a", "b"])).width == 2 * 24 + 2 * 320 + 16


def test_a_sheet_without_rows_is_a_picture_still():
    assert read_picture(contact_sheet([], ["a"])).height >= 16
    assert read_picture(contact_sheet([[]], [])).width >= 16


def test_a_sheet_that_nobody_could_open_is_refused():
    with pytest.raises(ImageError, match="Take fewer rows, or narrower cells"):
        contact_sheet([[None, Cell("", None)]] * 500, ["a", "b"])


def test_what_the_font_lacks_is_spelt():
    text = "claude-haiku → gpt-image “é” … 画\tx"
    spelt = drawable(text, FONT)
    undrawn = shape("\uffff")
    assert all(shape(one) != undrawn for one in spelt if one != " ")
    assert spelt.startswith("claude-haiku ")
    assert spelt.endswith("? x")
    # The arrow is drawn where the font has it, otherwise it is "->".
    assert " → " in spelt if shape("→") != undrawn else " -> " in spelt


@settings(max_examples=25, deadline=None, derandomize=True)
@given(*[st.text(max_size=40)] * 3)
def test_no_text_breaks_a_sheet(caption: str, head: str, reason: str):
    content = contact_sheet([[Cell(caption, None, reason)]], [head], ["h" + head], title=caption, cell_width=60)
    with Image.open(BytesIO(content)) as image:
        assert image.width == 24 + 30 + 16 + 60 + 24


def test_a_long_name_is_parted_after_a_dash_or_stroke_and_otherwise_at_any_place():
    width = int(FONT.getlength("gemini-3.5-flash-li"))
    assert wrapped("gemini-3.5-flash-lite", FONT, width, 3) == ("gemini-3.5-flash-", "lite")
    assert wrapped("openai/gptoss120billion", FONT, width, 3) == ("openai/", "gptoss120billion")
    first, *_ = wrapped("x" * 60, FONT, width, 9)
    assert len(first) > 10 and FONT.getlength(first) <= width
