"""`grabient status`: how far everything is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grabient_assets.cli.console import output, print_json
from grabient_assets.cli.options import AsJson, open_warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from datetime import datetime

    from grabient_assets.groups.tagging.withheld import Withheld
    from grabient_assets.ledger.batches import BatchRecord
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

_COUNTS = {
    "palettes": "palettes",
    "tagged": "tagged",
    "refined": "refined",
    "embedded": "with a vector",
    "indexed": "found by search",
    "pending": "pending",
    "failed": "palettes that failed",
    "errors": "answers that failed",
}
"""The counts, by their names in the JSON, and their labels for a person: palettes first, then answers."""


def status(as_json: AsJson = False) -> None:
    """Show what is loaded, tagged, refined, still to come and failed, the open batches, and what it cost."""
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    document = status_document(warehouse, settings)
    if as_json:
        print_json(document)
    else:
        _show(document, warehouse, settings)


def status_document(warehouse: Warehouse, settings: Settings) -> dict[str, Any]:
    """The document of `grabient status --json`. A data folder that does not exist yet is not created."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.groups.search.palette_index import held_versions
    from grabient_assets.groups.tagging.waves import wave_counts
    from grabient_assets.groups.tagging.withheld import withheld_palettes
    from grabient_assets.headless.status import Counts, counts
    from grabient_assets.ledger.batches import open_batches
    from grabient_assets.ledger.held_work import held_back
    from grabient_assets.ledger.overdue import put_off, put_off_too_long
    from grabient_assets.resources.modes import usable_providers

    now = datetime.now(UTC)
    found, batches, held, withheld, waves, idle, versions = Counts(), [], [], [], [], [], []
    if warehouse.exists():
        with warehouse.read() as connection:
            found = counts(connection, usable_providers(settings))
            batches = sorted(open_batches(connection), key=lambda batch: batch.intended_at)
            held = held_back(connection, PURPOSES, settings.budget_usd, now)
            withheld = withheld_palettes(connection)
            waves = wave_counts(connection)
            idle = put_off(connection)
            versions = held_versions(connection)
    return {
        "palettes": found.palettes,
        "tagged": found.tagged,
        "refined": found.refined,
        "embedded": found.embedded,
        "indexed": found.indexed,
        "pending": found.pending,
        "errors": found.errors,
        "failed": found.failed,
        "open_batches": [_batch(batch, now) for batch in batches],
        "put_off": [sentence for one in idle if (sentence := put_off_too_long(one, now))],
        "over_budget": [one.sentence for one in held if one.kind == "over_budget"],
        "held": [one.document() for one in held],
        "withheld": [_withheld(one) for one in withheld],
        "waves": [asdict(one) for one in waves],
        "held_versions": versions,
        "cost_usd": float(found.cost_usd),
    }


def _withheld(one: Withheld) -> dict[str, Any]:
    from grabient_assets.groups.tagging.withheld import explained

    return {
        "seed": one.partition.subject,
        "prompt_version": one.partition.prompt_version,
        "asked": one.asked,
        "answering": one.answering,
        "words": list(one.words),
        "why": explained(one),
    }


def _batch(batch: BatchRecord, now: datetime) -> dict[str, Any]:
    from grabient_assets.ledger.overdue import overdue

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


def _show(document: dict[str, Any], warehouse: Warehouse, settings: Settings) -> None:
    from rich.table import Table

    console = output()
    table = Table(box=None, show_header=False)
    for name, shown in _COUNTS.items():
        table.add_row(shown, str(document[name]))
    table.add_row("cost_usd", f"{document['cost_usd']:.4f}" + (" (emulated)" if settings.mode == "emulator" else ""))
    batches = document["open_batches"]
    table.add_row("open batches", str(len(batches)))
    console.print(table)
    if batches:
        oldest = batches[0]
        console.print(
            f"The oldest open batch is {oldest['batch_id']} ({oldest['provider']} {oldest['model']}, "
            f"{counted(oldest['request_count'], 'request')}, {oldest['status']} for {oldest['age_seconds']:.0f} s).",
            soft_wrap=not console.is_terminal,
        )
    for batch in batches:
        trouble = batch["overdue"] or (f"Batch {batch['batch_id']}: {batch['error']}" if batch["error"] else None)
        if trouble:
            console.print(trouble, soft_wrap=not console.is_terminal)
    for sentence in (*document["put_off"], *(one["why"] for one in document["held"]), *document["held_versions"]):
        console.print(sentence, soft_wrap=not console.is_terminal)
    for sentence in (*_kept_from_refinement(warehouse), *_waves(document)):
        console.print(sentence, soft_wrap=not console.is_terminal)
    if not document["palettes"]:
        console.print("Nothing is loaded yet. Next: grabient load FILE, or grabient demo.")


def _kept_from_refinement(warehouse: Warehouse) -> tuple[str, ...]:
    from grabient_assets.groups.tagging.withheld import sentences, withheld_palettes

    if not warehouse.exists():
        return ()
    with warehouse.read() as connection:
        return sentences(withheld_palettes(connection))


def _waves(document: dict[str, Any]) -> list[str]:
    from grabient_assets.groups.tagging.waves import WaveCount, settled_sentence, under_way_sentence

    counts = [WaveCount(**one) for one in document["waves"]]
    return [sentence for sentence in (under_way_sentence(counts), settled_sentence(counts)) if sentence]
