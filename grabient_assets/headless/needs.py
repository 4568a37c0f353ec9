"""Which palettes still need work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.groups.tagging.tags import PALETTE_TAGS
from grabient_assets.groups.tagging.withheld import withheld
from grabient_assets.ledger.asks import AskTarget
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


_IF_ASKED = f"""
    SELECT p.seed AS subject, p.place AS palette, $version AS prompt_version, $provider AS provider, $model AS model,
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
            SELECT p.seed, p.created_at, p.place AS palette, u.palette IS NOT NULL AS answers,
                   c.seed IS NULL AND s.seed IS NOT NULL AS consensus,
                   c.seed IS NOT NULL AND (
                       r.consensus_digest IS DISTINCT FROM c.digest
                       OR coalesce(r.error IS NOT NULL AND a.state = 'open' AND r.created_at < a.retry_from, false)
                   ) AS refinement,
                   (u.palette IS NULL OR u.stopped)
                       AND (u.palette IS NOT NULL OR a.state IS NOT DISTINCT FROM 'stopped') AS stopped,
                   a.state IS NOT DISTINCT FROM 'open' AND a.despite_checks AS despite_checks
            FROM palettes p LEFT JOIN lacks u ON u.palette = p.place LEFT JOIN usable s USING (seed)
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


def refinable(connection: DuckDBPyConnection, prompt_version: str) -> list[str]:
    """The palettes with a consensus whose refinement can be asked for: it is lacking, nobody asks for it yet, and no
    check keeps it back. In order of arrival."""
    lacking_it = [
        need.seed
        for need in needs(connection, prompt_version, (), 1)
        if need.refinement and not need.withheld and not need.stopped
    ]
    asked = connection.execute(
        "SELECT subject FROM asks WHERE purpose = 'refinement' AND prompt_version = $1 AND state = 'open'",
        [prompt_version],
    ).fetchall()
    already = {row[0] for row in asked}
    return [seed for seed in lacking_it if seed not in already]
