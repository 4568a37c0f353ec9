"""Search in memory: the hits are those of SQL, and its file is written once, whole, and only when something changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from grabient_assets.groups.embedding.queries import QueryVectors
from grabient_assets.groups.indexes.matrix import ABANDONED_SECONDS, mapped_matrix
from grabient_assets.groups.indexes.versions import named_version
from grabient_assets.groups.search.loaded_index import LoadedIndex
from grabient_assets.groups.search.searching import checked_query
from grabient_assets.vectors.local_embedder import embed_locally
from grabient_assets_tests.groups.search.shelf import TEXTS, Shelf

WORDS = (
    *("misty", "forest", "dawn", "harbour", "neon", "diner", "velvet", "ember"),
    *("glacier", "meadow", "desert", "lagoon", "copper", "plum", "orchid"),
)
MANY = {f"seed-{n}": f"{WORDS[n % 15]} {WORDS[n * 7 % 13]} over {WORDS[n // 15 % 15]}" for n in range(150)}
"""Some of the texts are equal: their palettes tie."""


def loaded(shelf: Shelf) -> LoadedIndex:
    return LoadedIndex(shelf.warehouse, vectors_of(), small=1)


def vectors_of() -> QueryVectors:
    def embed(texts: Sequence[str], _: str, dimensions: int) -> list[list[float]]:
        return embed_locally(texts, dimensions).tolist()

    return embed


def files(folder: Path) -> list[Path]:
    return sorted((folder / "indexes").iterdir())


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    shelf = Shelf(tmp_path_factory.mktemp("many"), MANY)
    with shelf.write() as connection:
        warm = "CAST(right(seed, 1) AS INTEGER) % 3 = 0"
        connection.execute(f"UPDATE palette_tag_refined SET temperature = 'warm' WHERE {warm}")
    shelf.build()
    return shelf


@pytest.mark.parametrize("text", ["misty forest", "neon diner at the harbour", "plum"])
@pytest.mark.parametrize(
    "more", [{}, {"limit": 150}, {"where": ["temperature=warm"]}, {"prompt_version": "v1"}, {"prompt_version": "v9"}]
)
def test_the_hits_are_those_of_sql(many: Shelf, text: str, more: dict[str, Any]) -> None:
    in_memory, in_sql = loaded(many).find(checked_query(text, **more)), many.find(text, **more)
    assert in_memory.hits == in_sql.hits and (in_memory.version, in_memory.embedder) == (1, "wordllama-256")
    assert len(in_memory.hits) == (0 if "v9" in more.values() else more.get("limit", 10))
    [file] = files(many.warehouse.path.parent)
    assert file.stat().st_size == len(MANY) * (64 + 4 * 256)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf(tmp_path)
    shelf.build()
    return shelf


def test_its_file_is_written_once_and_anew_when_an_entry_has_changed(shelf: Shelf, tmp_path: Path) -> None:
    living = loaded(shelf)
    assert living.find(checked_query("midnight ocean")).hits[0].seed == "sea"
    [first] = files(tmp_path)
    before = first.stat().st_mtime_ns
    shelf.sync()
    assert loaded(shelf).find(checked_query("midnight ocean")).hits[0].seed == "sea"
    assert files(tmp_path) == [first] and first.stat().st_mtime_ns == before
    shelf.text("fire", "A black ocean at midnight under a new moon.")
    shelf.build()
    assert living.find(checked_query("midnight ocean")).hits[0].seed == "fire", "a living process sees it"
    [second] = files(tmp_path)
    assert second != first, "what the index held before is removed"


def test_a_file_that_is_cut_off_is_written_again(shelf: Shelf, tmp_path: Path) -> None:
    loaded(shelf).find(checked_query("sea"))
    [file] = files(tmp_path)
    whole = file.read_bytes()
    for size in (0, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert loaded(shelf).find(checked_query("midnight ocean")).hits[0].seed == "sea"
        assert file.read_bytes() == whole


def test_what_a_dead_process_left_is_removed_and_what_another_writes_is_not(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "indexes").mkdir()
    old, new = (tmp_path / "indexes" / f"palettes-{name}.partial" for name in ("old", "new"))
    for partial in (old, new):
        partial.write_bytes(b"half")
    long_ago = new.stat().st_mtime - timedelta(seconds=ABANDONED_SECONDS + 60).total_seconds()
    os.utime(old, (long_ago, long_ago))
    loaded(shelf).find(checked_query("sea"))
    assert [one.name for one in files(tmp_path) if one.suffix == ".partial"] == [new.name]


def test_two_may_write_it_at_the_same_time(shelf: Shelf, tmp_path: Path) -> None:
    """Both find no file: each is stopped until the other one has looked too."""
    met, found = threading.Barrier(2), list[bytes]()

    class Met:
        """A connection whose first statement waits for the other writer."""

        def __init__(self, connection: Any) -> None:
            self._connection, self._waits = connection, True

        def execute(self, *arguments: Any) -> Any:
            if self._waits:
                self._waits = False
                met.wait(30)
            return self._connection.execute(*arguments)

    with shelf.warehouse.read() as connection:
        version = named_version(connection, "palettes", 1)
        both = [Met(connection.cursor()) for _ in range(2)]
        for one in both:
            one._connection.execute(f"USE {connection.execute('SELECT current_database()').fetchall()[0][0]}")

        def write(one: Any) -> None:
            found.append(mapped_matrix(tmp_path / "indexes", one, version).rows.tobytes())

        threads = [threading.Thread(target=write, args=[one]) for one in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 2 and found[0] == found[1] and len(files(tmp_path)) == 1


def test_where_it_cannot_be_written_sql_finds_the_same(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "indexes").write_text("a file where the folder should be")
    found = loaded(shelf).find(checked_query("midnight ocean"))
    assert found.hits == shelf.find("midnight ocean").hits and found.hits[0].embed_text == TEXTS["sea"]


def test_a_living_process_keeps_what_it_has_mapped(shelf: Shelf, tmp_path: Path) -> None:
    living = loaded(shelf)
    before = living.find(checked_query("midnight ocean")).hits
    files(tmp_path)[0].unlink()
    assert living.find(checked_query("midnight ocean")).hits == before and files(tmp_path) == []


def test_a_vector_that_is_too_short_shifts_no_other(shelf: Shelf, tmp_path: Path) -> None:
    with shelf.write() as connection:
        connection.execute(
            f"UPDATE embeddings SET vector = vector[:255] WHERE content_sha256 = sha256('{TEXTS['mist']}')"
        )
    with pytest.raises(duckdb.ConversionException):  # of SQL
        loaded(shelf).find(checked_query("midnight ocean"))
    assert files(tmp_path) == []


def test_an_id_that_is_too_long_for_the_file_is_found_in_sql(tmp_path: Path) -> None:
    long = "s" * 70
    shelf = Shelf(tmp_path, {**TEXTS, long: "A black ocean at midnight under a new moon."})
    shelf.build()
    assert loaded(shelf).find(checked_query("midnight ocean")).hits[0].vector_id == f"key-{long}"
    assert files(tmp_path) == []


def test_a_small_index_has_no_file(shelf: Shelf, tmp_path: Path) -> None:
    assert LoadedIndex(shelf.warehouse, vectors_of()).find(checked_query("midnight ocean")).hits[0].seed == "sea"
    assert not (tmp_path / "indexes").exists()


def test_another_version_and_back(shelf: Shelf) -> None:
    living = loaded(shelf)
    with shelf.write() as connection:  # a second version, without the sea
        other = "2 AS version, 'retired' AS state"
        connection.execute(f"INSERT INTO index_versions SELECT * REPLACE ({other}) FROM index_versions")
        connection.execute(
            "INSERT INTO index_entries SELECT * REPLACE (2 AS version) FROM index_entries WHERE subject <> 'sea'"
        )
    query = checked_query("midnight ocean")
    assert [living.find(query, version).hits[0].seed == "sea" for version in (None, 2, 1)] == [True, False, True]
