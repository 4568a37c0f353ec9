"""The table tagging_waves: palettes that are tagged adaptively, each in a wave of its plan (wave_plans.py).

A row holds the wave of the palette, the terms of the later waves, and when settled the reason. The transaction that
begins a wave also writes its asks; so a wave is never lost and never asked twice, whenever a process is killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from grabient_assets.groups.tagging.wave_audit import PENDING, PaletteAudit, palette_audit_words
from grabient_assets.groups.tagging.wave_plans import WavePlan, covering_plans
from grabient_assets.ledger.asks import AskTerms, SubjectVersion, asking, chosen, named, set_terms

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose

CERTAIN = 0.99
"""A palette is certain when the most probable value of each categorical field has at least this probability. Votes are
discounted by the errors that models share on palettes of known answer; what they share on hard ones no agreement shows,
so the threshold is high. On the emulator accuracy does not move from 0.9 on; at 0.99 all values are those of the full
panel, and 0.999 costs half as much again."""


Reason = Literal["certain", "last wave", "cancelled", "asked in full"]
"""Why a palette is settled: sure enough; nobody is left to ask; a person cancelled all of its wave; somebody wanted
everything."""


@dataclass(frozen=True, slots=True)
class WaveEnd:
    """A palette of whose wave nothing is open any more. `last`: there is no further one. `cancelled`: it has no usable
    answer, and a person cancelled some of them."""

    partition: SubjectVersion
    wave: int
    last: bool
    cancelled: bool
    plan_id: str = ""
    audited: bool = False
    """It was certain after wave one, and what became of its values is not noted yet."""


_ENDED = """
    ended AS (SELECT unnest($seeds::VARCHAR[]) AS seed, unnest($versions::VARCHAR[]) AS prompt_version,
                     unnest($waves::INTEGER[]) AS wave)
"""


_CHOSEN = chosen("seed")


# A settled palette has enough when it was asked about with all of these models, and is certain or has no further wave.
_ENOUGH = """
    w.state = 'settled' AND list_contains($covering::VARCHAR[], w.plan_id)
    AND (w.reason = 'certain' OR w.reason = 'last wave' AND p.analyses >= $cap)
    AND EXISTS (SELECT 1 FROM palette_tags t
                WHERE t.seed = w.seed AND t.prompt_version = w.prompt_version AND t.error IS NULL)
"""


_ENTER = f"""
    WITH {_CHOSEN}
    INSERT INTO tagging_waves BY NAME
    SELECT c.seed, c.prompt_version, $plan AS plan_id,
           CASE WHEN p.panel_id = $panel AND (w.state = 'open' OR $retry) THEN w.wave ELSE 1 END AS wave,
           list_sort(list_distinct(list_concat(coalesce(w.providers, []), $providers::VARCHAR[]))) AS providers,
           $chained AS chained, $allow_unpriced AS allow_unpriced, $cap_id AS cap_id, 'open' AS state,
           $now AS asked_at, $now AS wave_at, false AS held
    FROM chosen c LEFT JOIN tagging_waves w USING (seed, prompt_version) LEFT JOIN wave_plans p USING (plan_id)
    WHERE $retry OR NOT coalesce({_ENOUGH}, false)
    ON CONFLICT DO UPDATE SET
        wave = excluded.wave, plan_id = excluded.plan_id, providers = excluded.providers,
        chained = excluded.chained, allow_unpriced = excluded.allow_unpriced, cap_id = excluded.cap_id,
        state = 'open', reason = NULL, settled_at = NULL, wave_at = excluded.wave_at, held = false
"""

# A settled palette is asked nothing. What follows its tagging follows on the new terms.
_NEW_TERMS = f"""
    WITH {_CHOSEN}
    SELECT seed AS subject, prompt_version, $chained AS chained, $allow_unpriced AS allow_unpriced, $cap_id AS cap_id,
           $now AS asked_at
    FROM tagging_waves SEMI JOIN chosen USING (seed, prompt_version) WHERE state = 'settled'
"""

_REACHED = "m.wave <= w.wave"
_JUST_MOVED = """
    w.wave_at = $now AND m.wave = w.wave AND list_contains(w.providers, m.provider) AND NOT EXISTS (
        SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.state = 'stopped' AND a.subject = w.seed
          AND a.prompt_version = w.prompt_version AND a.provider = m.provider AND a.model = m.model)
"""


def _asking(which: str, purpose: Purpose) -> str:
    """Statement that asks the members of these waves, over the relation `chosen`. `which` is a condition on w and m."""
    members = f"""
    SELECT 'tagging' AS purpose, w.seed AS subject, w.prompt_version, m.provider, m.model,
           '{purpose.delivery}' AS delivery,
           any_value(m.request_digest) AS request_digest, max(m.analyses) AS analyses,
           any_value(w.chained) AS chained, any_value(w.allow_unpriced) AS allow_unpriced, false AS despite_checks,
           any_value(w.cap_id) AS cap_id, 'open' AS state, $now AS asked_at,
           CASE WHEN $retry THEN $now END AS retry_from
    FROM tagging_waves w JOIN chosen USING (seed, prompt_version) JOIN wave_members m USING (plan_id)
    WHERE w.state = 'open' AND list_contains($asked::VARCHAR[], m.provider)
      AND {which} GROUP BY ALL
    """
    return asking(members, purpose)


def answered_enough(
    connection: DuckDBPyConnection, prompt_version: str, request_digests: Sequence[str], analyses: int
) -> set[str]:
    """Palettes to which an adaptive ask for these requests, up to so many analyses, has nothing to add: not even new
    terms for what was asked again and is open."""
    rows = connection.execute(
        f"""
        SELECT w.seed FROM tagging_waves w JOIN wave_plans p USING (plan_id)
        WHERE w.prompt_version = $version AND {_ENOUGH} AND NOT EXISTS (
            SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.state = 'open'
              AND a.subject = w.seed AND a.prompt_version = w.prompt_version)
        """,
        {
            "version": prompt_version,
            "covering": covering_plans(connection, prompt_version, request_digests),
            "cap": analyses,
        },
    ).fetchall()
    return {row[0] for row in rows}


def start_waves(
    connection: DuckDBPyConnection,
    purpose: Purpose,
    plan: WavePlan,
    wanted: Sequence[SubjectVersion],
    providers: Sequence[str],
    terms: AskTerms,
    now: datetime,
    *,
    retry: bool = False,
) -> None:
    """Want these palettes tagged wave by wave at these providers, and ask for the wave they are in. Idempotent. With
    `retry`, failures up to that wave count as missing.

    A palette that is under way goes on where it is, on the new terms; under other models than before it starts again,
    and what is answered counts. One that has enough is asked nothing, and only takes the terms for what follows.
    """
    among = named(wanted)
    digests = [member.request_digest for wave in plan.waves for member in wave]
    columns = ("chained", "allow_unpriced", "cap_id")
    on_terms = {**{name: getattr(terms, name) for name in columns}, "now": now}
    connection.execute(
        _ENTER,
        {
            **among,
            **on_terms,
            "plan": plan.plan_id,
            "panel": plan.panel_id,
            "covering": covering_plans(connection, plan.prompt_version, digests),
            "cap": plan.analyses,
            "retry": retry,
            "providers": sorted(providers),
        },
    )
    connection.execute(
        f"WITH {_CHOSEN} {_asking(_REACHED, purpose)}",
        {**among, "asked": sorted(providers), "now": now, "retry": retry},
    )
    set_terms(connection, "tagging", _NEW_TERMS, (*columns, "asked_at"), {**among, **on_terms})


def ended_waves(
    connection: DuckDBPyConnection, providers: Sequence[str], among: Sequence[SubjectVersion] | None = None
) -> list[WaveEnd]:
    """Palettes whose wave asked every one of `providers` and has no open ask: they can be judged. Palettes that wait
    for the audit of their plan are left out."""
    rows = connection.execute(
        f"""
        WITH {_CHOSEN}, outcomes AS (
            SELECT seed, prompt_version, bool_or(error IS NULL) AS usable, bool_or(fate = 'cancelled') AS cancelled
            FROM palette_tags SEMI JOIN (SELECT * FROM tagging_waves WHERE state = 'open') USING (seed, prompt_version)
            GROUP BY ALL
        )
        SELECT w.prompt_version, w.seed, w.wave, w.wave >= p.waves, coalesce(h.cancelled AND NOT h.usable, false),
               w.plan_id, EXISTS (SELECT 1 FROM wave_audits a WHERE a.seed = w.seed AND a.ended_at IS NULL
                                  AND a.prompt_version = w.prompt_version AND a.plan_id = w.plan_id)
        FROM tagging_waves w LEFT JOIN outcomes h USING (seed, prompt_version) JOIN wave_plans p USING (plan_id)
        WHERE w.state = 'open' AND list_has_all(w.providers, $providers::VARCHAR[])
          AND NOT (coalesce(w.held, false) AND {PENDING})
          AND ($everything OR (w.seed, w.prompt_version) IN (SELECT (seed, prompt_version) FROM chosen))
          AND NOT EXISTS (
            SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.state = 'open'
              AND a.subject = w.seed AND a.prompt_version = w.prompt_version)
        ORDER BY 1, 2
        """,
        {
            "everything": among is None,
            **named(among or ()),
            "providers": list(providers),
        },
    ).fetchall()
    return [WaveEnd(SubjectVersion(row[0], row[1]), *row[2:]) for row in rows]


def go_on(
    connection: DuckDBPyConnection, purpose: Purpose, ended: Sequence[WaveEnd], providers: Sequence[str], now: datetime
) -> None:
    """Take these palettes to their next wave and ask for it: of `providers`, except what was stopped before.

    One that somebody else took on since, or whose answers are awaited again, is left alone.
    """
    connection.execute(
        f"""
        WITH {_ENDED}
        UPDATE tagging_waves SET wave = c.wave + 1, wave_at = $now, held = false
        FROM ended c
        WHERE tagging_waves.seed = c.seed AND tagging_waves.prompt_version = c.prompt_version
          AND tagging_waves.wave = c.wave AND tagging_waves.state = 'open' AND NOT EXISTS (
            SELECT 1 FROM asks a WHERE a.purpose = 'tagging' AND a.state = 'open'
              AND a.subject = c.seed AND a.prompt_version = c.prompt_version)
        """,
        {**_keys(ended), "now": now},
    )
    # Those just moved are known by their time: in a file with small row groups (attaching.py) UPDATE ... RETURNING of
    # DuckDB 1.5.5 leaves out some of many rows, 352 of 100,000 in every third try.
    connection.execute(
        f"""
        WITH {_ENDED}, chosen AS (SELECT seed, prompt_version FROM ended) {_asking(_JUST_MOVED, purpose)}
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


def hold(connection: DuckDBPyConnection, ended: Sequence[WaveEnd]) -> None:
    """Let these palettes wait for the audit of their plan: they are certain, unless the audit rejects wave one."""
    connection.execute(
        f"""
        WITH {_ENDED}
        UPDATE tagging_waves SET held = true FROM ended c
        WHERE tagging_waves.seed = c.seed AND tagging_waves.prompt_version = c.prompt_version
          AND tagging_waves.wave = c.wave AND tagging_waves.state = 'open'
        """,
        _keys(ended),
    )


def settle_in_full(connection: DuckDBPyConnection, wanted: Sequence[SubjectVersion], now: datetime) -> None:
    """These palettes are asked of everybody now: what was open of their waves is settled."""
    connection.execute(
        f"""
        WITH {_CHOSEN}
        UPDATE tagging_waves SET state = 'settled', reason = 'asked in full', settled_at = $now
        WHERE state = 'open' AND (seed, prompt_version) IN (SELECT (seed, prompt_version) FROM chosen)
        """,
        {**named(wanted), "now": now},
    )


def reopen_cancelled(connection: DuckDBPyConnection, wanted: Sequence[SubjectVersion]) -> None:
    """Take up the waves of these palettes that ended because a person cancelled them: they are asked again."""
    connection.execute(
        f"""
        WITH {_CHOSEN}
        UPDATE tagging_waves SET state = 'open', reason = NULL, settled_at = NULL
        WHERE reason = 'cancelled' AND (seed, prompt_version) IN (SELECT (seed, prompt_version) FROM chosen)
        """,
        named(wanted),
    )


def _keys(ended: Sequence[WaveEnd]) -> dict[str, list[str] | list[int]]:
    return {
        "seeds": [one.partition.subject for one in ended],
        "versions": [one.partition.prompt_version for one in ended],
        "waves": [one.wave for one in ended],
    }


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
        f"""
        WITH {_CHOSEN}
        SELECT w.prompt_version, w.seed, w.wave, p.waves, w.reason, a.certain_of, a.ended_as
        FROM tagging_waves w JOIN chosen USING (seed, prompt_version) JOIN wave_plans p USING (plan_id)
            LEFT JOIN wave_audits a ON a.seed = w.seed AND a.prompt_version = w.prompt_version AND a.plan_id = w.plan_id
        """,
        named(among),
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


def wave_words(state: WaveState) -> str:
    """How far one palette is: "2 of 3", when it is settled why, and what the audit made of it."""
    place = f"{state.wave} of {state.waves}"
    text = place if state.reason is None else f"{place}, settled: {state.reason}"
    return text if state.audit is None else f"{text}. {palette_audit_words(state.audit)}"


def under_way_sentence(counts: Sequence[WaveCount]) -> str:
    """How many palettes are in which wave, or wait for the audit of it; empty when none is under way."""
    waits = "certain after wave {0.wave} of {0.waves}, waiting for its audit ({0.prompt_version})"
    found = [
        f"{one.palettes} "
        + (waits if one.reason else "palettes in wave {0.wave} of {0.waves} ({0.prompt_version})").format(one)
        for one in counts
        if one.reason in (None, "held")
    ]
    return f"Tagged adaptively: {', '.join(found)}." if found else ""


def settled_sentence(counts: Sequence[WaveCount]) -> str:
    """How many palettes were settled after which wave and why; empty when none is."""
    found = [
        f"{one.palettes} after wave {one.wave} of {one.waves} ({one.prompt_version}, {one.reason})"
        for one in counts
        if one.reason not in (None, "held")
    ]
    return f"Settled adaptively: {', '.join(found)}." if found else ""
