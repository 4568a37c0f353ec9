"""The text of a palette file: how it is written, its numbered lines, and whether it is a list of colours instead.

People take such lists for palettes: those of Lospec, coolors, paint programs and style sheets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, TextIO

from grabient_assets.errors import PaletteFileError

MAX_LINE = 65_536
"""Characters of a line, of a CSV record, and of an element of a JSON array."""
SHOWN_CHARS = 200
# Text has next to no control characters and no broken UTF-8; other files are full of both.
PROBE_BYTES, BINARY_SHARE = 8_192, 0.3
ZERO_SHARE = 0.8
"""Of every second byte, in text that is written as UTF-16: palettes are mostly ASCII."""
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)

NOT_UTF8 = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as `opened_text` gives it."""

COLOUR_LIST = re.compile(
    r"(?<![\w-])#?(?:[0-9a-f]{6}|[0-9a-f]{8})(?![\w-])|(?<![\w#&])#[0-9a-f]{3,4}(?![\w-])"
    r"|coolors\.co|lospec\.com|^GIMP Palette|^JASC-PAL|^;\s*[a-z]"
    r"|\b(?:rgba?|hsla?|hwb|(?:ok)?lch|(?:ok)?lab)\("
    r"|^\s*\d{1,3}(?:\s+|\s*[,;]\s*)\d{1,3}(?:\s+|\s*[,;]\s*)\d{1,3}(?![.,\w])(?!\s*[,;\s]\s*[+-]?\d)",
    re.IGNORECASE,
)
"""What such lists say on a line: colours, one by one."""
HEX_COLOURS_ONLY = re.compile(r"#[0-9a-f]{3,8}(?:[\s,;]+#[0-9a-f]{3,8})*\s*", re.IGNORECASE)
_SWATCH_FILES = re.compile(rb"ASEF\x00|RIFF....PAL |8BCB|\x00\x01\x00[\x01-\xff]\x00[\x00-\x08]", re.DOTALL)


@contextmanager
def opened_text(path: Path) -> Iterator[TextIO]:
    """The text of the file, such that it can be read from its start again. Raises PaletteFileError when it is no text,
    and the OSError of a file that cannot be read."""
    with path.open("rb") as opened, _from_the_start(opened) as file:
        encoding = _encoding(path, file)
        errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
        with TextIOWrapper(file, encoding, errors) as text:
            yield text


def numbered_lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """The lines from here on, whatever ends them. Of a line beyond the limit only the first part is kept in memory."""
    number = 0
    while text := file.readline(MAX_LINE + 1):
        number += 1
        part = text
        while len(part) > MAX_LINE and not part.endswith("\n"):
            part = file.readline(MAX_LINE + 1)
        yield number, text


def as_windows_wrote_it(text: str) -> str:
    """The text with the bytes that are not UTF-8 read as Windows-1252, as Excel writes a CSV file."""
    return NOT_UTF8.sub(lambda byte: bytes([ord(byte[0]) - 0xDC00]).decode("cp1252", "replace"), text)


def shown(text: str) -> str:
    """The text for people, cut to SHOWN_CHARS."""
    return NOT_UTF8.sub("\N{REPLACEMENT CHARACTER}", text.strip("\r\n"))[:SHOWN_CHARS]


def is_swatch_file(begin: bytes) -> bool:
    """Whether a file begins as those of Adobe (.ase, .aco) and Windows (.pal) do."""
    return _SWATCH_FILES.match(begin) is not None


def no_colours(path: Path) -> PaletteFileError:
    """What a palette is instead."""
    return PaletteFileError(
        f"The palette file {path} is a list of colours, as Lospec, coolors and paint programs write them. A palette "
        "here is a whole gradient. Its seed is the last part of its address at grabient.com, such as "
        "_gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf, or the 12 numbers of its cosine curves. Colours cannot be turned into "
        "one."
    )


@contextmanager
def _from_the_start(file: BufferedReader) -> Iterator[BinaryIO]:
    """The file, such that it can be read from its start again; what comes through a pipe is kept for that."""
    if file.seekable():
        yield file
        return
    with TemporaryFile() as kept:
        copyfileobj(file, kept)
        kept.seek(0)
        yield kept


def _encoding(path: Path, file: BinaryIO) -> str:
    """How the text is written: UTF-8, or UTF-16 and UTF-32. Raises PaletteFileError when it is no text."""
    probe = file.read(PROBE_BYTES)
    file.seek(0)
    if is_swatch_file(probe):
        raise no_colours(path)
    for mark, encoding in _MARKS:
        if probe.startswith(mark):
            return encoding
    for encoding, zeros, letters in (("utf-16-le", probe[1::2], probe[::2]), ("utf-16-be", probe[::2], probe[1::2])):
        if len(zeros) > 1 and zeros.count(0) >= ZERO_SHARE * len(zeros) and 0 not in letters:
            return encoding
    text = probe.decode("utf-8", errors="replace")
    strange = sum(character == "\ufffd" or (character < " " and character not in "\t\r\n\f") for character in text)
    if strange > BINARY_SHARE * len(text):
        raise PaletteFileError(
            f"The palette file {path} is not text but perhaps a picture or archive. Give JSONL, CSV or one seed a line."
        )
    return "utf-8-sig"
