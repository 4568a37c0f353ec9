"""The tables wave_plans and wave_members: who is asked in which wave, and how often by then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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


def covering_plans(connection: DuckDBPyConnection, prompt_version: str, request_digests: Sequence[str]) -> list[str]:
    """The plans in which all of these requests are."""
    rows = connection.execute(
        """
        SELECT plan_id FROM wave_plans JOIN wave_members USING (plan_id) WHERE prompt_version = $1
        GROUP BY plan_id HAVING list_has_all(list(DISTINCT request_digest), $2::VARCHAR[])
        """,
        [prompt_version, list(request_digests)],
    ).fetchall()
    return [row[0] for row in rows]
