"""What failed, grouped by reason: stored failures to get an answer, and asks that a provider or model stopped."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.purpose import Purpose

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAMED_PALETTES = 5


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one model for one reason.

    `fate` as in batch_requests, or `stopped`. `reason` is one of the sentences: they may differ in numbers, quotations
    and ids. `requests` is what asking again would send, 0 for what was imported; `request_usd` what such a request
    costs: the mean of those that reported it, or else of what they were expected to cost, None when unknown. `named`:
    seeds and names of the first palettes.
    """

    purpose: str
    provider: str
    model: str
    fate: str
    reason: str
    palettes: int
    requests: int
    request_usd: Decimal | None
    named: tuple[tuple[str, str | None], ...]


def failure_groups(
    connection: DuckDBPyConnection, prompt_version: str | None = None, named: int | None = NAMED_PALETTES
) -> list[FailureGroup]:
    """The failures under one prompt version or all, the largest group first; with at most `named` palettes each."""
    failures = " UNION ALL ".join(part(purpose) for purpose in PURPOSES.values() for part in (_failed, _stopped))
    rows = connection.execute(
        rf"""
        WITH failures AS ({failures}),
        -- Sentences of one kind differ in what they quote, count and name.
        alike AS (
            SELECT *, regexp_replace(regexp_replace(coalesce(reason, fate),
                '"[^"]*"|''[^'']*''|`[^`]*`', '…', 'g'), '[^\s.,;:()]*[0-9][^\s,;:()]*', '…', 'g') AS kind
            FROM failures WHERE $version IS NULL OR prompt_version = $version
        ),
        grouped AS (
            SELECT purpose, provider, model, fate, kind, min(coalesce(reason, fate)) AS reason,
                   count(DISTINCT seed) AS palettes, sum(requests)::BIGINT AS requests, list(DISTINCT seed) AS seeds
            FROM alike GROUP BY purpose, provider, model, fate, kind, requests
        ),
        prices AS (
            SELECT b.purpose, b.provider, b.model, avg(r.cost_usd) FILTER (r.cost_basis = 'reported') AS paid
            FROM batch_requests r JOIN batches b USING (batch_id) WHERE b.status = 'collected' GROUP BY ALL
        ),
        expected AS (
            SELECT purpose, provider, model, sum(estimated_usd) / sum(request_count) AS usd FROM batches
            WHERE estimated_usd IS NOT NULL GROUP BY ALL
        )
        SELECT g.purpose, g.provider, g.model, g.fate, g.reason, g.palettes, g.requests,
               coalesce(p.paid, e.usd)::DECIMAL(18, 10), list_sort(g.seeds)[:$named]
        FROM grouped g LEFT JOIN prices p USING (purpose, provider, model)
        LEFT JOIN expected e USING (purpose, provider, model)
        ORDER BY g.palettes DESC, g.purpose DESC, g.provider, g.model, g.reason
        """,
        {"version": prompt_version, "named": named if named is not None else 2_000_000_000},
    ).fetchall()
    names = dict(
        connection.execute(
            "SELECT seed, name FROM palettes WHERE seed IN (SELECT unnest($1::VARCHAR[]))",
            [list({seed for row in rows for seed in row[8]})],
        ).fetchall()
    )
    return [FailureGroup(*[*row[:8], tuple((seed, names.get(seed)) for seed in row[8])]) for row in rows]


def _failed(purpose: Purpose) -> str:
    """Relation of the answers that failed. What failed with the batch that stopped its model is one failure, with the
    reason of the stop. What was imported is not asked again."""
    table, provider, joined = purpose.table, "t.provider", "LEFT JOIN imports i ON i.import_id = t.batch_id"
    if "provider" not in table.asked_of:
        provider = "coalesce(b.provider, p.provider, i.provider, '-')"
        joined += f"""
            LEFT JOIN batches b USING (batch_id) LEFT JOIN (
                SELECT subject, prompt_version, any_value(provider) AS provider FROM asks
                WHERE purpose = '{purpose.name}' GROUP BY ALL
            ) p ON p.subject = t.{table.subject} AND p.prompt_version = t.{table.version}
        """
    return f"""
        SELECT '{purpose.name}' AS purpose, {provider} AS provider, t.{table.model} AS model,
               t.{table.version} AS prompt_version, t.{table.subject} AS seed,
               CASE WHEN a.subject IS NULL THEN t.fate ELSE 'stopped' END AS fate,
               CASE WHEN a.subject IS NULL THEN t.error ELSE a.reason END AS reason,
               CASE WHEN i.import_id IS NULL THEN 1 ELSE 0 END AS requests
        FROM {table.name} t {joined} LEFT JOIN asks a ON a.purpose = '{purpose.name}' AND a.state = 'stopped'
            AND t.fate = 'errored' AND {table.is_of_ask("t", "a")} AND NOT {table.newest_stands}
        WHERE t.error IS NOT NULL
    """


def _stopped(purpose: Purpose) -> str:
    """Relation of the asks that were stopped. Of one that has all its answers these have failed, and are counted as
    such. Where the newest answer stands, a usable one may be to an earlier request."""
    table = purpose.table
    counted = "count(error)" if table.newest_stands else "count(*)"
    key = ", ".join(name for name in table.key if name != table.analysis_index)
    return f"""
        SELECT a.purpose, a.provider, a.model, a.prompt_version, a.subject, 'stopped', a.reason,
               a.analyses - coalesce(t.answers, 0)
        FROM asks a LEFT JOIN (SELECT {key}, {counted} AS answers FROM {table.name} GROUP BY ALL) t
            ON {table.is_of_ask("t", "a")}
        WHERE a.purpose = '{purpose.name}' AND a.state = 'stopped' AND coalesce(t.answers, 0) < a.analyses
    """
