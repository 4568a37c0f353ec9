"""Killed anywhere while sending and collecting: the next round neither loses nor doubles."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.collection import complete_palettes, palettes_to_complete
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.round import Round, collect_batches
from grabient_assets.ledger.send import Sent
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.store.folder import FolderStore
from grabient_assets_tests.ledger.house import FILE_AND_POSTGRES, House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider, nothing


class Killed(BaseException):
    """What no `except Exception` may catch."""


@dataclass
class DyingStore:
    """The folder store, until `dies` happens: before or after a put of requests or results."""

    inner: FolderStore
    dies: str = ""
    name: str = "local"

    def put(self, key: str, data: bytes, content_type: str) -> None:
        what = Path(key).name.split(".")[0].split("-")[0]
        if self.dies == f"before {what}":
            raise Killed
        self.inner.put(key, data, content_type)
        if self.dies == f"after {what}":
            raise Killed

    def get(self, key: str) -> bytes:
        return self.inner.get(key)

    def exists(self, key: str) -> bool:
        return self.inner.exists(key)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def uri(self, key: str) -> str:
        return self.inner.uri(key)

    def public_url(self, key: str) -> str | None:
        return None


class DyingReader(TagReader):
    """Dies where it is told to."""

    def __init__(self, dies: str) -> None:
        self.dies = dies

    def judge(self, request, result):
        if self.dies == "judging":
            raise Killed
        return super().judge(request, result)

    def save(self, connection, batch, settled, now) -> None:
        super().save(connection, batch, settled, now)
        if self.dies == "saving":
            raise Killed


SENDING = ("before requests", "after requests", "before create", "after create")
COLLECTING = ("polling", "before results", "after results", "judging", "saving")


QUICK = ("before create", "after create", "after results", "saving")
"""Sent and not sent, archived and half written; the others repeat one of these."""


@FILE_AND_POSTGRES
@pytest.mark.parametrize(
    "dies",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in (*SENDING, *COLLECTING)],
)
def test_killed_and_started_again(house: House, provider: ScriptedProvider, dies: str) -> None:
    provider.name = "google"  # two models
    house.ask(house.load(palette(1)), analyses=2, providers=["google"])
    store = DyingStore(house.store, dies)

    def die(*_: object) -> None:
        raise Killed

    def send() -> Sent:
        return submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, store, house.clock))

    def collect(reader: TagReader) -> Round:
        open_now = [r[0] for r in house.rows("SELECT batch_id FROM batches WHERE status IN ('intended', 'submitted')")]
        return collect_batches(open_now, provider.connect, house.warehouse, store, lambda _: reader, house.clock)

    if dies == "before create":
        provider.before_submit = die
    if dies == "after create":
        provider.after_submit = die
    if dies == "polling":
        provider.before_poll = die
    if dies in SENDING:
        with pytest.raises(Killed):
            send()
        assert house.rows("SELECT count(*) FROM batches WHERE status = 'intended'") == [(1,)]
    else:
        send()
        provider.end_all()
        with pytest.raises(Killed):
            collect(DyingReader(dies))
        assert house.rows("SELECT count(*) FROM palette_tags") == [(0,)]
    # The machine comes back.
    store.dies = ""
    provider.before_submit = provider.after_submit = provider.before_poll = nothing
    for _ in range(4):
        house.clock.wind(minutes=2)
        send()
        provider.end_all()
        collect(TagReader())
    complete_palettes(house.warehouse, ["google"], house.clock)
    assert len(provider.sent) == len(set(provider.sent)) == 4
    tags = house.rows("SELECT custom_id, error, cost_usd > 0 FROM palette_tags ORDER BY 1")
    assert tags == [(custom_id, None, True) for custom_id in sorted(provider.sent)]
    assert house.rows("SELECT DISTINCT state FROM asks") == [("closed",)]
    assert house.rows("SELECT count(*) FROM batches WHERE status = 'submitted'") == [(0,)]
    assert house.warehouse.database is not None or list((house.folder / "sending").iterdir()) == []


@FILE_AND_POSTGRES
def test_killed_between_the_last_answer_and_the_consensus(house: House, provider: ScriptedProvider) -> None:
    """All answers are stored and nobody closed the asks: the sensor finds the palette all the same."""
    [wanted] = house.load(palette(1))
    house.ask([wanted])
    sent = submit_due(TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, house.store, house.clock))
    assert palettes_to_complete(house.warehouse, ["openai"]) == []
    provider.end_all()
    ids = [one.batch.batch_id for one in sent.batches]
    collect_batches(ids, provider.connect, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    assert house.rows("SELECT DISTINCT state FROM asks") == [("open",)]
    assert palettes_to_complete(house.warehouse, ["openai"]) == [wanted]
    assert len(complete_palettes(house.warehouse, ["openai"], house.clock).consensus) == 1
    assert palettes_to_complete(house.warehouse, ["openai"]) == []
