"""The tables batches and batch_requests: the ledger of what was sent and what became of it.

Status of a batch:
    intended    written before the create call; without a provider id nobody knows yet whether the provider has it.
                A direct batch is so until all its calls are over (direct.py)
    submitted   the provider has it
    collected   every request has its fate, the answers are stored
    deferred    certain not to exist at the provider; its requests are due again after `retry_at`
    refused     certain not to exist at the provider, and not to be sent again by itself: it is useless, or a person
                cancelled it
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.rows import insert_rows, utf8, with_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.registry.model import Delivery, Kind


EMULATOR_ACCOUNT = "emulator"
"""What `account` holds for batches that went to the emulator."""


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One row of `batches`."""

    batch_id: str
    purpose: str
    provider: str
    model: str
    prompt_version: str
    prompt_digest: str
    status: str
    request_count: int
    bodies_sha256: str
    account: str
    intended_at: datetime
    succeeded: int = 0
    failed: int = 0
    collect_attempts: int = 0
    provider_batch_id: str | None = None
    input_file_id: str | None = None
    outcome: str | None = None
    raw_status: str | None = None
    retry_at: datetime | None = None
    submitted_at: datetime | None = None
    polled_at: datetime | None = None
    ended_at: datetime | None = None
    collected_at: datetime | None = None
    cost_usd: Decimal | None = None
    requests_key: str | None = None
    results_key: str | None = None
    submit_run_id: str | None = None
    collect_run_id: str | None = None
    error: str | None = None
    error_kind: str | None = None
    cap_id: str | None = None
    prices: str | None = None
    max_output_tokens: int | None = None
    estimated_usd: Decimal | None = None
    reserved_usd: Decimal | None = None
    reported_at: datetime | None = None
    given_up_at: datetime | None = None
    sent_after: datetime | None = None
    missed_at: datetime | None = None
    short_at: datetime | None = None
    short_sha256: str | None = None
    short_since: datetime | None = None
    cancel_asked_at: datetime | None = None
    delivery: Delivery = "batch"
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One row of `batch_requests`. `fate` is null until it is known. The times are those of a direct call."""

    batch_id: str
    custom_id: str
    subject: str
    analysis_index: int
    began_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FateRecord:
    """The outcome of a request: its fate, the reason when there is no answer, and its cost."""

    custom_id: str
    fate: str
    error: str | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: Decimal | None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_basis: str | None = None
    cache_saved_usd: Decimal | None = None
    error_code: str | None = None
    began_at: datetime | None = None
    answered_at: datetime | None = None
    input_image_tokens: int | None = None
    output_image_tokens: int | None = None


_COLUMNS = tuple(BatchRecord.__dataclass_fields__)


def taken(connection: DuckDBPyConnection, custom_ids: Iterable[str], since: datetime | None) -> set[str]:
    """The ids that some batch is carrying now, or that a batch has settled `since` they were found to be due."""
    rows = connection.execute(
        """
        SELECT r.custom_id FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE r.custom_id IN (SELECT unnest($1::VARCHAR[]))
          AND ((b.status IN ('intended', 'submitted') AND r.fate IS NULL) OR b.collected_at > $2)
        """,
        [list(custom_ids), since],
    ).fetchall()
    return {row[0] for row in rows}


def insert_intent(connection: DuckDBPyConnection, batch: BatchRecord, requests: Sequence[RequestRecord]) -> None:
    """Write the batch and its requests, before anything is sent."""
    insert_rows(connection, "batches", [batch])
    insert_rows(connection, "batch_requests", requests)


def update_batch(connection: DuckDBPyConnection, batch_id: str, **columns: Any) -> None:
    """Set columns of one batch."""
    unknown = set(columns) - set(_COLUMNS)
    if unknown:
        raise ValueError(f"batches has no column {', '.join(sorted(unknown))}")
    assignments = ", ".join(f"{name} = ${name}" for name in columns)
    parameters = {**{name: utf8(value) for name, value in columns.items()}, "batch_id": batch_id}
    connection.execute(f"UPDATE batches SET {assignments} WHERE batch_id = $batch_id", parameters)


def batch(connection: DuckDBPyConnection, batch_id: str) -> BatchRecord | None:
    """The batch with this id of ours."""
    found = _batches(connection, "WHERE batch_id = ?", [batch_id])
    return found[0] if found else None


def batch_named(connection: DuckDBPyConnection, name: str) -> BatchRecord | None:
    """The batch with this id, ours or the provider's."""
    found = _batches(connection, "WHERE batch_id = $1 OR provider_batch_id = $1 ORDER BY batch_id <> $1", [name])
    return found[0] if found else None


def fates_of(connection: DuckDBPyConnection, batch_id: str) -> dict[str, int]:
    """How often each fate occurred in the batch."""
    query = "SELECT fate, count(*) FROM batch_requests WHERE batch_id = ? AND fate IS NOT NULL GROUP BY fate ORDER BY 1"
    return dict(connection.execute(query, [batch_id]).fetchall())


def fate_records(connection: DuckDBPyConnection, batch_id: str) -> list[FateRecord]:
    """The requests of a batch with what became of them, ordered by custom_id."""
    columns = ", ".join(FateRecord.__dataclass_fields__)
    query = f"SELECT {columns} FROM batch_requests WHERE batch_id = ? AND fate IS NOT NULL ORDER BY custom_id"
    return [FateRecord(*row) for row in connection.execute(query, [batch_id]).fetchall()]


def batches_of(connection: DuckDBPyConnection, batch_ids: Iterable[str]) -> list[BatchRecord]:
    """The batches with these ids of ours; one that does not exist is not in the result."""
    return _batches(connection, "WHERE batch_id IN (SELECT unnest($1::VARCHAR[]))", [list(batch_ids)])


def open_batches(connection: DuckDBPyConnection) -> list[BatchRecord]:
    """Batches whose answers are not in yet, those asked about longest ago first."""
    order = "ORDER BY polled_at NULLS FIRST, intended_at, batch_id"
    return _batches(connection, f"WHERE status IN ('intended', 'submitted') {order}", [])


def unreported_batches(connection: DuckDBPyConnection) -> list[BatchRecord]:
    """Collected batches that were not reported to Dagster: the process that collected them was killed."""
    return _batches(connection, "WHERE status = 'collected' AND reported_at IS NULL ORDER BY batch_id", [])


def record_reported(connection: DuckDBPyConnection, batch_ids: Iterable[str], now: datetime) -> None:
    """Record that the results of the collected ones of these batches are in Dagster's event log."""
    connection.execute(
        "UPDATE batches SET reported_at = $2 WHERE batch_id IN (SELECT unnest($1::VARCHAR[])) AND status = 'collected'",
        [list(batch_ids), now],
    )


def record_polled(
    connection: DuckDBPyConnection,
    asked: Collection[str],
    troubles: Mapping[str, Exception],
    now: datetime,
    ended: Collection[str] = (),
) -> None:
    """Record the time at which these batches were polled, so that the others come first next time, and the errors of
    some batches, polled or not. An error that is over is removed, except an error of collecting a batch that has
    `ended`: it stays until the batch is collected."""
    connection.execute(
        """
        UPDATE batches SET polled_at = $now
        WHERE batch_id IN (SELECT unnest($asked::VARCHAR[])) AND status IN ('intended', 'submitted')
        """,
        {"now": now, "asked": list(asked)},
    )
    connection.execute(
        """
        UPDATE batches SET error = NULL, error_kind = NULL
        WHERE batch_id IN (SELECT unnest($fine::VARCHAR[])) AND status = 'submitted'
          AND NOT (batch_id IN (SELECT unnest($ended::VARCHAR[])) AND collect_attempts > 0
                   AND error_kind IS DISTINCT FROM 'CredentialsError')
        """,
        {"fine": list(set(asked) - set(troubles)), "ended": list(ended)},
    )
    _set_troubles(connection, "", "('intended', 'submitted')", troubles)


def record_not_collected(connection: DuckDBPyConnection, troubles: Mapping[str, Exception]) -> None:
    """Count a failed attempt at collecting these batches, and say why it failed."""
    _set_troubles(connection, "collect_attempts = collect_attempts + 1,", "('submitted')", troubles)


def _set_troubles(connection: DuckDBPyConnection, also: str, statuses: str, troubles: Mapping[str, Exception]) -> None:
    connection.execute(
        f"""
        UPDATE batches SET {also} error = t.error, error_kind = t.kind
        FROM (SELECT unnest($ids::VARCHAR[]) AS batch_id, unnest($errors::VARCHAR[]) AS error,
                     unnest($kinds::VARCHAR[]) AS kind) AS t
        WHERE batches.batch_id = t.batch_id AND status IN {statuses}
        """,
        {
            "ids": list(troubles),
            "errors": [utf8(str(error)) for error in troubles.values()],
            "kinds": [type(error).__name__ for error in troubles.values()],
        },
    )


def record_receipt(connection: DuckDBPyConnection, batch_id: str, **columns: Any) -> None:
    """The provider has the batch: set `submitted`, and clear the fates, also when the batch had been given up."""
    connection.execute("UPDATE batch_requests SET fate = NULL, error = NULL WHERE batch_id = ?", [batch_id])
    forgotten = dict.fromkeys(("retry_at", "given_up_at", "error", "error_kind"))
    update_batch(connection, batch_id, status="submitted", **forgotten, **columns)


def subjects_in(connection: DuckDBPyConnection, batch_ids: Iterable[str]) -> list[SubjectVersion]:
    """The subjects that these batches asked about, each once."""
    rows = connection.execute(
        """
        SELECT DISTINCT b.prompt_version, r.subject FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE b.batch_id IN (SELECT unnest($1::VARCHAR[])) ORDER BY ALL
        """,
        [list(batch_ids)],
    ).fetchall()
    return [SubjectVersion(*row) for row in rows]


def submit_runs(connection: DuckDBPyConnection, batch_ids: Iterable[str]) -> dict[str, str | None]:
    """The Dagster run that sent each of these batches."""
    query = "SELECT batch_id, submit_run_id FROM batches WHERE batch_id IN (SELECT unnest($1::VARCHAR[]))"
    rows = connection.execute(query, [list(batch_ids)]).fetchall()
    return dict(rows)


def modes_sent_in(connection: DuckDBPyConnection) -> set[str]:
    """The modes in which batches were sent from this folder: emulator, live, both or none."""
    rows = connection.execute(
        "SELECT DISTINCT CASE WHEN account = $1 THEN 'emulator' ELSE 'live' END FROM batches", [EMULATOR_ACCOUNT]
    ).fetchall()
    return {row[0] for row in rows}


def known_provider_ids(connection: DuckDBPyConnection, provider: str) -> set[str]:
    """Every batch id of the provider that the ledger has recorded."""
    rows = connection.execute(
        "SELECT provider_batch_id FROM batches WHERE provider = ? AND provider_batch_id IS NOT NULL", [provider]
    ).fetchall()
    return {row[0] for row in rows}


def requests_of(connection: DuckDBPyConnection, batch_id: str) -> list[RequestRecord]:
    """The requests of a batch, ordered by custom_id."""
    rows = connection.execute(
        """
        SELECT batch_id, custom_id, subject, analysis_index, began_at, answered_at FROM batch_requests
        WHERE batch_id = ? ORDER BY custom_id
        """,
        [batch_id],
    ).fetchall()
    return [RequestRecord(*row[:4], *map(_utc, row[4:])) for row in rows]


def record_fates(connection: DuckDBPyConnection, batch_id: str, fates: Sequence[FateRecord]) -> None:
    """Write the fate of every request of a batch."""
    if not fates:
        return
    columns = tuple(name for name in FateRecord.__dataclass_fields__ if name != "custom_id")
    assignments = ", ".join(f"{c} = n.{c}" for c in columns)
    with_rows(
        connection,
        "batch_requests",
        fates,
        f"UPDATE batch_requests AS r SET {assignments} FROM new_rows AS n "
        f"WHERE r.custom_id = n.custom_id AND r.batch_id = '{batch_id}'",
    )


def set_all_fates(connection: DuckDBPyConnection, batch_id: str, fate: str, error: str) -> None:
    """Give every request of a batch that was never accepted the same fate."""
    values = [fate, utf8(error), batch_id]
    connection.execute("UPDATE batch_requests SET fate = ?, error = ? WHERE batch_id = ?", values)


def deliveries(connection: DuckDBPyConnection, custom_ids: Iterable[str], exclude: str) -> dict[str, int]:
    """How many collected batches have carried each of these requests; the batch `exclude` is not counted. A direct call
    that was never begun carried nothing."""
    rows = connection.execute(
        """
        SELECT r.custom_id, count(*) FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE b.status = 'collected' AND b.batch_id <> $2 AND r.custom_id IN (SELECT unnest($1::VARCHAR[]))
          AND (b.delivery = 'batch' OR r.began_at IS NOT NULL)
        GROUP BY r.custom_id
        """,
        [list(custom_ids), exclude],
    ).fetchall()
    return dict(rows)


def with_error_code(connection: DuckDBPyConnection, code: str, among: Iterable[str]) -> set[str]:
    """Those of the custom_ids that ended with this `error_code` in some batch."""
    rows = connection.execute(
        """
        SELECT DISTINCT custom_id FROM batch_requests
        WHERE error_code = $1 AND custom_id IN (SELECT unnest($2::VARCHAR[]))
        """,
        [code, list(among)],
    ).fetchall()
    return {row[0] for row in rows}


def deferrals_of_kind(connection: DuckDBPyConnection, provider: str, model: str, kind: str, exclude: str) -> int:
    """How many batches of the model, `exclude` not counted, were put off in a row until now by this kind of error."""
    row = connection.execute(
        """
        WITH decided AS (
            SELECT status = 'deferred' AND error_kind IS NOT DISTINCT FROM $3 AS so, intended_at FROM batches
            WHERE provider = $1 AND model = $2 AND batch_id <> $4 AND status <> 'intended'
        )
        SELECT count(*) FROM decided WHERE so AND intended_at > coalesce(
            (SELECT max(intended_at) FROM decided WHERE NOT so), '-infinity')
        """,
        [provider, model, kind, exclude],
    ).fetchone()
    return int(row[0]) if row else 0


def deferrals(connection: DuckDBPyConnection, provider: str, exclude: str = "") -> int:
    """How many submissions to the provider were deferred in a row until now; failures of the object store do not count.

    A batch is deferred at once or hours later, when batches sent after it may have been accepted long ago: such an
    acceptance ends the row. Direct calls without a usable answer count as deferred when they were stopped for that
    reason. The batch `exclude` is not counted: it is about to be deferred.
    """
    row = connection.execute(
        """
        WITH decided AS (
            SELECT CASE WHEN delivery = 'direct' AND retry_at IS NOT NULL AND succeeded = 0 THEN 'deferred'
                        ELSE status END AS status, intended_at
            FROM batches WHERE provider = $1 AND batch_id <> $2 AND status <> 'intended'
              AND error_kind IS DISTINCT FROM 'StoreError'
        )
        SELECT count(*) FROM decided
        WHERE status = 'deferred' AND intended_at > coalesce(
            (SELECT max(intended_at) FROM decided WHERE status <> 'deferred'), '-infinity')
        """,
        [provider, exclude],
    ).fetchone()
    return int(row[0]) if row else 0


def put_off_until(connection: DuckDBPyConnection, provider: str, now: datetime, longest: timedelta) -> datetime | None:
    """Until when the provider takes nothing, if that is after `now`: see `put_off_providers`."""
    return {name: until for name, until, _ in put_off_providers(connection, now, longest)}.get(provider)


def put_off_providers(
    connection: DuckDBPyConnection, now: datetime, longest: timedelta
) -> list[tuple[str, datetime, str | None]]:
    """The providers that accept nothing at `now`, the end of that time, and the latest error.

    A time more than `longest` away, or of a batch that was sent later than `now`, came from a clock that ran ahead. It
    is ignored, and it does not replace the times of other batches.
    """
    rows = connection.execute(
        """
        SELECT provider, max(retry_at), arg_max(error, retry_at) FROM batches
        WHERE (status = 'deferred' OR delivery = 'direct') AND retry_at > $1 AND retry_at <= $2
          AND coalesce(sent_after, '-infinity') <= $1
        GROUP BY provider ORDER BY provider
        """,
        [now, now + longest],
    ).fetchall()
    return [(provider, until.astimezone(UTC), error) for provider, until, error in rows]


def _batches(connection: DuckDBPyConnection, where: str, parameters: list[Any]) -> list[BatchRecord]:
    rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM batches {where}", parameters).fetchall()
    return [BatchRecord(*(_utc(value) for value in row)) for row in rows]


def _utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value
