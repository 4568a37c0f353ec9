"""Refined palettes get vectors, the vectors an index, and a version of it goes live when it is whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grabient_assets.errors import UsageError, WarehouseError
from grabient_assets.groups.indexes.keeping import held_versions
from grabient_assets.groups.indexes.versions import (
    Build,
    Differences,
    begin_version,
    differences,
    go_live,
    named_version,
    roll_back,
)
from grabient_assets.groups.search.palette_index import PALETTES, index_differences, keep_index
from grabient_assets.settings import Settings, load_settings
from grabient_assets_tests.groups.search.shelf import TEXTS, Shelf
from grabient_assets_tests.pipeline.place import settings_of
from grabient_assets_tests.warehouse import results

ENTRIES = "SELECT subject, content_sha256 FROM index_entries ORDER BY 1"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def differing(shelf: Shelf) -> Differences:
    with shelf.warehouse.read() as connection:
        return differences(connection, PALETTES, named_version(connection, "palettes", None))


def with_another_embedder(shelf: Shelf, among: str = "true") -> None:
    """Vectors of another model, for some of the palettes."""
    with shelf.write() as connection:
        for table, condition in (("embeddings", "true"), ("palette_embeddings", among)):
            connection.execute(
                f"INSERT INTO {table} SELECT * REPLACE ('other' AS embedder) FROM {table} "
                f"WHERE embedder = '{shelf.embedder.id}' AND {condition} ON CONFLICT DO NOTHING"
            )


def test_every_refined_palette_gets_a_vector_once(shelf: Shelf) -> None:
    assert sorted(shelf.embed()) == sorted(TEXTS)
    assert shelf.embed() == []
    vectors = shelf.rows(
        "SELECT dimensions, round(list_sum(list_transform(vector, lambda x: x * x)), 5) FROM embeddings"
    )
    assert vectors == [(256, 1.0)] * 4
    assert shelf.rows("SELECT DISTINCT fate, cost_usd, batch_id, task FROM embeddings") == [
        ("succeeded", None, None, "document")
    ]


def test_equal_texts_are_one_vector_and_a_changed_text_gets_a_new_one(shelf: Shelf) -> None:
    shelf.text("sea", TEXTS["fire"])
    shelf.build()
    assert shelf.rows("SELECT count(*) FROM embeddings") == [(3,)]
    assert shelf.rows("SELECT count(DISTINCT content_sha256), count(*) FROM index_entries") == [(3, 4)]
    before = dict(shelf.rows(ENTRIES))
    shelf.text("mist", "A bright meadow in June.")
    assert shelf.embed() == ["mist"]
    done = shelf.sync()
    assert done and (done.added, done.replaced, done.removed) == (0, 1, 0)
    after = dict(shelf.rows(ENTRIES))
    assert {seed for seed in after if after[seed] != before[seed]} == {"mist"}
    assert shelf.find("June meadow").hits[0].seed == "mist"


def test_the_second_time_nothing_is_written(shelf: Shelf) -> None:
    first = shelf.build()
    assert (first.version.state, first.added, first.version.wanted, first.version.present) == ("live", 4, 4, 4)
    before = shelf.warehouse.path.read_bytes()
    again = shelf.build()
    assert not again.changed and shelf.warehouse.path.read_bytes() == before


def test_there_is_no_index_of_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, {})
    assert shelf.embed() == [] and shelf.sync() is None and shelf.versions() == []
    with pytest.raises(UsageError, match="There is no live index 'palettes' yet"):
        shelf.find("sea")


def test_a_failed_refinement_and_an_empty_text_have_no_vector(shelf: Shelf) -> None:
    with shelf.write() as connection:
        results.refined(connection, "sea", error="refused")
    shelf.text("fire", "")
    shelf.build()
    assert [row[0] for row in shelf.rows(ENTRIES)] == ["diner", "mist"]


def test_another_embedder_is_built_beside_and_goes_live_when_it_is_whole(shelf: Shelf) -> None:
    shelf.build()
    with_another_embedder(shelf, "seed <> 'sea'")
    waiting = shelf.sync(embedder="other")
    assert waiting and waiting.held == "1 text of the index 'palettes' has no vector of other yet."
    with_another_embedder(shelf, "seed = 'sea'")
    held = shelf.sync(lambda *_: "It finds worse.", embedder="other")
    assert held and held.held == "It finds worse."
    assert shelf.versions() == [(2, "building"), (1, "live")]
    assert shelf.find("ocean at night").version == 1 and shelf.find("ocean at night").hits[0].seed == "sea"
    done = shelf.sync(embedder="other")
    assert done and done.version.state == "live" and done.version.live_at is not None
    assert shelf.versions() == [(2, "live"), (1, "retired")]
    assert shelf.rows("SELECT live_version FROM indexes") == [(2,)]
    assert shelf.find("ocean at night").hits[0].seed == "sea" and shelf.find("ocean at night").version == 2
    assert shelf.find("ocean at night", version=1).hits[0].seed == "sea"


def test_a_way_back_stays_until_a_person_leaves_it(shelf: Shelf) -> None:
    shelf.build()
    with_another_embedder(shelf)
    shelf.sync(embedder="other")
    now_live, left = roll_back(shelf.warehouse, "palettes", None, shelf.clock())
    assert (now_live.version, left.version) == (1, 2) and shelf.find("sea").version == 1
    done = shelf.sync(embedder="other")
    assert done and done.version.version == 1
    assert shelf.versions() == [(2, "failed"), (1, "live")]
    now_live, _ = roll_back(shelf.warehouse, "palettes", 2, shelf.clock())
    assert now_live.version == 2 and shelf.versions() == [(2, "live"), (1, "failed")]
    with pytest.raises(UsageError, match=r"There is no way back to 7: of the versions .* 1 was live before"):
        roll_back(shelf.warehouse, "palettes", 7, shelf.clock())


def test_what_is_missing_stale_and_orphaned_is_found_and_healed(shelf: Shelf) -> None:
    shelf.build()
    assert not differing(shelf)
    with shelf.write() as connection:
        connection.execute("DELETE FROM index_entries WHERE subject = 'mist'")
        connection.execute("UPDATE index_entries SET content_sha256 = (SELECT max(content_sha256) FROM embeddings)")
        connection.execute(
            "INSERT INTO index_entries "
            "SELECT * REPLACE ('planted' AS vector_id) FROM index_entries WHERE subject = 'sea'"
        )
    found = differing(shelf)
    assert found.missing == ("key-mist",) and found.orphaned == ("planted",)
    assert len(found.stale) == 2 and set(found.stale) < {"key-diner", "key-fire", "key-sea"}
    done = shelf.sync()
    assert done and (done.added, done.replaced, done.removed) == (1, 2, 1)
    assert not differing(shelf)


def test_an_index_is_never_emptied(shelf: Shelf) -> None:
    shelf.build()
    with shelf.write() as connection:
        connection.execute("DELETE FROM palette_tag_refined")
    with pytest.raises(WarehouseError, match="holds 4 vectors, and nothing is wanted in it any more"):
        shelf.sync()
    assert shelf.rows("SELECT count(*) FROM index_entries") == [(4,)]


def test_the_version_in_use_stands_for_a_palette_and_the_newest_other_one_before(shelf: Shelf) -> None:
    with shelf.write() as connection:
        results.refined(
            connection, "sea", embed_text="A lagoon at noon.", prompt_version="v2", created_at=shelf.clock()
        )
    shelf.build()
    versions = "SELECT metadata ->> 'promptVersion' FROM index_entries WHERE subject = 'sea'"
    assert shelf.rows(versions) == [("v1",)]
    with shelf.write() as connection:
        connection.execute("DELETE FROM palette_tag_refined WHERE seed = 'sea' AND prompt_version = 'v1'")
    shelf.sync()
    assert shelf.rows(versions) == [("v2",)]
    [metadata] = shelf.rows("SELECT metadata FROM index_entries WHERE subject = 'sea'")
    assert json.loads(metadata[0]) == {
        "seed": "sea",
        "promptVersion": "v2",
        "temperature": "cool",
        "brightness": "dark",
    }


def test_a_version_goes_live_once(shelf: Shelf) -> None:
    """Two versions are never live, whoever makes one live."""
    shelf.build()
    with_another_embedder(shelf)
    shelf.sync(lambda *_: "wait", embedder="other")
    with shelf.write() as connection:
        go_live(connection, named_version(connection, "palettes", 2), shelf.clock())
    assert shelf.versions() == [(2, "live"), (1, "retired")]


def settings_here(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in settings_of(shelf.warehouse.path.parent).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_a_vector_that_was_lost_is_made_again_and_its_palette_stays(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_here(shelf, monkeypatch)
    shelf.build()
    with shelf.write() as connection:
        connection.execute("DELETE FROM embeddings WHERE subject IN (SELECT subject FROM embeddings LIMIT 2)")
    _, found = index_differences(settings, shelf.warehouse)
    assert len(found.missing) + len(found.stale) >= 2
    kept = keep_index(settings, shelf.warehouse, shelf.clock)
    assert kept.synced is not None and kept.synced.version.present == len(TEXTS)
    assert shelf.rows("SELECT count(*) FROM embeddings") == [(len(TEXTS),)]
    assert not index_differences(settings, shelf.warehouse)[1]


def test_verify_names_texts_that_wait_for_their_vector(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_here(shelf, monkeypatch)
    shelf.build()
    shelf.text("sea", "A volcano at night.")
    with shelf.write() as connection:
        results.palette(connection, "new")
        results.refined(connection, "new", embed_text="Fresh grass.", prompt_version="v1")
    _, found = index_differences(settings, shelf.warehouse)
    assert found == Differences(missing=("key-new",), stale=("key-sea",))
    keep_index(settings, shelf.warehouse, shelf.clock)
    assert not index_differences(settings, shelf.warehouse)[1]


def test_a_held_version_is_named_and_can_be_made_live(shelf: Shelf) -> None:
    shelf.build()
    with_another_embedder(shelf)
    held = shelf.sync(lambda *_: "It finds no better than words.", embedder="other")
    assert held is not None and shelf.versions() == [(2, "building"), (1, "live")]
    with shelf.warehouse.read() as connection:
        [sentence] = held_versions(connection, "palettes")
    assert sentence.startswith("It finds no better than words. ") and "rollback --to 2" in sentence
    roll_back(shelf.warehouse, "palettes", 2, shelf.clock())
    assert shelf.versions() == [(2, "live"), (1, "failed")]


def test_a_second_rollback_does_not_come_back_to_what_was_left(shelf: Shelf) -> None:
    shelf.build()
    for version in (2, 3):
        with shelf.write() as connection:
            begun = begin_version(connection, "palettes", Build(f"e{version}", 256), shelf.clock())
            go_live(connection, begun, shelf.clock())
    assert roll_back(shelf.warehouse, "palettes", None, shelf.clock())[0].version == 2
    assert roll_back(shelf.warehouse, "palettes", None, shelf.clock())[0].version == 1
    with pytest.raises(UsageError, match="There is no way back to another"):
        roll_back(shelf.warehouse, "palettes", None, shelf.clock())


def test_the_first_version_at_cloudflare_has_the_name_of_the_setting(shelf: Shelf) -> None:
    shelf.build()
    with shelf.write() as connection:
        named = [
            begin_version(connection, "palettes", Build(*build), shelf.clock()).remote_name
            for build in (("e", 256, "words"), ("f", 256, "words"), ("f", 256, "others"))
        ]
    assert named == ["words", "words-3", "others"]


def test_the_row_of_indexes_comes_back(shelf: Shelf) -> None:
    shelf.build()
    with shelf.write() as connection:
        connection.execute("DELETE FROM indexes")
    shelf.sync()
    assert shelf.rows("SELECT * FROM indexes") == [("palettes", 1)]
