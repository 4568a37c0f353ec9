"""What emulated Vectorize takes and refuses, as a client over HTTP sees it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from grabient_assets_tests.emulator.running import Running, running

NDJSON, JSON = {"content-type": "application/x-ndjson"}, {"content-type": "application/json"}


class Index:
    """The index `i`, asked as Cloudflare is asked."""

    def __init__(self, emulator: Running, http: httpx.Client) -> None:
        self.url = f"{emulator.bases['cloudflare']}/accounts/a/vectorize/v2/indexes"
        self._http = http

    def ask(self, method: str, path: str, **sent: Any) -> tuple[int, Any]:
        """The status, and the result or the code of the error."""
        answer = self._http.request(method, self.url + path, **sent)
        body = answer.json()
        assert set(body) == {"success", "errors", "messages", "result"} and "cf-ray" in answer.headers
        assert body["success"] is not bool(body["errors"])
        return answer.status_code, body["result"] if body["success"] else body["errors"][0]["code"]

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        return self.ask("POST", f"/i/{path}", json=body)

    def create(self, **more: Any) -> tuple[int, Any]:
        return self.ask("POST", "", json={"name": "i", "config": {"dimensions": 2, "metric": "cosine"}} | more)

    def write(self, *rows: dict[str, Any], op: str = "upsert") -> tuple[int, Any]:
        content = "".join(json.dumps({"values": [1, 0]} | row) + "\n" for row in rows)
        return self.ask("POST", f"/i/{op}", content=content, headers=NDJSON)

    def found(self, filter: Any = None, **more: Any) -> list[str]:
        status, result = self.post("query", {"vector": [1, 0], "topK": 20, "filter": filter} | more)
        assert status == 200 and result["count"] == len(result["matches"])
        return [match["id"] for match in result["matches"]]

    def info(self) -> dict[str, Any]:
        return self.ask("GET", "/i/info")[1]


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(headers={"authorization": "Bearer t"}) as client:
        yield client


@pytest.fixture
def index(emulator: Running, http: httpx.Client) -> Index:
    made = Index(emulator, http)
    assert made.create()[1]["config"] == {"dimensions": 2, "metric": "cosine"}
    return made


REFUSED = [
    ("/i/upsert", {"content": b'{"id":"a","values":[1,0]}', "headers": JSON}, 1005),
    ("/i/query", {"content": b'{"vector":[1,0]}', "headers": NDJSON}, 1005),
    ("", {"json": {"name": "i", "config": {"dimensions": 2, "metric": "cosine"}}}, 3002),
    ("", {"json": {"name": "j", "config": {"dimensions": 1537, "metric": "cosine"}}}, 40000),
    ("", {"json": {"name": "j", "config": {"dimensions": 2, "metric": "l2"}}}, 40000),
    ("", {"json": {"name": "A b", "config": {"dimensions": 2, "metric": "cosine"}}}, 40000),
    ("/i/query", {"json": {"vector": [1, 0, 0]}}, 40006),
    ("/i/get_by_ids", {"json": {"ids": ["a"] * 21}}, 40007),
    ("/i/delete_by_ids", {"json": {"ids": ["a"] * 101}}, 40007),
    ("/i/get_by_ids", {"json": {"ids": ["x" * 65]}}, 40000),
    ("/i/metadata_index/create", {"json": {"propertyName": "a.b", "indexType": "string"}}, 40018),
    ("/i/metadata_index/create", {"json": {"propertyName": "a", "indexType": "text"}}, 40000),
    ("/i/metadata_index/delete", {"json": {"propertyName": "a"}}, 40005),
    ("/i/query", {"json": {"vector": [1, 0], "topK": 101}}, 40025),
    ("/i/query", {"json": {"vector": [1, 0], "topK": 21, "returnMetadata": "all"}}, 40025),
    ("/i/query", {"json": {"vector": [1, 0], "topK": 21, "returnValues": True}}, 40025),
    ("/i/query", {"json": {"vector": [1, 0], "returnMetadata": "some"}}, 40026),
    ("/i/query", {"json": {"vector": [1, 0], "filter": {"$a": 1}}}, 40018),
    ("/i/query", {"json": {"vector": [1, 0], "filter": {"a": {"$like": "b"}}}}, 40000),
    ("/i/query", {"json": {"vector": [1, 0], "filter": {"a": {"$in": "b"}}}}, 40000),
    ("/i/query", {"json": {"vector": [1, 0], "filter": {"a": "b" * 2_040}}}, 40000),
    ("/i/query", {"json": {"vector": [1, 0], "limit": 3}}, 40000),
    ("/i/upsert?unparsable-behavior=skip", {"content": b'{"id":"a","values":[1,0]}', "headers": NDJSON}, 40000),
    ("/i/upsert", {"content": b"", "headers": NDJSON}, 40000),
    ("/i/upsert", {"content": b'{"id":"a","values":[1,0]}\n{"id":', "headers": NDJSON}, 40000),
    ("/i/upsert", {"content": b'{"id":"a","values":[1,NaN]}', "headers": NDJSON}, 40000),
]


@pytest.mark.parametrize(("path", "sent", "code"), REFUSED)
def test_what_is_refused_and_how(index: Index, path: str, sent: dict[str, Any], code: int) -> None:
    assert index.ask("POST", path, **sent) == (400, code)
    assert index.info()["vectorCount"] == 0


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"id": "x" * 65}, 40000),
        ({"id": ""}, 40000),
        ({"id": "a", "namespace": "n" * 65}, 40000),
        ({"id": "a", "values": [1]}, 40012),
        ({"id": "a", "values": ["1", "0"]}, 40000),
        ({"id": "a", "metadata": {"a.b": 1}}, 40018),
        ({"id": "a", "metadata": {"a": {'"': 1}}}, 40018),
        ({"id": "a", "metadata": {"$a": 1}}, 40018),
        ({"id": "a", "metadata": {"a": "ä" * 5_117}}, 40023),
    ],
)
def test_one_bad_vector_and_none_is_written(index: Index, row: dict[str, Any], code: int) -> None:
    assert index.write({"id": "good"}, row) == (400, code)
    assert index.info()["vectorCount"] == 0


def test_the_most_that_is_taken(index: Index) -> None:
    assert index.write({"id": "x" * 64, "namespace": "n" * 64, "metadata": {"a": "ä" * 5_116}})[0] == 200
    assert index.write(*({"id": str(number)} for number in range(5_000)))[0] == 200
    assert index.write(*({"id": str(number)} for number in range(5_001))) == (400, 40000)
    for number in range(10):
        assert index.post("metadata_index/create", {"propertyName": f"p{number}", "indexType": "string"})[0] == 200
    assert index.post("metadata_index/create", {"propertyName": "p0", "indexType": "string"})[0] == 200
    assert index.post("metadata_index/create", {"propertyName": "p10", "indexType": "string"}) == (400, 40000)
    assert len(index.ask("GET", "/i/metadata_index/list")[1]["metadataIndexes"]) == 10


def test_only_the_index_and_the_token_that_are_known(index: Index, http: httpx.Client) -> None:
    assert index.ask("GET", "/other/info") == (404, 3000)
    assert index.ask("GET", "/i/info", headers={"authorization": "Bearer wrong"}) == (403, 10000)
    assert index.ask("GET", "/i/nothing") == (404, 7000)


def test_unparsable_lines_are_left_out_when_that_is_wanted(index: Index) -> None:
    content = b'{"id":"a","values":[1,0]}\nnothing\n{"id":"b","values":[0,1]}\n'
    path = "/i/upsert?unparsable-behavior=discard"
    assert index.ask("POST", path, content=content, headers=NDJSON)[0] == 200
    assert index.found() == ["a", "b"]


def test_an_upsert_replaces_and_an_insert_keeps(index: Index) -> None:
    index.write({"id": "a", "namespace": "n", "metadata": {"m": 1}})
    index.write({"id": "a", "values": [0, 1]}, {"id": "b"}, op="insert")
    _, [first, second] = index.post("get_by_ids", {"ids": ["b", "a", "c", "a"]})
    assert first == {"id": "a", "values": [1, 0], "namespace": "n", "metadata": {"m": 1}}
    assert second == {"id": "b", "values": [1, 0]}
    index.write({"id": "a", "values": [0, 1]})
    assert index.post("get_by_ids", {"ids": ["a"]})[1] == [{"id": "a", "values": [0, 1]}]
    index.post("delete_by_ids", {"ids": ["a", "c"]})
    assert index.found() == ["b"]


def test_a_filter_knows_what_was_written_after_its_metadata_index(index: Index) -> None:
    index.write({"id": "before", "metadata": {"m": "x"}})
    for name, kind in (("m", "string"), ("n", "number")):
        index.post("metadata_index/create", {"propertyName": name, "indexType": kind})
    index.write({"id": "after", "metadata": {"m": "x", "n": 2, "o": "x"}})
    assert index.found({"m": "x"}) == ["after"] and index.found({"o": "x"}) == []
    index.write({"id": "before", "metadata": {"m": "x", "n": "2"}})
    assert index.found({"m": "x"}) == ["after", "before"] and index.found({"n": {"$gt": 1}}) == ["after"]
    index.post("metadata_index/delete", {"propertyName": "m"})
    assert index.found({"m": "x"}) == []


OPERATORS = [
    ({"n": 2}, "b"),
    ({"n": {"$eq": 2}}, "b"),
    ({"n": {"$ne": 2}}, "ac"),
    ({"n": {"$in": [1, 2]}}, "ab"),
    ({"n": {"$nin": [1, 2]}}, "c"),
    ({"n": {"$lt": 2}}, "a"),
    ({"n": {"$lte": 2}}, "ab"),
    ({"n": {"$gt": 1, "$lt": 3}}, "b"),
    ({"n": {"$gte": 2}, "m": "x"}, "b"),
    ({"n": {"$gt": "1"}}, ""),
    ({"m": "y" * 64}, "c"),
    ({"m": "y" * 70}, ""),
]


def test_filters(index: Index) -> None:
    for name, kind in (("m", "string"), ("n", "number")):
        index.post("metadata_index/create", {"propertyName": name, "indexType": kind})
    index.write(
        {"id": "a", "metadata": {"n": 1, "m": "x"}},
        {"id": "b", "metadata": {"n": 2, "m": "x"}},
        {"id": "c", "metadata": {"n": 3, "m": "y" * 70}},
        {"id": "d"},
    )
    assert [(filter, "".join(index.found(filter))) for filter, _ in OPERATORS] == OPERATORS
    _, found = index.post("query", {"vector": [1, 0], "filter": {"n": 3}, "returnMetadata": "indexed"})
    assert found["matches"] == [{"id": "c", "score": 1.0, "metadata": {"n": 3, "m": "y" * 64}}]


def test_a_query_names_the_best_first_and_returns_what_is_asked_for(index: Index) -> None:
    index.write({"id": "far", "values": [0, 3]}, {"id": "near", "values": [4, 3], "namespace": "n"})
    _, found = index.post("query", {"vector": [1, 0], "returnValues": True})
    near = {"id": "near", "score": pytest.approx(0.8), "namespace": "n", "values": [4, 3]}
    assert found == {"count": 2, "matches": [near, {"id": "far", "score": 0, "values": [0, 3]}]}
    assert index.found(namespace="n") == ["near"] and index.found(topK=1) == ["near"]


def test_pages(index: Index) -> None:
    index.write(*({"id": name} for name in "edcba"))
    pages, cursor = [], {}
    for _ in range(3):
        _, page = index.ask("GET", "/i/list", params={"count": "2", **cursor})
        pages.append("".join(vector["id"] for vector in page["vectors"]))
        cursor = {"cursor": page["nextCursor"]} if page["isTruncated"] else {}
        assert page["totalCount"] == 5
    assert pages == ["ab", "cd", "e"] and cursor == {}
    for wrong in ({"count": "0"}, {"count": "1001"}, {"cursor": "x"}):
        assert index.ask("GET", "/i/list", params=wrong) == (400, 40000)


def rule(do: str, route: str | None = None, **more: Any) -> dict[str, Any]:
    return {"match": {"provider": "cloudflare"} | ({"route": route} if route else {}), "action": {"do": do, **more}}


def test_mutations_become_visible_in_their_order(emulator: Running, index: Index) -> None:
    emulator.faults(rule("visible_after", polls=2))
    _, slow = index.write({"id": "a"})
    _, deleting = index.post("delete_by_ids", {"ids": ["a"]})
    emulator.faults()
    _, later = index.write({"id": "b"})
    assert emulator.control("GET", "vectors/i") == {"ids": [], "waiting": 3}
    assert index.found() == [] and index.info()["processedUpToMutation"] is None
    assert index.info()["processedUpToMutation"] == later["mutationId"]
    assert len({mutation["mutationId"] for mutation in (slow, deleting, later)}) == 3
    assert emulator.control("GET", "vectors/i") == {"ids": ["b"], "waiting": 0}


def test_faults_of_cloudflare_alone(emulator: Running, index: Index) -> None:
    emulator.faults({"action": {"do": "success_false", "code": "10013"}})
    assert index.ask("GET", "/i/info") == (200, 10013)
    assert emulator.openai().models.list().data
    emulator.faults(rule("success_false", "vectors", after_accept=True))
    assert index.write({"id": "a"}) == (200, 40000)
    assert index.found() == ["a"]
    emulator.faults(rule("status", status=429, retry_after=3))
    assert index.ask("GET", "/i/info") == (429, 40041)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (rule("visible_after", "info", polls=1), "laid on a write of vectors: leave route out, or write vectors or"),
        (rule("visible_after", polls=0), "greater than or equal to 1"),
        ({"match": {"provider": "openai"}, "action": {"do": "success_false"}}, "exists only at cloudflare"),
    ],
)
def test_faults_that_cannot_be(emulator: Running, wrong: dict[str, Any], says: str) -> None:
    answer = httpx.post(f"{emulator.url}/_emulator/faults", json={"rules": [wrong]})
    assert answer.status_code == 400 and says in answer.json()["error"]


def test_the_state_survives_and_can_be_forgotten(folder: Path, http: httpx.Client) -> None:
    with running(folder) as emulator:
        index = Index(emulator, http)
        index.create()
        index.post("metadata_index/create", {"propertyName": "m", "indexType": "string"})
        index.write({"id": "a", "metadata": {"m": "x"}})
        emulator.faults(rule("visible_after", polls=1))
        index.write({"id": "b", "metadata": {"m": "x"}})
    with running(folder) as emulator:
        index = Index(emulator, http)
        assert index.found({"m": "x"}) == ["a"] and index.found({"m": "x"}) == ["a", "b"]
        assert httpx.get(f"{emulator.url}/_emulator/vectors/other").status_code == 404
        emulator.control("POST", "reset")
        assert index.ask("GET", "/i/info") == (404, 3000)
