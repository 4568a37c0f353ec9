"""The rows of an export: Convex (ZIP or JSONL) and D1 (SQL dump or CSV), read as a stream.

A row that cannot be read is given with its line and the reason. Only a file that cannot be read at all raises.
"""

from __future__ import annotations

import csv
import json
import re
import sqlite3
import zlib
from collections import deque
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, BinaryIO, TextIO
from zipfile import BadZipFile, ZipFile

from grabient_assets.errors import ExportFileError
from grabient_assets.groups.palettes.palette_line import DELIMITERS
from grabient_assets.groups.palettes.palette_text import NOT_UTF8, shown

PALETTES, TAGS, REFINED = "palettes", "palette_tags", "palette_tag_refined"
TABLES = {PALETTES: PALETTES, TAGS: TAGS, REFINED: REFINED, "palette_tag_refinements": REFINED}
"""The tables that are read, by their names in both systems."""
MAX_ROW = 1_000_000
"""Characters of a line, of a CSV record and of an SQL statement: a hundred times a long row."""
PROBE_BYTES = 8_192

_OF_SEVERAL = (
    ("palette_tag_consensus", {"totalModels"}),
    ("tag_batches", {"batchId"}),
    ("prompt_versions", {"content", "version"}),
)
_REFINED_ONLY = {"cycle", "embedText", "sourceCycles", "sourcePromptVersions", "sourcePromptVersion"}
_REFINED_ONLY |= {"refined_tags", "source_prompt_version", "input_summary", "inputSummary"}
_TAGS_ONLY = {"provider", "analysisIndex", "runNumber", "run_number"}
_SQL = re.compile(r"\s*(?:--|/\*|(?:PRAGMA|CREATE|INSERT|REPLACE|BEGIN|DROP|DELETE)\b)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """One row of an export, or with `problem` the reason why it is none.

    `member` is the file inside a ZIP, otherwise empty. `entry` counts the rows of one SQL statement. `table` is one of
    TABLES, the name of another table, or empty where nothing tells which.
    """

    member: str
    line: int
    entry: int
    table: str
    values: dict[str, Any]
    text: str
    problem: str = ""


@contextmanager
def opened_export(path: Path) -> Iterator[BinaryIO]:
    """The file, such that it can be read from its start again; what comes through a pipe is kept for that. Raises
    ExportFileError when it cannot be opened."""
    try:
        with path.open("rb") as file:
            if file.seekable():
                yield file
                return
            with TemporaryFile() as kept:
                copyfileobj(file, kept)
                yield kept
    except FileNotFoundError:
        raise ExportFileError(f"There is no export {path}. Check the path.") from None
    except IsADirectoryError:
        raise ExportFileError(f"{path} is a folder. Give the ZIP, or one file of the export.") from None
    except PermissionError:
        raise ExportFileError(f"The export {path} may not be read by this user. Change its permissions.") from None


def exported_rows(file: BinaryIO, path: Path, wanted: Collection[str] = tuple(TABLES)) -> Iterator[ExportedRow]:
    """The rows of the `wanted` tables, from the start of the file. Rows of other tables have a name and no values."""
    file.seek(0)
    probe = file.read(PROBE_BYTES)
    file.seek(0)
    if probe.startswith(b"PK"):
        yield from _zip_rows(file, path, wanted)
        return
    if probe.startswith(b"SQLite format 3\0"):
        raise ExportFileError(f"{path} is an SQLite database. Give a dump: sqlite3 {path.name} .dump > dump.sql")
    text = TextIOWrapper(file, "utf-16" if probe[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "surrogateescape")
    try:
        yield from _text_rows(text, path, wanted)
    except UnicodeDecodeError as error:
        raise ExportFileError(f"The export {path} cannot be read as text ({error}). Export again.") from None
    finally:
        text.detach()


def _text_rows(text: TextIO, path: Path, wanted: Collection[str]) -> Iterator[ExportedRow]:
    lines = _lines(text)
    first = next(((number, line) for number, line in lines if line.strip()), None)
    if first is None:
        raise ExportFileError(f"The export {path} holds nothing.")
    begin = first[1].lstrip()
    ahead = deque([first])
    if begin.startswith("{"):
        yield from (_json_row(*one) for one in _all(ahead, lines) if one[1].strip())
    elif begin.startswith("["):
        raise ExportFileError(f"{path} is a JSON array. Give one object a line, as `npx convex export` writes them.")
    elif _SQL.match(begin):
        yield from _sql_rows(ahead, lines, wanted)
    else:
        yield from _csv_rows(ahead, lines, path)


def _lines(text: TextIO) -> Iterator[tuple[int, str]]:
    """The lines with their numbers. Of one beyond the limit only the first part is kept in memory."""
    number = 0
    while line := text.readline(MAX_ROW + 1):
        number += 1
        part = line
        while len(part) > MAX_ROW and not part.endswith("\n"):
            part = text.readline(MAX_ROW + 1)
        yield number, line


def _all(ahead: deque[tuple[int, str]], lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """The lines that were put back, and then the others."""
    while one := ahead.popleft() if ahead else next(lines, None):
        yield one


def table_of(names: Collection[str]) -> str:
    """The table with these fields, as far as they tell; empty where they do not."""
    fields = set(names)
    for table, marks in _OF_SEVERAL:
        if marks <= fields:
            return table
    if fields & _REFINED_ONLY and {"seed", "model"} <= fields:
        return REFINED
    if (fields & _TAGS_ONLY and fields & {"seed", "tags"}) or {"seed", "model", "tags"} <= fields:
        return TAGS
    return PALETTES if {"seed", "imageUrl"} <= fields or {"id", "style", "steps"} <= fields else ""


def _unreadable(text: str) -> str:
    """Why a line is not worth a look, or empty."""
    if len(text) > MAX_ROW:
        return f"it is longer than {MAX_ROW} characters"
    if strange := NOT_UTF8.search(text):
        return f"character {strange.start() + 1} (0x{ord(strange[0]) - 0xDC00:02x}) is not UTF-8"
    return ""


def _json_row(number: int, text: str, member: str = "", table: str = "") -> ExportedRow:
    problem, values = _unreadable(text), None
    if not problem:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            problem = f"it is not valid JSON ({error})"
    if not problem and not isinstance(values, dict):
        problem = "it is JSON, but no object"
    if not isinstance(values, dict):
        return ExportedRow(member, number, 1, table, {}, shown(text), problem)
    return ExportedRow(member, number, 1, table or table_of(values), values, shown(text))


def _zip_rows(file: BinaryIO, path: Path, wanted: Collection[str]) -> Iterator[ExportedRow]:
    place = ""
    try:
        with ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith("/documents.jsonl")]
            if not names:
                raise ExportFileError(f"{path} is a ZIP without documents.jsonl. Give what `npx convex export` wrote.")
            for name in names:
                table = name.split("/")[-2]
                if table not in TABLES:
                    yield ExportedRow(name, 0, 0, table, {}, "")
                if TABLES.get(table) not in wanted:
                    continue
                with archive.open(name) as member, TextIOWrapper(member, "utf-8-sig", "surrogateescape") as text:
                    for number, line in _lines(text):
                        place = f" behind line {number} of {name}"
                        if line.strip():
                            yield _json_row(number, line, name, TABLES[table])
    except (BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ExportFileError(f"The ZIP {path} cannot be read{place} ({error}). Export again.") from None


def _csv_rows(ahead: deque[tuple[int, str]], lines: Iterator[tuple[int, str]], path: Path) -> Iterator[ExportedRow]:
    """The records below the header. A quoted field may hold line breaks; one that never ends costs its line alone."""
    names, delimiter = _header(ahead.popleft()[1], path)
    table = table_of(names)
    for number, first in _all(ahead, lines):
        taken: list[tuple[int, str]] = []
        record, quotes = first, first.count('"')
        while quotes % 2 and len(record) <= MAX_ROW and (more := next(_all(ahead, lines), None)):
            taken.append(more)
            record, quotes = record + more[1], quotes + more[1].count('"')
        fields, problem = _fields(record, delimiter)
        if problem and taken:
            ahead.extendleft(reversed(taken))
            record, (fields, problem) = first, _fields(first, delimiter)
        if not problem and fields and len(fields) != len(names):
            problem = f"it has {len(fields)} fields, and the header names {len(names)}"
        if fields or problem:
            values = {name: value or None for name, value in zip(names, fields, strict=False)}
            yield ExportedRow("", number, 1, table, {} if problem else values, shown(record), problem)


def _header(text: str, path: Path) -> tuple[list[str], str]:
    for delimiter in DELIMITERS:
        fields, _ = _fields(text, delimiter)
        names = [name.strip() for name in fields]
        if len(names) > 1 and table_of(names):
            return names, delimiter
    raise ExportFileError(
        f"{path} is no export of palette_tags or palette_tag_refined; its first line is {shown(text)[:80]!r}. Give the "
        "ZIP or JSONL of `npx convex export`, the SQL of `wrangler d1 export`, or CSV with the names of the columns."
    )


def _fields(record: str, delimiter: str) -> tuple[list[str], str]:
    """The fields, and what is wrong with the record."""
    if problem := _unreadable(record):
        return [], problem
    try:
        return next(csv.reader([record], delimiter=delimiter, strict=True), []), ""
    except csv.Error as error:
        return [], f"it is not valid CSV ({error})"


_COLUMNS = {
    PALETTES: "id, style, steps, angle, created_at",
    TAGS: "id, seed, provider, model, run_number DEFAULT 1, prompt_version, tags, error, created_at",
    "palette_tag_refinements": "id, seed, model, prompt_version, source_prompt_version, input_summary, refined_tags, "
    "analysis, error, created_at",
}
"""The columns of D1, for a dump without its CREATE statements."""
_ALLOWED = (
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_UPDATE,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_CREATE_INDEX,
    sqlite3.SQLITE_REINDEX,
)


class _Dump:
    """Runs the statements of a dump in memory, one by one, and gives the rows that each of them inserts.

    SQLite asks `_allow` before everything: a dump may be made by anybody. Tables that are not wanted are not made.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        self._wanted = {name for name, table in TABLES.items() if table in wanted}
        self._made: set[str] = set()
        self._denied = False
        self.database = sqlite3.connect(":memory:", isolation_level=None)
        self.database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 2 * MAX_ROW)
        self.database.set_authorizer(self._allow)

    def _allow(self, action: int, name: str | None, _more: str | None, _database: str | None, _by: str | None) -> int:
        allowed = action in _ALLOWED
        if action == sqlite3.SQLITE_CREATE_TABLE:
            allowed = str(name).lower() in self._wanted or str(name).startswith("sqlite_")
        self._denied = self._denied or not allowed
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def run(self, statement: str) -> tuple[str, str]:
        """What is wrong with the statement, and the table that is not read; empty where there is no such thing."""
        if problem := _unreadable(statement):
            return problem, ""
        self._denied = False
        try:
            self.database.executescript(statement)
        except (sqlite3.Error, ValueError) as error:
            lacking = re.fullmatch(r"no such table: (?:main\.)?(.+)", str(error))
            table = lacking[1].lower() if lacking else ""
            if table in self._wanted & _COLUMNS.keys():
                self.database.execute(f"CREATE TABLE {table} ({_COLUMNS[table]})")
                return self.run(statement)
            if self._denied or (lacking and table not in self._wanted):
                return "", "" if table in TABLES or table.startswith("sqlite_") else table
            return f"SQLite does not run it: {error}", ""
        return "", ""

    def rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The rows that were inserted since, each with its table."""
        if self._made != self._wanted:
            made = self.database.execute("SELECT lower(name) FROM sqlite_master WHERE type = 'table'").fetchall()
            self._made = {name for (name,) in made} & self._wanted
        for name in sorted(self._made):
            found = self.database.execute(f"SELECT * FROM {name}")
            columns = [column[0] for column in found.description]
            if rows := found.fetchall():
                yield from ((TABLES[name], dict(zip(columns, row, strict=True))) for row in rows)
                self.database.execute(f"DELETE FROM {name}")


def _sql_rows(
    ahead: deque[tuple[int, str]], lines: Iterator[tuple[int, str]], wanted: Collection[str]
) -> Iterator[ExportedRow]:
    """SQLite says where a statement ends. One that never ends, or cannot be run, costs its first line alone."""
    dump = _Dump(wanted)
    with closing(dump.database):
        for number, first in _all(ahead, lines):
            if not first.strip() or first.lstrip().startswith("--"):
                continue
            statement, ended, taken = first, first, list[tuple[int, str]]()
            complete = False
            while not (complete := ended.rstrip().endswith(";") and sqlite3.complete_statement(statement)):
                if len(statement) > MAX_ROW or (more := next(_all(ahead, lines), None)) is None:
                    break
                taken.append(more)
                ended, statement = more[1], statement + more[1]
            problem, other = dump.run(statement) if complete else ("the statement does not end", "")
            if problem and taken:
                ahead.extendleft(reversed(taken))
            entry = 0
            for entry, (table, values) in enumerate(dump.rows(), 1):
                yield ExportedRow("", number, entry, table, values, shown(first.lstrip()))
            if problem or other:
                yield ExportedRow("", number, entry + 1, other, {}, shown(first.lstrip()), problem)
