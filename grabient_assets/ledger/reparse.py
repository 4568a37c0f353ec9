"""Reading the archived answers again: the same rows as a live collection would write, at no cost and offline.

First every batch is read and staged by itself, in a file of its own; the main file is not held meanwhile. Then one
transaction puts what is staged in the place of what is stored. Killed before it, nothing has changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from grabient_assets.errors import StoreError, UsageError
from grabient_assets.ledger import batches
from grabient_assets.ledger.archive import archived_requests, archived_results, archived_state
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, FateRecord
from grabient_assets.ledger.closing import given_up
from grabient_assets.ledger.reparsed import (
    changed_fates,
    close_answered,
    closed_batches,
    deliveries_before,
    outdated_refinements,
    replace_ledger,
    replace_refined,
    replace_tags,
    with_same_requests,
)
from grabient_assets.ledger.round import registered_model
from grabient_assets.ledger.settling import (
    AnswerReader,
    Answers,
    ReaderOf,
    Settled,
    Verdict,
    closed,
    fate_record,
    settle,
)
from grabient_assets.ledger.staging import StagedBatch, Staging, staging
from grabient_assets.providers.contract import BatchState, ReadLine
from grabient_assets.store.objects import ObjectStore
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TallyAgain: TypeAlias = Callable[["DuckDBPyConnection", Sequence[SubjectVersion]], int]
"""Rebuilds the consensus of these palettes inside the transaction; returns how many came out different."""


@runtime_checkable
class Replacing(Protocol):
    """A reader that puts the staged rows of its table in the place of the stored ones; returns how many are gone."""

    table: str

    def replace(self, connection: DuckDBPyConnection) -> int: ...


@dataclass(frozen=True, slots=True)
class Reparsed:
    """What was read again, and what is different now.

    `fates`: requests by (fate before, fate now). `gone`: rows of which nothing final is known any more. `outdated`:
    refinements that were made from an earlier consensus than the one stored now. `troubles`: batch id and why its
    archive cannot be read; its rows stay as they are.
    """

    batches: int
    answers: int
    fates: Counter[tuple[str, str]]
    gone: int
    consensus: int
    outdated: int
    troubles: tuple[tuple[str, str], ...]


def reparse_batches(
    names: Sequence[str],
    prompt_version: str | None,
    warehouse: Warehouse,
    store: ObjectStore,
    reader: ReaderOf,
    line_reader: Callable[[str], ReadLine],
    tally_again: TallyAgain,
) -> Reparsed:
    """Read these batches again, those of a prompt version, or all; always with those that carried the same requests.

    Raises UsageError for an id that is none, or that of a batch that is not collected.
    """
    chosen = _chosen(names, prompt_version, warehouse)
    answers = 0
    besides: dict[str, Callable[[DuckDBPyConnection], int]] = {}
    troubles: list[tuple[str, str]] = []
    with staging(warehouse) as staged:
        for batch in chosen:
            try:
                group = reader(batch)
                answers += _stage(batch, staged, warehouse, store, group, line_reader)
                if isinstance(group, Replacing):
                    besides[group.table] = group.replace
            except StoreError as error:
                troubles.append((batch.batch_id, str(error)))
        with warehouse.write(staged=staged.path) as connection:
            fates = changed_fates(connection)
            replace_ledger(connection)
            tags, refined = replace_tags(connection), replace_refined(connection)
            consensus = tally_again(connection, tags.palettes)
            close_answered(connection, [*tags.palettes, *refined.palettes])
            outdated = outdated_refinements(connection)
            gone = tags.gone + refined.gone + sum(put(connection) for put in besides.values())
    return Reparsed(
        len(chosen) - len(troubles),
        answers,
        fates,
        tags.gone + refined.gone + gone,
        consensus,
        outdated,
        tuple(troubles),
    )


def _chosen(names: Iterable[str], prompt_version: str | None, warehouse: Warehouse) -> list[BatchRecord]:
    with warehouse.read() as connection:
        ids: list[str] = []
        for name in names:
            batch = batches.batch_named(connection, name)
            if batch is None:
                raise UsageError(f"There is no batch {name!r}, neither by our id nor by the provider's.")
            if batch.collected_at is None:
                raise UsageError(f"Batch {batch.batch_id} is {batch.status}: it has no answers to be read again.")
            ids.append(batch.batch_id)
        return with_same_requests(connection, ids or closed_batches(connection, prompt_version))


def _stage(
    batch: BatchRecord,
    staged: Staging,
    warehouse: Warehouse,
    store: ObjectStore,
    group: AnswerReader,
    line_reader: Callable[[str], ReadLine],
) -> int:
    """Read one batch again; returns the number of its requests."""
    assert batch.collected_at is not None
    if batch.results_key is None:
        return _stage_closed(batch, staged, warehouse, group)
    archived_requests(store, batch)  # whether they are still what was sent
    lines, state = archived_results(store, batch), archived_state(store, batch)
    with warehouse.read() as connection:
        requests = {r.custom_id: r for r in batches.requests_of(connection, batch.batch_id)}
        delivered = deliveries_before(connection, batch)
    read_line = line_reader(batch.provider)
    answers = Answers(batch, state or _as_recorded(batch), lines, requests, delivered, registered_model(batch))
    done = settle(answers, read_line, group)
    if state is None and done.problems:
        # Only now it is known which part of the row's text was the provider's.
        answers = replace(answers, state=_as_recorded(batch, done.problems))
        done = settle(answers, read_line, group)
    settled = done.settled if batch.given_up_at is None else given_up(done.settled)
    ended = closed(batch, answers.state, settled, done.problems, batch.collected_at)
    error = ended.error if batch.given_up_at is None else batch.error  # which says why it was given up
    sums = StagedBatch(batch.batch_id, ended.succeeded, ended.failed, ended.cost_usd, error)
    rows = group.rows(batch, settled, batch.collected_at)
    staged.add(sums, [fate_record(one) for one in settled], group.table, rows)
    return len(settled)


def _stage_closed(batch: BatchRecord, staged: Staging, warehouse: Warehouse, group: AnswerReader) -> int:
    """A batch that a person closed without results: its fates are all there is, and they stand."""
    assert batch.collected_at is not None
    with warehouse.read() as connection:
        requests = {r.custom_id: r for r in batches.requests_of(connection, batch.batch_id)}
        fates: list[FateRecord] = batches.fate_records(connection, batch.batch_id)
    settled = [Settled(requests[f.custom_id], Verdict(f.fate, f.error), final=True) for f in fates]  # pyright: ignore[reportArgumentType] written as a Fate
    sums = StagedBatch(batch.batch_id, batch.succeeded, batch.failed, batch.cost_usd, batch.error)
    staged.add(sums, fates, group.table, group.rows(batch, settled, batch.collected_at))
    return 0


def _as_recorded(batch: BatchRecord, problems: Sequence[str] = ()) -> BatchState:
    """How the batch ended, for one that was collected before this was archived.

    Its row holds what the provider said about the end, followed by what was odd about the results.
    """
    odd = " ".join(problems[:20])
    said = (batch.error or "").removesuffix(odd).strip()
    return BatchState(
        provider_batch_id=batch.provider_batch_id or "",
        state="ended",
        raw_status=batch.raw_status or "",
        outcome=batch.outcome,  # pyright: ignore[reportArgumentType] written as an Outcome
        error=said or None,
        ended_at=batch.ended_at,
    )
