"""What is taken as a picture, what is refused with which sentence, and the pixels that come out."""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from grabient_assets.errors import ImageError
from grabient_assets.imaging.picture import Picture, pixels, read_picture
from grabient_assets_tests.imaging.painted import SIGNATURE, behind_the_header, chunk, noise, plain, png, saved

NOISE = Image.fromarray(noise())
FILES = {
    "png": saved(NOISE),
    "jpg": saved(NOISE, "JPEG"),
    "progressive": saved(NOISE, "JPEG", progressive=True),
    "webp": saved(NOISE, "WEBP"),
    "lossless": saved(NOISE, "WEBP", lossless=True),
    "extended": saved(NOISE.convert("RGBA"), "WEBP", exif=Image.Exif().tobytes(), xmp=b"<x/>"),
}
EXTENSIONS = {"png": "png", "jpg": "jpg", "progressive": "jpg"}


def oriented(orientation: int, kind: str = "JPEG") -> bytes:
    """Left half red, right half blue, 40 x 20 in the file."""
    image = Image.new("RGB", (40, 20), (255, 0, 0))
    image.paste((0, 0, 255), (20, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, kind, exif=exif.tobytes())


@pytest.mark.parametrize("name", FILES)
def test_a_picture_is_described_by_its_content(name: str):
    content = FILES[name]
    extension = EXTENSIONS.get(name, "webp")
    media_type = "image/jpeg" if extension == "jpg" else f"image/{extension}"
    image_id = hashlib.sha256(content).hexdigest()
    assert read_picture(content) == Picture(image_id, media_type, len(content), 40, 30, extension)
    assert pixels(content).shape == (30, 40, 3)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_anywhere_is_refused(name: str):
    content = FILES[name]
    ends = [*range(0, len(content), max(1, len(content) // 60)), *range(len(content) - 30, len(content))]
    for end in ends:
        with pytest.raises(ImageError):
            read_picture(content[:end])


def test_a_png_with_one_wrong_bit_is_refused():
    content = bytearray(FILES["png"])
    content[len(content) // 2] ^= 1
    with pytest.raises(ImageError, match="the CRC of its 'IDAT' chunk is wrong"):
        read_picture(bytes(content))


def test_a_png_without_all_its_pixels_is_refused_though_its_chain_is_whole():
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0))
    end = chunk(b"IEND", b"")
    assert read_picture(SIGNATURE + head + chunk(b"IDAT", zlib.compress(bytes(121 * 30))) + end).height == 30
    for rows in (0, 15, 29):
        part = chunk(b"IDAT", zlib.compress(bytes(121 * rows)))
        with pytest.raises(ImageError, match="it has not the pixels of its size"):
            read_picture(SIGNATURE + head + part + end)


@pytest.mark.parametrize(("mode", "bits"), [("1", 1), ("L", 8), ("LA", 16), ("P", 8), ("RGB", 24), ("RGBA", 32)])
@pytest.mark.parametrize("passes", [0, 1])
def test_the_rows_of_every_kind_of_png_are_counted(mode: str, bits: int, passes: int):
    """Interlaced ones in seven passes, of which a picture of 17 x 19 fills none evenly."""
    assert read_picture(saved(Image.fromarray(noise(17, 19)).convert(mode))).height == 19
    colour = {"1": 0, "L": 0, "LA": 4, "P": 3, "RGB": 2, "RGBA": 6}[mode]
    depth = 1 if mode == "1" else 8
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 17, 19, depth, colour, 0, 0, passes))
    table = chunk(b"PLTE", bytes(3)) if mode == "P" else b""
    # Pass by pass, PNG third edition, section 8.1: columns and rows of 17 x 19.
    parts = ((3, 3), (2, 3), (5, 2), (4, 5), (9, 5), (8, 10), (17, 9)) if passes else ((17, 19),)
    size = sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in parts)

    def of(size: int) -> bytes:
        return SIGNATURE + head + table + chunk(b"IDAT", zlib.compress(bytes(size))) + chunk(b"IEND", b"")

    assert read_picture(of(size)).width == 17
    with pytest.raises(ImageError, match="it has not the pixels of its size"):
        read_picture(of(size - 1))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The image is empty; PNG, JPEG and WebP are taken. Convert it to one of them."),
        (b"This is no picture.", "The image is of an unknown kind; PNG"),
        (saved(NOISE, "GIF"), "The image is a GIF; PNG"),
        (saved(NOISE, "BMP"), "The image is a BMP; PNG"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "The image is an SVG; PNG"),
        (b'{"error": "no"}', "The image is JSON; PNG"),
    ],
)
def test_other_kinds_are_named_and_refused(content: bytes, sentence: str):
    with pytest.raises(ImageError) as refused:
        read_picture(content)
    assert str(refused.value).startswith(sentence)


def headed(kind: str, width: int, height: int) -> bytes:
    """A small file whose header claims a size."""
    if kind == "PNG":
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        return SIGNATURE + head + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    if kind == "JPEG":
        frame = struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0"
        return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"
    if kind == "VP8X":
        body = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    elif kind == "VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little") + bytes(5)
    else:
        body = b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height)
    kind_of_chunk = kind.ljust(4).encode()
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + kind_of_chunk + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "VP8X", "VP8L", "VP8"])
def test_size_is_judged_before_anything_is_unpacked(kind: str):
    with warnings.catch_warnings(), pytest.raises(ImageError) as refused:
        warnings.simplefilter("error")
        read_picture(headed(kind, 16_000, 16_000))
    assert str(refused.value) == (
        "The image has 16,000 x 16,000 pixels; at most 64,000,000 in all are taken. Make it smaller."
    )
    with pytest.raises(ImageError, match="each side has to have 16 at least"):
        read_picture(headed(kind, 400, 15))
    # 8,000 x 8,000 is taken, so it is the missing pixels that are told.
    with pytest.raises(ImageError, match=r"damaged|cut off"):
        read_picture(headed(kind, 8_000, 8_000))


def test_the_smallest_that_is_taken_has_16_pixels_a_side():
    assert read_picture(plain((1, 2, 3), 16, 16)).width == 16
    with pytest.raises(ImageError, match="15 x 16 pixels"):
        read_picture(plain((1, 2, 3), 15, 16))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_refused(kind: str):
    frames = [Image.fromarray(noise(seed=seed)) for seed in (1, 2)]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
    with pytest.raises(ImageError, match=f"The image is an animated {kind}"):
        read_picture(content)


def test_a_photograph_with_further_pictures_behind_it_is_a_jpeg():
    content = saved(NOISE, "MPO", save_all=True, append_images=[NOISE])
    assert read_picture(content).media_type == "image/jpeg"


def test_a_png_that_names_two_sizes_is_refused():
    content = behind_the_header(FILES["png"], chunk(b"IHDR", struct.pack(">IIBBBBB", 20, 20, 8, 2, 0, 0, 0)))
    with pytest.raises(ImageError, match="has to come first, and once"):
        read_picture(content)


def test_a_jpeg_that_names_two_sizes_is_refused():
    frame = struct.pack(">BHHB", 8, 20, 20, 1) + b"\1\x11\0"
    small = b"\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame
    with pytest.raises(ImageError, match="it names two sizes"):
        read_picture(FILES["jpg"][:2] + small + FILES["jpg"][2:])


def test_what_is_packed_behind_the_pixels_of_a_png_is_not_unpacked():
    """A broken end stands for gigabytes that nobody should wait for."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 2, 0, 0, 0))
    packing = zlib.compressobj()
    packed = packing.compress(bytes(4_000_000)) + packing.flush(zlib.Z_FULL_FLUSH) + b"\xff"
    assert read_picture(SIGNATURE + head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")).width == 40


@pytest.mark.parametrize(
    ("orientation", "first"),
    [(1, "left"), (2, "right"), (3, "right"), (4, "left"), (5, "top"), (6, "top"), (7, "bottom"), (8, "bottom")],
)
def test_orientation_is_applied(orientation: int, first: str):
    """Where the red half, the left one in the file, is seen: EXIF 2.3, tag 274."""
    content = oriented(orientation)
    seen = pixels(content).astype(int)
    size = (40, 20) if first in ("left", "right") else (20, 40)
    assert (seen.shape[1], seen.shape[0]) == size == (read_picture(content).width, read_picture(content).height)
    parts = {"left": seen[:, :10], "right": seen[:, -10:], "top": seen[:10], "bottom": seen[-10:]}
    assert parts[first].mean(axis=(0, 1)) == pytest.approx([254, 0, 0], abs=4)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_orientation_is_applied_in_every_format(kind: str):
    assert read_picture(oriented(6, kind)).width == 20


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_broken_exif_is_no_reason_to_refuse_the_pixels():
    content = behind_the_header(FILES["png"], chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"))
    assert read_picture(content).width == 40


def test_transparent_pixels_are_laid_over_white():
    rgba = np.zeros((16, 16, 4), dtype=np.uint8)
    rgba[:, :8] = (255, 0, 0, 128)
    seen = pixels(png(rgba))
    assert seen[0, 0].tolist() == [255, 127, 127]
    assert seen[0, 15].tolist() == [255, 255, 255]


def test_one_transparent_colour_of_a_table_is_laid_over_white():
    image = Image.new("P", (16, 16), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert pixels(saved(image))[0, 0].tolist() == [10, 20, 30]
    assert pixels(saved(image, transparency=1))[0, 0].tolist() == [255, 255, 255]


def test_grey_of_16_bits_keeps_its_shades():
    ramp = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    seen = pixels(saved(Image.fromarray(ramp)))
    assert seen[0, 0].tolist() == [0, 0, 0]
    assert seen[8, 0].tolist() == [128, 128, 128]
    assert seen[15, 15].tolist() == [255, 255, 255]


def test_pixels_are_those_of_the_file():
    assert np.array_equal(pixels(FILES["png"]), noise())
    assert np.array_equal(pixels(FILES["lossless"]), noise())
