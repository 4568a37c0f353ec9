"""Pictures that the emulated models make: real PNG files of the asked size, a pure function of a text.

They show a grid of squares, which packs well: a picture of 1,024 x 1,024 pixels takes about six kilobytes.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from itertools import pairwise

ACROSS = 8
"""Squares in one line of the grid, and lines."""
HALF = b"\x80"
UNCHANGED = b"\x02"
"""The filter of a PNG line that holds the differences from the line above; here there are none."""


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
    head = struct.pack(">IIBBBBB", width, height, 8, 6 if transparent else 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", bytes(packed)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _parts(whole: int) -> list[int]:
    """`whole` cut into as many parts as there are squares."""
    edges = [whole * place // ACROSS for place in range(ACROSS + 1)]
    return [after - before for before, after in pairwise(edges)]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
