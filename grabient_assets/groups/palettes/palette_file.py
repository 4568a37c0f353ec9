"""Palette files: JSONL, CSV with a header, or one seed a line.

What the lines look like decides the format; the name of the file is only asked when they leave it open. A bad
line is reported with its number and the rest is read. Only a file that cannot be read at all raises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

from grabient_assets.errors import PaletteFileError, SeedError
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.groups.palettes.palette_line import (
    BadLineError,
    PaletteRow,
    csv_columns,
    is_comment,
    row_from_csv,
    row_from_json,
    row_from_text,
)

__all__ = ["SAMPLES", "DuplicateLine", "PaletteFile", "PaletteRow", "RejectedLine", "read_palette_file"]

SAMPLES = Path(__file__).with_name("samples.jsonl")

MAX_LINE_BYTES = 65_536
SHOWN_CHARS = 200
# Text has next to no control characters and no broken UTF-8; other files are full of both.
PROBE_BYTES, BINARY_SHARE = 8_192, 0.3
JSONL_SUFFIXES = (".jsonl", ".ndjson")

RowReader = Callable[[int, str], PaletteRow]


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line that gave no palette: its number, its text (cut to 200 characters) and the reason."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class DuplicateLine:
    """A line with a palette that the file holds already, in whatever spelling. The first line counts."""

    line: int
    first_line: int
    seed: str


@dataclass(frozen=True, slots=True)
class PaletteFile:
    """What a palette file holds. Every line that is neither blank nor a comment is in one of the three lists."""

    path: Path
    rows: list[PaletteRow] = field(default_factory=list)
    rejected: list[RejectedLine] = field(default_factory=list)
    duplicates: list[DuplicateLine] = field(default_factory=list)


def read_palette_file(path: Path | str) -> PaletteFile:
    """Reads the palettes of a file.

    Raises PaletteFileError when the file is missing, a folder, not permitted, not text, or holds no palette line.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            _refuse_binary(path, file)
            return _read(path, file)
    except FileNotFoundError:
        raise PaletteFileError(f"There is no palette file {path}. Check the path.") from None
    except IsADirectoryError:
        raise PaletteFileError(f"{path} is a folder. Give the palette file itself.") from None
    except PermissionError:
        raise PaletteFileError(
            f"The palette file {path} may not be read by this user. Change its permissions."
        ) from None
    except OSError as error:
        raise PaletteFileError(f"The palette file {path} cannot be read: {error.strerror or error}.") from error


def _read(path: Path, file: BinaryIO) -> PaletteFile:
    found = PaletteFile(path)
    first_lines: dict[str, int] = {}
    read_row: RowReader | None = None
    seen_bytes = False
    for number, raw in _lines(file):
        seen_bytes = True
        text = raw.decode("utf-8", errors="replace").strip("\r\n")
        if number == 1:
            text = text.removeprefix("\ufeff")
        try:
            _check_line(raw)
            if is_comment(text):
                continue
            if read_row is None:
                columns = csv_columns(text)
                read_row = partial(row_from_csv, columns=columns) if columns else _reader(path, text)
                if columns:
                    continue
            row = read_row(number, text)
        except BadLineError as error:
            found.rejected.append(RejectedLine(number, text[:SHOWN_CHARS], str(error)))
            continue
        seed = row.palette.canonical
        if seed in first_lines:
            found.duplicates.append(DuplicateLine(number, first_lines[seed], seed))
        else:
            first_lines[seed] = number
            found.rows.append(row)
    if not (found.rows or found.rejected):
        holds = "only blank lines, comments or a header" if seen_bytes else "nothing"
        raise PaletteFileError(f"The palette file {path} holds {holds}. Put one palette on each line.")
    return found


def _reader(path: Path, text: str) -> RowReader:
    """How to read the lines of a file whose first line with content is `text`, which is no CSV header."""
    start = text.lstrip()[0]
    if start in "{[":
        return row_from_json
    try:
        decode_seed(text)
    except SeedError:
        # No seed either: now the name of the file is the only hint.
        if path.suffix.lower() in JSONL_SUFFIXES:
            return row_from_json
        if path.suffix.lower() == ".csv":
            raise PaletteFileError(
                f"The palette file {path} has no column named seed or id; its first line is {text[:80]!r}."
            ) from None
    return _row_from_any


def _row_from_any(number: int, text: str) -> PaletteRow:
    """Plain seeds, and objects among them: a broken first line must not spoil a file of objects."""
    return row_from_json(number, text) if text.lstrip().startswith("{") else row_from_text(number, text)


def _lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Numbered lines. Of a line beyond the limit only the first part is kept in memory."""
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        part = raw
        while len(part) > MAX_LINE_BYTES and not part.endswith(b"\n"):
            part = file.readline(MAX_LINE_BYTES + 1)
        yield number, raw


def _check_line(raw: bytes) -> None:
    if len(raw) > MAX_LINE_BYTES:
        raise BadLineError(f"it is longer than {MAX_LINE_BYTES} bytes")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadLineError(f"byte {error.start + 1} (0x{raw[error.start]:02x}) is not UTF-8") from None


def _refuse_binary(path: Path, file: BinaryIO) -> None:
    probe = file.read(PROBE_BYTES)
    file.seek(0)
    if probe.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise PaletteFileError(f"The palette file {path} is UTF-16 text. Save it as UTF-8.")
    text = probe.decode("utf-8", errors="replace")
    strange = sum(character == "\ufffd" or (character < " " and character not in "\t\r\n\f") for character in text)
    if strange > BINARY_SHARE * len(text):
        raise PaletteFileError(
            f"The palette file {path} is not text but perhaps a picture or archive. Give JSONL, CSV or one seed a line."
        )
