"""What failed, grouped by reason: stored failures to get an answer, and asks that a provider or model stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.purpose import Purpose

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.headless.failures import Repeat

NAMED_PALETTES = 5


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one model for one reason.

    `fate` as in batch_requests, or `stopped`. `reason` is one of the sentences: they may differ in numbers, quotations
    and ids. `requests` is what asking again would send, 0 for what was imported; `request_usd` what such a request
    costs: the mean of those that reported it, or else of what they were expected to cost, None when unknown. `named`:
    seeds and names of the first palettes; `partitions` are all of them. `group_id` is the same at every look, as long
    as the failures are of this kind.
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
    group_id: str = ""
    partitions: frozenset[SubjectVersion] = frozenset()

    @property
    def retry_usd(self) -> Decimal | None:
        """What asking all of them again costs; None when unknown."""
        return None if self.request_usd is None else self.request_usd * self.requests

    def document(self) -> dict[str, Any]:
        """The same as JSON. Dollars are text: exact in every language. `retry_usd` is null where nobody knows."""
        cost = self.retry_usd
        return {
            "purpose": self.purpose,
            "provider": self.provider,
            "model": self.model,
            "fate": self.fate,
            "reason": self.reason,
            "palettes": [{"seed": seed, "name": name} for seed, name in self.named],
            "requests": self.requests,
            "retry_usd": None if cost is None else f"{cost:f}",
        }


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
                   count(DISTINCT seed) AS palettes, sum(requests)::BIGINT AS requests, list(DISTINCT seed) AS seeds,
                   list(DISTINCT [seed, prompt_version]) AS partitions,
                   sha256(to_json([purpose, provider, model, fate, kind, requests::VARCHAR])::VARCHAR)[:12] AS group_id
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
               coalesce(p.paid, e.usd)::DECIMAL(18, 10), list_sort(g.seeds)[:$named], g.group_id, g.partitions
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
    return [
        FailureGroup(
            *row[:8],
            named=tuple((seed, names.get(seed)) for seed in row[8]),
            group_id=row[9],
            partitions=frozenset(SubjectVersion(version, seed) for seed, version in row[10]),
        )
        for row in rows
    ]


def priced_groups(found: Sequence[FailureGroup], again: Sequence[Repeat]) -> list[FailureGroup]:
    """The groups at the prices at which `grabient retry` asks again; a group that retry leaves out keeps its past
    cost."""
    return [_priced(one, again) for one in found]


def _priced(one: FailureGroup, again: Sequence[Repeat]) -> FailureGroup:
    for repeat in again:
        asked = (repeat.purpose, repeat.provider, repeat.model) == (one.purpose, one.provider, one.model)
        if asked and not repeat.follows:
            return replace(one, request_usd=repeat.usd and repeat.usd.expected / repeat.requests)
    return one


def failures_document(found: Sequence[FailureGroup], again: Sequence[Repeat]) -> dict[str, Any]:
    """The document of `grabient errors --json`."""
    return {"groups": [one.document() for one in found], "total": total_of(found, again)}


def total_of(found: Sequence[FailureGroup], again: Sequence[Repeat]) -> dict[str, Any]:
    """What `grabient retry` asks again, in its dollars: with the refinements that may follow."""
    found = [one for one in found if PURPOSES[one.purpose].ask_again is not None]
    follow = [one for one in again if one.follows]
    known = [cost for one in found if (cost := one.retry_usd) is not None]
    known += [one.usd.expected for one in follow if one.usd is not None]
    return {
        "requests": sum(one.requests for one in found),
        "follow": sum(one.requests for one in follow),
        "retry_usd": f"{sum(known, Decimal(0)):f}",
        "unknown": sum(one.requests for one in found if one.request_usd is None)
        + sum(one.requests for one in follow if one.usd is None),
    }


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
