"""Where tagging ends: asks that miss nothing any more, palettes that are completely tagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.due import finished, lacking, open_asks
from grabient_assets.ledger.identity import custom_id, key_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose


@dataclass(frozen=True, slots=True)
class AskedOf:
    """How far the requests about a palette at one provider are.

    Of `requests`, `answered` have an answer, `unusable` of which cannot be used; `carried` are with the provider;
    `stopped` are not asked any more, for the `reason`. What is left is due.
    """

    partition: SubjectVersion
    requests: int
    answered: int
    unusable: int
    carried: int
    stopped: int
    reason: str | None
    batches: tuple[str, ...]

    @property
    def due(self) -> int:
        """How many wait to be sent."""
        return self.requests - self.answered - self.carried - self.stopped


@dataclass(frozen=True, slots=True)
class Tagged:
    """A palette whose tagging is complete: how many answers can be used, how many cannot, and an example why not."""

    partition: SubjectVersion
    answers: int
    failures: int
    models: int
    cost_usd: Decimal
    error: str | None


def answered_but_open(connection: DuckDBPyConnection, purpose: Purpose) -> list[SubjectVersion]:
    """Palettes with an open ask that misses nothing: whoever stored the last answer ended before closing it."""
    rows = connection.execute(
        f"""
        WITH {lacking(open_asks(purpose), purpose.table)}
        SELECT DISTINCT prompt_version, subject FROM asks WHERE {finished(purpose)} ORDER BY ALL
        """
    ).fetchall()
    return [SubjectVersion(*row) for row in rows]


def complete_tagging(
    connection: DuckDBPyConnection, providers: Sequence[str], among: Sequence[SubjectVersion] | None = None
) -> list[Tagged]:
    """Palettes of which every one of `providers` was asked and no ask is open any more.

    Of those that are tagged adaptively, the settled ones: a provider counts as asked that has no part in their waves.
    """
    rows = connection.execute(
        """
        WITH chosen AS (SELECT unnest($seeds::VARCHAR[]) AS seed, unnest($versions::VARCHAR[]) AS prompt_version),
        complete AS (
            SELECT a.subject AS seed, a.prompt_version FROM asks a LEFT JOIN tagging_waves w
                ON w.seed = a.subject AND w.prompt_version = a.prompt_version
            WHERE a.purpose = 'tagging'
              AND ($everything OR (a.subject, a.prompt_version) IN (SELECT (seed, prompt_version) FROM chosen))
            GROUP BY ALL
            HAVING bool_and(a.state <> 'open') AND bool_and(w.state IS DISTINCT FROM 'open') AND list_has_all(
                list_concat(list(DISTINCT a.provider), coalesce(any_value(w.providers), [])), $providers::VARCHAR[])
        )
        SELECT c.prompt_version, c.seed, count(*) FILTER (t.seed IS NOT NULL AND t.error IS NULL),
               count(*) FILTER (t.error IS NOT NULL),
               count(DISTINCT t.model) FILTER (t.error IS NULL), coalesce(sum(t.cost_usd), 0), min(t.error)
        FROM complete c LEFT JOIN palette_tags t USING (seed, prompt_version)
        GROUP BY ALL ORDER BY 1, 2
        """,
        {
            "everything": among is None,
            "seeds": [p.subject for p in among or ()],
            "versions": [p.prompt_version for p in among or ()],
            "providers": list(providers),
        },
    ).fetchall()
    return [Tagged(SubjectVersion(row[0], row[1]), *row[2:]) for row in rows]


def asked_tagging(
    connection: DuckDBPyConnection, provider: str, batch_ids: Sequence[str], among: Sequence[SubjectVersion] = ()
) -> list[AskedOf]:
    """How far the palettes in these batches (or equal to one of them) and those named are at the provider."""
    rows = connection.execute(
        f"""
        WITH concerned AS (
            SELECT a.subject, a.prompt_version FROM asks a
            WHERE a.purpose = 'tagging' AND a.provider = $provider AND a.subject_key IN (
                SELECT {key_of("r.custom_id")} FROM batch_requests r
                WHERE r.batch_id IN (SELECT unnest($batches::VARCHAR[])))
            UNION SELECT unnest($seeds::VARCHAR[]), unnest($versions::VARCHAR[])
        ),
        requests AS (
            SELECT a.*, i.analysis_index, {custom_id("a.stem", "i.analysis_index")} AS custom_id
            FROM asks a JOIN concerned USING (subject, prompt_version),
                 unnest(range(a.analyses)) AS i(analysis_index)
            WHERE a.purpose = 'tagging' AND a.provider = $provider
        ),
        carried AS (
            SELECT r.custom_id, any_value(r.batch_id) AS batch_id FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted') GROUP BY ALL
        ),
        found AS (
            SELECT q.prompt_version, q.subject, q.reason, coalesce(c.batch_id, t.batch_id) AS batch_id, t.error,
                   CASE WHEN t.seed IS NOT NULL THEN 'answered' WHEN c.custom_id IS NOT NULL THEN 'carried'
                        WHEN q.state = 'stopped' THEN 'stopped' ELSE 'due' END AS state
            FROM requests q
            LEFT JOIN palette_tags t ON t.seed = q.subject AND t.prompt_version = q.prompt_version
                AND t.provider = q.provider AND t.model = q.model AND t.analysis_index = q.analysis_index
                AND t.custom_id = q.custom_id
                AND (t.error IS NULL OR q.retry_from IS NULL OR t.created_at >= q.retry_from)
            LEFT JOIN carried c ON c.custom_id = q.custom_id
        )
        SELECT prompt_version, subject, count(*), count(*) FILTER (state = 'answered'),
               count(*) FILTER (state = 'answered' AND error IS NOT NULL), count(*) FILTER (state = 'carried'),
               count(*) FILTER (state = 'stopped'), min(reason) FILTER (state = 'stopped'),
               list(DISTINCT batch_id ORDER BY batch_id) FILTER (batch_id IS NOT NULL)
        FROM found GROUP BY ALL ORDER BY 1, 2
        """,
        {
            "provider": provider,
            "batches": list(batch_ids),
            "seeds": [p.subject for p in among],
            "versions": [p.prompt_version for p in among],
        },
    ).fetchall()
    return [AskedOf(SubjectVersion(row[0], row[1]), *row[2:8], batches=tuple(row[8] or ())) for row in rows]
