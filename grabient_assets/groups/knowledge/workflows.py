"""Workflows: making one, adding sources, how each stands, asking again for what failed, and deleting one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from grabient_assets.errors import GrabientError, UsageError
from grabient_assets.groups.embedding.embedding import LOCAL, chosen_embedder
from grabient_assets.groups.fetching.queue import dead_letters, enqueue, redrive
from grabient_assets.groups.fetching.tables import Source, sources
from grabient_assets.groups.knowledge.areas import AREAS
from grabient_assets.groups.knowledge.purpose import EXTRACTION, FAMILY, ask_for_extraction, extraction_prompt
from grabient_assets.groups.knowledge.tables import Extractor, Workflow, record_workflow, workflows
from grabient_assets.ledger.admission import refuse_draft
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.ledger.asks import stop_subjects
from grabient_assets.ledger.estimates import DollarRange
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.ledger.quotes import Ordered, quote, refuse_unaskable
from grabient_assets.prompting.load import family_version
from grabient_assets.registry.load import load_registry
from grabient_assets.settings import Settings, prompts_dir
from grabient_assets.sortable_ids import sortable_id
from grabient_assets.sources.chunks import check_chunk_plan
from grabient_assets.sources.reference import Reference, WorkflowType, read_reference
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CHUNK_SIZE, OVERLAP = 1_000, 100
FRESH = timedelta(hours=24)
"""A source that was fetched since then is not fetched again for another workflow."""
_Underway = Literal["queued", "scraping", "extracting", "embedding", "indexing", "validating"]
WorkflowState = _Underway | Literal["completed", "completed_with_dead", "failed"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for; what is left out is the usual one."""

    name: str
    sources: tuple[str, ...]
    type: WorkflowType = "mixed"
    areas: tuple[int, ...] = tuple(area.number for area in AREAS)
    chunk_size: int = CHUNK_SIZE
    overlap: int = OVERLAP
    prompt_version: str | None = None
    extractors: tuple[str, ...] = ()
    embedder: str | None = None
    store: str | None = None
    skip_hopeless: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A workflow that can be made: its sources, the sentences about those that are refused, and what reading it may
    cost. Of what is not fetched yet nobody knows how long it is, so it is taken for an hour of talk."""

    workflow: Workflow
    references: tuple[Reference, ...]
    refused: tuple[str, ...]
    usd: DollarRange


@dataclass(frozen=True, slots=True)
class Status:
    """One row of `workflow_status`. Everything in it is counted, so that it cannot be wrong. Seconds."""

    workflow_id: str
    name: str
    type: WorkflowType
    status: WorkflowState
    progress: int
    total_content: int
    content_processed: int
    embeddings: int
    index_size: int
    processing_time: int
    entries: int
    dead: int
    failed_cells: int
    latest_entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def at_rest(self) -> bool:
        """Whether nothing is to come of it by itself."""
        return self.status in ("completed", "completed_with_dead", "failed")


def plan_workflow(
    connection: DuckDBPyConnection, wish: Wish, usable: Sequence[str], settings: Settings, now: datetime
) -> Planned:
    """The workflow that the wish describes. Nothing is written.

    Raises UsageError for parameters that cannot be, and when no source is left; RegistryError, UnpricedError and
    UnknownPromptVersionError as for every question.
    """
    if wish.name.strip() in ("", "latest"):
        raise UsageError(f"A workflow needs a name, and {wish.name!r} is none; `latest` stands for the newest one.")
    embedder, rules = chosen_embedder(), chosen_embedder().vectors
    assert rules is not None
    check_chunk_plan(wish.chunk_size, wish.overlap, rules.most_input_tokens)
    if wish.embedder not in (None, embedder.id, LOCAL if embedder.provider == LOCAL else embedder.id):
        raise UsageError(
            f"The embedder is {wish.embedder!r}, and the index is made by {embedder.id}. One index has one embedder: "
            f"leave it out, or set GRABIENT_EMBEDDER={wish.embedder} for all workflows."
        )
    usual = "vectorize" if settings.vectorize and settings.vectorize.knowledge_index else "local"
    if wish.store not in (None, usual):
        raise UsageError(
            f"The store is {wish.store!r}, and the index is kept in {usual!r}. It is vectorize where "
            "VECTORIZE_KNOWLEDGE_INDEX is set, otherwise local."
        )
    if not wish.areas or any(not 1 <= area <= len(AREAS) for area in wish.areas):
        raise UsageError(f"The areas are {wish.areas}; they must be numbers from 1 to {len(AREAS)}.")
    registry = load_registry()
    models = [registry.named(name, "extractor") for name in wish.extractors] or list(registry.panel("extractor")[:1])
    for model in models:
        registry.usable(model, now.date())
    refuse_unaskable(models, usable, "batch")
    prompt = extraction_prompt(family_version(prompts_dir() / FAMILY, wish.prompt_version))
    workflow = Workflow(
        workflow_id=sortable_id("wf_", now),
        name=wish.name.strip(),
        type=wish.type,
        prompt_version=prompt.version,
        areas=tuple(sorted(set(wish.areas))),
        extractors=tuple(Extractor(model.provider, model.id) for model in models),
        chunk_size=wish.chunk_size,
        overlap=wish.overlap,
        embedder=embedder.id,
        store=usual,
        skip_hopeless=wish.skip_hopeless,
        made_at=now,
    )
    references, refused = read_references(wish.sources, wish.type)
    if not references:
        raise UsageError(" ".join(refused) or "A workflow needs at least one source.")
    calls = len(references) * len(workflow.areas)
    orders = [Ordered(EXTRACTION, model, prompt.version, calls) for model in models]
    return Planned(workflow, references, refused, quote(connection, orders, now.date(), "batch"))


def read_references(named: Sequence[str], type: WorkflowType) -> tuple[tuple[Reference, ...], tuple[str, ...]]:
    """The sources that can be fetched, each once, and why the others are refused. One that is refused keeps no other
    from being fetched."""
    found: dict[str, Reference] = {}
    refused: list[str] = []
    for text in named:
        try:
            one = read_reference(text, type)
        except UsageError as error:
            refused.append(str(error))
        else:
            found.setdefault(one.source_id, one)
    return tuple(found.values()), tuple(refused)


def make_workflow(
    warehouse: Warehouse, planned: Planned, max_usd: Decimal | None, answers_from: str, now: datetime
) -> Workflow:
    """Write the workflow down and queue its sources. What is read of them is asked within `max_usd`; what has no money
    waits. Raises SettingsError when the folder holds answers of the other mode, PromptError for a draft where only
    released prompts may be asked."""
    workflow = planned.workflow
    refuse_draft(extraction_prompt(workflow.prompt_version), answers_from)
    cap = None if max_usd is None else SpendingCap(f"knowledge-{workflow.workflow_id}", max_usd)
    with warehouse.write() as connection:
        at = begin_asking(connection, answers_from, now, cap)
        workflow = replace(workflow, made_at=at, cap_id=cap.cap_id if cap else None)
        record_workflow(connection, workflow)
        _add(connection, workflow, planned.references, answers_from, at)
    return workflow


def add_sources(
    warehouse: Warehouse, workflow: Workflow, references: Sequence[Reference], answers_from: str, now: datetime
) -> list[str]:
    """Add sources to a workflow; returns those that were not in it. The others stay as they are."""
    with warehouse.write() as connection:
        at = begin_asking(connection, answers_from, now)
        held = "SELECT source_id FROM workflow_sources WHERE workflow_id = $1"
        known = {row[0] for row in connection.execute(held, [workflow.workflow_id]).fetchall()}
        fresh = [one for one in references if one.source_id not in known]
        if fresh:
            _add(connection, workflow, fresh, answers_from, at)
    return [one.source_id for one in fresh]


def _add(
    connection: DuckDBPyConnection,
    workflow: Workflow,
    references: Sequence[Reference],
    answers_from: str,
    now: datetime,
) -> None:
    """Queue what was not fetched lately, and ask about what is read already."""
    ids = [one.source_id for one in references]
    known = sources(connection, ids)
    fresh = [Source(r.source_id, r.kind, r.locator, now) for r in references if r.source_id not in known]
    insert_rows(connection, "sources", fresh)
    connection.execute(
        """
        INSERT INTO workflow_sources
        SELECT $workflow, source_id, place + (SELECT count(*) FROM workflow_sources WHERE workflow_id = $workflow),
               $count, $now
        FROM (SELECT unnest($ids::VARCHAR[]) AS source_id, unnest(range($count)) AS place) ON CONFLICT DO NOTHING
        """,
        {"workflow": workflow.workflow_id, "ids": ids, "count": len(ids), "now": now},
    )
    connection.execute("UPDATE workflows SET completed_at = NULL WHERE workflow_id = $1", [workflow.workflow_id])
    late = [one for one, source in known.items() if source.fetched_at is None or source.fetched_at < now - FRESH]
    enqueue(connection, [*(one.source_id for one in fresh), *late], now)
    ask_about(connection, [one for one, source in known.items() if source.object_key], answers_from, now)


def ask_about(connection: DuckDBPyConnection, source_ids: Sequence[str], answers_from: str, now: datetime) -> None:
    """Ask what every workflow wants to know of these sources, as far as they are read. One that cannot be asked, such
    as under a prompt that is a draft, keeps no other from it."""
    for source_id in source_ids:
        rows = connection.execute(
            "SELECT workflow_id FROM workflow_sources WHERE source_id = $1", [source_id]
        ).fetchall()
        for workflow in workflows(connection, [row[0] for row in rows]).values():
            try:
                ask_for_extraction(connection, workflow, [source_id], answers_from, now)
            except GrabientError as error:
                connection.execute("UPDATE sources SET error = $1 WHERE source_id = $2", [str(error), source_id])


def statuses(connection: DuckDBPyConnection, among: Sequence[str] | None = None) -> list[Status]:
    """How workflows stand, the newest first: all, or those named."""
    if not connection.execute("SELECT 1 FROM workflows LIMIT 1").fetchone():
        return []  # the view looks through the index and the entries
    columns = ", ".join(Status.__dataclass_fields__)
    rows = connection.execute(
        f"SELECT {columns} FROM workflow_status WHERE $1 OR workflow_id IN (SELECT unnest($2::VARCHAR[])) "
        "ORDER BY workflow_id DESC",
        [among is None, list(among or ())],
    ).fetchall()
    return [Status(*row[:-1], latest_entries=json.loads(row[-1])) for row in rows]


def mark_completed(connection: DuckDBPyConnection, now: datetime) -> list[str]:
    """Note the time at which workflows were found complete and shown by search; returns their names."""
    done = [one for one in statuses(connection) if one.status == "validating"]
    connection.execute(
        "UPDATE workflows SET completed_at = $1 WHERE workflow_id IN (SELECT unnest($2::VARCHAR[]))",
        [now, [one.workflow_id for one in done]],
    )
    return [one.name for one in done]


def ask_failed_again(
    connection: DuckDBPyConnection, workflow: Workflow, answers_from: str, now: datetime
) -> tuple[list[str], list[str]]:
    """Fetch the dead sources of a workflow again, and ask again for its cells whose reading failed; returns the sources
    of both. What is under way is left alone."""
    fetched = redrive(connection, dead_letters(connection, workflow.workflow_id), now)
    rows = connection.execute(
        "SELECT DISTINCT c.source_id FROM workflow_cells c JOIN sources s USING (source_id) "
        "WHERE c.workflow_id = $1 AND c.state = 'failed' AND s.object_key IS NOT NULL ORDER BY 1",
        [workflow.workflow_id],
    ).fetchall()
    again = [row[0] for row in rows if row[0] not in fetched]
    if again:
        ask_for_extraction(connection, workflow, again, answers_from, now, retry=True)
    if again or fetched:
        connection.execute("UPDATE workflows SET completed_at = NULL WHERE workflow_id = $1", [workflow.workflow_id])
    return fetched, again


def ask_cells(
    connection: DuckDBPyConnection, chosen: Sequence[tuple[str, int]], answers_from: str, now: datetime
) -> int:
    """Ask again for what failed of these cells, sources with an area each, in every workflow that wants them; returns
    how many were asked."""
    wanted = {(source_id, area) for source_id, area in chosen}
    rows = connection.execute(
        "SELECT workflow_id, source_id, focus_area FROM workflow_cells WHERE state = 'failed' ORDER BY ALL"
    ).fetchall()
    failed = [row for row in rows if (row[1], row[2]) in wanted]
    for workflow_id, source_id, area in failed:
        one = replace(workflows(connection, [workflow_id])[workflow_id], areas=(area,))
        ask_for_extraction(connection, one, [source_id], answers_from, now, retry=True)
    return len({row[1:] for row in failed})


def delete_workflow(warehouse: Warehouse, workflow: Workflow, now: datetime) -> None:
    """Delete the workflow. Its vectors leave the index with the next sync; embeddings, and sources of others, stay.
    What only it waits for is neither fetched nor asked any more."""
    with warehouse.write() as connection:
        connection.execute("UPDATE workflows SET deleted_at = $1 WHERE workflow_id = $2", [now, workflow.workflow_id])
        rows = connection.execute(
            """
            SELECT source_id FROM workflow_sources WHERE workflow_id = $1 AND source_id NOT IN (
                SELECT m.source_id FROM workflow_sources m JOIN workflows w USING (workflow_id)
                WHERE w.deleted_at IS NULL)
            """,
            [workflow.workflow_id],
        ).fetchall()
        own = [row[0] for row in rows]
        connection.execute(
            "UPDATE source_queue SET status = 'cancelled', completed_at = $1 "
            "WHERE status = 'queued' AND source_id IN (SELECT unnest($2::VARCHAR[]))",
            [now, own],
        )
        subjects = connection.execute(
            "SELECT subject FROM asks WHERE purpose = 'extraction' AND state = 'open' "
            "AND split_part(subject, '|', 1) IN (SELECT unnest($1::VARCHAR[]))",
            [own],
        ).fetchall()
        reason = f"The workflow {workflow.name!r} was deleted."
        stop_subjects(connection, (EXTRACTION.name,), [row[0] for row in subjects], reason, now)
