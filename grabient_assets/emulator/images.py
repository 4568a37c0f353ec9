"""Images in requests: is it really a PNG, how large, could the provider fetch it at all."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import math
import struct
import zlib
from typing import Any
from urllib.parse import urlsplit

MAX_BYTES = 5 * 1024 * 1024
MAX_SIDE = 8000
PNG = b"\x89PNG\r\n\x1a\n"
OTHER_MAGIC = {"image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8", "image/webp": b"RIFF"}
TOKENS_OF_UNSEEN_IMAGE = 120


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
