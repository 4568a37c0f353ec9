"""The vectors of a provider: of texts in a batch, of queries by direct calls, each paid for once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from grabient_assets.errors import EmbedderError
from grabient_assets.groups.embedding.queries import embed_queries
from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.search.palette_index import embed_palettes
from grabient_assets.ledger.submission import Submission
from grabient_assets_tests.groups.search.place import SMALL, collect, submit
from grabient_assets_tests.groups.search.shelf import TEXTS
from grabient_assets_tests.ledger.place_at_emulator import Place
from grabient_assets_tests.warehouse import results


@pytest.fixture
def refined(place: Place) -> Place:
    with place.house.warehouse.write() as connection:
        for seed, text in TEXTS.items():
            results.palette(connection, seed)
            results.refined(connection, seed, embed_text=text)
    return place


def embedded(place: Place) -> list[str]:
    house = place.house
    return sorted(one.key.subject for one in embed_palettes(house.warehouse, SMALL, "emulator", house.clock))


def query(place: Place, *texts: str) -> list[list[float]]:
    house = place.house

    @contextmanager
    def submission(provider: str) -> Iterator[Submission]:
        house.clock.wind(seconds=1)
        with place.connect(provider) as connection:
            yield Submission(connection, PURPOSES, house.warehouse, house.store, house.clock)

    return embed_queries(texts, SMALL, "emulator", submission)


def calls(place: Place) -> int:
    return place.emulator.calls("openai").get("vectors", 0)


def test_texts_are_asked_for_in_one_batch_and_linked_when_they_came(refined: Place) -> None:
    assert embedded(refined) == []
    submit(refined, "openai")
    assert embedded(refined) == [], "asked once"
    collect(refined)
    assert embedded(refined) == sorted(TEXTS) and embedded(refined) == []
    assert refined.house.rows("SELECT count(*), sum(request_count) FROM batches") == [(1, 4)]
    assert refined.house.rows("SELECT DISTINCT dimensions, task, cost_usd > 0 FROM embeddings") == [
        (1536, "document", True)
    ]
    assert calls(refined) == 0


def test_queries_are_direct_calls_and_asked_once(refined: Place) -> None:
    first = query(refined, "midnight ocean", "retro diner", "midnight ocean")
    assert first[0] == first[2] != first[1] and len(first[0]) == 1536
    assert calls(refined) == 2
    assert query(refined, "retro diner") == [first[1]] and calls(refined) == 2
    assert refined.house.rows("SELECT DISTINCT delivery FROM batches") == [("direct",)]


def test_what_is_refused_is_said(refined: Place) -> None:
    refined.emulator.faults(
        {"match": {"provider": "openai", "route": "vectors"}, "action": {"do": "status", "status": 400}}
    )
    with pytest.raises(EmbedderError, match=r"^text-embedding-3-small \(openai\) made no vector of the query 'sea'\. "):
        query(refined, "sea")
