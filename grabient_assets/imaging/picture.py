"""A picture as a file: what it is, whether every pixel can be decoded, and its pixels.

Pictures come from models and from people, so nothing about them is believed. The size is read from the header before
anything is decoded, because a small file can unpack to gigabytes. Colour profiles are ignored: the numbers of the file
are taken as sRGB.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, TypeAlias

from grabient_assets.errors import ImageError
from grabient_assets.imaging.text_chunks import PNG_SIGNATURE, png_chunks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from PIL.ImageFile import ImageFile

Pixels: TypeAlias = "NDArray[np.uint8]"
"""RGB or RGBA, shape (height, width, 3 or 4)."""
Flags: TypeAlias = "NDArray[np.bool_]"
"""Shape (height, width)."""
Floats: TypeAlias = "NDArray[np.floating]"

MOST_PIXELS = 64_000_000
LEAST_SIDE = 16
_EXTENSIONS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced PNG: first column, first row, and the steps to the next."""
_PIECE = 1 << 20
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, struct.error)
"""What pillow raises for files and EXIF that are not as their format says."""
_TAKEN = "PNG, JPEG and WebP are taken"
_AGAIN = "Get the file again."


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was decoded wholly. `image_id` is the SHA-256 of its bytes (hex), `size` their number.

    `width` and `height` are those a person sees, EXIF orientation applied, and those of pixels().
    """

    image_id: str
    media_type: str
    size: int
    width: int
    height: int
    extension: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels of a file, upright, the format as pillow names it, and whether EXIF asked for a turn."""

    image: Image.Image
    kind: str
    turned: bool


def read_picture(content: bytes) -> Picture:
    """Decode every pixel and say what the picture is. In a JPEG a wrong bit inside the pixels goes unnoticed.

    Raises ImageError for anything but a whole PNG, JPEG or WebP, not animated, of at most MOST_PIXELS pixels and at
    least LEAST_SIDE on each side. The content decides, no name does.
    """
    found = decoded(content)
    return Picture(
        image_id=hashlib.sha256(content).hexdigest(),
        media_type=f"image/{found.kind.lower()}",
        size=len(content),
        width=found.image.width,
        height=found.image.height,
        extension=_EXTENSIONS[found.kind],
    )


def pixels(content: bytes) -> Pixels:
    """The pixels as sRGB, shape (height, width, 3), 0 to 255: EXIF orientation applied, alpha laid over white.

    Raises ImageError as read_picture does.
    """
    import numpy as np

    image = eight_bits(decoded(content).image)
    if image.has_transparency_data:
        image = over_white(image)
    return np.asarray(image.convert("RGB")).copy()


def decoded(content: bytes) -> Decoded:
    """Every pixel, in the mode that pillow reads them in. Raises ImageError as read_picture does."""
    kind = _kind(content)
    image = _opened(content, kind)
    try:
        image.load()
    except _BROKEN as error:
        raise ImageError(f"The {kind} is damaged or cut off: {error}. {_AGAIN}") from error
    return Decoded(image, kind, _turn_upright(image))


def eight_bits(image: Image.Image) -> Image.Image:
    """The picture itself, or 16 bits of grey as 8, which pillow would cut off at 255."""
    import numpy as np
    from PIL import Image

    if not image.mode.startswith("I"):
        return image
    return Image.fromarray(np.rint(np.asarray(image).astype(np.int64) * 255 / 65535).astype(np.uint8))


def rgba(image: Image.Image) -> Pixels:
    """The pixels of a picture in any mode, shape (height, width, 4)."""
    import numpy as np

    image = eight_bits(image)
    return np.array((image if image.has_transparency_data else image.convert("RGB")).convert("RGBA"))


def over_white(image: Image.Image) -> Image.Image:
    """A picture with transparent pixels laid over white: RGB."""
    from PIL import Image

    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _kind(content: bytes) -> str:
    if content.startswith(PNG_SIGNATURE):
        return "PNG"
    if content.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    raise ImageError(f"The image is {_described(content)}; {_TAKEN}. Convert it to one of them.")


def _opened(content: bytes, kind: str) -> ImageFile:
    """The picture, of which pillow has read the header. Image.open would refuse some sizes without naming them, and
    take a JPEG with further pictures behind it for another format."""
    from PIL.Image import DecompressionBombError
    from PIL.JpegImagePlugin import JpegImageFile
    from PIL.PngImagePlugin import PngImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    if kind == "PNG":
        for _ in png_chunks(content):  # pillow passes over wrong CRCs of pixels and a missing end
            pass
    elif kind == "WEBP":
        _check_size(*_webp_size(content))
    try:
        image = {"PNG": PngImageFile, "JPEG": JpegImageFile, "WEBP": WebPImageFile}[kind](BytesIO(content))
    except (*_BROKEN, DecompressionBombError) as error:
        raise ImageError(f"The {kind} is damaged or cut off near its beginning. {_AGAIN}") from error
    if getattr(image, "is_animated", False):
        raise ImageError(f"The image is an animated {kind}; one still picture is taken. Save one frame of it.")
    _check_size(*image.size)
    if kind == "PNG" and not _has_every_row(content):
        raise ImageError(f"The PNG is damaged or cut off: it has not the pixels of its size. {_AGAIN}")
    # `layer` has the components of every frame header, `layers` is their number in the last one.
    if isinstance(image, JpegImageFile) and len(image.layer) != image.layers:
        raise ImageError(f"The JPEG is damaged: it names two sizes. {_AGAIN}")
    return image


def _check_size(width: int, height: int) -> None:
    size = f"{width:,} x {height:,} pixels"
    if width * height > MOST_PIXELS:
        raise ImageError(f"The image has {size}; at most {MOST_PIXELS:,} in all are taken. Make it smaller.")
    if min(width, height) < LEAST_SIDE:
        raise ImageError(f"The image has {size}; each side has to have {LEAST_SIDE} at least. Take a larger one.")


def _turn_upright(image: Image.Image) -> bool:
    """Turn it as EXIF says, and say whether it does. Broken EXIF is no reason to refuse the pixels."""
    from PIL import ExifTags, ImageOps

    turned = False
    with suppress(*_BROKEN):
        turned = image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
        # In place it turns the pixels first, so that EXIF which cannot be written back does no harm.
        ImageOps.exif_transpose(image, in_place=True)
    return turned


def _has_every_row(png: bytes) -> bool:
    """Whether what is packed has as many bytes as the size asks for: pillow paints missing rows black.

    Unpacked piece by piece and counted, so that no file takes more memory than a piece.
    """
    expected, counted = 0, 0
    unpacking = zlib.decompressobj()
    try:
        for chunk in png_chunks(png):
            if chunk.kind == b"IHDR":
                expected = _packed_bytes(*struct.unpack(">IIBBBBB", chunk.body))
            waiting = chunk.body if chunk.kind == b"IDAT" else b""
            while waiting and not unpacking.eof and counted <= expected:
                counted += len(unpacking.decompress(waiting, _PIECE))
                waiting = unpacking.unconsumed_tail
    except (zlib.error, struct.error):
        return False
    return counted >= expected > 0


def _packed_bytes(width: int, height: int, depth: int, colour: int, _packing: int, _filter: int, passes: int) -> int:
    """Bytes of all rows, each with one for its filter; 0 for a kind of colour that there is not."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
    total = 0
    for x, y, step_x, step_y in _ADAM7 if passes else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if bits and columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _webp_size(content: bytes) -> tuple[int, int]:
    """The first chunk names the size (RFC 9649, sections 2.5 to 2.7). Pillow sets memory aside before it tells it."""
    kind, body = content[12:16], content[20:30]
    if len(body) == 10:
        if kind == b"VP8X":
            return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
        if kind == b"VP8L":
            bits = int.from_bytes(body[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        if kind == b"VP8 ":
            return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    raise ImageError(f"The WebP is damaged or cut off. {_AGAIN}")


def _described(content: bytes) -> str:
    if not content:
        return "empty"
    beginnings = {
        b"GIF8": "a GIF",
        b"BM": "a BMP",
        b"II*\0": "a TIFF",
        b"MM\0*": "a TIFF",
        b"%PDF": "a PDF",
        b"<svg": "an SVG",
        b"<?xml": "XML",
        b"{": "JSON",
        b"<": "markup",
    }
    if content[4:8] == b"ftyp":
        return "an AVIF or HEIC, or a film"
    head = content[:64].lstrip()
    return next((name for start, name in beginnings.items() if head.startswith(start)), "of an unknown kind")
