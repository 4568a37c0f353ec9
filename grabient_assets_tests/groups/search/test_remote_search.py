"""Search at Vectorize: the same hits as here, what it is asked, and what it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grabient_assets.emulator.endpoint import EmulatorEndpoint, emulator_dir, write_endpoint
from grabient_assets.errors import ProviderBusyError, UsageError
from grabient_assets.groups.search.remote_search import search_remotely
from grabient_assets.groups.search.searching import Found, checked_query
from grabient_assets.vectors.local_embedder import embed_locally
from grabient_assets_tests.cli.running import typed
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.search.remote_shelf import RemoteShelf
from grabient_assets_tests.groups.search.shelf import TEXTS

LONG = "s" * 64
SEEDS = {**TEXTS, f"{LONG}-one": "A harbour in the morning.", f"{LONG}-two": "A harbour in the evening."}


def made(folder: Path, emulator: Running) -> RemoteShelf:
    """Six palettes, of which `diner` is warm and light. Two seeds are equal as far as Vectorize filters."""
    shelf = RemoteShelf(folder, emulator, SEEDS)
    with shelf.write() as connection:
        connection.execute("UPDATE palettes SET palette_key = 'key-' || right(seed, 3) WHERE strlen(seed) > 64")
        connection.execute(
            "UPDATE palette_tag_refined SET temperature = 'warm', brightness = 'light' WHERE seed = 'diner'"
        )
    shelf.rounds()
    return shelf


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, emulator: Running) -> RemoteShelf:
    return made(tmp_path_factory.mktemp("shelf"), emulator)


def find(shelf: RemoteShelf, text: str, limit: int = 10, **more: Any) -> Found:
    def vectors_of(texts: Any, _: str, dimensions: int) -> list[list[float]]:
        return embed_locally(texts, dimensions).tolist()

    return search_remotely(checked_query(text, limit, **more), shelf.warehouse, vectors_of, shelf.open)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"limit": 2},
        {"where": ["temperature=warm"]},
        {"where": ["temperature=cool", "brightness=light"]},
        {"where": ["temperature=warm", "temperature=cool"]},
        {"where": ["seed=sea"]},
        {"where": [f"seed={LONG}-two"]},
        {"prompt_version": "v1"},
        {"prompt_version": "v9"},
    ],
    ids=str,
)
def test_the_hits_are_those_of_the_search_here(shelf: RemoteShelf, more: dict[str, Any]) -> None:
    there, here = find(shelf, "midnight ocean", **more), shelf.find("midnight ocean", **more)
    scores = [(one.score, other.score) for one, other in zip(there.hits, here.hits, strict=True)]
    assert all(abs(one - other) < 2e-6 for one, other in scores), "numbers are sent with seven digits"
    without = [[(hit.rank, hit.vector_id, hit.name, hit.hex, hit.why) for hit in one.hits] for one in (there, here)]
    assert without[0] == without[1]
    assert (there.query, there.version, there.embedder) == (here.query, here.version, here.embedder)


def test_it_is_asked_there(tmp_path: Path, emulator: Running) -> None:
    shelf = made(tmp_path, emulator)
    busy = {"match": {"provider": "cloudflare", "route": "query"}, "action": {"do": "status", "status": 429}}
    shelf.emulator.faults(busy)
    with pytest.raises(ProviderBusyError):
        find(shelf, "sea")
    shelf.emulator.faults()
    with shelf.write() as connection:  # as if the texts here had no vectors any more
        connection.execute("DELETE FROM embeddings")
    assert shelf.find("midnight ocean").hits == () and find(shelf, "midnight ocean").hits[0].seed == "sea"
    with shelf.write() as connection:
        connection.execute("DELETE FROM index_entries WHERE subject = 'sea'")
    hits = find(shelf, "midnight ocean").hits
    assert "sea" not in [hit.seed for hit in hits] and [hit.rank for hit in hits] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"limit": 101}, "--limit is 101; with --remote it must be from 1 to 100."),
        (
            {"where": ["mood=calm"]},
            "--where 'mood=calm' cannot be asked with --remote. There it can be temperature, brightness, seed; "
            "--prompt-version can be given too.",
        ),
    ],
)
def test_what_cannot_be_asked_there(shelf: RemoteShelf, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        find(shelf, "sea", **more)
    assert str(refused.value) == sentence


def test_as_a_person_types_it(tmp_path: Path, emulator: Running) -> None:
    shelf = RemoteShelf(tmp_path, emulator)
    assert typed(tmp_path, "index", "sync").code == 0
    search = ("search", "midnight ocean", "--limit", "2", "--remote")
    refused = typed(tmp_path, *search)
    assert refused.code == 2, refused.err
    assert refused.err.startswith("Version 1 of the index 'palettes' is kept in the data folder alone"), refused.err
    emulator_dir(tmp_path).mkdir(exist_ok=True)
    write_endpoint(tmp_path, EmulatorEndpoint(emulator.url, 0), "now")
    named = {"VECTORIZE_INDEX": "typed", "CLOUDFLARE_ACCOUNT_ID": "0a1b", "CLOUDFLARE_API_TOKEN": "token"}
    for _ in range(10):
        if shelf.versions()[0] == (2, "live"):
            break
        typed(tmp_path, "index", "sync", **named)
    found = typed(tmp_path, *search, "--json", **named)
    assert found.code == 0, found.err
    here = typed(tmp_path, "search", "midnight ocean", "--limit", "2", "--json", **named)
    assert list(found.json) == list(here.json) and list(found.json["hits"][0]) == list(here.json["hits"][0])
    assert (found.json["version"], found.json["hits"][0]["vector_id"]) == (2, "key-sea")
    unset = typed(tmp_path, *search)
    assert unset.code == 2 and "VECTORIZE_INDEX is not set" in unset.err, unset.err
