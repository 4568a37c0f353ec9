"""A version that is kept at Cloudflare too: live when it is seen there, and never emptied."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.errors import ProviderBusyError, ProviderError, WarehouseError
from grabient_assets.groups.indexes.remote_sync import remote_differences, sync_remote
from grabient_assets.groups.indexes.versions import Differences, named_version, sync_entries
from grabient_assets.groups.search.palette_index import PALETTES
from grabient_assets.providers.vectorize import Vector, VectorizeIndex
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.search.remote_shelf import NAME, RemoteShelf


@pytest.fixture
def shelf(tmp_path: Path, emulator: Running) -> RemoteShelf:
    return RemoteShelf(tmp_path, emulator)


def fault(do: str, **more: Any) -> dict[str, Any]:
    return {"match": {"provider": "cloudflare", "route": "vectors"}, "action": {"do": do, **more}}


KEYS = ["key-diner", "key-fire", "key-mist", "key-sea"]


def test_it_is_live_when_it_is_seen(shelf: RemoteShelf) -> None:
    shelf.emulator.faults(fault("visible_after", polls=3))
    first = shelf.round()
    assert (first.version.state, first.on_the_way, first.version.remote_name) == ("building", 4, NAME)
    assert shelf.rows("SELECT DISTINCT state FROM index_entries") == [("sent",)]
    assert shelf.rounds() <= 4
    assert shelf.there() == KEYS
    assert shelf.rows("SELECT op, vectors, visible_at IS NOT NULL FROM index_mutations") == [("upsert", 4, True)]


def test_nothing_is_written_when_nothing_changed(shelf: RemoteShelf) -> None:
    shelf.rounds()
    before = shelf.rows("SELECT count(*) FROM index_mutations")
    assert not shelf.round().changed and shelf.rows("SELECT count(*) FROM index_mutations") == before


def test_a_changed_text_replaces_its_vector_and_an_orphan_leaves_last(shelf: RemoteShelf) -> None:
    shelf.rounds()
    shelf.text("mist", "A bright meadow in June.")
    with shelf.write() as connection:
        connection.execute("DELETE FROM palette_tag_refined WHERE seed = 'fire'")
    shelf.embed()
    done = shelf.round()
    assert (done.replaced, done.removed) == (1, 1)
    shelf.rounds()
    assert shelf.there() == ["key-diner", "key-mist", "key-sea"]
    with closing(shelf.open(NAME)) as index:
        [match] = index.query(list(shelf.rows(VECTOR_OF_MIST)[0][0]), 1)
    assert (match.id, round(match.score, 4), match.metadata["seed"]) == ("key-mist", 1.0, "mist")
    assert shelf.rows("SELECT op, vectors FROM index_mutations ORDER BY seq") == [
        ("upsert", 4),
        ("upsert", 1),
        ("delete", 1),
    ]


VECTOR_OF_MIST = """
    SELECT vector FROM embeddings JOIN index_entries USING (content_sha256) WHERE vector_id = 'key-mist'
"""


def test_who_died_after_an_accepted_write_goes_on_with_the_same_ids(shelf: RemoteShelf) -> None:
    shelf.round()
    with shelf.write() as connection:  # as if the process had died before it wrote down what was accepted
        connection.execute("UPDATE index_entries SET state = 'wanted', mutation_id = NULL")
        connection.execute("DELETE FROM index_mutations")
    shelf.rounds()
    assert shelf.there() == KEYS


def test_a_text_that_changes_while_its_vector_is_written_is_written_again(shelf: RemoteShelf) -> None:
    class Meanwhile(VectorizeIndex):
        """Another process puts a new text into the index while the first write is under way."""

        def upsert(self, vectors: Any, noted: Any = lambda _: None) -> Any:
            if shelf.rows("SELECT count(*) FROM index_mutations") == [(0,)]:
                shelf.text("mist", "A bright meadow in June.")
                shelf.embed()
                with shelf.write() as connection:
                    sync_entries(connection, PALETTES, named_version(connection, "palettes", 1), shelf.clock())
            return super().upsert(vectors, noted)

    def open_meddling(name: str) -> VectorizeIndex:
        return Meanwhile("an-account", "token", name, shelf.emulator.bases["cloudflare"])

    shelf.sync(connect=open_meddling, remote=NAME)
    shelf.rounds()
    with closing(shelf.open(NAME)) as index:
        [match] = index.query(list(shelf.rows(VECTOR_OF_MIST)[0][0]), 1)
    assert (match.id, round(match.score, 4)) == ("key-mist", 1.0)
    assert shelf.rows("SELECT vectors FROM index_mutations ORDER BY seq") == [(4,), (1,)]


def test_while_it_is_busy_the_live_version_is_searched(shelf: RemoteShelf) -> None:
    shelf.sync()
    assert shelf.versions() == [(1, "live")]
    shelf.emulator.faults(fault("status", status=429))
    with pytest.raises(ProviderBusyError):
        shelf.round()
    assert shelf.versions() == [(2, "building"), (1, "live")]
    assert shelf.find("midnight ocean").hits[0].seed == "sea"
    shelf.emulator.faults()
    shelf.rounds()
    assert shelf.versions() == [(2, "live"), (1, "retired")]


def lose_and_plant(shelf: RemoteShelf, *planted: str) -> None:
    """Somebody deletes key-sea at Cloudflare, and writes other vectors there."""
    [(vector,)] = shelf.rows(VECTOR_OF_MIST)
    with closing(shelf.open(NAME)) as index:
        index.delete(["key-sea"])
        index.upsert([Vector(one, vector, None, {}) for one in planted])


def test_what_cloudflare_lost_and_what_others_put_there_is_found_and_healed(shelf: RemoteShelf) -> None:
    shelf.rounds()
    lose_and_plant(shelf, "stray")
    with shelf.warehouse.read() as connection:
        version = named_version(connection, "palettes", None)
    with closing(shelf.open(NAME)) as index:
        assert remote_differences(shelf.warehouse, version, index) == Differences(("key-sea",), (), ("stray",))
    assert not shelf.round().changed and "stray" in shelf.there(), "a plain round does not list what is there"
    shelf.sync(connect=shelf.open, remote=NAME, compare=True)
    shelf.rounds()
    assert shelf.there() == KEYS
    with closing(shelf.open(NAME)) as index:
        assert not remote_differences(shelf.warehouse, version, index)


def test_the_index_of_another_folder_is_not_taken_for_strangers(shelf: RemoteShelf) -> None:
    shelf.rounds()
    others = [f"other-{number}" for number in range(5)]
    lose_and_plant(shelf, *others)
    with pytest.raises(WarehouseError, match="lists 5 vectors that this data folder does not know, more than the 4"):
        shelf.sync(connect=shelf.open, remote=NAME, compare=True)
    assert len(shelf.there()) == 8
    with closing(shelf.open(NAME)) as index:  # the emulator is that of all tests
        index.delete(others)


def test_a_write_that_is_not_taken_is_written_down_with_its_reason(shelf: RemoteShelf) -> None:
    shelf.emulator.faults(fault("success_false"))
    with pytest.raises(ProviderError):
        shelf.round()
    shelf.emulator.faults()
    shelf.rounds()
    found = shelf.rows("SELECT op, vectors, error IS NULL, visible_at IS NULL FROM index_mutations ORDER BY seq")
    assert found[-1] == ("upsert", 4, True, False)
    assert found[:-1] in ([], [("upsert", 4, False, True)])


def test_vectors_are_read_some_at_a_time(shelf: RemoteShelf) -> None:
    shelf.sync(connect=None, remote=NAME)
    with shelf.warehouse.read() as connection:
        version = named_version(connection, "palettes", 1)
    with closing(shelf.open(NAME)) as index:
        for _ in range(3):
            sync_remote(shelf.warehouse, PALETTES, version, index, shelf.clock, at_once=3)
    assert shelf.there() == KEYS
    assert shelf.rows("SELECT vectors FROM index_mutations ORDER BY seq") == [(3,), (1,)]


def test_a_folder_leaves_cloudflare_when_the_setting_is_gone(shelf: RemoteShelf) -> None:
    """Nothing says how to reach the version that is live there, so it is left as it is until the local one is live."""
    shelf.rounds()
    shelf.text("mist", "A bright meadow in June.")
    shelf.embed()

    def refuse(name: str) -> VectorizeIndex:
        raise AssertionError(f"{name} was opened")

    done = shelf.sync(connect=refuse, compare=True)
    assert done is not None and shelf.versions() == [(2, "live"), (1, "retired")]
    assert shelf.find("meadow").hits[0].seed == "mist"
