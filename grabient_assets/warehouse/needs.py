"""Which palettes still need work, and which failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.warehouse.asks import AskTarget, PaletteVersion

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Need:
    """What a palette lacks under a prompt version.

    `answers`: some answer is neither there nor known to have failed. `consensus`: it could be built and is missing.
    `refinement`: there is none for the consensus as it stands, not even a failed one. `stopped`: all that is lacking
    was asked for before, and stopped by the provider or model.
    """

    seed: str
    answers: bool
    consensus: bool
    refinement: bool
    stopped: bool


@dataclass(frozen=True, slots=True)
class FailedAsk:
    """An ask that is to be asked again: stopped, or answered with something unusable."""

    partition: PaletteVersion
    target: AskTarget
    chained: bool
    failures: int
    stopped: bool


def needs(
    connection: DuckDBPyConnection, prompt_version: str, targets: Sequence[AskTarget], analyses: int
) -> list[Need]:
    """The need of every loaded palette, in order of arrival, if every target is asked `analyses` times.

    The answers there are get counted: listing all that could be there takes 5 GB for 100,000 palettes and ten models.
    """
    rows = connection.execute(
        """
        WITH target AS (
            SELECT unnest($providers::VARCHAR[]) AS provider, unnest($models::VARCHAR[]) AS model,
                   unnest($digests::VARCHAR[]) AS digest
        ),
        answered AS (
            SELECT t.seed, t.provider, t.model, count(*) AS answers
            FROM palette_tags t JOIN palettes p USING (seed) JOIN target USING (provider, model)
            WHERE t.prompt_version = $version AND t.analysis_index < $analyses
              AND t.custom_id = p.palette_key || '-' || target.digest || '-' || lpad(t.analysis_index::VARCHAR, 2, '0')
            GROUP BY ALL
        ),
        unanswered AS (
            SELECT p.seed, bool_and(a.state IS NOT DISTINCT FROM 'stopped') AS stopped
            FROM palettes p CROSS JOIN target w LEFT JOIN answered n
                ON n.seed = p.seed AND n.provider = w.provider AND n.model = w.model
            LEFT JOIN asks a ON a.purpose = 'tagging' AND a.seed = p.seed
                AND a.prompt_version = $version AND a.provider = w.provider AND a.model = w.model
            WHERE coalesce(n.answers, 0) < $analyses
            GROUP BY ALL
        ),
        usable AS (SELECT DISTINCT seed FROM palette_tags WHERE prompt_version = $version AND error IS NULL)
        SELECT p.seed, u.seed IS NOT NULL, c.seed IS NULL AND s.seed IS NOT NULL,
               c.seed IS NOT NULL AND r.consensus_digest IS DISTINCT FROM c.digest,
               (u.seed IS NULL OR u.stopped) AND (u.seed IS NOT NULL OR a.state IS NOT DISTINCT FROM 'stopped')
        FROM palettes p LEFT JOIN unanswered u USING (seed) LEFT JOIN usable s USING (seed)
        LEFT JOIN tag_consensus c ON c.seed = p.seed AND c.prompt_version = $version
        LEFT JOIN palette_tag_refined r ON r.seed = p.seed AND r.prompt_version = $version
        LEFT JOIN asks a ON a.purpose = 'refinement' AND a.seed = p.seed AND a.prompt_version = $version
        ORDER BY p.created_at, p.rowid
        """,
        {
            "providers": [t.provider for t in targets],
            "models": [t.model for t in targets],
            "digests": [t.request_digest for t in targets],
            "version": prompt_version,
            "analyses": analyses,
        },
    ).fetchall()
    return [Need(*row) for row in rows]


def failed_tagging(connection: DuckDBPyConnection, prompt_version: str | None) -> list[FailedAsk]:
    """Tagging asks that were stopped or have unusable answers, under one prompt version or all."""
    rows = connection.execute(
        """
        SELECT a.prompt_version, a.seed, a.provider, a.model, a.request_digest, a.chained, count(t.seed),
               a.state = 'stopped'
        FROM asks a LEFT JOIN palette_tags t
          ON t.seed = a.seed AND t.prompt_version = a.prompt_version AND t.provider = a.provider AND t.model = a.model
             AND t.error IS NOT NULL
        WHERE a.purpose = 'tagging' AND ($1 IS NULL OR a.prompt_version = $1)
        GROUP BY ALL HAVING count(t.seed) > 0 OR a.state = 'stopped' ORDER BY ALL
        """,
        [prompt_version],
    ).fetchall()
    return [_failed(row) for row in rows]


def failed_refinements(connection: DuckDBPyConnection, prompt_version: str | None) -> list[FailedAsk]:
    """Refinement asks that were stopped or answered with something unusable."""
    rows = connection.execute(
        """
        SELECT a.prompt_version, a.seed, a.provider, a.model, a.request_digest, a.chained, count(r.seed),
               a.state = 'stopped'
        FROM asks a LEFT JOIN palette_tag_refined r
          ON r.seed = a.seed AND r.prompt_version = a.prompt_version AND r.error IS NOT NULL
        WHERE a.purpose = 'refinement' AND ($1 IS NULL OR a.prompt_version = $1)
        GROUP BY ALL HAVING count(r.seed) > 0 OR a.state = 'stopped' ORDER BY ALL
        """,
        [prompt_version],
    ).fetchall()
    return [_failed(row) for row in rows]


def _failed(row: tuple[str, str, str, str, str, bool, int, bool]) -> FailedAsk:
    version, seed, provider, model, digest, chained, failures, stopped = row
    return FailedAsk(PaletteVersion(version, seed), AskTarget(provider, model, digest), chained, failures, stopped)
