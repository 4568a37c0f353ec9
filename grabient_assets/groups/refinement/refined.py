"""The table palette_tag_refined, and what of it is still missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.groups.palettes.tables import records_of
from grabient_assets.groups.tagging.withheld import withheld
from grabient_assets.ledger.asked_progress import Failure
from grabient_assets.ledger.asks import SubjectVersion, chosen, named
from grabient_assets.ledger.identity import custom_id, stem_of
from grabient_assets.ledger.purpose import AnswerTable
from grabient_assets.warehouse.rows import insert_rows, replacing_failures

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class RefinedRecord:
    """One row of `palette_tag_refined`: refined tags, or with `error` the reason why there are none."""

    seed: str
    prompt_version: str
    source_prompt_version: str
    model: str
    custom_id: str
    fate: str
    consensus_digest: str
    created_at: datetime
    temperature: str | None = None
    contrast: str | None = None
    brightness: str | None = None
    saturation: str | None = None
    mood: tuple[str, ...] | None = None
    style: tuple[str, ...] | None = None
    dominant_colors: tuple[str, ...] | None = None
    seasonal: tuple[str, ...] | None = None
    associations: tuple[str, ...] | None = None
    embed_text: str | None = None
    embed_text_repaired: bool | None = None
    error: str | None = None
    notes: tuple[str, ...] | None = None
    answer_text: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    batch_id: str | None = None


# A refinement rests on the consensus: it is answered when its row was made from the consensus as it stands now, and
# equal colours with an equal consensus are one request.
_MISSING = f"""
    missing AS (
        SELECT a.subject AS seed, a.prompt_version, a.model, a.retry_from, a.allow_unpriced, a.cap_id,
               a.despite_checks, a.basis AS consensus_digest, {custom_id("a.stem", "0")} AS custom_id
        FROM asks a WHERE a.purpose = 'refinement' AND a.state = 'open' AND a.stem IS NOT NULL AND NOT EXISTS (
            SELECT 1 FROM palette_tag_refined r
            WHERE r.seed = a.subject AND r.prompt_version = a.prompt_version AND {stem_of("r.custom_id")} = a.stem
              AND (r.error IS NULL OR a.retry_from IS NULL OR r.created_at >= a.retry_from))
    ),
    tagging_open AS (
        SELECT DISTINCT subject AS seed, prompt_version FROM asks WHERE purpose = 'tagging' AND state = 'open'
    )
"""
_KEY = ("seed", "prompt_version")
PALETTE_TAG_REFINED = AnswerTable(
    "palette_tag_refined",
    _KEY,
    replacing_failures(RefinedRecord, _KEY, "palette_tag_refined"),
    subject="seed",
    analysis_index="0",
    versions=("prompt_version", "source_prompt_version"),
    asked_of=("model",),
    newest_stands=True,
)
TAGGING_OPEN = "SELECT subject, prompt_version FROM asks WHERE purpose = 'tagging' AND state = 'open'"
"""Relation of the palettes whose consensus is still to come, or to change."""


def kept_back(candidates: str) -> str:
    """Common table expressions, the last of them `kept_back`: those of `candidates` (subject, prompt_version,
    despite_checks) that are not refined now. Their tagging is open, a check keeps them back (withheld.py), or their
    picture is still to be drawn."""
    return f"""
        {withheld(f"SELECT subject AS seed, prompt_version FROM ({candidates}) WHERE NOT despite_checks")},
        kept_back AS (
            SELECT seed AS subject, prompt_version FROM withheld
            UNION {TAGGING_OPEN}
            UNION SELECT subject, prompt_version FROM ({candidates})
            WHERE subject NOT IN (SELECT seed FROM palette_images)
        )
    """


def _refinements_to_come() -> str:
    """Relation of the refinements that no open ask can send yet and no check keeps back: those that are asked for and
    wait for a consensus or a picture, and those that follow by themselves and are not asked for yet.

    Who refines, and which providers must be asked before it follows, says `request_sizes`.
    """
    return f"""
        WITH {_MISSING},
        unsettled AS (
            SELECT seed, prompt_version FROM tagging_open
            UNION SELECT seed, prompt_version FROM tagging_waves WHERE state = 'open'
        ),
        wished AS (
            SELECT a.subject AS seed, a.prompt_version, max(a.asked_at) FILTER (a.chained) AS asked_at,
                   arg_max_null(a.cap_id, a.asked_at) AS cap_id, bool_or(a.allow_unpriced) AS allow_unpriced,
                   list_concat(list(DISTINCT a.provider), coalesce(any_value(v.providers), [])) AS providers
            FROM asks a LEFT JOIN tagging_waves v ON v.seed = a.subject AND v.prompt_version = a.prompt_version
            WHERE a.purpose = 'tagging' GROUP BY ALL HAVING bool_or(a.chained)
        ),
        following AS (
            SELECT w.seed, w.prompt_version, z.provider, z.model, w.cap_id, w.allow_unpriced
            FROM wished w JOIN request_sizes z USING (prompt_version)
            LEFT JOIN asks a ON a.purpose = 'refinement' AND a.subject = w.seed AND a.prompt_version = w.prompt_version
            LEFT JOIN unsettled u ON u.seed = w.seed AND u.prompt_version = w.prompt_version
            LEFT JOIN tag_consensus c ON c.seed = w.seed AND c.prompt_version = w.prompt_version
            LEFT JOIN palette_tag_refined r ON r.seed = w.seed AND r.prompt_version = w.prompt_version
            WHERE z.purpose = 'refinement' AND list_has_all(w.providers, z.follows)
              AND (a.subject IS NULL OR (a.state <> 'open' AND a.asked_at < w.asked_at))
              AND (u.seed IS NOT NULL
                   OR (c.seed IS NOT NULL AND r.consensus_digest IS DISTINCT FROM c.digest)
                   OR (c.seed IS NULL AND EXISTS (
                       SELECT 1 FROM palette_tags t
                       WHERE t.seed = w.seed AND t.prompt_version = w.prompt_version AND t.error IS NULL)))
        ),
        waiting AS (
            SELECT a.subject AS seed, a.prompt_version, a.provider, a.model, a.cap_id, a.allow_unpriced,
                   a.despite_checks
            FROM asks a LEFT JOIN tagging_open o ON o.seed = a.subject AND o.prompt_version = a.prompt_version
            LEFT JOIN missing m ON m.seed = a.subject AND m.prompt_version = a.prompt_version
            WHERE a.purpose = 'refinement' AND a.state = 'open' AND (
                o.seed IS NOT NULL OR (m.seed IS NOT NULL AND a.subject NOT IN (SELECT seed FROM palette_images)))
        ),
        coming AS (SELECT *, false AS despite_checks FROM following UNION ALL BY NAME FROM waiting),
        {
        withheld(
            "SELECT seed, prompt_version FROM coming ANTI JOIN unsettled USING (seed, prompt_version)"
            " WHERE NOT despite_checks"
        )
    }
        SELECT seed AS subject, prompt_version, provider, model, cap_id, allow_unpriced, 1 AS requests
        FROM coming ANTI JOIN withheld USING (seed, prompt_version)
    """


REFINEMENTS_TO_COME = _refinements_to_come()


def record_refined(connection: DuckDBPyConnection, records: Sequence[RefinedRecord]) -> None:
    """Insert refinements and failures. An answer replaces what was there; a failure never replaces an answer.

    A late answer to an earlier consensus never replaces the answer to the consensus as it stands.
    """
    insert_rows(connection, "palette_tag_refined", records, PALETTE_TAG_REFINED.keep_current("refinement"))


def refined(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> list[RefinedRecord]:
    """The rows of these palettes, failures included."""
    return records_of(connection, RefinedRecord, "palette_tag_refined", among)


def begun_refinements(connection: DuckDBPyConnection, prompt_version: str) -> set[str]:
    """The palettes, by seed, that have a refinement under this version, good or failed, or one under way: their own or
    an equal one."""
    rows = connection.execute(
        f"""
        WITH {_MISSING}
        SELECT seed FROM palette_tag_refined WHERE prompt_version = $1
        UNION SELECT r.subject FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE b.purpose = 'refinement' AND b.prompt_version = $1
        UNION SELECT m.seed FROM missing m SEMI JOIN batch_requests USING (custom_id) WHERE m.prompt_version = $1
        """,
        [prompt_version],
    ).fetchall()
    return {row[0] for row in rows}


def chained_refinements(connection: DuckDBPyConnection, tagged: Sequence[SubjectVersion]) -> list[SubjectVersion]:
    """Those of the completely tagged palettes whose refinement follows by itself and is not asked for yet. It does not
    while a check keeps them back (withheld.py).

    A refined palette is refined again when it was asked for once more since and its consensus has changed.
    """
    rows = connection.execute(
        f"""
        WITH {chosen("seed")}, wished AS (
            SELECT c.seed, c.prompt_version, max(a.asked_at) AS asked_at
            FROM asks a JOIN chosen c ON c.seed = a.subject AND c.prompt_version = a.prompt_version
            WHERE a.purpose = 'tagging' AND a.chained GROUP BY ALL
        ),
        following AS (
            SELECT w.prompt_version, w.seed FROM wished w JOIN tag_consensus c USING (seed, prompt_version)
            LEFT JOIN asks a ON a.purpose = 'refinement' AND a.subject = w.seed AND a.prompt_version = w.prompt_version
            LEFT JOIN palette_tag_refined r ON r.seed = w.seed AND r.prompt_version = w.prompt_version
            WHERE a.subject IS NULL
               OR (a.state <> 'open' AND a.asked_at < w.asked_at AND r.consensus_digest IS DISTINCT FROM c.digest)
        ),
        {withheld("SELECT seed, prompt_version FROM following")}
        SELECT prompt_version, seed FROM following ANTI JOIN withheld USING (seed, prompt_version) ORDER BY 1, 2
        """,
        named(tagged),
    ).fetchall()
    return [SubjectVersion(*row) for row in rows]


def open_refiners(
    connection: DuckDBPyConnection, among: Sequence[SubjectVersion]
) -> dict[SubjectVersion, tuple[str, str]]:
    """Provider and model of whom the refinement of these palettes is asked now."""
    rows = connection.execute(
        f"""
        WITH {chosen()}
        SELECT prompt_version, subject, provider, model FROM asks JOIN chosen USING (subject, prompt_version)
        WHERE purpose = 'refinement' AND state = 'open'
        """,
        named(among),
    ).fetchall()
    return {SubjectVersion(version, seed): (provider, model) for version, seed, provider, model in rows}


def refinement_failures(connection: DuckDBPyConnection) -> dict[SubjectVersion, Failure]:
    """The palettes whose refinement has failed, and was not asked for once more since."""
    rows = connection.execute(
        """
        SELECT a.prompt_version, a.subject, coalesce(r.error, a.reason, 'no reason given'),
               coalesce(r.created_at, a.closed_at)
        FROM asks a LEFT JOIN palette_tag_refined r ON r.seed = a.subject AND r.prompt_version = a.prompt_version
        WHERE a.purpose = 'refinement' AND a.state <> 'open'
          AND (r.error IS NOT NULL OR (r.seed IS NULL AND a.state = 'stopped'))
        ORDER BY 1, 2
        """
    ).fetchall()
    return {
        SubjectVersion(version, seed): Failure(why, since.isoformat() if since else "")
        for version, seed, why, since in rows
    }


def outdated_refinements(connection: DuckDBPyConnection) -> int:
    """How many refined palettes were refined from a consensus that reads otherwise now."""
    row = connection.execute(
        """
        SELECT count(*) FROM palette_tag_refined r JOIN tag_consensus c USING (seed, prompt_version)
        WHERE r.error IS NULL AND r.consensus_digest <> c.digest
        """
    ).fetchone()
    return int(row[0]) if row else 0
