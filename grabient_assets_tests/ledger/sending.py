"""Requests for a scripted provider, and batches of them that are sent."""

from __future__ import annotations

from grabient_assets.ledger.submit import Order, PreparedRequest, Submitted, submit_batch
from grabient_assets.registry.load import load_registry
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

MODEL = load_registry().model("openai", "gpt-4o-mini")
ORDER = Order("tagging", MODEL, "v1", "digest", "emulator", "run-1")


def requests(*ids: str) -> list[PreparedRequest]:
    return [PreparedRequest(i, "seed-" + i, 0, b'{"custom_id": "%s"}' % i.encode()) for i in ids]


def send(house: House, provider: ScriptedProvider, *ids: str) -> Submitted | None:
    return submit_batch(ORDER, requests(*ids), provider, house.warehouse, house.store, house.clock)
