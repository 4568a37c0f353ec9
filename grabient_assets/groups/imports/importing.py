"""Storing what an export holds: answers, failures, their palettes, and what cannot be read.

An export is read several times and never held in memory. A first pass finds out which row stands for each analysis and
which ones are kept aside; a file in a temporary folder remembers it. Then palettes, tags and refinements are stored.
"""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from grabient_assets import interrupts
from grabient_assets.errors import ExportFileError
from grabient_assets.gradient.seed import decode_seed
from grabient_assets.groups.imports.export_file import (
    PALETTES,
    REFINED,
    TABLES,
    TAGS,
    ExportedRow,
    exported_rows,
    opened_export,
)
from grabient_assets.groups.imports.export_row import BadRowError, LegacyAnswer, read_answer_row
from grabient_assets.groups.imports.records import import_record, refined_records, tag_records
from grabient_assets.groups.palettes.loading import palette_record
from grabient_assets.groups.palettes.palette_line import BadLineError, PaletteRow, row_from_value
from grabient_assets.groups.palettes.tables import RejectedRecord, add_palettes, record_rejected
from grabient_assets.groups.refinement.refined import record_refined
from grabient_assets.groups.tagging.tags import record_tags
from grabient_assets.groups.tagging.tallying import tally
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows, storable, utf8

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

T = TypeVar("T")
AT_ONCE = 1_000
"""Rows, or palettes, that are in memory and in one transaction together."""


@dataclass(slots=True)
class ImportReport:
    """What became of the rows. `known` ones were stored before; of the `rejected` ones the first are `shown`. `seeds`
    are the palettes that are new, `versions` counts the rows of each prompt version."""

    answers: int = 0
    failures: int = 0
    known: int = 0
    rejected: int = 0
    consensus: int = 0
    stored: bool = True
    seeds: list[str] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    shown: list[RejectedRecord] = field(default_factory=list)


def import_answers(
    warehouse: Warehouse, path: Path, source: str, now: datetime, unnamed: str, strict: bool = False
) -> ImportReport:
    """Store everything of the export that is not stored yet. Rejected rows are kept under the name `source`.

    With `strict`, nothing is stored when any row is rejected. `unnamed` is the prompt version of rows that name none.
    Raises ExportFileError for a file that cannot be read or holds no answers.
    """
    with opened_export(path) as file, _scratch() as scratch:
        work = _Import(warehouse, file, path, source, now, unnamed, scratch)
        work.survey()
        if strict:
            work.store(dry=True)
            if work.report.rejected:
                work.report.stored = False
                return work.report
            work.report = ImportReport()
        work.store()
        return work.report


@contextmanager
def _scratch() -> Iterator[sqlite3.Connection]:
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder) / "rows.sqlite", isolation_level=None)) as scratch,
    ):
        scratch.executescript(
            """
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000;
            CREATE TABLE standing (key PRIMARY KEY, failed, cycle, member, line, entry, text) WITHOUT ROWID;
            CREATE TABLE rejected (member, line, entry, text, reason, PRIMARY KEY (member, line, entry)) WITHOUT ROWID;
            """
        )
        yield scratch


@dataclass(slots=True)
class _Import:
    warehouse: Warehouse
    file: BinaryIO
    path: Path
    source: str
    now: datetime
    unnamed: str
    scratch: sqlite3.Connection
    tables: Counter[str] = field(default_factory=Counter)
    report: ImportReport = field(default_factory=ImportReport)

    def _read(self, wanted: Collection[str] = tuple(TABLES.values())) -> Iterator[ExportedRow]:
        for row in exported_rows(self.file, self.path, wanted):
            interrupts.check()
            yield row

    def survey(self) -> None:
        """Which row stands for each analysis, and which ones cannot be read."""
        for row in self._read():
            self.tables[row.table] += 1
            try:
                if row.problem or not row.table:
                    raise BadRowError(row.problem or "no table has such a row")
                if row.table == PALETTES:
                    _palette_row(row)
                elif row.table in (TAGS, REFINED):
                    self._compete(row, read_answer_row(row, self.unnamed))
            except BadRowError as error:
                self._reject(row, str(error))
        if not self.tables.keys() & {TAGS, REFINED}:
            held = ", ".join(sorted(filter(None, self.tables))) or "rows of no table that is known"
            raise ExportFileError(
                f"{self.path} holds no row of {', '.join(sorted(TABLES.keys() - {PALETTES}))}; it holds {held}. Export "
                "one of these tables. Palettes alone are read by grabient load."
            )

    def _compete(self, row: ExportedRow, answer: LegacyAnswer) -> None:
        """The first answer without an error stands, of refinements that of the latest cycle."""
        key = hashlib.blake2b("\n".join(answer.key).encode(), digest_size=16).digest()
        rank, noun = (answer.failed, -answer.cycle), "refinement" if answer.purpose == "refinement" else "analysis"
        best = self.scratch.execute("SELECT * FROM standing WHERE key = ?", [key]).fetchone()
        if best is not None:
            _, failed, cycle, member, line, entry, text = best
            if rank >= (bool(failed), cycle):
                self._reject(row, f"line {line} holds this {noun} already")
                return
            earlier = ExportedRow(member, line, entry, row.table, {}, text)
            self._reject(earlier, f"line {row.line} holds this {noun} too, and that one counts")
        place = (row.member, row.line, row.entry, utf8(row.text))
        self.scratch.execute("REPLACE INTO standing VALUES (?, ?, ?, ?, ?, ?, ?)", [key, *rank, *place])

    def _reject(self, row: ExportedRow, reason: str) -> None:
        place = (row.member, row.line, row.entry, utf8(row.text))
        self.scratch.execute("REPLACE INTO rejected VALUES (?, ?, ?, ?, ?)", [*place, utf8(reason)])

    def store(self, dry: bool = False) -> None:
        """Palettes, tags and their consensus, refinements, and what is rejected. A `dry` run only looks."""
        for rows in _portions(self._rows(PALETTES)):
            if not dry:
                self._store_palettes(list(map(_palette_row, rows)))
        for rows in _portions(self._rows(TAGS)):
            self._store_answers(TAGS, rows, dry)
        if not dry:
            self._build_consensus()
        for rows in _portions(self._rows(REFINED)):
            self._store_answers(REFINED, rows, dry)
        (self.report.rejected,) = self.scratch.execute("SELECT count(*) FROM rejected").fetchone()
        self.report.shown = list(islice(self._rejected(), AT_ONCE))
        if not dry:
            self._keep_rejected()
            with self.warehouse.read() as connection:
                new = "SELECT seed FROM palettes WHERE created_at = $1 ORDER BY place"
                self.report.seeds = [seed for (seed,) in connection.execute(new, [self.now]).fetchall()]

    def _rows(self, table: str) -> Iterator[ExportedRow]:
        """The rows of the table that stand."""
        query = "SELECT 1 FROM rejected WHERE (member, line, entry) = (?, ?, ?)"
        for row in self._read([table]) if self.tables[table] else ():
            place = [row.member, row.line, row.entry]
            if row.table == table and not self.scratch.execute(query, place).fetchone():
                yield row

    def _store_palettes(self, rows: Sequence[PaletteRow]) -> None:
        new = {row.palette.canonical: row for row in reversed(rows)}
        with self.warehouse.write() as connection:
            unknown = [new[seed] for seed in _unknown(connection, new)]
            add_palettes(
                connection,
                [
                    palette_record(one.palette, one.source_seed, self.now, None, one.style, one.steps, one.angle)
                    for one in unknown
                ],
            )

    def _store_answers(self, table: str, rows: Sequence[ExportedRow], dry: bool) -> None:
        answers = [read_answer_row(row, self.unnamed) for row in rows]
        self.report.versions.update(one.prompt_version for one in answers)
        with self.warehouse.read() if dry else self.warehouse.write() as connection:
            fresh = list(self._fresh(_stored(connection, table, answers), answers, rows))
            if fresh and not dry:
                self._write(connection, table, fresh)

    def _fresh(
        self,
        stored: Mapping[tuple[str, ...], tuple[bool, str | None]],
        answers: Sequence[LegacyAnswer],
        rows: Sequence[ExportedRow],
    ) -> Iterator[LegacyAnswer]:
        """What is not stored yet. An answer replaces a failure, and never another answer."""
        for answer, row in zip(answers, rows, strict=True):
            failed, text = stored.get(answer.key, (True, ""))
            if answer.key not in stored or (failed and not answer.failed and text != storable(answer.text)):
                yield answer
            elif answer.failed or text == storable(answer.text):
                self.report.known += 1
            else:
                self._reject(row, f"another answer is stored already, under {answer.prompt_version}")

    def _write(self, connection: DuckDBPyConnection, table: str, fresh: Sequence[LegacyAnswer]) -> None:
        imports = {one.import_id: one for one in (import_record(one, self.source, self.now) for one in fresh)}
        insert_rows(connection, "imports", list(imports.values()), "ON CONFLICT DO NOTHING")
        new = _unknown(connection, dict.fromkeys(one.seed for one in fresh))
        add_palettes(connection, [palette_record(decode_seed(seed), seed, self.now) for seed in new])
        if table == TAGS:
            records = tag_records(fresh, self.source, self.now)
            record_tags(connection, records)
        else:
            records = refined_records(connection, fresh, self.source, self.now)
            record_refined(connection, records)
        failures = sum(record.error is not None for record in records)
        self.report.failures += failures
        self.report.answers += len(records) - failures

    def _build_consensus(self) -> None:
        """Of the palettes whose consensus does not count all imported answers: also after an import that was
        stopped."""
        with self.warehouse.read() as connection:
            rows = connection.execute(
                """
                SELECT t.prompt_version, t.seed
                FROM palette_tags t LEFT JOIN tag_consensus c USING (seed, prompt_version)
                WHERE t.error IS NULL GROUP BY ALL
                HAVING bool_or(t.batch_id IN (SELECT import_id FROM imports))
                   AND any_value(c.answers) IS DISTINCT FROM count(*)
                ORDER BY ALL
                """
            ).fetchall()
        for portion in _portions(SubjectVersion(*row) for row in rows):
            self.report.consensus += len(tally(self.warehouse, portion, self.now))

    def _rejected(self) -> Iterator[RejectedRecord]:
        found = self.scratch.execute("SELECT * FROM rejected ORDER BY member, line, entry")
        for member, line, entry, text, reason in found:
            source = f"{self.source}/{member}" if member else self.source
            yield RejectedRecord(source, line, entry, text, reason, self.now)

    def _keep_rejected(self) -> None:
        """Those of an earlier import of the file are replaced; where they are the same nothing is written."""
        with self.warehouse.read() as connection:
            kept = connection.execute(
                "SELECT source, line, entry, text, reason FROM rejected_palettes "
                "WHERE source = $1 OR starts_with(source, $1 || '/') ORDER BY ALL",
                [self.source],
            )
            new = ((one.source, one.line, one.entry, one.text, one.reason) for one in self._rejected())
            if all(kept.fetchone() == one for one in new) and kept.fetchone() is None:
                return
        with self.warehouse.write() as connection:
            connection.execute("DELETE FROM rejected_palettes WHERE starts_with(source, $1 || '/')", [self.source])
            record_rejected(connection, self.source, [])
            for portion in _portions(self._rejected()):
                insert_rows(connection, "rejected_palettes", portion)


def _stored(
    connection: DuckDBPyConnection, table: str, answers: Sequence[LegacyAnswer]
) -> dict[tuple[str, ...], tuple[bool, str | None]]:
    """By key, whether a failure is stored, and the text of the answer."""
    key = "'tagging', t.seed, t.prompt_version, t.provider, t.model, t.analysis_index::VARCHAR"
    rows = connection.execute(
        f"""
        SELECT {key if table == TAGS else "'refinement', t.seed, t.prompt_version"}, t.error IS NOT NULL, t.answer_text
        FROM {table} t SEMI JOIN (SELECT unnest($1::VARCHAR[]) AS seed, unnest($2::VARCHAR[]) AS prompt_version) n
            USING (seed, prompt_version)
        """,
        [[one.seed for one in answers], [one.prompt_version for one in answers]],
    ).fetchall()
    return {row[:-2]: (row[-2], row[-1]) for row in rows}


def _unknown(connection: DuckDBPyConnection, seeds: Iterable[str]) -> list[str]:
    """Those of these palettes that are not loaded, in order."""
    wanted = list(seeds)
    loaded = "SELECT seed FROM palettes WHERE seed IN (SELECT unnest($1::VARCHAR[]))"
    known = {seed for (seed,) in connection.execute(loaded, [wanted]).fetchall()}
    return [seed for seed in wanted if seed not in known]


def _portions(rows: Iterable[T]) -> Iterator[list[T]]:
    left = iter(rows)
    while portion := list(islice(left, AT_ONCE)):
        yield portion


def _palette_row(row: ExportedRow) -> PaletteRow:
    try:
        return row_from_value(row.line, {**row.values, "name": None}, "modifiers")
    except BadLineError as error:
        raise BadRowError(str(error)) from None
