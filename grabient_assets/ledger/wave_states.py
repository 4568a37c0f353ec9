"""How far palettes are that are tagged adaptively: the table tagging_waves, read for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.wave_audits import PaletteAudit
from grabient_assets.ledger.waves import Reason

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class WaveState:
    """How far a palette is: in or settled after `wave` of `waves`, and why it is settled. `audit`: what became of its
    values when it was certain after wave one and was asked on anyway."""

    wave: int
    waves: int
    reason: Reason | None
    audit: PaletteAudit | None = None


@dataclass(frozen=True, slots=True)
class WaveCount:
    """How many palettes of a version are in a wave (`reason` None), were settled after it for this reason, or are
    certain and wait for the audit of wave one (`held`)."""

    prompt_version: str
    wave: int
    waves: int
    reason: Reason | Literal["held"] | None
    palettes: int


def wave_states(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> dict[SubjectVersion, WaveState]:
    """How far these palettes are; those that are not tagged adaptively are not in the result."""
    rows = connection.execute(
        """
        WITH chosen AS (SELECT unnest($seeds::VARCHAR[]) AS seed, unnest($versions::VARCHAR[]) AS prompt_version)
        SELECT w.prompt_version, w.seed, w.wave, p.waves, w.reason, a.certain_of, a.ended_as
        FROM tagging_waves w JOIN chosen USING (seed, prompt_version) JOIN wave_plans p USING (plan_id)
            LEFT JOIN wave_audits a ON a.seed = w.seed AND a.prompt_version = w.prompt_version AND a.plan_id = w.plan_id
        """,
        {"seeds": [p.subject for p in among], "versions": [p.prompt_version for p in among]},
    ).fetchall()
    return {
        SubjectVersion(version, seed): WaveState(
            wave, waves, reason, None if before is None else PaletteAudit(tuple(before), after and tuple(after))
        )
        for version, seed, wave, waves, reason, before, after in rows
    }


def wave_counts(
    connection: DuckDBPyConnection, prompt_version: str | None = None, seeds: Sequence[str] | None = None
) -> list[WaveCount]:
    """How many palettes are how far, under one prompt version or all, of these palettes or all."""
    rows = connection.execute(
        """
        SELECT w.prompt_version, w.wave, p.waves, CASE WHEN w.state = 'open' AND w.held THEN 'held' ELSE w.reason END,
               count(*)
        FROM tagging_waves w JOIN wave_plans p USING (plan_id)
        WHERE ($1 IS NULL OR w.prompt_version = $1) AND ($2 OR w.seed IN (SELECT unnest($3::VARCHAR[])))
        GROUP BY ALL ORDER BY 1, 2, 3, 4 NULLS FIRST
        """,
        [prompt_version, seeds is None, list(seeds or ())],
    ).fetchall()
    return [WaveCount(*row) for row in rows]
