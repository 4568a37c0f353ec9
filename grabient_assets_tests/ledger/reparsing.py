"""Asked, sent and collected for one model, and read again from the archive."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grabient_assets.groups.purposes import PURPOSES, reader_of
from grabient_assets.groups.tagging.collection import complete_palettes
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.ledger.asks import AskTarget, SubjectVersion, record_asks
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.reparse import Reparsed, reparse_batches
from grabient_assets.ledger.round import collect_batches
from grabient_assets.ledger.settling import AnswerReader
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

TABLES = ("batches", "batch_requests", "palette_tags", "tag_consensus", "palette_tag_refined", "asks")
MODEL = "gpt-4o-mini"


def dump(house: House) -> dict[str, list[tuple[Any, ...]]]:
    return {table: house.rows(f"SELECT * FROM {table} ORDER BY ALL") for table in TABLES}


def ask(house: House, chosen: Sequence[SubjectVersion], **more: Any) -> None:
    """Want the tags of one model."""
    house.ask(chosen, **more)
    house.write("DELETE FROM asks WHERE model <> ?", MODEL)


def send_if_due(house: House, provider: ScriptedProvider) -> BatchRecord | None:
    house.clock.wind(seconds=1)
    sent = submit_due(
        TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock)
    ).batches
    return sent[0].batch if sent else None


def send(house: House, provider: ScriptedProvider) -> BatchRecord:
    batch = send_if_due(house, provider)
    assert batch is not None
    return batch


def collect(house: House, provider: ScriptedProvider, batch: BatchRecord, reader: AnswerReader | None = None) -> None:
    house.clock.wind(seconds=1)
    known = reader_of(house.warehouse, house.store)
    done = collect_batches(
        [batch.batch_id], provider.connect, house.warehouse, house.store, lambda b: reader or known(b), house.clock
    )
    assert done.troubles == ()
    house.clock.wind(seconds=1)
    complete_palettes(house.warehouse, ["openai"], house.clock)


def retry(house: House) -> None:
    house.clock.wind(seconds=1)
    rows = house.rows("SELECT prompt_version, subject, provider, model, request_digest FROM asks")
    chosen, target = [SubjectVersion(*row[:2]) for row in rows], AskTarget(*rows[0][2:])
    with house.warehouse.write() as connection:
        record_asks(connection, TAGGING, chosen, [target], 1, house.clock(), retry=True)


def reparse(house: House, provider: ScriptedProvider, *names: str, **how: Any) -> Reparsed:
    """As the command does; the provider only lends its way of reading lines."""
    known = reader_of(house.warehouse, house.store)
    reader = how.pop("reader", None)
    return reparse_batches(
        names,
        how.pop("version", None),
        house.warehouse,
        house.store,
        how.pop("purposes", PURPOSES),
        lambda batch: reader or known(batch),
        lambda _: provider.read_line,
        ["openai"],
    )


def reparse_and_die(folder: Path) -> None:
    """In a process of its own: everything is staged and swapped, and then it is killed before the commit."""
    killing = replace(TAGGING, after_reparse=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    reparse(House(folder), ScriptedProvider(), purposes={**PURPOSES, TAGGING.name: killing})
