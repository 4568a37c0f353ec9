"""Search in knowledge: in SQL, in memory and at Cloudflare alike; hits lead to their place and request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grabient_assets.errors import UsageError
from grabient_assets.groups.retrieval.hits import source_url
from grabient_assets.groups.retrieval.searching import KnowledgeHit, KnowledgeSearch, found_document, knowledge_query
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.groups.retrieval.planted import Planted, RemotePlanted, sha, vectors_of
from grabient_assets_tests.warehouse.results import insert

FIELDS = ["rank", "score", "content", "type", "focus_area", "source_id", "title", "t_start", "url", "quote"]
TEXTS = {
    4: "When the price is too high, ask what it is compared to.",
    7: "A competitor has a lower price; compare the cost of three years.",
    8: "There is no budget for this price before the next fiscal year.",
    1: "A high price is no rejection of you, so stay calm.",
    6: "Admit that it is a cold call.",
}
Find = Callable[..., list[KnowledgeHit]]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, emulator: Running) -> RemotePlanted:
    """Two workflows over a video, a page and a document; the price of the video stands in both."""
    planted = RemotePlanted(tmp_path_factory.mktemp("planted"), emulator)
    planted.workflow("wf_a", "yt_one", "url_two")
    planted.workflow("wf_b", "yt_one", "doc_three")
    for number, (area, text) in enumerate(TEXTS.items()):
        planted.entry("yt_one", area, text, t_start=83.9 + number)
    planted.entry("url_two", 4, "The price is too high? Break it down to a day.", "sales_phrase")
    planted.entry("doc_three", 4, TEXTS[4], "mindset")
    planted.embed()
    planted.rounds()
    return planted


@pytest.fixture(params=["sql", "memory", "cloudflare"])
def find(planted: RemotePlanted, request: pytest.FixtureRequest) -> Find:
    def asked(text: str, **more: Any) -> list[KnowledgeHit]:
        small = 1 if request.param == "memory" else 2_000
        return planted.find(text, small, planted.open if request.param == "cloudflare" else None, **more)

    return asked


def test_areas_types_and_workflow_narrow(find: Find) -> None:
    found = find("price too high", areas=[4, 7, 8])
    assert {hit.focus_area for hit in found} == {4, 7, 8} and len(found) == 5
    assert {hit.focus_area for hit in find("price too high")} == {1, 4, 6, 7, 8}
    assert [hit.type for hit in find("price too high", types=["sales_phrase"])] == ["sales_phrase"]
    assert {hit.source_id for hit in find("price", workflow="wf_a")} == {"yt_one", "url_two"}
    assert {hit.workflow_id for hit in find("price", workflow="wf_b")} == {"wf_b"}
    assert find("price", workflow="wf_a", areas=[9]) == [] and find("price", workflow="wf_unknown") == []


def test_what_two_workflows_have_is_one_hit(find: Find, planted: Planted) -> None:
    assert planted.rows("SELECT count(*) FROM index_entries") == [(12,)]
    found = find("price too high")
    assert len(found) == len({(hit.focus_area, hit.type, hit.content) for hit in found}) == 7
    assert [hit.rank for hit in found] == list(range(1, 8))


def test_they_are_ranked_by_score_then_area_then_type(find: Find) -> None:
    found = find(TEXTS[4])
    assert [(hit.score, hit.focus_area, hit.type) for hit in found[:2]] == [(1.0, 4, "mindset"), (1.0, 4, "technique")]
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    [first] = find(TEXTS[4], limit=1)
    assert first.type == "mindset", "where the limit cuts a tie, too"
    assert find(TEXTS[4], threshold=0.999) == found[:2]


def test_a_process_that_searches_again_finds_the_same(planted: Planted) -> None:
    """The second search takes its details from memory, and another process its columns from the file."""
    search = KnowledgeSearch(planted.warehouse, vectors_of, None, 1)
    for query in (knowledge_query("price too high"), knowledge_query(TEXTS[4], limit=1)):
        hits = [search.find(query).hits for _ in range(3)]
        assert hits[0] and hits == [hits[0]] * 3
        assert KnowledgeSearch(planted.warehouse, vectors_of, None, 1).find(query).hits == hits[0]
    [columns] = (planted.warehouse.path.parent / "indexes").glob("knowledge-*.columns")
    columns.write_bytes(columns.read_bytes()[:100])
    assert KnowledgeSearch(planted.warehouse, vectors_of, None, 1).find(query).hits == hits[0], "a file cut off"
    assert columns.stat().st_size > 100


def test_all_ways_find_the_same(planted: RemotePlanted) -> None:
    for text in ("price too high", "call back next year", TEXTS[6]):
        sql, memory = (planted.find(text, small) for small in (2_000, 1))
        assert sql == memory and [(hit.content, hit.type) for hit in planted.find(text, connect=planted.open)] == [
            (hit.content, hit.type) for hit in sql
        ]
    assert list(planted.warehouse.path.parent.glob("indexes/knowledge-*.vectors")), "the matrix was used"


def test_a_hit_leads_to_the_second_and_to_the_request(tmp_path: Path) -> None:
    planted = Planted(tmp_path)
    planted.workflow("wf_a", "yt_one")
    quote = "Compared to what?"
    text = f"So they say it is too expensive, and I ask: compared to what? Then I wait. {'word ' * 50}"
    start = text.index("compared")
    with planted.warehouse.write() as connection:
        for position, (first, last) in enumerate([(0, 60), (30, len(text)), (start + 20, len(text))]):
            place = {"position": position, "char_start": 100 + first, "char_end": 100 + last, "tokens": 1}
            own = {"text": text[first:last], "content_sha256": sha(first), "chunker": "chunks-1"}
            insert(connection, "chunks", chunk_id=f"c{position}", source_id="yt_one", **place, **own)
    place = {"quote_start": 100 + start, "quote_end": 100 + start + len(quote), "t_start": 83.9}
    entry_id = planted.entry("yt_one", 4, "Ask what the price is compared to.", quote=quote, **place)
    planted.build()
    [hit] = planted.find("price")
    assert hit.url == "https://www.youtube.com/watch?v=one&t=83s" and hit.title == "Talk one"
    assert (hit.entry_id, hit.batch_id) == (entry_id, "batch-yt_one")
    assert planted.rows("SELECT custom_id FROM extractions") == [(hit.custom_id,)]
    assert hit.passage == text[30:] and hit.passage[hit.quote_start : hit.quote_end] == "compared to what?"
    planted.execute("UPDATE chunks SET text = 'another text was read since, and its chunks are there. ' || text")
    [hit] = planted.find("price")
    assert (hit.passage, hit.quote_start, hit.quote_end) == (quote, 0, len(quote))


def test_the_address_of_a_place() -> None:
    assert source_url("yt_abc", "anything", None) == "https://www.youtube.com/watch?v=abc"
    assert source_url("yt_abc", None, 0.99) == "https://www.youtube.com/watch?v=abc&t=0s"
    assert source_url("url_1", "https://example.com/a", 4.0) == "https://example.com/a"
    assert source_url("doc_1", "/files/a.md", None) == "/files/a.md"


def test_the_document_begins_with_the_fields_of_the_contract(planted: Planted) -> None:
    found = KnowledgeSearch(planted.warehouse, vectors_of).find(knowledge_query("price too high", limit=1))
    document = found_document(found)
    assert list(document)[:2] == ["query", "hits"] and document["query"] == "price too high"
    assert list(document["hits"][0])[: len(FIELDS)] == FIELDS


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        (" ? ", {}, "The question is empty"),
        ("p" * 2_001, {}, "has 2,001 characters"),
        ("price", {"areas": [4, 10]}, "There is no focus area 10; areas are numbers from 1 to 9"),
        ("price", {"areas": [0]}, "There is no focus area 0"),
        ("price", {"limit": 0}, "The limit is 0; it must be from 1 to 1,000"),
        ("price", {"threshold": 1.5}, "The threshold is 1.5; a score is a number from -1 to 1"),
        ("price", {"threshold": float("nan")}, "The threshold is nan"),
    ],
)
def test_what_cannot_be_asked(text: str, more: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        knowledge_query(text, **more)


def test_before_there_is_an_index(tmp_path: Path, planted: RemotePlanted) -> None:
    with pytest.raises(UsageError, match="There is no knowledge yet"):
        Planted(tmp_path).find("price")
    empty = Planted(tmp_path)
    empty.workflow("wf_a", "yt_one")
    with pytest.raises(UsageError, match=r"no live index 'knowledge' yet\. `grabient index sync --index knowledge`"):
        empty.find("price")
    with pytest.raises(UsageError, match="Cloudflare gives 100 hits at most"):
        planted.find("price", connect=planted.open, limit=101)
