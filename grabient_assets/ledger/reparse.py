"""Parsing the archived answers again: the same rows as a live collection would write, at no cost and offline.

First every batch is read and staged by itself, in a file of its own; the main file is not held meanwhile. Then one
transaction replaces the stored rows with the staged ones. A process that is killed before it has changed nothing.

A row is filled by deliveries: its own, by batches that carried it, or those of equal subjects, whose answer it shares.
Of the deliveries of one request the first usable one stands (a failure never replaces it, nor is it asked again), or
the last one in a table where the newest answer stands; without a usable one, the last failure. A row that was filled by
a batch outside this reparse stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from grabient_assets.errors import StoreError, UsageError
from grabient_assets.ledger import batches
from grabient_assets.ledger.archive import archived_requests, archived_results, archived_state
from grabient_assets.ledger.asks import SubjectVersion, chosen, close_stopped, named
from grabient_assets.ledger.batches import BatchRecord, FateRecord, batches_of
from grabient_assets.ledger.closing import given_up
from grabient_assets.ledger.due import lacking
from grabient_assets.ledger.identity import custom_id
from grabient_assets.ledger.round import registered_model
from grabient_assets.ledger.settling import (
    Answers,
    ReaderOf,
    Settled,
    Verdict,
    closed,
    fate_record,
    settle,
)
from grabient_assets.ledger.staging import BATCHES, FATES, StagedBatch, Staging, staging
from grabient_assets.providers.contract import BatchState, ReadLine
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose, Purposes


@dataclass(frozen=True, slots=True)
class Reparsed:
    """The result of parsing again, and the differences.

    `fates`: requests by (fate before, fate now). `gone`: rows for which nothing final is known any more. `followed`:
    the counts of the purposes for everything that follows from the rows. `troubles`: batch id and the reason why its
    archive cannot be read; its rows stay as they are.
    """

    batches: int
    answers: int
    fates: Counter[tuple[str, str]]
    gone: int
    followed: Mapping[str, int]
    troubles: tuple[tuple[str, str], ...]


def reparse_batches(
    names: Sequence[str],
    prompt_version: str | None,
    warehouse: Warehouse,
    store: ObjectStore,
    purposes: Purposes,
    reader: ReaderOf,
    line_reader: Callable[[str], ReadLine],
    usable: Sequence[str],
) -> Reparsed:
    """Read these batches again, those of a prompt version, or all; always with those that carried the same requests.
    `usable` are the providers that can be asked.

    Raises UsageError for an id that is none, or that of a batch that is not collected.
    """
    chosen = _chosen(names, prompt_version, warehouse)
    answers = 0
    troubles: list[tuple[str, str]] = []
    with staging(warehouse, [purpose.table.name for purpose in purposes.values()]) as staged:
        for batch in chosen:
            try:
                answers += _stage(batch, staged, warehouse, store, reader, line_reader)
            except StoreError as error:
                troubles.append((batch.batch_id, str(error)))
        with warehouse.write(staged=staged.path) as connection:
            fates = _changed_fates(connection)
            _replace_ledger(connection)
            replaced = {name: _replace_answers(connection, purpose) for name, purpose in purposes.items()}
            followed: dict[str, int] = {}
            for name, purpose in purposes.items():
                if purpose.after_reparse is not None:
                    followed |= purpose.after_reparse(connection, replaced[name].subjects, usable)
                _close_answered(connection, purpose, replaced[name].subjects)
    gone = sum(one.gone for one in replaced.values())
    return Reparsed(len(chosen) - len(troubles), answers, fates, gone, followed, tuple(troubles))


def _chosen(names: Iterable[str], prompt_version: str | None, warehouse: Warehouse) -> list[BatchRecord]:
    with warehouse.read() as connection:
        ids: list[str] = []
        for name in names:
            batch = batches.batch_named(connection, name)
            if batch is None:
                raise UsageError(f"There is no batch {name!r}, neither by our id nor by the provider's.")
            if batch.collected_at is None:
                raise UsageError(f"Batch {batch.batch_id} is {batch.status}: it has no answers to be read again.")
            ids.append(batch.batch_id)
        return _with_same_requests(connection, ids or _closed_batches(connection, prompt_version))


def _stage(
    batch: BatchRecord,
    staged: Staging,
    warehouse: Warehouse,
    store: ObjectStore,
    reader: ReaderOf,
    line_reader: Callable[[str], ReadLine],
) -> int:
    """Read one batch again; returns the number of its requests."""
    assert batch.collected_at is not None
    if batch.results_key is None:
        return _stage_closed(batch, staged, warehouse, reader)
    archived_requests(store, batch)  # whether they are still what was sent
    lines, state = archived_results(store, batch), archived_state(store, batch)
    with warehouse.read() as connection:
        requests = {r.custom_id: r for r in batches.requests_of(connection, batch.batch_id)}
        delivered = _deliveries_before(connection, batch)
    group, read_line = reader(batch), line_reader(batch.provider)
    answers = Answers(batch, state or _as_recorded(batch), lines, requests, delivered, registered_model(batch))
    done = settle(answers, read_line, group)
    if state is None and done.problems:
        # Only now the part of the row's text that came from the provider is known.
        answers = replace(answers, state=_as_recorded(batch, done.problems))
        done = settle(answers, read_line, group)
    settled = done.settled if batch.given_up_at is None else given_up(done.settled)
    ended = closed(batch, answers.state, settled, done.problems, batch.collected_at)
    error = ended.error if batch.given_up_at is None else batch.error  # which says why it was given up
    sums = StagedBatch(batch.batch_id, ended.succeeded, ended.failed, ended.cost_usd, error)
    rows = group.rows(batch, settled, batch.collected_at)
    staged.add(sums, [fate_record(one) for one in settled], group.table, rows)
    return len(settled)


def _stage_closed(batch: BatchRecord, staged: Staging, warehouse: Warehouse, reader: ReaderOf) -> int:
    """Stage a batch that a person closed without results: its fates are its only data, and they stand."""
    assert batch.collected_at is not None
    with warehouse.read() as connection:
        requests = {r.custom_id: r for r in batches.requests_of(connection, batch.batch_id)}
        fates: list[FateRecord] = batches.fate_records(connection, batch.batch_id)
    group = reader(batch)
    settled = [Settled(requests[f.custom_id], Verdict(f.fate, f.error), final=True) for f in fates]  # pyright: ignore[reportArgumentType] written as a Fate
    sums = StagedBatch(batch.batch_id, batch.succeeded, batch.failed, batch.cost_usd, batch.error)
    staged.add(sums, fates, group.table, group.rows(batch, settled, batch.collected_at))
    return 0


def _as_recorded(batch: BatchRecord, problems: Sequence[str] = ()) -> BatchState:
    """The end of a batch that was collected before states were archived.

    Its row holds the provider's error, followed by the oddities of the results.
    """
    odd = " ".join(problems[:20])
    provider_error = (batch.error or "").removesuffix(odd).strip()
    return BatchState(
        provider_batch_id=batch.provider_batch_id or "",
        state="ended",
        raw_status=batch.raw_status or "",
        outcome=batch.outcome,  # pyright: ignore[reportArgumentType] written as an Outcome
        error=provider_error or None,
        ended_at=batch.ended_at,
    )


def _with_same_requests(connection: DuckDBPyConnection, batch_ids: Iterable[str]) -> list[BatchRecord]:
    """These batches and all that carried the same requests as one of them, in the order in which they were closed."""
    rows = connection.execute(
        """
        WITH RECURSIVE closed AS (
            SELECT r.batch_id, r.custom_id FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE b.collected_at IS NOT NULL
        ),
        pairs AS (SELECT DISTINCT a.batch_id AS one, b.batch_id AS other FROM closed a JOIN closed b USING (custom_id)),
        connected AS (
            SELECT unnest($1::VARCHAR[]) AS batch_id
            UNION SELECT p.other FROM connected c JOIN pairs p ON p.one = c.batch_id
        )
        SELECT batch_id FROM connected
        """,
        [list(batch_ids)],
    ).fetchall()
    found = [batch for batch in batches_of(connection, [row[0] for row in rows]) if batch.collected_at is not None]
    return sorted(found, key=lambda batch: (batch.collected_at, batch.batch_id))


def _closed_batches(connection: DuckDBPyConnection, prompt_version: str | None) -> list[str]:
    """The ids of all batches whose requests have their fates, of one prompt version or all."""
    query = "SELECT batch_id FROM batches WHERE collected_at IS NOT NULL AND ($1 IS NULL OR prompt_version = $1)"
    return [row[0] for row in connection.execute(query, [prompt_version]).fetchall()]


def _deliveries_before(connection: DuckDBPyConnection, batch: BatchRecord) -> dict[str, int]:
    """How many batches that were collected before this one have carried each of its requests."""
    rows = connection.execute(
        """
        SELECT r.custom_id, count(*) FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE b.status = 'collected' AND b.batch_id <> $1 AND b.collected_at < $2
          AND (b.delivery = 'batch' OR r.began_at IS NOT NULL)
          AND r.custom_id IN (SELECT custom_id FROM batch_requests WHERE batch_id = $1)
        GROUP BY r.custom_id
        """,
        [batch.batch_id, batch.collected_at],
    ).fetchall()
    return dict(rows)


def _changed_fates(connection: DuckDBPyConnection) -> Counter[tuple[str, str]]:
    """How many requests go from which fate to which."""
    rows = connection.execute(
        """
        SELECT r.fate, n.fate, count(*) FROM batch_requests r JOIN staged.batch_requests n USING (batch_id, custom_id)
        WHERE r.fate IS DISTINCT FROM n.fate GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return Counter({(was, now): count for was, now, count in rows})


def _replace_ledger(connection: DuckDBPyConnection) -> None:
    """The fates of the requests and the sums of the batches. Rows that stay the same are not written."""
    for table, columns, key in (
        ("batch_requests", FATES, ("batch_id", "custom_id")),
        ("batches", BATCHES, ("batch_id",)),
    ):
        values = [name for name in columns if name not in key]
        connection.execute(
            f"""
            UPDATE {table} AS t SET {", ".join(f"{v} = n.{v}" for v in values)} FROM staged.{table} AS n
            WHERE {" AND ".join(f"t.{k} = n.{k}" for k in key)}
              AND ({" OR ".join(f"t.{v} IS DISTINCT FROM n.{v}" for v in values)})
            """
        )


@dataclass(frozen=True, slots=True)
class _Replaced:
    """Subjects with a row before or after, and the number of rows that are gone because nothing final is known any
    more."""

    subjects: tuple[SubjectVersion, ...]
    gone: int


def _shared(purpose: Purpose) -> str:
    """Common table expressions `sharing` and `untouched`: rows of these batches that no batch carried. They share the
    answer of an equal subject, the one there was when they were filled, or a later one once they were asked for again.
    """
    table = purpose.table
    key = ", ".join(table.key)
    asked = table.is_of_ask("t", "a")
    return f"""
        own_requests AS (
            SELECT r.batch_id, r.custom_id, r.subject AS {table.subject}, b.prompt_version AS {table.version}
            FROM batch_requests r JOIN batches b USING (batch_id) SEMI JOIN staged.batches USING (batch_id)
        ),
        sharing AS (
            SELECT {", ".join(f"t.{name}" for name in table.key)}, t.custom_id,
                   CASE WHEN a.retry_from IS NULL THEN t.created_at ELSE 'infinity'::TIMESTAMPTZ END AS until
            FROM {table.name} t SEMI JOIN staged.batches USING (batch_id)
            ANTI JOIN own_requests USING (batch_id, custom_id, {table.subject}, {table.version})
            LEFT JOIN asks a ON a.purpose = '{purpose.name}' AND {asked}
        ),
        untouched AS (
            SELECT {key} FROM sharing
            UNION ALL
            SELECT {key} FROM {table.name}
            WHERE batch_id IS NULL OR batch_id NOT IN (SELECT batch_id FROM staged.batches)
        )
    """


def _by_wording(purpose: Purpose) -> tuple[str, str, str, str]:
    """The order of texts for one request under a key: further common table expressions and joins for own rows, the
    order in which a text is chosen, and the subjects that share besides. Of different texts the stored one counts, then
    the one that is asked for now, then the latest. An ask without a row shares the answer of its equal."""
    table = purpose.table
    key = ", ".join(table.key)
    columns = ", ".join(f"{table.of_ask(name)} AS {name}" for name in table.key)
    more = f"""
        asked AS (
            SELECT {columns}, {custom_id("a.stem", "i.analysis_index")} AS custom_id
            FROM asks a, unnest(range(a.analyses)) AS i(analysis_index)
            WHERE a.purpose = '{purpose.name}' AND a.state <> 'stopped'
        ),
        wordings AS (
            SELECT {key}, custom_id, max(created_at) AS latest FROM staged.{table.name} GROUP BY ALL
        ),
    """
    joins = f"""
        JOIN wordings w USING ({key}, custom_id)
        LEFT JOIN {table.name} t USING ({key}) LEFT JOIN asked a USING ({key})
    """
    order = """
        (s.custom_id IS DISTINCT FROM t.custom_id), (s.custom_id IS DISTINCT FROM a.custom_id), w.latest DESC,
    """
    borrowing = f"""
        UNION ALL
        SELECT *, 'infinity'::TIMESTAMPTZ, true FROM asked
        ANTI JOIN {table.name} USING ({key}) ANTI JOIN staged.{table.name} USING ({key})
    """
    return more, joins, order, borrowing


def _replace_answers(connection: DuckDBPyConnection, purpose: Purpose) -> _Replaced:
    """Put the staged answers, own and shared, in the place of the rows of these batches."""
    table = purpose.table
    key = ", ".join(table.key)
    first = "" if table.newest_stands else "CASE WHEN s.error IS NULL THEN s.created_at END, "
    best = f"(s.error IS NOT NULL), {first}s.created_at DESC"
    more, joins, order, borrowing = ("", "", "", "") if table.newest_stands else _by_wording(purpose)
    own_key = ", ".join(f"s.{name}" for name in table.key)
    borrowed = (table.version, table.subject)
    borrowed_key = ", ".join(f"{'b' if name in borrowed else 's'}.{name}" for name in table.key)
    versions = ", ".join(f"b.{table.version} AS {name}" for name in table.versions)
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE wanted AS WITH {_shared(purpose)}, {more}
        own AS (
            SELECT s.* FROM staged.{table.name} s ANTI JOIN untouched USING ({key}) {joins}
            QUALIFY row_number() OVER (PARTITION BY {own_key} ORDER BY {order} {best}) = 1
        ),
        borrowing AS (SELECT *, false AS answers_only FROM sharing {borrowing})
        SELECT * FROM own
        UNION ALL BY NAME
        SELECT s.* REPLACE (b.{table.subject} AS {table.subject}, {versions}, 0 AS cost_usd)
        FROM borrowing b JOIN staged.{table.name} s USING (custom_id)
        WHERE s.created_at <= b.until AND (s.error IS NULL OR NOT b.answers_only)
        QUALIFY row_number() OVER (PARTITION BY {borrowed_key} ORDER BY {best}) = 1
        """
    )
    concerned = connection.execute(
        f"""
        SELECT {table.version}, {table.subject} FROM wanted
        UNION SELECT {table.version}, {table.subject} FROM {table.name} SEMI JOIN staged.batches USING (batch_id)
        ORDER BY ALL
        """
    ).fetchall()
    gone = connection.execute(
        f"""
        DELETE FROM {table.name} WHERE batch_id IN (SELECT batch_id FROM staged.batches)
          AND ({key}) NOT IN (SELECT ({key}) FROM wanted)
        """
    ).fetchone()
    columns = [row[0] for row in connection.execute(f"DESCRIBE {table.name}").fetchall()]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in table.key)
    connection.execute(
        f"""
        INSERT INTO {table.name} BY NAME
        SELECT * FROM (SELECT {", ".join(columns)} FROM wanted EXCEPT SELECT {", ".join(columns)} FROM {table.name})
        ON CONFLICT DO UPDATE SET {updates}
        """
    )
    return _Replaced(tuple(SubjectVersion(*row) for row in concerned), gone[0] if gone else 0)


def _close_answered(connection: DuckDBPyConnection, purpose: Purpose, among: Sequence[SubjectVersion]) -> None:
    """Close the stopped asks of these subjects that have all their answers now."""
    stopped = f"""
        SELECT asks.* FROM asks SEMI JOIN chosen USING (subject, prompt_version)
        WHERE purpose = '{purpose.name}' AND state = 'stopped'
    """
    answered = f"""
        WITH {chosen()}, {lacking(stopped, purpose.table)}
        SELECT a.* FROM asked a JOIN outcomes h USING (ask)
        WHERE h.answered & ((1 << a.analyses) - 1) = (1 << a.analyses) - 1
    """
    close_stopped(connection, answered, named(among))
