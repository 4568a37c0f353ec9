"""Batches whose create call had no answer, and the search for them."""

from __future__ import annotations

from grabient_assets.errors import AmbiguousSubmissionError
from grabient_assets.ledger import batches
from grabient_assets.ledger.adopt import adopt_batch
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.providers.contract import BatchFile
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider
from grabient_assets_tests.ledger.sending import send


def dropped(_: BatchFile) -> None:
    raise AmbiguousSubmissionError("openai", "dropped")


def orphan(house: House, provider: ScriptedProvider, arrived: bool) -> BatchRecord:
    """A batch whose create call was dropped, after or before it arrived."""
    hook = "after_submit" if arrived else "before_submit"
    setattr(provider, hook, dropped)
    done = send(house, provider, "a", "b")
    setattr(provider, hook, lambda _: None)
    assert done is not None and done.batch.status == "intended"
    return done.batch


def only(house: House) -> BatchRecord:
    """The one open batch."""
    with house.warehouse.read() as connection:
        [batch] = batches.open_batches(connection)
    return batch


def adopt(house: House, provider: ScriptedProvider, batch: BatchRecord) -> BatchRecord:
    found = adopt_batch(batch, provider.connection(), house.warehouse, house.clock)
    with house.warehouse.read() as connection:
        assert batches.batch(connection, batch.batch_id) == found
    return found
