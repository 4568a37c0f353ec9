"""Batches that never come to a good end, stopped and salvaged."""

from __future__ import annotations

from typing import Any

from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.cancel import Stopped, stop_batch
from grabient_assets.ledger.closing import salvage_batch
from grabient_assets.ledger.collect import Collected
from grabient_assets.ledger.costs import unbalanced_batches
from grabient_assets.ledger.round import Round, collect_batches
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, answered
from grabient_assets_tests.ledger.sending import send
from grabient_assets_tests.ledger.watch import in_the_house

READ = TagReader()


def stop(house: House, provider: ScriptedProvider, name: str, seconds: float = 600, **how: Any) -> Stopped:
    patience = in_the_house(house, seconds)
    return stop_batch(name, provider.connect, house.warehouse, lambda _: READ, house.clock, patience, **how)


def salvage(house: House, provider: ScriptedProvider, batch_id: str) -> Collected | None:
    how = (provider.connection(), house.warehouse, house.store, lambda _: READ, house.clock, in_the_house(house))
    return salvage_batch(batch_id, *how)


def collect(house: House, provider: ScriptedProvider, batch_id: str) -> Round:
    return collect_batches([batch_id], provider.connect, house.warehouse, house.store, lambda _: READ, house.clock)


def sent(house: House, provider: ScriptedProvider, *ids: str) -> BatchRecord:
    done = send(house, provider, *ids)
    assert done is not None
    return done.batch


def fates(house: House) -> dict[str, str | None]:
    with house.warehouse.read() as connection:
        assert unbalanced_batches(connection) == (0, [])
    return dict(house.rows("SELECT custom_id, fate FROM batch_requests ORDER BY 1"))


def ended_and_broken(house: House, provider: ScriptedProvider) -> BatchRecord:
    """An ended batch whose result file breaks off after two of four answers, now and for ever."""
    batch = sent(house, provider, *"abcd")
    known = batch.provider_batch_id or ""
    provider.end(known, [answered(one) for one in "abcd"])
    provider.held[known].breaks_off = True
    return batch
