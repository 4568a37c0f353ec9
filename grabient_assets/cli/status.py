"""`grabient status`: how far everything is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grabient_assets.cli.console import output, print_json
from grabient_assets.cli.options import AsJson, open_warehouse
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
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
    from grabient_assets.headless.status_document import status_document
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    document = status_document(warehouse, settings)
    if as_json:
        print_json(document)
    else:
        _show(document, warehouse, settings)


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
    for one in document["workflows"]:
        console.print(
            f"Knowledge: {one_line(one['name'])} is {one['status']}, {one['progress']} % ({one['workflow_id']}).",
            soft_wrap=not console.is_terminal,
        )
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
