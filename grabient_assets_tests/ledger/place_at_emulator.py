"""A data folder whose providers are the emulator, reached over sockets through the four SDKs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger import batches
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.round import Round, collect_batches
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.providers.connect import connect
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.ledger.house import Clock, House, palette


@dataclass
class Place:
    """A house and the emulator. `account` and `key` are those of every connection made."""

    house: House
    emulator: Running
    account: str = "emulator"
    settling: timedelta = timedelta(0)
    chosen: list[SubjectVersion] = field(default_factory=list)
    budget_usd: Decimal | None = None

    def __post_init__(self) -> None:
        self.house.clock = Clock(datetime.now(UTC))
        self.emulator.control("POST", "reset")

    @contextmanager
    def connect(self, name: str) -> Iterator[Connection]:
        provider = connect(name, "emulator", self.emulator.bases[name], Timeouts(read=60, transfer=60, attempts=1))
        try:
            yield Connection(provider, self.account, "emulator", self.settling, self.budget_usd)
        finally:
            provider.close()

    def ask(self, provider: str, count: int = 4) -> None:
        """Want tags of `count` palettes from one panel model of the provider, once each."""
        self.chosen = self.house.load(*(palette(number) for number in range(count)))
        self.house.ask(self.chosen, providers=[provider])
        self.house.write("DELETE FROM asks WHERE model <> (SELECT min(model) FROM asks)")

    def submit(self, provider: str) -> list[BatchRecord]:
        """Send what is due; the new batches."""
        with self.connect(provider) as connection:
            sent = submit_due(
                TAGGING, Submission(connection, PURPOSES, self.house.warehouse, self.house.store, self.house.clock)
            )
        return [one.batch for one in sent.batches]

    def sent(self, provider: str, count: int = 4) -> BatchRecord:
        """One batch of `count` requests that the provider has accepted."""
        self.ask(provider, count)
        [batch] = self.submit(provider)
        return batch

    def collect(self, *batch_ids: str) -> Round:
        house = self.house
        return collect_batches(
            batch_ids, self.connect, house.warehouse, house.store, reader_of(house.warehouse, house.store), house.clock
        )

    def ledger(self, batch_id: str) -> BatchRecord:
        with self.house.warehouse.read() as connection:
            found = batches.batch(connection, batch_id)
        assert found is not None
        return found

    def fates(self, batch_id: str) -> dict[str, int]:
        with self.house.warehouse.read() as connection:
            return batches.fates_of(connection, batch_id)
