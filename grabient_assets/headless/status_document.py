"""The document of `grabient status --json`, which the studio's dashboard shows too."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.indexes.keeping import held_versions
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.retrieval.entry_index import KNOWLEDGE
from grabient_assets.groups.search.palette_index import PALETTES
from grabient_assets.groups.tagging.waves import wave_counts
from grabient_assets.groups.tagging.withheld import Withheld, explained, withheld_palettes
from grabient_assets.headless.status import Counts, counts, workflows_under_way
from grabient_assets.ledger.batches import BatchRecord, open_batches
from grabient_assets.ledger.held_work import held_back
from grabient_assets.ledger.overdue import overdue, put_off, put_off_too_long
from grabient_assets.resources.modes import usable_providers
from grabient_assets.settings import Settings
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def status_document(warehouse: Warehouse, settings: Settings) -> dict[str, Any]:
    """The document. A data folder that does not exist yet is not created."""
    now = datetime.now(UTC)
    if not warehouse.exists():
        return _document(Counts())
    with warehouse.read() as connection:
        return read_status(connection, settings, now)


def read_status(connection: DuckDBPyConnection, settings: Settings, now: datetime) -> dict[str, Any]:
    """The document, read by this connection."""
    found = counts(connection, usable_providers(settings))
    batches = sorted(open_batches(connection), key=lambda batch: batch.intended_at)
    held = held_back(connection, PURPOSES, settings.budget_usd, now)
    return _document(
        found,
        open_batches=[_batch(batch, now) for batch in batches],
        put_off=[sentence for one in put_off(connection) if (sentence := put_off_too_long(one, now))],
        over_budget=[one.sentence for one in held if one.kind == "over_budget"],
        held=[one.document() for one in held],
        withheld=[_withheld(one) for one in withheld_palettes(connection)],
        waves=[asdict(one) for one in wave_counts(connection)],
        held_versions=[
            sentence for index in (PALETTES, KNOWLEDGE) for sentence in held_versions(connection, index.name)
        ],
        workflows=[asdict(one) for one in workflows_under_way(connection)],
    )


def _document(found: Counts, **lists: list[Any]) -> dict[str, Any]:
    names = ("open_batches", "put_off", "over_budget", "held", "withheld", "waves", "held_versions", "workflows")
    return {
        "palettes": found.palettes,
        "tagged": found.tagged,
        "refined": found.refined,
        "embedded": found.embedded,
        "indexed": found.indexed,
        "pending": found.pending,
        "errors": found.errors,
        "failed": found.failed,
        **{name: lists.get(name, []) for name in names},
        "cost_usd": float(found.cost_usd),
    }


def _withheld(one: Withheld) -> dict[str, Any]:
    return {
        "seed": one.partition.subject,
        "prompt_version": one.partition.prompt_version,
        "asked": one.asked,
        "answering": one.answering,
        "words": list(one.words),
        "why": explained(one),
    }


def _batch(batch: BatchRecord, now: datetime) -> dict[str, Any]:
    since = batch.submitted_at or batch.intended_at
    return {
        "batch_id": batch.batch_id,
        "purpose": batch.purpose,
        "provider": batch.provider,
        "model": batch.model,
        "prompt_version": batch.prompt_version,
        "provider_batch_id": batch.provider_batch_id,
        "status": batch.status,
        "request_count": batch.request_count,
        "submitted_at": batch.submitted_at.isoformat() if batch.submitted_at else None,
        "age_seconds": round((now - since).total_seconds(), 1),
        "overdue": overdue(batch, now),
        "error": batch.error,
    }
