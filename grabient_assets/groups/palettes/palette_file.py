"""Palette files: JSONL or a JSON array, CSV with a header, or one seed, address or row of numbers a line.

What the lines look like decides the format; the name of the file is only asked when they leave it open. A bad
line is reported with its number and the rest is read. Only a file that cannot be read at all raises.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from grabient_assets.errors import AmbiguousPaletteError, PaletteFileError
from grabient_assets.groups.palettes.palette_array import Entry, elements, refuse
from grabient_assets.groups.palettes.palette_line import (
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
    is_csv_comment,
    is_numbers_in_brackets,
    is_one_palette,
    is_row_of_a_table,
    names_palette,
    row_from_csv,
    row_from_json,
    row_from_text,
)
from grabient_assets.groups.palettes.palette_text import (
    COLOUR_LIST,
    MAX_LINE,
    NOT_UTF8,
    as_windows_wrote_it,
    no_colours,
    numbered_lines,
    opened_text,
    shown,
)

__all__ = ["SAMPLES", "DuplicateLine", "PaletteFile", "PaletteRow", "RejectedLine", "read_palette_file"]

SAMPLES = Path(__file__).with_name("samples.jsonl")

MAX_RECORD_LINES = 100
HEADER_WITHIN_LINES = 20
"""Programs write titles and dates above a table."""
JSONL_SUFFIXES = (".jsonl", ".ndjson")
_NAMES_A_SEED = re.compile(r'"seed"|(?<![A-Za-z0-9_-])_[A-Za-z0-9_-]{36}')

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
        with opened_text(path) as text:
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
            found.rejected.append(RejectedLine(number, entries[number], shown(text), str(error)))
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
        raise no_colours(path)
    return found


def _palettes(path: Path, file: TextIO, sixteen: Sixteen | None) -> Iterator[Entry]:
    """Every palette of the file, in whichever format its first line with content shows."""
    begin = _first_content(file)
    if _is_spread_object(begin, file):
        text = file.read(MAX_LINE)
        if COLOUR_LIST.search(text) and not _NAMES_A_SEED.search(text):
            raise no_colours(path)
        raise PaletteFileError(
            f"The palette file {path} is an object over several lines. Give a JSON array of palettes, or one object a "
            "line."
        )
    if _begins_array(begin):
        yield from elements(file, sixteen)
        return
    lines = numbered_lines(file)
    ahead = list(islice(lines, HEADER_WITHIN_LINES))
    if table := _table_in(ahead):
        if twice := columns_named_twice(table.columns):
            raise PaletteFileError(
                f"The palette file {path} has two columns named {', '.join(twice)}. Rename or remove one."
            )
        for number, text in table.before:
            yield number, text, partial(refuse, "it stands before the names of the columns")
        yield from _csv_records(chain(table.behind, lines), table.columns, table.delimiter, sixteen)
        return
    read_row: RowReader | None = None
    for number, text in chain(ahead, lines):
        if not is_comment(text) and (read_row or not _declared_delimiter(text)):
            read_row = read_row or _reader(path, text, [line for _, line in ahead])
            yield number, text, partial(_checked, read_row, number, text, sixteen)


@dataclass(frozen=True, slots=True)
class _Table:
    """The header of a CSV file, and the lines around it that were read."""

    columns: tuple[str, ...]
    delimiter: str
    before: Sequence[tuple[int, str]]
    behind: Sequence[tuple[int, str]]


def _table_in(ahead: Sequence[tuple[int, str]]) -> _Table | None:
    """The table that begins within these lines. None where one that is a palette comes first."""
    delimiters: Sequence[str] = DELIMITERS
    before: list[tuple[int, str]] = []
    for place, (number, text) in enumerate(ahead):
        if is_comment(text):
            continue
        if declared := _declared_delimiter(text):
            delimiters = (declared,)
            continue
        record, end = text, place + 1
        while record.count('"') % 2 and end < len(ahead):  # a name may hold a line break
            record, end = record + ahead[end][1], end + 1
        for header, behind in ((text, place + 1), (record, end)):
            if found := csv_columns(header, delimiters):
                return _Table(*found, before, ahead[behind:])
        if text.lstrip().startswith(("{", "[")) or names_palette(text):
            return None
        before.append((number, text))
    return None


def _declared_delimiter(text: str) -> str | None:
    """The delimiter that Excel's first line `sep=;` declares."""
    match = re.fullmatch(r"\"?sep=(.)\"?", text.strip("\r\n"), re.IGNORECASE)
    return match[1] if match else None


def _begins_array(begin: str) -> bool:
    """Whether the file is a JSON array of palettes. A first line that is one palette itself, `[0.5, ...]` or four
    vectors, begins a file of such lines."""
    if is_numbers_in_brackets(begin):
        return False
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
    for _, text in numbered_lines(file):
        begin += "" if is_comment(text) else text
        if len(begin.split()) > 1 or len(begin.strip()) > 1:
            break
    file.seek(0)
    return begin


def _reader(path: Path, text: str, ahead: Sequence[str]) -> RowReader:
    """How to read the lines of a file whose first line with content is `text`, and that has no CSV header. `ahead` are
    its first lines."""
    if text.lstrip().startswith(("{", "[")):
        return _row_from_any if is_numbers_in_brackets(text) else row_from_json
    if not names_palette(text):
        # No seed either: now the name of the file is the only hint.
        if path.suffix.lower() in JSONL_SUFFIXES:
            return row_from_json
        is_table = is_row_of_a_table(text)
        has_colours = any(COLOUR_LIST.search(line) and not _NAMES_A_SEED.search(line) for line in ahead)
        if path.suffix.lower() == ".csv" and has_colours:
            raise no_colours(path)
        if is_table or path.suffix.lower() == ".csv":
            raise PaletteFileError(
                f"The palette file {path} has no column named seed, id or url; its first line is {shown(text)[:80]!r}. "
                "Name the columns in the first line, for example: seed,name,style"
            )
    return _row_from_any


def _row_from_any(number: int, text: str, sixteen: Sixteen | None) -> PaletteRow:
    """Plain seeds, and objects among them: a broken first line must not spoil a file of objects."""
    is_json = text.lstrip().startswith(("{", "[")) and not is_numbers_in_brackets(text)
    read_row = row_from_json if is_json else row_from_text
    return read_row(number, text, sixteen)


def _csv_records(
    lines: Iterator[tuple[int, str]], columns: Sequence[str], delimiter: str, sixteen: Sixteen | None
) -> Iterator[Entry]:
    """The records below the header. A quoted field may hold line breaks; one that never ends costs its line alone."""
    ahead: list[tuple[int, str]] = []
    read_row = partial(row_from_csv, columns=columns, delimiter=delimiter)
    while begun := _next_line(ahead, lines):
        number, text = begun
        if is_csv_comment(text, columns, delimiter):
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


def _checked(read_row: RowReader, number: int, text: str, sixteen: Sixteen | None) -> PaletteRow:
    """The row, if the text is short enough and was UTF-8, or at least its seed was."""
    if len(text) > MAX_LINE:
        raise BadLineError(f"it is longer than {MAX_LINE} characters")
    strange = NOT_UTF8.search(text)
    if strange is None:
        return read_row(number, text.strip("\r\n"), sixteen=sixteen)
    try:
        row = read_row(number, as_windows_wrote_it(text).strip("\r\n"), sixteen=sixteen)
    except AmbiguousNumbersError:
        raise
    except BadLineError:
        place = len(text[: strange.start()].encode()) + 1
        raise BadLineError(f"byte {place} (0x{ord(strange[0]) - 0xDC00:02x}) is not UTF-8") from None
    note = "it is not UTF-8 and is read as Windows-1252"
    return replace(row, note=f"{row.note}; {note}" if row.note else note)
