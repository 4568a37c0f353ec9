"""Images: those in requests are checked, and transparent ones are drawn. painting/ makes and edits all others.

What is drawn is a real PNG file of the asked size, a pure function of a text. It shows a grid of squares, which packs
well: a picture of 1,024 x 1,024 pixels takes about six kilobytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import math
import struct
import zlib
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

MAX_BYTES = 5 * 1024 * 1024
MAX_SIDE = 8000
PNG = b"\x89PNG\r\n\x1a\n"
OTHER_MAGIC = {"image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}
TOKENS_OF_UNSEEN_IMAGE = 120
ACROSS = 8
"""Squares in one line of the grid, and lines."""
HALF = b"\x80"
UNCHANGED = b"\x02"
"""The filter of a PNG line that holds the differences from the line above; here there are none."""
NO_PICTURE = base64.b64encode(b"This is no picture.").decode()
"""What a fault makes of an image."""


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height of a PNG, every chunk checked. Raises ValueError saying what is wrong."""
    if not data.startswith(PNG):
        raise ValueError("the data does not begin like a PNG")
    position, size, pixels, last = len(PNG), None, b"", b""
    while position + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        if len(body) < length or data[position + 8 + length :][:4] != struct.pack(">I", zlib.crc32(kind + body)):
            raise ValueError(f"the {kind.decode('latin-1')} chunk is damaged")
        if kind == b"IHDR":
            if len(body) != 13:
                raise ValueError("the IHDR chunk is damaged")
            size = struct.unpack_from(">II", body)
        elif kind == b"IDAT":
            pixels += body
        last = kind
        position += 12 + length
    if size is None or not pixels or last != b"IEND":
        raise ValueError("the PNG is not complete")
    try:
        zlib.decompress(pixels)
    except zlib.error as error:
        raise ValueError("the pixels cannot be unpacked") from error
    return size[0], size[1]


def has_alpha(data: bytes) -> bool:
    """Whether a PNG has transparent pixels at all: a channel for them, or one value that stands for them."""
    return data[25:26] in (b"\x04", b"\x06") or b"tRNS" in data


def image_size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG; None for a JPEG or WebP. Raises ValueError for anything else, and a damaged PNG."""
    if data.startswith((OTHER_MAGIC["image/jpeg"], OTHER_MAGIC["image/webp"])):
        return None
    return png_size(data)


def image_tokens(source: Any) -> int:
    """What an Anthropic image block costs (width x height / 750 tokens).

    Raises ValueError, in the API's kind of words, for an image that it would not take.
    """
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "url":
        check_address(str(source.get("url", "")))
        return TOKENS_OF_UNSEEN_IMAGE
    if kind == "file":
        return TOKENS_OF_UNSEEN_IMAGE
    if kind != "base64":
        raise ValueError("source.type: Input should be 'base64', 'url' or 'file'")
    try:
        data = base64.b64decode(str(source.get("data", "")), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("source.base64.data: not valid base64") from error
    if len(data) > MAX_BYTES:
        raise ValueError(f"image exceeds 5 MB maximum: {len(data)} bytes > {MAX_BYTES} bytes")
    media = str(source.get("media_type"))
    if media in OTHER_MAGIC:
        if not data.startswith(OTHER_MAGIC[media]):
            raise ValueError(f"Image does not match the provided media type {media}")
        return TOKENS_OF_UNSEEN_IMAGE
    if media != "image/png":
        raise ValueError(
            "source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
        )
    try:
        width, height = png_size(data)
    except ValueError as error:
        raise ValueError(f"Could not process image: {error}") from error
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError(f"image dimensions exceed max allowed size: {MAX_SIDE} pixels")
    return math.ceil(width * height / 750)


def check_address(url: str) -> None:
    """The provider fetches from the public internet by HTTPS. It cannot reach an address of a private network."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("Only HTTPS URLs are supported.")
    host = parts.hostname
    try:
        public = ipaddress.ip_address(host).is_global
    except ValueError:
        public = "." in host and not host.endswith((".local", ".localhost", ".internal"))
    if not public:
        raise ValueError("Unable to download the file. Please verify the URL and try again.")


def drawn(seed: str, width: int, height: int, *, transparent: bool = False) -> bytes:
    """A PNG with three channels, four when it is transparent."""
    channels = 4 if transparent else 3
    paints = hashlib.shake_256(seed.encode("utf-8", "surrogatepass")).digest(3 * ACROSS * ACROSS)
    packing = zlib.compressobj(6)
    packed = bytearray()
    for line, rows in enumerate(_parts(height)):
        if not rows:
            continue
        squares = [paints[3 * place : 3 * place + 3] for place in range(line * ACROSS, (line + 1) * ACROSS)]
        if transparent:
            squares = [square + (HALF if place % 2 else b"\xff") for place, square in enumerate(squares)]
        first = b"".join(square * columns for square, columns in zip(squares, _parts(width), strict=True))
        packed += packing.compress(b"\x00" + first)
        packed += packing.compress((UNCHANGED + bytes(channels * width)) * (rows - 1))
    packed += packing.flush()
    return _file(width, height, bytes(packed), transparent)


def packed_png(pixels: bytes | bytearray, width: int, height: int, *, transparent: bool = False) -> bytes:
    """A PNG with three channels, four when it is transparent. `pixels` are its lines from the top, a byte for each
    channel of each pixel.

    They are packed quickly rather than tightly: libpng takes four times as long for a fifth less.
    """
    line = (4 if transparent else 3) * width
    lines = b"".join(b"\x00" + pixels[place : place + line] for place in range(0, line * height, line))
    return _file(width, height, zlib.compress(lines, 3), transparent)


def _file(width: int, height: int, packed: bytes, transparent: bool) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 6 if transparent else 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", packed), (b"IEND", b""))
    return PNG + b"".join(_chunk(kind, body) for kind, body in chunks)


def _parts(whole: int) -> list[int]:
    """`whole` cut into as many parts as there are squares."""
    edges = [whole * place // ACROSS for place in range(ACROSS + 1)]
    return [after - before for before, after in pairwise(edges)]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
