"""A disk that fills up at any step: one sentence, nothing half-written, nothing sent twice, and on it goes."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grabient_assets.errors import GrabientError, StoreError, WarehouseError
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.purpose import TAGGING
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.batches import BatchRecord
from grabient_assets.ledger.costs import unbalanced_batches
from grabient_assets.ledger.round import Round, collect_batches
from grabient_assets.ledger.settling import AnswerReader, Settled
from grabient_assets.ledger.submission import Submission, submit_due
from grabient_assets.store.folder import FolderStore
from grabient_assets_tests.ledger.disks import Disk, limited_files, small_disk
from grabient_assets_tests.ledger.house import House, palette
from grabient_assets_tests.ledger.scripted_provider import ScriptedProvider

if TYPE_CHECKING:
    from datetime import datetime

    from duckdb import DuckDBPyConnection

WAY_OUT = "Free"


@pytest.fixture(params=["a disk", "a limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") if request.param == "a disk" else limited_files(tmp_path) as found:
        yield found


@pytest.fixture
def house(disk: Disk) -> House:
    """Two palettes, wanted from the models of one provider."""
    house = House(disk.folder)
    house.ask(house.load(*(palette(number) for number in range(2))))
    return house


@pytest.fixture
def provider(house: House) -> ScriptedProvider:
    return ScriptedProvider(clock=house.clock)


class FillingStore(FolderStore):
    """The disk is full when an object comes whose name begins so."""

    def __init__(self, disk: Disk, name: str) -> None:
        super().__init__(disk.folder / "objects")
        self._disk, self._object = disk, name

    def put(self, key: str, data: bytes, content_type: str) -> None:
        if key.rpartition("/")[2].startswith(self._object):
            self._disk.fill()
        super().put(key, data, content_type)


class FillingReader(TagReader):
    """The disk is full when the answers are written and only the commit is still to come."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def save(
        self, connection: DuckDBPyConnection, batch: BatchRecord, settled: Sequence[Settled], now: datetime
    ) -> None:
        super().save(connection, batch, settled, now)
        self._disk.fill()


def send(house: House, provider: ScriptedProvider, store: FolderStore | None = None) -> None:
    submit_due(
        TAGGING, Submission(provider.connection(), PURPOSES, house.warehouse, store or house.store, house.clock), "run"
    )


def collect(
    house: House, provider: ScriptedProvider, store: FolderStore | None = None, reader: AnswerReader | None = None
) -> Round:
    ids = [row[0] for row in house.rows("SELECT batch_id FROM batches WHERE status IN ('intended', 'submitted')")]
    return collect_batches(
        ids, provider.connect, house.warehouse, store or house.store, lambda _: reader or TagReader(), house.clock
    )


def go_on(house: House, provider: ScriptedProvider, disk: Disk) -> None:
    """Free the disk and do what is due until nothing is; then every request was sent once and has its answer."""
    disk.free()
    for _ in range(3):
        house.clock.wind(minutes=2)
        send(house, provider)
        provider.end_all()
        assert collect(house, provider).troubles == ()
    assert len(provider.sent) == len(set(provider.sent)) == house.rows("SELECT count(*) FROM palette_tags")[0][0] > 0
    assert house.rows("SELECT DISTINCT fate FROM palette_tags") == [("succeeded",)]
    with house.warehouse.read() as connection:
        assert unbalanced_batches(connection) == (0, [])
    for requests, results in house.rows("SELECT requests_key, results_key FROM batches WHERE status = 'collected'"):
        for key in (requests, results):
            assert gzip.decompress(house.store.get(key)).endswith(b"\n")
    assert not list(disk.folder.rglob(".partial-*"))


def check_said(error: BaseException, kind: type[GrabientError], what: str, disk: Disk) -> None:
    """One sentence: which file, why, the way out."""
    text = str(error)
    assert isinstance(error, kind)
    assert what in text and disk.says in text and WAY_OUT in text and "run again" in text
    assert "\n" not in text


def test_while_the_intent_is_written(house: House, provider: ScriptedProvider, disk: Disk) -> None:
    disk.fill()
    with pytest.raises(GrabientError) as caught:
        send(house, provider)
    check_said(caught.value, WarehouseError, "grabient.duckdb", disk)
    assert provider.sent == []
    assert house.rows("SELECT * FROM batches") == []
    go_on(house, provider, disk)


def test_while_the_file_is_made(disk: Disk) -> None:
    house = House(disk.folder)
    house.path.unlink()
    disk.fill()
    with pytest.raises(GrabientError) as caught:
        house.load(palette(1))
    check_said(caught.value, WarehouseError, "grabient.duckdb", disk)
    assert not list(disk.folder.glob("*grabient.duckdb*"))
    disk.free()
    house.load(palette(1))
    assert house.rows("SELECT count(*) FROM palettes") == [(1,)]


def test_while_the_requests_are_archived(house: House, provider: ScriptedProvider, disk: Disk) -> None:
    with pytest.raises(GrabientError) as caught:
        send(house, provider, FillingStore(disk, "requests.jsonl.gz"))
    check_said(caught.value, StoreError, "requests.jsonl.gz", disk)
    assert provider.sent == []
    assert not list((disk.folder / "objects").rglob("*.gz"))
    go_on(house, provider, disk)


def test_a_lock_that_cannot_be_written_keeps_everything_from_being_sent(
    house: House, provider: ScriptedProvider, disk: Disk
) -> None:
    (disk.folder / "sending").write_text("a file where the folder of locks belongs")
    with pytest.raises(WarehouseError, match=r"\.lock cannot be written .* Nothing was sent\. Free space"):
        send(house, provider)
    assert provider.sent == [] == house.rows("SELECT * FROM batches")


def test_while_the_receipt_is_written(house: House, provider: ScriptedProvider, disk: Disk) -> None:
    provider.after_submit = lambda _: disk.fill()
    with pytest.raises(GrabientError) as caught:
        send(house, provider)
    check_said(caught.value, WarehouseError, "grabient.duckdb", disk)
    assert len(provider.held) == 1
    assert house.rows("SELECT status FROM batches") == [("intended",)]
    provider.after_submit = lambda _: None
    go_on(house, provider, disk)


def test_while_the_results_are_archived(house: House, provider: ScriptedProvider, disk: Disk) -> None:
    send(house, provider)
    provider.end_all()
    done = collect(house, provider, FillingStore(disk, "results"))
    assert done.collected == () and len(done.troubles) == len(provider.held)
    check_said(StoreError(done.troubles[0][1]), StoreError, "/results-", disk)
    assert house.rows("SELECT DISTINCT status, results_key FROM batches") == [("submitted", None)]
    assert not list((disk.folder / "objects").rglob("results*"))
    go_on(house, provider, disk)


def test_while_the_answers_are_committed(house: House, provider: ScriptedProvider, disk: Disk) -> None:
    send(house, provider)
    provider.end_all()
    done = collect(house, provider, reader=FillingReader(disk))
    assert done.collected == () and len(done.troubles) == len(provider.held)
    [sentence] = {said for _, said in done.troubles}
    check_said(WarehouseError(sentence), WarehouseError, "grabient.duckdb", disk)
    assert house.rows("SELECT count(*) FROM palette_tags") == [(0,)]
    assert house.rows("SELECT DISTINCT fate FROM batch_requests") == [(None,)]
    go_on(house, provider, disk)
