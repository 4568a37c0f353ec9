"""Adaptive tagging in the tables wave_plans, wave_members and tagging_waves.

A plan says who is asked in which wave, and how often by then. A palette that is tagged adaptively has a row: which
wave it is in, on what terms the later ones are asked, and when settled why. Whoever begins a wave also writes its asks,
in the same transaction; so a wave is never lost and never asked twice, whenever a process is killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from grabient_assets.warehouse.asks import ASKED_AGAIN, AskTerms, PaletteVersion
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Reason = Literal["certain", "last wave", "cancelled", "asked in full"]
"""Why a palette is settled: sure enough; nobody is left to ask; a person cancelled all of its wave; somebody wanted
everything."""


@dataclass(frozen=True, slots=True)
class WaveMember:
    """A model in a wave, and how often it is asked by the end of it. The digest is that of its requests."""

    provider: str
    model: str
    request_digest: str
    analyses: int


@dataclass(frozen=True, slots=True)
class WavePlan:
    """Who is asked in which wave. `panel_id` stands for the requests of all models, whatever their waves; `analyses` is
    the cap; `basis` says how wave one was chosen: measured or cheapest."""

    plan_id: str
    prompt_version: str
    panel_id: str
    analyses: int
    basis: str
    waves: tuple[tuple[WaveMember, ...], ...]


@dataclass(frozen=True, slots=True)
class WaveEnd:
    """A palette of whose wave nothing is open any more. `last`: there is no further one. `cancelled`: it has no usable
    answer, and a person cancelled some of them."""

    partition: PaletteVersion
    wave: int
    last: bool
    cancelled: bool


@dataclass(frozen=True, slots=True)
class WaveState:
    """How far a palette is: in or settled after `wave` of `waves`, and why it is settled."""

    wave: int
    waves: int
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class WaveCount:
    """How many palettes of a version are in a wave (`reason` None), or were settled after it for this reason."""

    prompt_version: str
    wave: int
    waves: int
    reason: Reason | None
    palettes: int


@dataclass(frozen=True, slots=True)
class _PlanRow:
    plan_id: str
    prompt_version: str
    panel_id: str
    analyses: int
    waves: int
    basis: str
    made_at: datetime


@dataclass(frozen=True, slots=True)
class _MemberRow:
    plan_id: str
    wave: int
    provider: str
    model: str
    request_digest: str
    analyses: int


_ENDED = """
    ended AS (SELECT unnest($seeds::VARCHAR[]) AS seed, unnest($versions::VARCHAR[]) AS prompt_version,
                     unnest($waves::INTEGER[]) AS wave)
"""
_CHOSEN = "chosen AS (SELECT unnest($seeds::VARCHAR[]) AS seed, unnest($versions::VARCHAR[]) AS prompt_version)"

# A settled palette has enough when it was asked about with all of these models, and is certain or has no further wave.
_ENOUGH = """
    w.state = 'settled' AND list_contains($covering::VARCHAR[], w.plan_id)
    AND (w.reason = 'certain' OR w.reason = 'last wave' AND p.analyses >= $cap)
    AND EXISTS (SELECT 1 FROM palette_tags t
                WHERE t.seed = w.seed AND t.prompt_version = w.prompt_version AND t.error IS NULL)
"""

_OF_WAVE = """
    INSERT INTO asks BY NAME
    SELECT 'tagging' AS purpose, w.seed, w.prompt_version, m.provider, m.model,
           any_value(m.request_digest) AS request_digest, max(m.analyses) AS analyses,
           any_value(w.chained) AS chained, any_value(w.allow_unpriced) AS allow_unpriced, false AS despite_checks,
           any_value(w.cap_id) AS cap_id, 'open' AS state, $now AS asked_at,
           CASE WHEN $retry THEN $now END AS retry_from
    FROM tagging_waves w JOIN chosen USING (seed, prompt_version) JOIN wave_members m USING (plan_id)
    WHERE w.state = 'open' AND list_contains($asked::VARCHAR[], m.provider)
"""


def record_plan(connection: DuckDBPyConnection, plan: WavePlan, now: datetime) -> None:
    """Store the plan, unless it is stored."""
    row = _PlanRow(plan.plan_id, plan.prompt_version, plan.panel_id, plan.analyses, len(plan.waves), plan.basis, now)
    members = [
        _MemberRow(plan.plan_id, number, one.provider, one.model, one.request_digest, one.analyses)
        for number, wave in enumerate(plan.waves, 1)
        for one in wave
    ]
    insert_rows(connection, "wave_plans", [row], "ON CONFLICT DO NOTHING")
    insert_rows(connection, "wave_members", members, "ON CONFLICT DO NOTHING")


def plan_in_use(connection: DuckDBPyConnection, prompt_version: str, panel_id: str) -> WavePlan | None:
    """The newest plan for these models under which palettes are open: who is asked first does not change meanwhile."""
    row = connection.execute(
        """
        SELECT plan_id, prompt_version, panel_id, analyses, basis FROM wave_plans p
        WHERE prompt_version = $1 AND panel_id = $2
          AND EXISTS (SELECT 1 FROM tagging_waves w WHERE w.plan_id = p.plan_id AND w.state = 'open')
        ORDER BY made_at DESC, plan_id LIMIT 1
        """,
        [prompt_version, panel_id],
    ).fetchone()
    if row is None:
        return None
    members = connection.execute(
        """
        SELECT wave, provider, model, request_digest, analyses FROM wave_members WHERE plan_id = $1
        ORDER BY wave, provider, model
        """,
        [row[0]],
    ).fetchall()
    waves = tuple(tuple(WaveMember(*one[1:]) for one in found) for _, found in groupby(members, lambda one: one[0]))
    plan_id, version, panel, analyses, basis = row
    return WavePlan(plan_id, version, panel, analyses, basis, waves)


def answered_enough(
    connection: DuckDBPyConnection, prompt_version: str, request_digests: Sequence[str], analyses: int
) -> set[str]:
    """Palettes to which an adaptive ask for these requests, up to so many analyses, has nothing to add."""
    rows = connection.execute(
        f"""
        SELECT w.seed FROM tagging_waves w JOIN wave_plans p USING (plan_id)
        WHERE w.prompt_version = $version AND {_ENOUGH}
        """,
        {
            "version": prompt_version,
            "covering": _covering(connection, prompt_version, request_digests),
            "cap": analyses,
        },
    ).fetchall()
    return {row[0] for row in rows}


def start_waves(
    connection: DuckDBPyConnection,
    plan: WavePlan,
    wanted: Sequence[PaletteVersion],
    providers: Sequence[str],
    terms: AskTerms,
    now: datetime,
    *,
    chained: bool,
    retry: bool = False,
) -> None:
    """Want these palettes tagged wave by wave at these providers, and ask for the wave they are in. Idempotent. With
    `retry`, failures up to that wave count as missing.

    A palette that is under way goes on where it is, on the new terms; under other models than before it starts again,
    and what is answered counts. One that has enough is asked nothing, and only takes the terms for what follows.
    """
    among = {"seeds": [p.seed for p in wanted], "versions": [p.prompt_version for p in wanted]}
    connection.execute(
        f"""
        WITH {_CHOSEN}
        INSERT INTO tagging_waves BY NAME
        SELECT c.seed, c.prompt_version, $plan AS plan_id,
               CASE WHEN p.panel_id = $panel AND (w.state = 'open' OR $retry) THEN w.wave ELSE 1 END AS wave,
               list_sort(list_distinct(list_concat(coalesce(w.providers, []), $providers::VARCHAR[]))) AS providers,
               $chained AS chained, $allow_unpriced AS allow_unpriced, $cap_id AS cap_id, 'open' AS state,
               $now AS asked_at, $now AS wave_at
        FROM chosen c LEFT JOIN tagging_waves w USING (seed, prompt_version) LEFT JOIN wave_plans p USING (plan_id)
        WHERE $retry OR NOT coalesce({_ENOUGH}, false)
        ON CONFLICT DO UPDATE SET
            wave = excluded.wave, plan_id = excluded.plan_id, providers = excluded.providers,
            chained = excluded.chained, allow_unpriced = excluded.allow_unpriced, cap_id = excluded.cap_id,
            state = 'open', reason = NULL, settled_at = NULL, wave_at = excluded.wave_at
        """,
        {
            **among,
            "plan": plan.plan_id,
            "panel": plan.panel_id,
            "covering": _covering(connection, plan.prompt_version, [m.request_digest for w in plan.waves for m in w]),
            "cap": plan.analyses,
            "retry": retry,
            "providers": sorted(providers),
            "chained": chained,
            "allow_unpriced": terms.allow_unpriced,
            "cap_id": terms.cap_id,
            "now": now,
        },
    )
    connection.execute(
        f"WITH {_CHOSEN} {_OF_WAVE} AND m.wave <= w.wave GROUP BY ALL {ASKED_AGAIN}",
        {**among, "asked": sorted(providers), "now": now, "retry": retry},
    )
    connection.execute(
        f"""
        WITH {_CHOSEN}
        UPDATE asks SET chained = $chained, allow_unpriced = $allow_unpriced, cap_id = $cap_id, asked_at = $now
        WHERE purpose = 'tagging' AND (seed, prompt_version) IN (
            SELECT (seed, prompt_version) FROM tagging_waves SEMI JOIN chosen USING (seed, prompt_version)
            WHERE state = 'settled')
        """,
        {
            **among,
            "chained": chained,
            "allow_unpriced": terms.allow_unpriced,
            "cap_id": terms.cap_id,
            "now": now,
        },
    )


def ended_waves(
    connection: DuckDBPyConnection, providers: Sequence[str], among: Sequence[PaletteVersion] | None = None
) -> list[WaveEnd]:
    """Palettes of whose wave every one of `providers` was asked and nothing is open any more: they can be judged."""
    rows = connection.execute(
        f"""
        WITH {_CHOSEN}, heard AS (
            SELECT seed, prompt_version, bool_or(error IS NULL) AS usable, bool_or(fate = 'cancelled') AS cancelled
            FROM palette_tags SEMI JOIN (SELECT * FROM tagging_waves WHERE state = 'open') USING (seed, prompt_version)
            GROUP BY ALL
        )
        SELECT w.prompt_version, w.seed, w.wave, w.wave >= p.waves, coalesce(h.cancelled AND NOT h.usable, false)
        FROM tagging_waves w LEFT JOIN heard h USING (seed, prompt_version) JOIN wave_plans p USING (plan_id)
        WHERE w.state = 'open' AND list_has_all(w.providers, $providers::VARCHAR[])
          AND ($everything OR (w.seed, w.prompt_version) IN (SELECT (seed, prompt_version) FROM chosen))
          AND NOT EXISTS (
            SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.state = 'open'
              AND a.seed = w.seed AND a.prompt_version = w.prompt_version)
        ORDER BY 1, 2
        """,
        {
            "everything": among is None,
            "seeds": [p.seed for p in among or ()],
            "versions": [p.prompt_version for p in among or ()],
            "providers": list(providers),
        },
    ).fetchall()
    return [WaveEnd(PaletteVersion(row[0], row[1]), *row[2:]) for row in rows]


def go_on(connection: DuckDBPyConnection, ended: Sequence[WaveEnd], providers: Sequence[str], now: datetime) -> None:
    """Take these palettes to their next wave and ask for it: of `providers`, except what was stopped before.

    One that somebody else took on since, or whose answers are awaited again, is left alone.
    """
    connection.execute(
        f"""
        WITH {_ENDED}
        UPDATE tagging_waves SET wave = c.wave + 1, wave_at = $now
        FROM ended c
        WHERE tagging_waves.seed = c.seed AND tagging_waves.prompt_version = c.prompt_version
          AND tagging_waves.wave = c.wave AND tagging_waves.state = 'open' AND NOT EXISTS (
            SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.state = 'open'
              AND a.seed = c.seed AND a.prompt_version = c.prompt_version)
        """,
        {**_keys(ended), "now": now},
    )
    # Those just moved are known by their time: in a file with small row groups (attaching.py) UPDATE ... RETURNING of
    # DuckDB 1.5.5 leaves out some of many rows, 352 of 100,000 in every third try.
    connection.execute(
        f"""
        WITH {_ENDED}, chosen AS (SELECT seed, prompt_version FROM ended) {_OF_WAVE}
          AND w.wave_at = $now AND m.wave = w.wave AND list_contains(w.providers, m.provider)
          AND NOT EXISTS (
            SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.state = 'stopped' AND a.seed = w.seed
              AND a.prompt_version = w.prompt_version AND a.provider = m.provider AND a.model = m.model)
        GROUP BY ALL {ASKED_AGAIN}
        """,
        {
            **_keys(ended),
            "asked": sorted(providers),
            "now": now,
            "retry": False,
        },
    )


def settle(connection: DuckDBPyConnection, ended: Sequence[WaveEnd], reason: Reason, now: datetime) -> None:
    """Say of these palettes that nothing further is asked, and why."""
    connection.execute(
        f"""
        WITH {_ENDED}
        UPDATE tagging_waves SET state = 'settled', reason = $reason, settled_at = $now
        FROM ended c
        WHERE tagging_waves.seed = c.seed AND tagging_waves.prompt_version = c.prompt_version
          AND tagging_waves.wave = c.wave AND tagging_waves.state = 'open'
        """,
        {**_keys(ended), "reason": reason, "now": now},
    )


def settle_in_full(connection: DuckDBPyConnection, wanted: Sequence[PaletteVersion], now: datetime) -> None:
    """These palettes are asked of everybody now: what was open of their waves is settled."""
    connection.execute(
        f"""
        WITH {_CHOSEN}
        UPDATE tagging_waves SET state = 'settled', reason = 'asked in full', settled_at = $now
        WHERE state = 'open' AND (seed, prompt_version) IN (SELECT (seed, prompt_version) FROM chosen)
        """,
        {"seeds": [p.seed for p in wanted], "versions": [p.prompt_version for p in wanted], "now": now},
    )


def reopen_cancelled(connection: DuckDBPyConnection, wanted: Sequence[PaletteVersion]) -> None:
    """Take up the waves of these palettes that ended because a person cancelled them: they are asked again."""
    connection.execute(
        f"""
        WITH {_CHOSEN}
        UPDATE tagging_waves SET state = 'open', reason = NULL, settled_at = NULL
        WHERE reason = 'cancelled' AND (seed, prompt_version) IN (SELECT (seed, prompt_version) FROM chosen)
        """,
        {"seeds": [p.seed for p in wanted], "versions": [p.prompt_version for p in wanted]},
    )


def wave_states(connection: DuckDBPyConnection, among: Sequence[PaletteVersion]) -> dict[PaletteVersion, WaveState]:
    """How far these palettes are; those that are not tagged adaptively are not in the result."""
    rows = connection.execute(
        f"""
        WITH {_CHOSEN}
        SELECT w.prompt_version, w.seed, w.wave, p.waves, w.reason
        FROM tagging_waves w JOIN chosen USING (seed, prompt_version) JOIN wave_plans p USING (plan_id)
        """,
        {"seeds": [p.seed for p in among], "versions": [p.prompt_version for p in among]},
    ).fetchall()
    return {PaletteVersion(row[0], row[1]): WaveState(*row[2:]) for row in rows}


def wave_counts(
    connection: DuckDBPyConnection, prompt_version: str | None = None, seeds: Sequence[str] | None = None
) -> list[WaveCount]:
    """How many palettes are how far, under one prompt version or all, of these palettes or all."""
    rows = connection.execute(
        """
        SELECT w.prompt_version, w.wave, p.waves, w.reason, count(*)
        FROM tagging_waves w JOIN wave_plans p USING (plan_id)
        WHERE ($1 IS NULL OR w.prompt_version = $1) AND ($2 OR w.seed IN (SELECT unnest($3::VARCHAR[])))
        GROUP BY ALL ORDER BY 1, 2, 3, 4 NULLS FIRST
        """,
        [prompt_version, seeds is None, list(seeds or ())],
    ).fetchall()
    return [WaveCount(*row) for row in rows]


def _covering(connection: DuckDBPyConnection, prompt_version: str, request_digests: Sequence[str]) -> list[str]:
    """The plans in which all of these requests are."""
    rows = connection.execute(
        """
        SELECT plan_id FROM wave_plans JOIN wave_members USING (plan_id) WHERE prompt_version = $1
        GROUP BY plan_id HAVING list_has_all(list(DISTINCT request_digest), $2::VARCHAR[])
        """,
        [prompt_version, list(request_digests)],
    ).fetchall()
    return [row[0] for row in rows]


def _keys(ended: Sequence[WaveEnd]) -> dict[str, list[str] | list[int]]:
    return {
        "seeds": [one.partition.seed for one in ended],
        "versions": [one.partition.prompt_version for one in ended],
        "waves": [one.wave for one in ended],
    }
