"""`grabient search` and `grabient index`, as a person types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets_tests.cli.running import grabient, typed
from grabient_assets_tests.groups.search.shelf import TEXTS, Shelf
from grabient_assets_tests.warehouse import results

KEYS = [
    "rank",
    "score",
    "vector_id",
    "seed",
    "name",
    "hex",
    "embed_text",
    "prompt_version",
    "batch_id",
    "cost_usd",
    "why",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four refined palettes and a live index."""
    folder = tmp_path_factory.mktemp("data")
    Shelf(folder)
    done = typed(folder, "index", "sync", "--json")
    assert (done.code, done.json["embedded"], done.json["added"]) == (0, 4, 4)
    return folder


def test_the_document(data: Path) -> None:
    done = grabient(data, "search", "midnight ocean", "--limit", "2", "--json")
    assert done.code == 0, done.err
    document = done.json
    assert [document[name] for name in ("query", "index", "version", "embedder")] == [
        *("midnight ocean", "palettes", 1, "wordllama-256")
    ]
    assert document["elapsed_ms"] > 0
    first, second = document["hits"]
    assert list(first) == KEYS and (first["rank"], second["rank"]) == (1, 2)
    assert (first["seed"], first["vector_id"], first["hex"]) == ("sea", "key-sea", ["#0000ff"] * 11)
    assert first["embed_text"] == TEXTS["sea"]
    assert 1 > first["score"] > second["score"] > 0


def test_what_a_person_reads(data: Path) -> None:
    shown = typed(data, "search", "retro diner", "--limit", "1").out
    assert "diner" in shown and TEXTS["diner"] in shown
    assert shown.startswith("#0000ff #0000ff #0000ff  0."), "where there are no colours, some of them are written"
    assert "1 of index palettes version 1 (wordllama-256)" in shown
    assert "No palette meets these conditions." in typed(data, "search", "x", "--where", "mood=angry").out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["search", ""], "The query is empty."),
        (["search", "sea", "--limit", "0"], "--limit is 0; it must be from 1 to 10,000."),
        (["search", "sea", "--limit", "10001"], "--limit is 10001;"),
        (["search", "sea", "--where", "taste=sweet"], "--where 'taste=sweet' names 'taste';"),
        (["search", "sea", "--at", "9"], "There is no version 9 of the index 'palettes'; there is 1."),
        (["index", "rollback"], "There is no way back to another:"),
        (["index", "status", "--index", "talks"], "--index is 'talks'; it must be one of palettes, knowledge."),
    ],
)
def test_what_cannot_be(data: Path, arguments: list[str], sentence: str) -> None:
    done = typed(data, *arguments)
    assert done.code == 2 and done.err.startswith(sentence), done.err


def test_verify_finds_and_sync_heals(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.build()
    assert typed(tmp_path, "index", "verify").code == 0
    with shelf.write() as connection:
        connection.execute("DELETE FROM index_entries WHERE subject = 'sea'")
    done = typed(tmp_path, "index", "verify", "--json")
    assert (done.code, done.json) == (
        1,
        {"index": "palettes", "version": 1, "missing": ["key-sea"], "stale": [], "orphaned": []},
    )
    assert "1 missing: key-sea" in typed(tmp_path, "index", "verify").out
    assert "1 added, 0 replaced, 0 removed" in typed(tmp_path, "index", "sync").out
    assert typed(tmp_path, "index", "verify").code == 0
    [version] = typed(tmp_path, "index", "status", "--json").json["versions"]
    assert (version["version"], version["state"], version["wanted"], version["present"]) == (1, "live", 4, 4)


def test_after_a_rollback_the_kept_version_goes_on_with_its_own_embedder(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.build()
    other = "2 AS version, 'failed' AS state, 'text-embedding-3-small' AS embedder, 1536 AS dimensions"
    with shelf.write() as connection:  # a version of another embedder, which a person rolled back
        connection.execute(f"INSERT INTO index_versions SELECT * REPLACE ({other}) FROM index_versions")
        results.palette(connection, "snow")
        results.refined(connection, "snow", embed_text="Fresh snow on a mountain.")
    done = typed(tmp_path, "index", "sync", "--json", GRABIENT_EMBEDDER="text-embedding-3-small")
    assert (done.code, done.json["embedded"], done.json["added"]) == (0, 1, 1), done.err
    assert shelf.versions() == [(2, "failed"), (1, "live")]
    assert shelf.find("winter mountain").hits[0].seed == "snow"


def test_before_there_is_anything(tmp_path: Path) -> None:
    done = typed(tmp_path / "none", "search", "sea")
    assert done.code == 2 and done.err.startswith("Nothing is loaded yet"), done.err
    assert "There is no version yet." in typed(tmp_path / "none", "index", "status").out
    assert not (tmp_path / "none").exists()
    Shelf(tmp_path, {})
    assert typed(tmp_path, "search", "sea").err.startswith("There is no live index 'palettes' yet.")
    assert "no version is begun" in typed(tmp_path, "index", "sync").out


def test_an_embedder_that_is_none(tmp_path: Path) -> None:
    Shelf(tmp_path)
    done = typed(tmp_path, "index", "sync", GRABIENT_EMBEDDER="gpt-4o-mini")
    assert done.code == 2 and done.err.startswith("GRABIENT_EMBEDDER is 'gpt-4o-mini'; it must be local or one of")
