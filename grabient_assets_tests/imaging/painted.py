"""Small pictures as files, for the tests of this room."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(pixels: NDArray[np.integer] | list[Any]) -> bytes:
    return saved(Image.fromarray(np.asarray(pixels, dtype=np.uint8)))


def plain(colour: tuple[int, int, int], width: int = 32, height: int = 32) -> bytes:
    return png(np.full((height, width, 3), colour))


def noise(width: int = 40, height: int = 30, seed: int = 1) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def turned(width: int = 40, height: int = 20) -> bytes:
    """Stored with the left half red and the right half blue; seen upright red is on top."""
    image = Image.new("RGB", (width, height), (255, 0, 0))
    image.paste((0, 0, 255), (width // 2, 0, width, height))
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(image, exif=exif.tobytes())


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def behind_the_header(content: bytes, *chunks: bytes) -> bytes:
    """A PNG with further chunks behind IHDR."""
    end = len(SIGNATURE) + 25
    return content[:end] + b"".join(chunks) + content[end:]
