"""Texts inside a PNG file: read, added and replaced, every other byte as it was.

A PNG is a signature and a chain of chunks: length, four letters, content, CRC-32 (W3C Portable Network Graphics, third
edition, https://www.w3.org/TR/png-3/, sections 5 and 11.3.3). A text is a chunk iTXt (UTF-8), tEXt (Latin-1) or zTXt
(Latin-1, compressed). New ones are iTXt, uncompressed, behind the header.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from grabient_assets.errors import ImageError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_KINDS = (b"tEXt", b"zTXt", b"iTXt")
MAX_TEXT_BYTES = 1 << 20
MAX_KEYWORD = 79
_KEYWORD = re.compile("[!-~\xa1-\xff]+(?: [!-~\xa1-\xff]+)*")
"""Printable Latin-1 without a space at either end or two in a row."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of a PNG: its four letters, its content, and where it begins and ends in the file."""

    kind: bytes
    body: bytes
    start: int
    end: int


def png_chunks(png: bytes) -> Iterator[Chunk]:
    """The chunks from the header to the end mark, in order. Bytes behind the end mark are no chunk.

    Raises ImageError when the chain is broken: no signature, no header, a wrong CRC, a file that is cut off.
    """
    if not png.startswith(PNG_SIGNATURE):
        raise ImageError("The image is no PNG: it does not begin with the PNG signature. Give a PNG file.")
    start, kind = len(PNG_SIGNATURE), b""
    while kind != b"IEND":
        if len(png) < start + 12:
            raise ImageError("The PNG is cut off: it has no end mark (IEND). Get the file again.")
        length, kind = struct.unpack_from(">I4s", png, start)
        end = start + 12 + length
        if len(png) < end:
            raise ImageError(f"The PNG is cut off inside its {_name(kind)} chunk. Get the file again.")
        if (start == len(PNG_SIGNATURE)) != (kind == b"IHDR"):
            raise ImageError("The PNG is damaged: its header (IHDR) has to come first, and once. Get the file again.")
        body = png[start + 8 : end - 4]
        if png[end - 4 : end] != _crc(kind, body):
            raise ImageError(f"The PNG is damaged: the CRC of its {_name(kind)} chunk is wrong. Get the file again.")
        yield Chunk(kind, body, start, end)
        start = end


def with_text_chunks(png: bytes, chunks: Mapping[str, str]) -> bytes:
    """The PNG with these texts (keyword -> text) behind its header, instead of those of the same keywords.

    The texts stand in the order of their keywords, so equal input gives equal bytes, and a second time changes nothing.
    Raises ImageError for a file that is no whole PNG, and for a keyword or text that the format has no place for.
    """
    added = b"".join(_international(keyword, chunks[keyword]) for keyword in sorted(chunks))
    kept, copied = [], 0
    for chunk in png_chunks(png):
        if chunk.kind == b"IHDR":
            kept += [png[: chunk.end], added]
            copied = chunk.end
        elif chunk.kind in TEXT_KINDS and _keyword_of(chunk.body) in chunks:
            kept.append(png[copied : chunk.start])
            copied = chunk.end
    return b"".join([*kept, png[copied:]])


def text_chunks(png: bytes) -> dict[str, str]:
    """The texts of a PNG by keyword, the first of each.

    Compressed texts are left out: none is written here, and a thousand bytes can unpack to a million. So are those that
    are not as the format says. Raises ImageError for a file that is no whole PNG.
    """
    found: dict[str, str] = {}
    for chunk in png_chunks(png):
        keyword, separator, rest = chunk.body.partition(b"\0")
        parts = rest[2:].split(b"\0", 2)  # of iTXt, behind two flags: language, translated keyword, text
        with suppress(UnicodeDecodeError):
            if chunk.kind == b"tEXt" and separator:
                found.setdefault(keyword.decode("latin-1"), rest.decode("latin-1"))
            elif chunk.kind == b"iTXt" and rest[:1] == b"\0" and len(parts) == 3:
                found.setdefault(keyword.decode("latin-1"), parts[2].decode())
    return found


def _international(keyword: str, text: str) -> bytes:
    if len(keyword) > MAX_KEYWORD or not _KEYWORD.fullmatch(keyword):
        raise ImageError(
            f"{keyword[:80]!r} cannot be the keyword of a text in a PNG: that is 1 to {MAX_KEYWORD} printable Latin-1 "
            "characters, without a space at either end or two in a row. Take another keyword."
        )
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded or len(encoded) > MAX_TEXT_BYTES:
        raise ImageError(
            f"The text for {keyword!r} cannot stand in a PNG: it has to be Unicode without a NUL, and at most "
            f"{MAX_TEXT_BYTES:,} bytes. Shorten or clean it."
        )
    kind, body = b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + encoded
    return struct.pack(">I", len(body)) + kind + body + _crc(kind, body)


def _keyword_of(body: bytes) -> str:
    return body.partition(b"\0")[0].decode("latin-1")


def _crc(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _name(kind: bytes) -> str:
    return ascii(kind.decode("latin-1"))
