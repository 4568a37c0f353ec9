"""What becomes of a file that is to be edited: its pixels, a sentence for each conversion, and a PNG again."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from grabient_assets.errors import ImageError
from grabient_assets.imaging.canvas import opaque, png_of, read_canvas
from grabient_assets_tests.imaging.painted import SIGNATURE, chunk, noise, plain, png, saved, turned

NOISE = Image.fromarray(noise())
TURNED = "The picture was turned upright, as its EXIF orientation says."
DEEP = "16 bits per channel became 8."
GREY = "Grey became RGB."
PROFILE = "The colour profile was dropped: the numbers are taken as sRGB."


def deep_colour() -> bytes:
    """RGB of 16 bits, 16 x 16, of one colour: 0x8001, 0x40ff, 0xffff."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, 16, 2, 0, 0, 0))
    row = b"\0" + struct.pack(">HHH", 0x8001, 0x40FF, 0xFFFF) * 16
    return SIGNATURE + head + chunk(b"IDAT", zlib.compress(row * 16)) + chunk(b"IEND", b"")


def palette_with_a_hole() -> bytes:
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.putpixel((3, 2), 0)
    return saved(image, transparency=0)


def with_profile() -> bytes:
    return saved(NOISE, icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (saved(NOISE), ()),
        (saved(NOISE, "WEBP"), ()),
        (saved(NOISE, "JPEG"), ()),
        (saved(Image.fromarray(np.full((16, 16), 0x8000, dtype=np.uint16))), (DEEP, GREY)),
        (deep_colour(), (DEEP,)),
        (saved(NOISE.convert("CMYK"), "JPEG"), ("CMYK became RGB.",)),
        (palette_with_a_hole(), ("The palette became RGB.",)),
        (saved(NOISE.convert("L")), (GREY,)),
        (saved(NOISE.convert("LA")), (GREY,)),
        (saved(NOISE.convert("1")), (GREY,)),
        (turned(), (TURNED,)),
        (with_profile(), (PROFILE,)),
    ],
)
def test_every_conversion_has_its_sentence(content: bytes, changes: tuple[str, ...]):
    canvas = read_canvas(content)
    assert canvas.changes == changes
    assert canvas.pixels.dtype == np.uint8
    assert canvas.pixels.shape == (canvas.height, canvas.width, 4)


def test_numbers_of_the_file_are_kept():
    assert np.array_equal(read_canvas(png(noise())).pixels[:, :, :3], noise())
    assert np.array_equal(read_canvas(with_profile()).pixels[:, :, :3], noise())
    assert read_canvas(deep_colour()).pixels[5, 5].tolist() == [0x80, 0x40, 0xFF, 255]
    cyan = read_canvas(saved(Image.new("CMYK", (16, 16), (255, 0, 0, 0)), "JPEG", quality=100)).pixels
    assert cyan[5, 5].tolist() == pytest.approx([0, 255, 255, 255], abs=3)


def test_a_turned_picture_stands_upright():
    canvas = read_canvas(turned())
    assert (canvas.width, canvas.height) == (20, 40)
    assert canvas.pixels[0, 0].tolist() == [255, 0, 0, 255]
    assert canvas.pixels[-1, 0].tolist() == [0, 0, 255, 255]


def test_alpha_is_kept_and_laid_over_white_for_editors():
    canvas = read_canvas(palette_with_a_hole())
    assert canvas.has_alpha
    assert canvas.pixels[2, 3, 3] == 0
    assert canvas.pixels[2, 4].tolist() == [10, 20, 30, 255]
    assert opaque(canvas.pixels)[2, 3].tolist() == [255, 255, 255]
    assert opaque(canvas.pixels)[2, 4].tolist() == [10, 20, 30]
    assert not read_canvas(png(np.dstack([noise(), np.full((30, 40), 255)]))).has_alpha


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (plain((1, 2, 3), 1, 1), "The image has 1 x 1 pixels; each side has to have 16 at least"),
        (saved(NOISE, "GIF"), "The image is a GIF"),
        (saved(NOISE)[:-40], "The PNG is cut off inside its 'IDAT' chunk"),
        (
            saved(NOISE, save_all=True, append_images=[Image.new("RGB", (40, 30))], duration=100),
            "The image is an animated PNG; one still picture is taken",
        ),
        (
            SIGNATURE
            + chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(b""))
            + chunk(b"IEND", b""),
            "The image has 50,000 x 50,000 pixels; at most 64,000,000 in all are taken",
        ),
    ],
)
def test_what_is_no_still_picture_of_a_sane_size_is_refused(content: bytes, sentence: str):
    with pytest.raises(ImageError) as refused:
        read_canvas(content)
    assert str(refused.value).startswith(sentence)


def test_a_png_keeps_every_pixel_and_has_alpha_only_where_it_says_something():
    rgba = np.dstack([noise(), noise()[:, :, :1]])
    assert np.array_equal(read_canvas(png_of(rgba)).pixels, rgba)
    assert png_of(rgba)[25] == 6  # the kind of colour in IHDR: RGBA
    rgba[:, :, 3] = 255
    assert png_of(rgba)[25] == 2  # RGB
    assert png_of(rgba) == png_of(noise())
    assert np.array_equal(read_canvas(png_of(noise())).pixels, rgba)
