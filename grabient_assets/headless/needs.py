"""Which palettes still need work, and which failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.groups.tagging.tags import PALETTE_TAGS
from grabient_assets.groups.tagging.withheld import withheld
from grabient_assets.ledger.asks import AskTarget, SubjectVersion
from grabient_assets.ledger.due import lacking
from grabient_assets.ledger.identity import stem

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class PaletteNeed:
    """What a palette lacks under a prompt version.

    `answers`: some answer is neither there nor known to have failed. `consensus`: it could be built and is missing.
    `refinement`: there is none for the consensus as it stands, not even a failed one. A failure that was asked again
    since is as good as none. `stopped`: all that is lacking was asked for before, and stopped by the provider or model.
    `withheld`: a refinement is all that is lacking, and a check keeps it back.
    """

    seed: str
    answers: bool
    consensus: bool
    refinement: bool
    stopped: bool
    withheld: bool


@dataclass(frozen=True, slots=True)
class FailedAsk:
    """An ask that is to be asked again: stopped, or answered with something unusable; and the terms it was asked on.
    `missing` requests have no usable answer."""

    partition: SubjectVersion
    target: AskTarget
    chained: bool
    allow_unpriced: bool
    despite_checks: bool
    cap_id: str | None
    failures: int
    stopped: bool
    missing: int


_IF_ASKED = f"""
    SELECT p.seed AS subject, p.rowid AS palette, $version AS prompt_version, $provider AS provider, $model AS model,
           {stem("p.palette_key", "$digest")} AS stem, $analyses::INTEGER AS analyses, a.retry_from, a.state
    FROM palettes p LEFT JOIN asks a ON a.purpose = 'tagging' AND a.subject = p.seed AND a.prompt_version = $version
        AND a.provider = $provider AND a.model = $model
"""

_READY = """
    SELECT seed, $1 AS prompt_version FROM found
    WHERE refinement AND NOT answers AND NOT coalesce(despite_checks, false)
"""


def needs(
    connection: DuckDBPyConnection, prompt_version: str, targets: Sequence[AskTarget], analyses: int
) -> list[PaletteNeed]:
    """The need of every loaded palette, in order of arrival, if every target is asked `analyses` times."""
    connection.execute("CREATE OR REPLACE TEMP TABLE unanswered (palette BIGINT, stopped BOOLEAN)")
    for target in targets:  # one at a time: ten together take twice the memory, and longer
        connection.execute(
            f"""
            INSERT INTO unanswered
            WITH {lacking(_IF_ASKED, PALETTE_TAGS)}
            SELECT palette, state IS NOT DISTINCT FROM 'stopped' FROM lacking
            """,
            {
                "version": prompt_version,
                "provider": target.provider,
                "model": target.model,
                "digest": target.request_digest,
                "analyses": analyses,
            },
        )
    rows = connection.execute(
        f"""
        WITH lacks AS (SELECT palette, bool_and(stopped) AS stopped FROM unanswered GROUP BY palette),
        usable AS (SELECT DISTINCT seed FROM palette_tags WHERE prompt_version = $1 AND error IS NULL),
        found AS (
            SELECT p.seed, p.created_at, p.rowid AS palette, u.palette IS NOT NULL AS answers,
                   c.seed IS NULL AND s.seed IS NOT NULL AS consensus,
                   c.seed IS NOT NULL AND (
                       r.consensus_digest IS DISTINCT FROM c.digest
                       OR coalesce(r.error IS NOT NULL AND a.state = 'open' AND r.created_at < a.retry_from, false)
                   ) AS refinement,
                   (u.palette IS NULL OR u.stopped)
                       AND (u.palette IS NOT NULL OR a.state IS NOT DISTINCT FROM 'stopped') AS stopped,
                   a.state IS NOT DISTINCT FROM 'open' AND a.despite_checks AS despite_checks
            FROM palettes p LEFT JOIN lacks u ON u.palette = p.rowid LEFT JOIN usable s USING (seed)
            LEFT JOIN tag_consensus c ON c.seed = p.seed AND c.prompt_version = $1
            LEFT JOIN palette_tag_refined r ON r.seed = p.seed AND r.prompt_version = $1
            LEFT JOIN asks a ON a.purpose = 'refinement' AND a.subject = p.seed AND a.prompt_version = $1
        ),
        {withheld(_READY)}
        SELECT f.seed, answers, consensus, refinement, stopped, w.seed IS NOT NULL
        FROM found f LEFT JOIN withheld w ON w.seed = f.seed ORDER BY f.created_at, f.palette
        """,
        [prompt_version],
    ).fetchall()
    connection.execute("DROP TABLE unanswered")
    return [PaletteNeed(*row) for row in rows]


def failed_tagging(connection: DuckDBPyConnection, prompt_version: str | None) -> list[FailedAsk]:
    """Tagging asks that were stopped or have unusable answers, under one prompt version or all."""
    rows = connection.execute(
        """
        SELECT a.prompt_version, a.subject, a.provider, a.model, a.request_digest, a.chained, a.allow_unpriced,
               a.despite_checks, a.cap_id, count(t.error), a.state = 'stopped',
               a.analyses - count(*) FILTER (t.seed IS NOT NULL AND t.error IS NULL AND t.analysis_index < a.analyses)
        FROM asks a LEFT JOIN palette_tags t
          ON t.seed = a.subject AND t.prompt_version = a.prompt_version AND t.provider = a.provider
              AND t.model = a.model
        WHERE a.purpose = 'tagging' AND ($1 IS NULL OR a.prompt_version = $1)
        GROUP BY a.prompt_version, a.subject, a.provider, a.model, a.request_digest, a.chained, a.allow_unpriced,
                 a.despite_checks, a.cap_id, a.state, a.analyses
        HAVING count(t.error) > 0 OR a.state = 'stopped' ORDER BY ALL
        """,
        [prompt_version],
    ).fetchall()
    return [_failed(row) for row in rows]


def failed_refinements(connection: DuckDBPyConnection, prompt_version: str | None) -> list[FailedAsk]:
    """Refinement asks that were stopped or answered with something unusable."""
    rows = connection.execute(
        """
        SELECT a.prompt_version, a.subject, a.provider, a.model, a.request_digest, a.chained, a.allow_unpriced,
               a.despite_checks, a.cap_id, count(r.seed), a.state = 'stopped', 1
        FROM asks a LEFT JOIN palette_tag_refined r
          ON r.seed = a.subject AND r.prompt_version = a.prompt_version AND r.error IS NOT NULL
        WHERE a.purpose = 'refinement' AND ($1 IS NULL OR a.prompt_version = $1)
        GROUP BY ALL HAVING count(r.seed) > 0 OR a.state = 'stopped' ORDER BY ALL
        """,
        [prompt_version],
    ).fetchall()
    return [_failed(row) for row in rows]


def _failed(row: tuple[str, str, str, str, str, bool, bool, bool, str | None, int, bool, int]) -> FailedAsk:
    version, seed, provider, model, digest, chained, unpriced, despite, cap_id, failures, stopped, missing = row
    return FailedAsk(
        SubjectVersion(version, seed),
        AskTarget(provider, model, digest),
        chained,
        unpriced,
        despite,
        cap_id,
        failures,
        stopped,
        missing,
    )
