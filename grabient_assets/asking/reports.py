"""What a run reports about a purpose: its plan, and the progress of each subject.

Kept small: every event is stored for ever.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from logging import Logger
from typing import TypeAlias

import dagster as dg

from grabient_assets.asking.purpose_assets import Metadata, PurposeAssets
from grabient_assets.ledger.asked_progress import AskedProgress, asked_progress
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, batches_of, record_reported, subjects_in, submit_runs
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.due import DueTarget, due_requests, due_targets
from grabient_assets.ledger.money import holds
from grabient_assets.ledger.planning import WHY, PlannedModel, Sending, plan_due
from grabient_assets.ledger.round import Round
from grabient_assets.resources.dead_runs import broken_off
from grabient_assets.resources.reporting import report_materializations
from grabient_assets.settings import load_settings
from grabient_assets.warehouse.connection import Warehouse

RunContext: TypeAlias = dg.AssetExecutionContext | dg.OpExecutionContext
LONGEST_REASON = 1000
COLUMNS = (
    *("model", "cached", "in flight", "failed", "equal", "missing", "why"),
    *("sent now", "batches", "tokens in", "tokens out", "USD", "from", "to", "cache saves"),
)
LEFT = ("model", "why")


def observe_plan(
    context: dg.AssetExecutionContext,
    shown: PurposeAssets,
    warehouse: Warehouse,
    connection: Connection,
    targets: Sequence[DueTarget],
) -> None:
    """Put the plan on the run and on the asset, before the first create call."""
    with warehouse.read() as database:
        planned = plan_due(database, shown.purpose, connection, targets, _now().date())
    metadata = plan_metadata(planned)
    context.log_event(dg.AssetObservation(context.asset_key, description="About to be sent", metadata=metadata))


def plan_metadata(planned: Sequence[PlannedModel]) -> dict[str, dg.MetadataValue]:
    """The plan of these models as a table, and its sums as numbers, which Dagster plots over time."""
    total = sum((one.sending for one in planned if one.cannot is None), Sending())
    counts = [one.counts for one in planned]
    rule = "|".join("---" if name in LEFT else "--:" for name in COLUMNS)
    head = f"| {' | '.join(COLUMNS)} |\n|{rule}|"
    found: dict[str, dg.MetadataValue] = {"plan": dg.MetadataValue.md("\n".join([head, *map(_line, planned)]))}
    numbers = {
        "requests": total.requests,
        "batches": total.batches,
        "input tokens": total.input_tokens,
        "output tokens": total.output_tokens,
        "cached": sum(one.cached for one in counts),
        "in flight": sum(one.in_flight for one in counts),
        "failed": sum(one.failed for one in counts),
        "equal": sum(one.equal for one in counts),
        "missing": sum(sum(one.missing.values()) for one in counts),
    }
    found |= {name: dg.MetadataValue.int(number) for name, number in numbers.items()}
    for reason, why in WHY.items():
        because = sum(one.missing.get(reason, 0) for one in counts)
        found |= {f"missing: {why}": dg.MetadataValue.int(because)} if because else {}
    if total.usd is not None:
        found["expected USD"] = dg.MetadataValue.float(float(total.usd.expected))
        found["at least USD"] = dg.MetadataValue.float(float(total.usd.low))
        found["at most USD"] = dg.MetadataValue.float(float(total.usd.high))
        found["cache saves USD"] = dg.MetadataValue.float(float(total.cache_saved_usd))
    return found


def _line(one: PlannedModel) -> str:
    counts, sending = one.counts, one.sending
    why = ", ".join(f"{WHY[reason]}: {count:,}" for reason, count in counts.missing.items() if count)
    known = (counts.cached, counts.in_flight, counts.failed, counts.equal, sum(counts.missing.values()))
    cells = [one.model.id, *(f"{count:,}" for count in known), why]
    if one.cannot is not None:
        cells += [f"{sending.requests:,} not sent: {one.cannot}"]
        return f"| {' | '.join(cells)} |"
    batches = f"{sending.batches}" + "".join(f", by {limit}" for limit in sorted(sending.split_by))
    usd = sending.usd
    dollars = ["?"] * 3 if usd is None else [f"{part:.4f}" for part in (usd.expected, usd.low, usd.high)]
    cells += [f"{sending.requests:,}", batches, f"{sending.input_tokens:,}", f"{sending.output_tokens:,}", *dollars]
    return f"| {' | '.join([*cells, f'{sending.cache_saved_usd:.4f}'])} |"


def report_progress(
    context: RunContext,
    shown: PurposeAssets,
    warehouse: Warehouse,
    provider: str,
    batch_ids: Sequence[str],
    among: Sequence[SubjectVersion],
    *,
    ended: bool,
) -> None:
    """Report on the asking asset how far the requests in these batches and about these subjects are; `ended` when the
    batches are collected.

    These events are most of those that the program writes, so GRABIENT_BATCH_REPORTS limits them (docs/scale.md).
    """
    how = load_settings().batch_reports
    if how == "summary":
        with warehouse.read() as connection:
            found = asked_progress(connection, shown.purpose, provider, batch_ids, among)
        if found:
            asset = shown.asking(provider)
            context.log_event(dg.AssetObservation(asset, description="Requests", metadata=_sums(found, batch_ids)))
        return
    concerned = () if how == "once" and not ended else batch_ids
    report_materializations(context, list(asked_events(shown, warehouse, provider, concerned, among)))


def _sums(found: Sequence[AskedProgress], batch_ids: Sequence[str]) -> Metadata:
    """The progress of all subjects together; Dagster plots the numbers over time."""
    numbers = {
        "subjects": len(found),
        "requests": sum(one.requests for one in found),
        "answered": sum(one.answered for one in found),
        "unusable": sum(one.unusable for one in found),
        "with the provider": sum(one.carried for one in found),
        "stopped": sum(one.stopped for one in found),
        "due": sum(one.due for one in found),
    }
    batches = dg.MetadataValue.text(", ".join(batch_ids)[:LONGEST_REASON] or "none")
    return {"batches": batches, **{name: dg.MetadataValue.int(number) for name, number in numbers.items()}}


def asked_events(
    shown: PurposeAssets,
    warehouse: Warehouse,
    provider: str,
    batch_ids: Sequence[str] = (),
    among: Sequence[SubjectVersion] = (),
) -> Iterator[dg.AssetMaterialization]:
    """A materialization of the asking asset for each subject in these batches and each subject named, with the progress
    of its requests. A subject that has due requests is left out, unless it is named. A note why something is not sent
    is shown only beside due requests."""
    named = set(among)
    with warehouse.read() as connection:
        found = asked_progress(connection, shown.purpose, provider, batch_ids, among)
        found = [one for one in found if not one.due or one.partition in named]
        runs = submit_runs(connection, {batch for one in found for batch in one.batches})
        notes = shown.notes(connection, list(dict.fromkeys([*among, *(one.partition for one in found)])))
    nothing: Metadata = {"state": dg.MetadataValue.text("nothing is asked of this provider so far")}
    reports: dict[SubjectVersion, Metadata] = dict.fromkeys(among, nothing)
    reports |= {one.partition: _asked_metadata(one, shown, runs) for one in found}
    due = {one.partition for one in found if one.due}
    asset = shown.asking(provider)
    for partition, metadata in reports.items():
        noted = notes.get(partition, {})
        metadata = metadata | noted if partition in due else noted | metadata
        yield dg.AssetMaterialization(asset, partition=shown.space.key(partition), metadata=metadata)


def _asked_metadata(asked: AskedProgress, shown: PurposeAssets, runs: Mapping[str, str | None]) -> Metadata:
    """How many requests there are, how far they are, in which batches, sent by which run."""
    found: Metadata = {
        "state": dg.MetadataValue.text(_state(asked, shown)),
        "requests": dg.MetadataValue.int(asked.requests),
        "answered": dg.MetadataValue.int(asked.answered),
        "unusable": dg.MetadataValue.int(asked.unusable),
    }
    if asked.stopped:
        found["stopped"] = dg.MetadataValue.int(asked.stopped)
    if asked.stopped or asked.unusable:
        found["why"] = dg.MetadataValue.text((asked.reason or "no reason given")[:LONGEST_REASON])
    if asked.batches or not asked.due:
        found["batches"] = dg.MetadataValue.text(", ".join(asked.batches) or "none: answered before")
    if run := next((run for batch in asked.batches if (run := runs.get(batch))), None):
        found["sent by"] = dg.MetadataValue.dagster_run(run)
    return found


def _state(asked: AskedProgress, shown: PurposeAssets) -> str:
    if asked.due:
        return f"asked; the sensor {shown.name}_due sends it together with what else is asked"
    if asked.carried:
        return "with the provider"
    if asked.unusable and asked.unusable == asked.requests:
        return "failed"
    if not asked.stopped:
        return "answered"
    return "answered in part, the rest is stopped" if asked.answered else "stopped"


def report_held(
    context: dg.AssetExecutionContext,
    shown: PurposeAssets,
    warehouse: Warehouse,
    provider: str,
    sentences: Sequence[str],
) -> None:
    """Report the subjects whose requests wait for money."""
    if not sentences:
        return
    purpose = shown.purpose
    with warehouse.read() as connection:
        waiting = {hold.key for hold in holds(connection, purpose.name, provider)}
        targets = [
            target
            for target in due_targets(connection, purpose, provider)
            if target.hold_key(purpose.name, provider) in waiting
        ]
        due = [request for target in targets for request in due_requests(connection, purpose, provider, target)]
    metadata = {
        "state": dg.MetadataValue.text("over budget"),
        "why": dg.MetadataValue.text(" ".join(sentences)[:LONGEST_REASON]),
    }
    subjects = dict.fromkeys(SubjectVersion(request.prompt_version, request.subject) for request in due)
    asset = shown.asking(provider)
    report_materializations(
        context,
        [dg.AssetMaterialization(asset, partition=shown.space.key(one), metadata=metadata) for one in subjects],
    )


def report_collected(
    context: RunContext,
    purposes: Collection[PurposeAssets],
    warehouse: Warehouse,
    batch_ids: Sequence[str],
    usable: Sequence[str],
    collected_now: Collection[str] = (),
) -> None:
    """Report what is complete now, and that the requests of these batches are answered.

    It also makes up for processes that were killed: it reports subjects of batches that were collected and not
    reported, and subjects whose submitting run did not finish.
    """
    with warehouse.read() as connection:
        found = batches_of(connection, batch_ids)
    unsent = broken_off(context.instance, {batch.submit_run_id for batch in found})
    for shown in purposes:
        mine = [batch for batch in found if batch.purpose == shown.name]
        collected = [batch for batch in mine if batch.status == "collected"]
        if shown.complete:  # it reports what this round has completed
            report_materializations(context, list(shown.complete(warehouse, usable, _now)))
            collected = [batch for batch in collected if batch.batch_id not in collected_now]
        if collected:
            with warehouse.read() as connection:
                chosen = subjects_in(connection, [batch.batch_id for batch in collected])
            report_materializations(context, list(shown.report(warehouse, usable, _now, chosen)))
        reported = [batch for batch in mine if batch.status == "collected" or batch.submit_run_id in unsent]
        _report_asked(context, shown, warehouse, reported)
    if batch_ids:
        with warehouse.write() as connection:
            record_reported(connection, batch_ids, _now())


def _report_asked(
    context: RunContext, shown: PurposeAssets, warehouse: Warehouse, batches: Sequence[BatchRecord]
) -> None:
    for provider in dict.fromkeys(batch.provider for batch in batches):
        ids = [batch.batch_id for batch in batches if batch.provider == provider]
        with warehouse.read() as connection:
            answered = subjects_in(connection, ids)
        report_progress(context, shown, warehouse, provider, ids, answered, ended=True)


def log_round(log: Logger, done: Round) -> None:
    """One log line for each batch, and one for every oddity in it."""
    for one in done.collected:
        fates = ", ".join(f"{count} {fate}" for fate, count in sorted(one.fates.items()))
        log.info("batch %s collected: %s; %s USD", one.batch.batch_id, fates, one.batch.cost_usd)
        for problem in one.problems:
            log.warning("batch %s: %s", one.batch.batch_id, problem)
    for batch_id in done.waiting:
        log.info("batch %s is not finished yet", batch_id)
    for batch_id, trouble in done.troubles:
        log.error("batch %s: %s", batch_id, trouble)


def _now() -> datetime:
    return datetime.now(UTC)
