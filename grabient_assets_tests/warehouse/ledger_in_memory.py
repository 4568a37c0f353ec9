"""The tables of the ledger in memory, without a provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from grabient_assets.groups.palettes.loading import palette_record
from grabient_assets.groups.palettes.tables import add_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagRecord, complete_tagging, record_tags
from grabient_assets.ledger.asks import AskTarget, SubjectVersion, record_asks
from grabient_assets.ledger.batches import BatchRecord, RequestRecord, insert_intent, update_batch
from grabient_assets.ledger.due import DueRequest, close_finished, due_requests, share_answers
from grabient_assets.warehouse.migrations import migrate
from grabient_assets_tests.ledger.house import palette, twins

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
PLAIN, TURNED = twins()
PALETTES = [PLAIN, TURNED, palette(1)]
TARGETS = [AskTarget("openai", "m1", "d" * 19 + "1"), AskTarget("openai", "m2", "d" * 19 + "2")]


class Ledger:
    """The tables in memory, and the moves of the pipeline."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection
        self.now = START
        self.batches = 0
        add_palettes(connection, [palette_record(p, p.canonical, START) for p in PALETTES])

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def ask(self, *seeds: str, analyses: int = 1, version: str = "v1", targets=TARGETS, **more: Any) -> None:
        wanted = [SubjectVersion(version, seed) for seed in seeds]
        record_asks(self.connection, TAGGING, wanted, targets, analyses, self.tick(), **more)
        self.settle()

    def settle(self) -> None:
        share_answers(self.connection, TAGGING)
        close_finished(self.connection, TAGGING, self.now)

    def due(self, provider: str = "openai") -> list[DueRequest]:
        return due_requests(self.connection, TAGGING, provider)

    def send(self, due: list[DueRequest]) -> str:
        self.batches += 1
        name = f"b{self.batches}"
        batch = BatchRecord(
            name, "tagging", "openai", "m1", "v1", "d", "submitted", len(due), "sha", "account", self.tick()
        )
        insert_intent(
            self.connection, batch, [RequestRecord(name, d.custom_id, d.subject, d.analysis_index) for d in due]
        )
        return name

    def answer(self, due: list[DueRequest], error: str | None = None, provider: str = "openai") -> None:
        record_tags(self.connection, [self.row(d, error, provider) for d in due])
        self.settle()

    def row(self, due: DueRequest, error: str | None = None, provider: str = "openai") -> TagRecord:
        return TagRecord(
            *(due.subject, due.prompt_version, provider, due.model, due.analysis_index, due.custom_id),
            *("invalid" if error else "succeeded", self.tick()),
            error=error,
            cost_usd=Decimal("0.5"),
        )

    def collected(self, name: str) -> None:
        self.connection.execute("UPDATE batch_requests SET fate = 'x' WHERE batch_id = ?", [name])
        update_batch(self.connection, name, status="collected")

    def rows(self, query: str):
        return self.connection.execute(query).fetchall()

    def complete(self, *providers: str) -> set[str]:
        return {t.partition.subject for t in complete_tagging(self.connection, providers or ("openai",))}


@contextmanager
def ledger() -> Iterator[Ledger]:
    with duckdb.connect() as connection:
        migrate(connection, Path("unused"))
        yield Ledger(connection)
