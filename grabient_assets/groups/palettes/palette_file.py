"""Palette files: JSONL or a JSON array, CSV with a header, or one seed, address or row of numbers a line.

What the lines look like decides the format; the name of the file is only asked when they leave it open. A bad
line is reported with its number and the rest is read. Only a file that cannot be read at all raises.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BufferedReader, StringIO, TextIOWrapper
from itertools import chain
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import BinaryIO, TextIO

from grabient_assets.errors import AmbiguousPaletteError, PaletteFileError
from grabient_assets.groups.palettes.palette_line import (
    COLOUR_LIST,
    DELIMITERS,
    AmbiguousNumbersError,
    BadLineError,
    PaletteRow,
    Sixteen,
    UnfinishedCsvError,
    columns_named_twice,
    csv_columns,
    csv_fields,
    is_comment,
    is_one_palette,
    row_from_csv,
    row_from_json,
    row_from_text,
    row_from_value,
)

__all__ = ["SAMPLES", "DuplicateLine", "PaletteFile", "PaletteRow", "RejectedLine", "read_palette_file"]

SAMPLES = Path(__file__).with_name("samples.jsonl")

MAX_LINE = 65_536
"""Characters of a line, of a CSV record, and of an element of a JSON array."""
MAX_RECORD_LINES = 100
SHOWN_CHARS = 200
# Text has next to no control characters and no broken UTF-8; other files are full of both.
PROBE_BYTES, BINARY_SHARE = 8_192, 0.3
JSONL_SUFFIXES = (".jsonl", ".ndjson")

RowReader = Callable[..., PaletteRow]


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """An entry that gave no palette: its line, which entry of that line it is (from 1; most lines have one), its text
    (cut to 200 characters) and the reason."""

    line: int
    entry: int
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


def read_palette_file(path: Path | str, sixteen: Sixteen | None = None) -> PaletteFile:
    """Reads the palettes of a file. `sixteen`: what 16 numbers are that may be a preset with alpha.

    Raises PaletteFileError when the file is missing, a folder, not permitted, not text, a list of colours, or holds no
    palette line; AmbiguousPaletteError when `sixteen` is needed and not given.
    """
    path = Path(path)
    try:
        with path.open("rb") as opened, _from_the_start(opened) as file:
            encoding = _encoding(path, file)
            errors = "replace" if encoding == "utf-16" else "surrogateescape"
            with TextIOWrapper(file, encoding, errors) as text:
                return _read(path, text, sixteen)
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


def _read(path: Path, file: TextIO, sixteen: Sixteen | None) -> PaletteFile:
    found = PaletteFile(path)
    first_lines: dict[str, int] = {}
    entries = Counter[int]()
    for number, text, read_row in _palettes(path, file, sixteen):
        entries[number] += 1
        try:
            row = read_row()
        except AmbiguousNumbersError as error:
            raise AmbiguousPaletteError(
                f"Line {number} of {path} can be read in two ways: {error}. Say which: grabient load --sixteen preset, "
                "or --sixteen modifiers."
            ) from None
        except BadLineError as error:
            found.rejected.append(RejectedLine(number, entries[number], _shown(text), str(error)))
            continue
        seed = row.palette.canonical
        if seed in first_lines:
            found.duplicates.append(DuplicateLine(number, first_lines[seed], seed))
        else:
            first_lines[seed] = number
            found.rows.append(row)
    if not (found.rows or found.rejected):
        holds = "only blank lines, comments or a header" if path.stat().st_size else "nothing"
        raise PaletteFileError(f"The palette file {path} holds {holds}. Put one palette on each line.")
    colours = sum(COLOUR_LIST.search(line.text) is not None for line in found.rejected)
    if not found.rows and colours * 2 >= len(found.rejected):
        raise _no_colours(path)
    return found


_Palette = tuple[int, str, Callable[[], PaletteRow]]
"""Where a palette begins, its text, and what reads it."""


def _palettes(path: Path, file: TextIO, sixteen: Sixteen | None) -> Iterator[_Palette]:
    """Every palette of the file, in whichever format its first line with content shows."""
    begin = _first_content(file)
    if _is_spread_object(begin, file):
        raise PaletteFileError(
            f"The palette file {path} is an object over several lines. Give a JSON array of palettes, or one object a "
            "line."
        )
    if _begins_array(begin):
        yield from _elements(file, sixteen)
        return
    lines = _lines(file)
    delimiters: Sequence[str] = DELIMITERS
    for number, text in lines:
        if is_comment(text):
            continue
        if said := re.fullmatch(r"\"?sep=(.)\"?", text.strip("\r\n"), re.IGNORECASE):  # Excel's
            delimiters = (said[1],)
            continue
        if header := csv_columns(text, delimiters):
            if twice := columns_named_twice(header[0]):
                raise PaletteFileError(
                    f"The palette file {path} has two columns named {', '.join(twice)}. Rename or remove one."
                )
            yield from _csv_records(lines, *header, sixteen)
            return
        read_row = _reader(path, text)
        yield number, text, partial(_checked, read_row, number, text, sixteen)
        for number, text in lines:
            if not is_comment(text):
                yield number, text, partial(_checked, read_row, number, text, sixteen)


def _begins_array(begin: str) -> bool:
    """Whether the file is a JSON array of palettes. A first line that is one palette itself, `[0.5, ...]` or four
    vectors, begins a file of such lines."""
    if not re.match(r"\s*\[\s*(?:[\[{\"\]]|$)", begin):
        return begin.lstrip().startswith("[") and "]" not in begin
    try:
        return not is_one_palette(json.loads(begin))
    except (ValueError, RecursionError):
        return True


def _is_spread_object(begin: str, file: TextIO) -> bool:
    """Whether the first line with content, `begin`, opens a JSON object that ends on a later line."""
    start = begin.strip()
    if not start.startswith("{"):
        return False
    if start[-1] in "{[:":  # its end may be far away
        return True
    text = file.read(MAX_LINE)
    file.seek(0)
    try:
        value, end = json.JSONDecoder().raw_decode(text, text.index(start))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and end > text.index(start) + len(start)


def _first_content(file: TextIO) -> str:
    """The first characters of the file that are neither blank nor a comment. It is read again afterwards."""
    begin = ""
    for _, text in _lines(file):
        begin += "" if is_comment(text) else text
        if len(begin.split()) > 1 or len(begin.strip()) > 1:
            break
    file.seek(0)
    return begin


def _reader(path: Path, text: str) -> RowReader:
    """How to read the lines of a file whose first line with content is `text`, which is no CSV header."""
    start = text.lstrip()[0]
    if start in "{[":
        return row_from_json
    try:
        row_from_text(0, text, "modifiers")
    except BadLineError:
        # No seed either: now the name of the file is the only hint.
        if path.suffix.lower() in JSONL_SUFFIXES:
            return row_from_json
        if path.suffix.lower() == ".csv":
            if COLOUR_LIST.search(text):
                raise _no_colours(path) from None
            raise PaletteFileError(
                f"The palette file {path} has no column named seed, id or url; its first line is {_shown(text)[:80]!r}."
            ) from None
    return _row_from_any


def _row_from_any(number: int, text: str, sixteen: Sixteen | None) -> PaletteRow:
    """Plain seeds, and objects among them: a broken first line must not spoil a file of objects."""
    read_row = row_from_json if text.lstrip()[0] in "{[" else row_from_text
    return read_row(number, text, sixteen)


def _csv_records(
    lines: Iterator[tuple[int, str]], columns: Sequence[str], delimiter: str, sixteen: Sixteen | None
) -> Iterator[_Palette]:
    """The records below the header. A quoted field may hold line breaks; one that never ends costs its line alone."""
    ahead: list[tuple[int, str]] = []
    read_row = partial(row_from_csv, columns=columns, delimiter=delimiter)
    while begun := _next_line(ahead, lines):
        number, text = begun
        if is_comment(text):
            continue
        record, taken = text, list[tuple[int, str]]()
        while isinstance(_trouble(record, delimiter), UnfinishedCsvError):
            if len(record) > MAX_LINE or len(taken) == MAX_RECORD_LINES:
                break
            if (more := _next_line(ahead, lines)) is None:
                break
            taken.append(more)
            record += more[1]
        if taken and _trouble(record, delimiter):
            ahead[:0] = taken
            record = text
        yield number, record, partial(_checked, read_row, number, record, sixteen)


def _next_line(ahead: list[tuple[int, str]], lines: Iterator[tuple[int, str]]) -> tuple[int, str] | None:
    return ahead.pop(0) if ahead else next(lines, None)


def _trouble(record: str, delimiter: str) -> BadLineError | None:
    try:
        csv_fields(record, delimiter)
    except BadLineError as error:
        return error
    return None


def _elements(file: TextIO, sixteen: Sixteen | None) -> Iterator[_Palette]:
    """The elements of one JSON array, over however few or many lines. One of them is in memory, and what is read ahead.

    After one that cannot be read the next that begins behind a closing bracket and a comma is looked for.
    """
    decoder = json.JSONDecoder()
    number, position = 1, 0
    text = file.read(MAX_LINE)
    opened = False
    numbers: list[tuple[int, float]] = []  # an array of nothing else is one palette
    while True:
        blank = _BETWEEN.match(text, position) if opened else _BEFORE.match(text, position)
        assert blank is not None
        number += text.count("\n", position, blank.end())
        position, opened = blank.end(), True
        if position == len(text):
            text, position = file.read(MAX_LINE), 0
            if text:
                continue
        if text[position : position + 1] in ("", "]"):
            if numbers:
                line, values = numbers[0][0], [value for _, value in numbers]
                yield line, str(values), partial(row_from_value, line, values, sixteen)
            if position == len(text):
                return
            # What follows may be another array, as in a file with one on each line.
            text, numbers, opened = text[position + 1 :] + file.read(MAX_LINE), [], False
            begin = _BEFORE.match(text)
            if begin is None:
                yield from _behind_array(number, text, file)
                return
            position = 0
            continue
        try:
            value, end = decoder.raw_decode(text, position)
            # A number may go on in what was not read yet.
            if end == len(text) and (more := file.read(MAX_LINE)):
                text, position = text[position:] + more, 0
                continue
        except (ValueError, RecursionError) as error:
            if len(text) - position < MAX_LINE and (more := file.read(MAX_LINE)):
                text, position = text[position:] + more, 0
                continue
            element = text[position : position + SHOWN_CHARS]
            yield number, element, partial(_refuse, f"it is not valid JSON ({getattr(error, 'msg', 'too deep')})")
            after = _NEXT_ELEMENT.search(text, position)
            end = after.end() if after else len(text)
            number += text.count("\n", position, end)
            position = end
            continue
        element = text[position:end]
        if type(value) in (int, float) and len(numbers) < MAX_LINE:
            numbers.append((number, value))
        else:
            yield number, element, partial(row_from_value, number, value, sixteen)
        number += element.count("\n")
        position = end


def _behind_array(number: int, text: str, file: TextIO) -> Iterator[_Palette]:
    """Each line behind the end of a JSON array is refused; blank lines and comments are none."""
    begun = StringIO(text + file.readline(MAX_LINE))
    for line_number, line in enumerate(chain(begun, (line for _, line in _lines(file))), number):
        if not is_comment(line):
            yield line_number, line, partial(_refuse, "it stands behind the end of a JSON array")


_BEFORE = re.compile(r"(?:\s|#[^\n]*\n)*\[\s*")
_BETWEEN = re.compile(r"[\s,]*")
_NEXT_ELEMENT = re.compile(r"[}\]\"]\s*,\s*(?=[{\[\"])")


def _refuse(reason: str) -> PaletteRow:
    raise BadLineError(reason)


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    """Numbered lines, whatever ends them. Of a line beyond the limit only the first part is kept in memory."""
    number = 0
    while text := file.readline(MAX_LINE + 1):
        number += 1
        part = text
        while len(part) > MAX_LINE and not part.endswith("\n"):
            part = file.readline(MAX_LINE + 1)
        yield number, text


def _checked(read_row: RowReader, number: int, text: str, sixteen: Sixteen | None) -> PaletteRow:
    """The row, if the text is short enough and was UTF-8."""
    if len(text) > MAX_LINE:
        raise BadLineError(f"it is longer than {MAX_LINE} characters")
    if strange := _NOT_UTF8.search(text):
        place = len(text[: strange.start()].encode()) + 1
        raise BadLineError(f"byte {place} (0x{ord(strange[0]) - 0xDC00:02x}) is not UTF-8")
    return read_row(number, text.strip("\r\n"), sixteen=sixteen)


_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def _shown(text: str) -> str:
    return _NOT_UTF8.sub("\N{REPLACEMENT CHARACTER}", text.strip("\r\n"))[:SHOWN_CHARS]


def _no_colours(path: Path) -> PaletteFileError:
    return PaletteFileError(
        f"The palette file {path} is a list of colours, as Lospec, coolors and paint programs write them. A palette "
        "here is a whole gradient. Its seed is the last part of its address at grabient.com, such as "
        "_gIMgGAgFZgGvgEFgB4gH0gH0gH0gHMgG5gJf, or the 12 numbers of its cosine curves. Colours cannot be turned into "
        "one."
    )


def _encoding(path: Path, file: BinaryIO) -> str:
    """How the text is written: UTF-8, or UTF-16 with its mark. Raises PaletteFileError when it is no text."""
    probe = file.read(PROBE_BYTES)
    file.seek(0)
    if probe.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    text = probe.decode("utf-8", errors="replace")
    strange = sum(character == "\ufffd" or (character < " " and character not in "\t\r\n\f") for character in text)
    if strange > BINARY_SHARE * len(text):
        raise PaletteFileError(
            f"The palette file {path} is not text but perhaps a picture or archive. Give JSONL, CSV or one seed a line."
        )
    return "utf-8-sig"
