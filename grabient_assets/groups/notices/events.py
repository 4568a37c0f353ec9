"""The events that people are notified of: found in the tables, each with a name and a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.groups.notices.tables import FinishedVersion, day_counts, finished_versions
from grabient_assets.groups.notices.webhook import Event
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.refined import chained_refinements
from grabient_assets.groups.tagging.tag_consensus import without_current_consensus
from grabient_assets.groups.tagging.tags import complete_tagging
from grabient_assets.groups.tagging.withheld import Withheld, sentences, withheld_palettes
from grabient_assets.ledger.batches import open_batches
from grabient_assets.ledger.held_work import still_held
from grabient_assets.ledger.overdue import overdue, put_off, put_off_too_long
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def seen_events(
    connection: DuckDBPyConnection,
    budget: Decimal | None,
    providers: Sequence[str],
    failed_runs: Sequence[Event],
    now: datetime,
) -> list[Event]:
    """Everything that holds now: what finished, failed, found no money, is stuck or is withheld; and the day before.

    `failed_runs` are the events of runs that failed lately.
    """
    batches = open_batches(connection)
    # While batches are open, what they have set aside may come free and be enough.
    waiting = {} if batches else still_held(connection, PURPOSES, budget, now, None, None)
    held = [
        Event(f"over-budget:{now:%Y-%m}:{':'.join(map(str, astuple(key)))}", "over_budget", sentence)
        for key, sentence in waiting.items()
    ]
    stuck = [
        Event(f"stuck:{batch.batch_id}:{batch.status}", "stuck", sentence, {"requests": batch.request_count})
        for batch in batches
        if (sentence := overdue(batch, now))
    ]
    stuck += [
        Event(f"stuck:{one.purpose}:{one.provider}:{one.model}:{one.since.astimezone(UTC):%Y-%m-%d}", "stuck", sentence)
        for one in put_off(connection)
        if (sentence := put_off_too_long(one, now))
    ]
    kept = withheld_palettes(connection)
    events = [*failed_runs, *held, *stuck, *_withheld(kept), *_finished(connection, providers, kept)]
    return [*events, *_day_before(connection, events, failed_runs, len(kept), now)]


def _withheld(kept: Sequence[Withheld]) -> list[Event]:
    """One event per palette, because each is posted once; the sentence is that of all."""
    sentence = " ".join(sentences(kept))
    return [
        Event(f"withheld:{one.partition.prompt_version}:{one.partition.subject}:{one.answering}", "withheld", sentence)
        for one in kept
    ]


def _finished(connection: DuckDBPyConnection, providers: Sequence[str], kept: Sequence[Withheld]) -> list[Event]:
    tagged = complete_tagging(connection, providers)
    going = [one.partition for one in without_current_consensus(connection, tagged)]
    going += chained_refinements(connection, [one.partition for one in tagged if one.answers])
    open_versions = {one.prompt_version for one in going}
    return [
        _finished_event(one, sum(w.partition.prompt_version == one.prompt_version for w in kept))
        for one in finished_versions(connection)
        if one.prompt_version not in open_versions
    ]


def _finished_event(one: FinishedVersion, kept: int) -> Event:
    withheld = f", {kept} withheld" if kept else ""
    return Event(
        f"finished:{one.prompt_version}:{one.tagged}:{one.refined}:{one.newest.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}",
        "finished",
        f"Nothing of {one.prompt_version} is open any more: {counted(one.asked, 'palette')} asked about, "
        f"{one.tagged} tagged, {one.refined} refined{withheld}.",
        {
            "prompt_version": one.prompt_version,
            "asked": one.asked,
            "tagged": one.tagged,
            "refined": one.refined,
            "withheld": kept,
        },
    )


def _day_before(
    connection: DuckDBPyConnection, events: Sequence[Event], failed_runs: Sequence[Event], kept: int, now: datetime
) -> list[Event]:
    """The UTC day that has ended, when it brought anything."""
    end = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    start = end - timedelta(days=1)
    day = day_counts(connection, start, end)
    counts = {
        "tagged": day.tagged,
        "refined": day.refined,
        "unusable_answers": day.failures,
        "failed_runs": sum(start.isoformat() <= str(run.counts["at"]) < end.isoformat() for run in failed_runs),
    }
    if not any(counts.values()) and not day.cost_usd:
        return []
    over_budget, stuck = (sum(event.kind == kind for event in events) for kind in ("over_budget", "stuck"))
    sentence = (
        f"{start:%Y-%m-%d} (UTC): {counted(day.tagged, 'palette')} tagged, {day.refined:,} refined, "
        f"{counted(day.failures, 'unusable answer')}, {counted(counts['failed_runs'], 'failed run')}, "
        f"{day.cost_usd:.4f} USD for what was sent. Now {over_budget} "
        f"over budget, {stuck} stuck, {kept} withheld."
    )
    figures = {**counts, "cost_usd": f"{day.cost_usd:f}", "over_budget": over_budget, "stuck": stuck, "withheld": kept}
    return [Event(f"day:{start:%Y-%m-%d}", "day", sentence, figures)]
