"""Where tagging ends: asks that miss nothing any more, palettes that are completely tagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import SubjectVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Tagged:
    """A palette whose tagging is complete: how many answers can be used, how many cannot, and an example why not."""

    partition: SubjectVersion
    answers: int
    failures: int
    models: int
    cost_usd: Decimal
    error: str | None


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
