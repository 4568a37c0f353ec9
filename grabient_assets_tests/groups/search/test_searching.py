"""Queries: what is asked, what is refused, and what a hit shows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.errors import UsageError
from grabient_assets.groups.search.searching import MOST_CHARACTERS, checked_query
from grabient_assets_tests.groups.search.shelf import TEXTS, Shelf
from grabient_assets_tests.warehouse import results


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Four palettes; those of `diner` are warm, and it cost 0.5 dollars."""
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    with shelf.write() as connection:
        connection.execute("UPDATE palettes SET temperature = 'warm', harmonies = ['triadic'] WHERE seed = 'diner'")
        words: dict[str, Any] = {
            "temperature": "warm",
            "mood": ["nostalgic", "electric"],
            "associations": ["jukebox", "neon sign"],
        }
        results.refined(
            connection, "diner", embed_text=TEXTS["diner"], prompt_version="v1", batch_id="r-diner", **words
        )
        results.batch(connection, "t-diner", [("diner", "succeeded", 0.1, "reported")])
        results.batch(connection, "r-diner", [("diner", "succeeded", 0.4, "reported")], "refinement")
    shelf.build()
    return shelf


@pytest.mark.parametrize(
    ("query", "first"),
    [("misty woodland morning", "mist"), ("fifties diner", "diner"), ("midnight ocean", "sea"), ("bonfire", "fire")],
)
def test_the_nearest_comes_first(shelf: Shelf, query: str, first: str) -> None:
    found = shelf.find(query)
    assert found.hits[0].seed == first
    assert [hit.rank for hit in found.hits] == [1, 2, 3, 4]
    assert [hit.score for hit in found.hits] == sorted((hit.score for hit in found.hits), reverse=True)
    assert (found.query, found.index, found.version, found.embedder) == (query, "palettes", 1, "wordllama-256")


def test_a_hit_shows_the_palette_why_it_is_near_and_what_it_cost(shelf: Shelf) -> None:
    hit = shelf.find("neon sign", limit=1).hits[0]
    assert (hit.seed, hit.name, hit.hex, hit.embed_text) == ("diner", "diner", ("#0000ff",) * 11, TEXTS["diner"])
    assert (hit.prompt_version, hit.batch_id, hit.cost_usd) == ("v1", "r-diner", Decimal("0.5"))
    assert hit.why[0] == "neon sign" and len(hit.why) == 3


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (["temperature=warm"], ["diner"]),
        (["temperature=cool"], ["fire", "mist", "sea"]),
        (["computed_temperature=warm"], ["diner"]),
        (["mood=electric"], ["diner"]),
        (["associations=boat", "mood = calm"], ["fire", "mist", "sea"]),
        (["harmonies=triadic"], ["diner"]),
        (["color_names=blue", "mood=electric"], ["diner"]),
        (["mood=electric", "temperature=cool"], []),
    ],
)
def test_conditions(shelf: Shelf, where: list[str], found: list[str]) -> None:
    assert sorted(hit.seed for hit in shelf.find("anything", where=where).hits) == found


def test_only_of_a_prompt_version(shelf: Shelf) -> None:
    assert len(shelf.find("sea", prompt_version="v1").hits) == 4
    assert shelf.find("sea", prompt_version="v9").hits == ()


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("#112233", "charcoal"),
        ("from #FF0000 to #0000ff", "from red to blue"),
        ("#12345 and #1234567", "#12345 and #1234567"),
        ("  misty \n forest\u00a0\u0301 ", "misty forest \u0301"),
        ("mer d'été 🌊", "mer d'été 🌊"),
        ("a" * MOST_CHARACTERS, "a" * MOST_CHARACTERS),
    ],
)
def test_what_is_asked(text: str, asked: str) -> None:
    assert checked_query(text).text == asked


@pytest.mark.parametrize(
    ("text", "more", "sentence"),
    [
        ("", {}, "The query is empty. Describe a palette in words, such as 'misty forest at dawn', or by #rrggbb."),
        (" \t", {}, "The query is empty. Describe"),
        ("🌊🌊", {}, "'🌊🌊' holds no letter or digit. Describe"),
        ("x" * 10_000, {}, "The query has 10,000 characters; 2,000 are the most."),
        ("sea", {"limit": 0}, "--limit is 0; it must be from 1 to 10,000."),
        ("sea", {"limit": 10_001}, "--limit is 10001; it must be from 1 to 10,000."),
        ("sea", {"where": ["taste=sweet"]}, "--where 'taste=sweet' names 'taste'; it can be temperature, contrast,"),
        ("sea", {"where": ["temperature=hot"]}, "--where 'temperature=hot': temperature is one of warm, cool,"),
        ("sea", {"where": ["temperature"]}, "--where is 'temperature'; write it as temperature=warm."),
        ("sea", {"where": ["mood="]}, "--where is 'mood='; write it as temperature=warm."),
    ],
)
def test_what_cannot_be_asked(text: str, more: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        checked_query(text, **more)
    assert str(refused.value).startswith(sentence)


def test_an_index_version_that_is_not_there(shelf: Shelf) -> None:
    with pytest.raises(UsageError, match=r"^There is no version 9 of the index 'palettes'; there is 1\.$"):
        shelf.find("sea", version=9)


def test_a_query_of_other_dimensions_is_refused_with_both_numbers(shelf: Shelf) -> None:
    from grabient_assets.groups.search.searching import search

    with pytest.raises(UsageError, match="The query has 2 dimensions, and version 1 of the index has 256"):
        search(checked_query("sea"), shelf.warehouse, lambda *_: [[0.6, 0.8]])


def test_without_a_data_folder_none_is_made(tmp_path: Path) -> None:
    from grabient_assets.groups.search.searching import search
    from grabient_assets.warehouse.connection import Warehouse

    with pytest.raises(UsageError, match="Nothing is loaded yet"):
        search(checked_query("sea"), Warehouse(tmp_path / "data" / "grabient.duckdb"), lambda *_: [])
    assert not (tmp_path / "data").exists()


def test_colours_that_touch_are_read_as_words_of_their_own() -> None:
    assert checked_query("#e07a5f#81b29a").text == "salmon slate"
    assert checked_query("x#112233y z").text.startswith("x#112233y"), "no colour: it goes on"
