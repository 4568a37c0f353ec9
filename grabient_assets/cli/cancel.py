"""`grabient cancel`: stops a batch and keeps what was finished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.options import open_warehouse

if TYPE_CHECKING:
    from grabient_assets.ledger.cancel import Stopped
    from grabient_assets.warehouse.connection import Warehouse


def cancel(
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="Our batch id, or the provider's.")],
    timeout: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Stop waiting for the end, or its results, after so long.")
    ] = 1800,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Close it here if its provider or its results are gone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="How it ended, as JSON on stdout.")] = False,
) -> None:
    """Stop a batch at its provider, collect what was finished, and record the rest as cancelled.

    What was cancelled is not asked again by itself; `grabient retry` asks exactly for that.
    """
    from grabient_assets.headless.cancelling import cancel as cancel_batch
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    stopped = cancel_batch(batch, warehouse, settings, timeout, print_note, give_up=give_up)
    document = _document(stopped, warehouse)
    if as_json:
        print_json(document)
    elif stopped.how == "nothing_to_stop":
        print_output(stopped.sentence)
    else:
        fates = ", ".join(f"{count} {fate}" for fate, count in document["fates"].items())
        usd = document["cost_usd"]
        cost = "cost not known" if usd is None else f"{usd:.4f} USD"
        print_output(f"{document['batch_id']}: {fates}; {cost}{' (emulated)' if settings.mode == 'emulator' else ''}")


def _document(stopped: Stopped, warehouse: Warehouse) -> dict[str, Any]:
    from grabient_assets.ledger.batches import batch, fates_of

    batch_id = stopped.batch.batch_id
    with warehouse.read() as connection:
        latest = batch(connection, batch_id) or stopped.batch
        fates = fates_of(connection, batch_id)
    return {
        "batch_id": batch_id,
        "provider": latest.provider,
        "model": latest.model,
        "provider_batch_id": latest.provider_batch_id,
        "how": stopped.how,
        "status": latest.status,
        "fates": fates,
        "cost_usd": None if latest.cost_usd is None else float(latest.cost_usd),
        "said": stopped.sentence,
    }
