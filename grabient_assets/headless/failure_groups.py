"""What failed, grouped by reason: stored failures to get an answer, and asks that a provider or model stopped."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

NAMED_PALETTES = 5


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures of one model for one reason.

    `fate` as in batch_requests, or `stopped`. `reason` is one of the sentences: they may differ in numbers, quotations
    and ids. `requests` is what asking again would send, `request_usd` what such a request costs: the mean of those that
    reported it, or else of what they were expected to cost, None when unknown. `named`: seeds and names of the first
    palettes.
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
    rows = connection.execute(
        r"""
        WITH refiners AS (
            SELECT subject AS seed, prompt_version, any_value(provider) AS provider FROM asks
            WHERE purpose = 'refinement' GROUP BY ALL
        ),
        failures AS (
            -- What failed with the batch that stopped its model is one failure, with the reason of the stop.
            SELECT 'tagging' AS purpose, t.provider, t.model, t.prompt_version, t.seed,
                   CASE WHEN a.subject IS NULL THEN t.fate ELSE 'stopped' END AS fate,
                   CASE WHEN a.subject IS NULL THEN t.error ELSE a.reason END AS reason, 1 AS requests
            FROM palette_tags t LEFT JOIN asks a ON a.purpose = 'tagging' AND a.state = 'stopped'
                AND t.fate = 'errored' AND a.subject = t.seed AND a.prompt_version = t.prompt_version
                AND a.provider = t.provider AND a.model = t.model
            WHERE t.error IS NOT NULL
            UNION ALL
            SELECT 'refinement', coalesce(b.provider, a.provider, '-'), r.model, r.prompt_version, r.seed, r.fate,
                   r.error, 1
            FROM palette_tag_refined r LEFT JOIN batches b USING (batch_id)
            LEFT JOIN refiners a ON a.seed = r.seed AND a.prompt_version = r.prompt_version
            WHERE r.error IS NOT NULL
            UNION ALL
            SELECT a.purpose, a.provider, a.model, a.prompt_version, a.subject, 'stopped', a.reason,
                   if(a.purpose = 'tagging', a.analyses - coalesce(t.answers, 0), 1)
            FROM asks a LEFT JOIN (
                SELECT seed, prompt_version, provider, model, count(*) AS answers FROM palette_tags GROUP BY ALL
            ) t ON a.purpose = 'tagging' AND t.seed = a.subject AND t.prompt_version = a.prompt_version
                AND t.provider = a.provider AND t.model = a.model
            -- Of one that has all its answers these have failed, and are counted above.
            WHERE a.state = 'stopped' AND (a.purpose <> 'tagging' OR coalesce(t.answers, 0) < a.analyses)
              AND NOT EXISTS (
                SELECT 1 FROM palette_tag_refined r WHERE a.purpose = 'refinement' AND r.seed = a.subject
                  AND r.prompt_version = a.prompt_version AND r.error IS NOT NULL)
        ),
        -- Sentences of one kind differ in what they quote, count and name.
        alike AS (
            SELECT *, regexp_replace(regexp_replace(coalesce(reason, fate),
                '"[^"]*"|''[^'']*''|`[^`]*`', '…', 'g'), '[^\s.,;:()]*[0-9][^\s,;:()]*', '…', 'g') AS kind
            FROM failures WHERE $version IS NULL OR prompt_version = $version
        ),
        grouped AS (
            SELECT purpose, provider, model, fate, kind, min(coalesce(reason, fate)) AS reason,
                   count(DISTINCT seed) AS palettes, sum(requests)::BIGINT AS requests, list(DISTINCT seed) AS seeds
            FROM alike GROUP BY purpose, provider, model, fate, kind
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
