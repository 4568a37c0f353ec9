"""Which masks are taken, with which notes, and which are refused with which sentence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from grabient_assets.errors import ImageError, MaskError
from grabient_assets.imaging.canvas import read_canvas
from grabient_assets.imaging.mask import Mask, parse_fractions, read_mask, rectangle
from grabient_assets_tests.imaging.painted import noise, plain, png, saved, turned

EXAMPLE = "Write left, top, width and height from 0 to 1, such as 0.25,0.25,0.5,0.5 for the middle."


def flags(width: int = 64, height: int = 48) -> NDArray[np.bool_]:
    """A block of 20 x 10 that may change, at 8, 6."""
    found = np.zeros((height, width), dtype=bool)
    found[6:16, 8:28] = True
    return found


def transparent(may_change: NDArray[np.bool_]) -> bytes:
    """A mask as drawing programs save it: the picture itself, cut out where it may change."""
    height, width = may_change.shape
    return png(np.dstack([noise(width, height), np.where(may_change, 0, 255)]))


def black_and_white(may_change: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(np.where(may_change, 255, 0).astype(np.uint8))


@pytest.mark.parametrize(
    ("width", "height", "fractions", "pixels"),
    [
        (1000, 750, (0.1, 0.2, 0.333, 0.251), 333 * 188),
        (1024, 768, (0.5, 0.5, 0.5, 0.5), 512 * 384),
        (200, 1000, (0.0, 0.9, 1.0, 0.1), 200 * 100),
    ],
)
def test_a_rectangle_has_exactly_its_pixels_and_is_transparent_there(
    width: int, height: int, fractions: tuple[float, float, float, float], pixels: int
):
    mask = rectangle(fractions, width, height)
    assert mask.pixels == pixels == round(fractions[2] * width) * round(fractions[3] * height)
    assert mask.box == (
        round(fractions[0] * width),
        round(fractions[1] * height),
        round(fractions[2] * width),
        round(fractions[3] * height),
    )
    sent = read_canvas(mask.png()).pixels
    assert (sent[:, :, 3] == 0).sum() == pixels
    assert np.array_equal(sent[:, :, 3] == 0, mask.flags)
    assert not sent[:, :, :3].any()


def test_a_rectangle_lies_on_the_picture_as_it_is_seen():
    """EXIF orientation 6: stored as 1000 x 600, seen as 600 x 1000."""
    canvas = read_canvas(turned(1000, 600))
    mask = rectangle((0.0, 0.0, 1.0, 0.5), canvas.width, canvas.height)
    assert mask.pixels == 600 * 500
    assert (canvas.pixels[mask.flags] == (255, 0, 0, 255)).all()


@settings(deadline=None)
@given(
    st.integers(16, 4000),
    st.integers(16, 4000),
    *(st.floats(0, 1) for _ in range(2)),
    *(st.floats(0.001, 1) for _ in range(2)),
)
def test_any_rectangle_has_its_pixels_inside(width: int, height: int, x: float, y: float, w: float, h: float):
    w, h = min(w, 1 - x), min(h, 1 - y)
    wide, high = round(w * width), round(h * height)
    if not wide or not high:
        with pytest.raises(MaskError, match="nothing may change"):
            rectangle((x, y, w, h), width, height)
        return
    mask = rectangle((x, y, w, h), width, height)
    assert mask.flags.shape == (height, width)
    assert mask.pixels == wide * high
    left, top, *size = mask.box
    assert size == [wide, high]
    assert abs(left - x * width) <= 1 and abs(top - y * height) <= 1


def test_a_rectangle_whose_edges_round_up_is_shifted_inside():
    """19 * 0.5 rounds to 10, so that the rectangle would end at 20."""
    assert rectangle((0.5, 0.5, 0.5, 0.5), 19, 19).box == (9, 9, 10, 10)


def test_fractions_are_read():
    assert parse_fractions("0.1, 0.2,0.3 ,0.4") == (0.1, 0.2, 0.3, 0.4)
    assert parse_fractions("0,0,1,1") == (0, 0, 1, 1)


@pytest.mark.parametrize("text", ["", "0.1,0.2,0.3", "0,0,1,1,1", "a,b,c,d", "0.1;0.2;0.3;0.4"])
def test_what_is_no_rectangle_is_refused_with_an_example(text: str):
    with pytest.raises(MaskError) as refused:
        parse_fractions(text)
    assert str(refused.value) == f"The mask {text!r} is no rectangle of four numbers. {EXAMPLE}"


@pytest.mark.parametrize(
    "text",
    ["-0.1,0,1,1", "0,-0.1,1,1", "0,0,0,1", "0,0,1,0", "0.5,0,0.6,1", "0,0.5,1,0.6", "nan,0,1,1", "0,0,inf,1"],
)
def test_a_rectangle_that_is_not_inside_is_refused_with_an_example(text: str):
    with pytest.raises(MaskError) as refused:
        parse_fractions(text)
    assert str(refused.value) == f"The mask {text!r} is no rectangle inside the picture. {EXAMPLE}"


def test_a_rectangle_of_no_pixel_is_refused():
    with pytest.raises(MaskError) as refused:
        rectangle((0.5, 0.5, 0.001, 0.5), 100, 80)
    assert str(refused.value) == "The mask is 0 x 40 pixels of 100 x 80: nothing may change. Make it larger."


def test_transparent_pixels_may_change():
    mask = read_mask(transparent(flags()), 64, 48)
    assert np.array_equal(mask.flags, flags())
    assert (mask.pixels, mask.box, mask.changes) == (200, (8, 6, 20, 10), ())


def test_alpha_below_128_counts_as_transparent():
    alpha = np.full((48, 64), 255)
    alpha[0, :3] = 126, 127, 128
    assert read_mask(png(np.dstack([noise(64, 48), alpha])), 64, 48).flags.nonzero()[1].tolist() == [0, 1]


NO_ALPHA = "The mask has no transparent pixels: white was taken as what may change, black is kept."


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA"])
def test_black_and_white_is_converted_with_a_note(mode: str):
    mask = read_mask(saved(black_and_white(flags()).convert(mode)), 64, 48)
    assert np.array_equal(mask.flags, flags())
    assert mask.changes == (NO_ALPHA,)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_plain_white_marks_nothing(mode: str):
    with pytest.raises(MaskError, match="white all over and has no transparent pixels: it marks no part"):
        read_mask(saved(Image.new(mode, (64, 48), "white")), 64, 48)


def test_black_and_white_may_be_a_little_off_as_jpeg_makes_it():
    content = saved(black_and_white(flags()), "JPEG", quality=95)
    assert len(np.unique(read_canvas(content).pixels[:, :, 0])) > 2
    assert np.array_equal(read_mask(content, 64, 48).flags, flags())
    pixels = np.array(black_and_white(flags()))
    pixels[40, 3:5] = 63, 192
    assert read_mask(png(pixels), 64, 48).pixels == 201


@pytest.mark.parametrize("colour", [(128, 128, 128), (255, 0, 0), (255, 255, 0), (64, 64, 64), (191, 191, 191)])
def test_a_picture_without_alpha_that_is_not_black_and_white_is_refused(colour: tuple[int, int, int]):
    pixels = np.array(black_and_white(flags()).convert("RGB"))
    pixels[40, 3] = colour
    with pytest.raises(MaskError) as refused:
        read_mask(png(pixels), 64, 48)
    assert str(refused.value) == (
        "The mask has no transparent pixels and is not black and white, so it does not say what may change. "
        "Make transparent what may change, or paint it white and the rest black."
    )


@pytest.mark.parametrize(("width", "height"), [(128, 96), (32, 24), (192, 144), (1000, 751)])
def test_a_mask_of_another_size_and_the_same_shape_is_scaled_with_a_note(width: int, height: int):
    mask = read_mask(transparent(flags()), width, height)
    assert mask.flags.shape == (height, width)
    assert mask.changes == (f"The mask was scaled from 64 x 48 to {width} x {height} pixels, the size of the picture.",)
    assert mask.pixels == pytest.approx(200 * width * height / (64 * 48), rel=0.02)


def test_a_scaled_mask_has_no_grey_edges():
    """Each pixel is repeated: nothing between may and may not."""
    assert np.array_equal(read_mask(transparent(flags()), 128, 96).flags, flags().repeat(2, axis=0).repeat(2, axis=1))


@pytest.mark.parametrize(("width", "height"), [(64, 64), (48, 64), (1000, 752)])
def test_a_mask_of_another_shape_is_refused(width: int, height: int):
    with pytest.raises(MaskError) as refused:
        read_mask(transparent(flags()), width, height)
    assert str(refused.value) == (
        f"The mask has 64 x 48 pixels, another shape than the picture's {width} x {height}. Crop it."
    )


NOTHING = "The mask lets nothing change: no pixel is transparent. Make transparent what may change."


@pytest.mark.parametrize(
    "content", [plain((0, 0, 0), 64, 48), png(np.full((48, 64, 4), 200)), saved(Image.new("RGBA", (64, 48), "black"))]
)
def test_an_empty_mask_is_refused(content: bytes):
    with pytest.raises(MaskError) as refused:
        read_mask(content, 64, 48)
    assert str(refused.value) == NOTHING


def test_a_mask_that_is_empty_once_scaled_is_refused():
    dot = np.zeros((480, 640), dtype=bool)
    dot[0, 0] = True
    with pytest.raises(MaskError, match="lets nothing change"):
        read_mask(transparent(dot), 64, 48)


def test_a_mask_of_everything_is_taken_with_a_note():
    everything = ("The mask lets every pixel change: nothing of the picture is kept.",)
    assert read_mask(transparent(np.ones((48, 64), dtype=bool)), 64, 48).changes == everything
    assert rectangle((0, 0, 1, 1), 64, 48).changes == everything


def test_an_inverted_mask_is_taken_with_its_share_and_the_way_to_invert_it():
    mask = read_mask(transparent(~flags()), 64, 48)
    assert np.array_equal(mask.flags, ~flags())
    assert mask.changes == (
        "The mask lets 93.5 % of the picture change, all four corners too. If the other part was meant, invert the "
        "mask: swap what is transparent and what is opaque.",
    )


def test_a_large_mask_without_a_corner_and_a_small_one_with_all_are_no_inverted_ones():
    large = ~flags()
    large[-1, -1] = False
    assert read_mask(transparent(large), 64, 48).changes == ()
    frame = np.ones((48, 64), dtype=bool)
    frame[2:-2, 2:-2] = False
    assert read_mask(transparent(frame), 64, 48).changes == ()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The mask cannot be read. The image is empty; PNG, JPEG and WebP are taken."),
        (saved(Image.fromarray(noise()), "GIF"), "The mask cannot be read. The image is a GIF;"),
        (plain((0, 0, 0), 1, 1), "The mask cannot be read. The image has 1 x 1 pixels;"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_as_a_mask(content: bytes, sentence: str):
    with pytest.raises(MaskError) as refused:
        read_mask(content, 64, 48)
    assert str(refused.value).startswith(sentence)
    assert isinstance(refused.value, ImageError)


def test_the_largest_mask_is_far_below_what_editors_take():
    flags = np.zeros((2160, 3840), dtype=bool)
    flags[200:1300, 300:2000] = True
    assert len(Mask(flags).png()) < 40_000


def test_a_mask_of_nothing_has_an_empty_box():
    assert Mask(np.zeros((48, 64), dtype=bool)).box == (0, 0, 0, 0)
