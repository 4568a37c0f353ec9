"""Batches that are sent, collected and settled in one step."""

from __future__ import annotations

from typing import Any

from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.collect import Collected, fetch_batch, settle_batch, write_batch
from grabient_assets.ledger.submit import Order, PreparedRequest, submit_batch
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

MODEL = load_registry().model("openai", "gpt-4o-mini")
ORDER = Order("tagging", MODEL, "v1", "digest", "emulator", None)


def send(house: House, provider: ScriptedProvider, *ids: str) -> BatchRecord:
    house.clock.wind(seconds=1)
    requests = [PreparedRequest(i, "seed-" + i, 0, b"{}") for i in ids]
    done = submit_batch(ORDER, requests, provider, house.warehouse, house.store, house.clock)
    assert done is not None and done.error is None
    return done.batch


def collect(
    house: House, provider: ScriptedProvider, batch: BatchRecord, model: Any = MODEL, reader: Any = None
) -> Collected | None:
    fetched = fetch_batch(batch, provider.connection(), house.warehouse, house.store, house.clock, "run-2")
    if fetched is None:
        return None
    settled = settle_batch(fetched, model, provider.read_line, reader or TagReader())
    with house.warehouse.write() as connection:
        return write_batch(connection, settled, house.clock)


def fates(house: House) -> dict[str, str]:
    return dict(house.rows("SELECT custom_id, fate FROM batch_requests"))
