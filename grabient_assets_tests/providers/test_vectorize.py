"""The client of Cloudflare Vectorize against the emulator, over real sockets."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from grabient_assets.errors import (
    CredentialsError,
    IndexMissingError,
    ProviderBusyError,
    ProviderError,
    ProviderUnreachableError,
    RequestRejectedError,
    ResultsError,
)
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets.providers.vectorize import Match, Mutation, Vector, VectorizeIndex, batches
from grabient_assets_tests.emulator.running import Running
from grabient_assets_tests.providers.rawserver import Dripping, http, raw_server

TOKEN = "cf-Zr4Tz0f1e2d3c4b5a69788796a5b4c3d2"
Open = Callable[..., VectorizeIndex]


@pytest.fixture
def open_at() -> Iterator[Open]:
    opened: list[VectorizeIndex] = []

    def open_it(url: str, name: str = "words", token: str = TOKEN, timeouts: Timeouts | None = None) -> VectorizeIndex:
        opened.append(VectorizeIndex("an-account", token, name, url, timeouts))
        return opened[-1]

    yield open_it
    for index in opened:
        index.close()


@pytest.fixture
def index(emulator: Running, open_at: Open) -> VectorizeIndex:
    return open_at(emulator.bases["cloudflare"])


@pytest.fixture
def made(index: VectorizeIndex) -> VectorizeIndex:
    """With two dimensions and the metadata index `mood`."""
    index.ensure(2, {"mood": "string"})
    return index


def wave(number: int, **more: Any) -> Vector:
    return Vector(f"v{number:04d}", (math.cos(number), math.sin(number)), **more)


def fault(do: str, route: str | None = None, **more: Any) -> dict[str, Any]:
    match = {"provider": "cloudflare"} | ({"route": route} if route else {})
    return {"match": match | more.pop("match", {}), "action": {"do": do, **more}}


# the index ---------------------------------------------------------------------------------------------------------


def test_what_is_missing_is_made_once_and_before_any_vector(emulator: Running, index: VectorizeIndex) -> None:
    with pytest.raises(IndexMissingError, match="no index of this name"):
        index.state()
    assert index.ensure(2, {"mood": "string", "kind": "string"}).vectors == 0
    assert index.ensure(2, {"kind": "string", "mood": "string"}).dimensions == 2
    calls = emulator.calls("cloudflare")
    assert (calls["create"], calls["metadata_index_create"], calls.get("vectors")) == (1, 2, None)
    index.upsert([wave(1, metadata={"mood": "calm", "kind": "sea"})])
    assert [match.id for match in index.query((1, 0), 5, {"mood": "calm", "kind": "sea"})] == ["v0001"]


def test_other_dimensions_are_an_error_with_both_numbers(emulator: Running, made: VectorizeIndex) -> None:
    with pytest.raises(RequestRejectedError, match="'words': it has 2 dimensions, the vectors have 3; name another"):
        made.ensure(3, {"kind": "string"})
    assert emulator.calls("cloudflare")["metadata_index_create"] == 1


def test_a_metadata_index_that_came_after_vectors_is_reported(made: VectorizeIndex) -> None:
    vector = wave(1, metadata={"kind": "sea"})
    made.upsert([vector])
    assert made.ensure(2, {"mood": "string", "kind": "string"}).indexed_late == ("kind",)
    assert made.query((1, 0), 5, {"kind": "sea"}) == ()
    made.upsert([vector])
    assert [match.id for match in made.query((1, 0), 5, {"kind": "sea"})] == ["v0001"]


@pytest.mark.parametrize(
    ("dimensions", "properties", "says"),
    [
        (0, (), "it cannot have 0 dimensions; 1 to 1,536"),
        (1537, (), "it cannot have 1537 dimensions"),
        (2, ("a.b",), "the key 'a.b' is empty, holds a dot"),
        (2, tuple(f"p{n}" for n in range(10)), "more than 10 metadata indexes"),
        (2, ("size",), "'size' holds number, not string"),
    ],
)
def test_an_index_that_cannot_be(
    emulator: Running, made: VectorizeIndex, dimensions: int, properties: tuple[str, ...], says: str
) -> None:
    url = emulator.bases["cloudflare"] + "/accounts/an-account/vectorize/v2/indexes/words/metadata_index/create"
    sent = {"propertyName": "size", "indexType": "number"}
    assert httpx.post(url, json=sent, headers={"authorization": f"Bearer {TOKEN}"}).is_success
    with pytest.raises(RequestRejectedError, match=says):
        made.ensure(dimensions, dict.fromkeys(properties, "string"))
    assert emulator.calls("cloudflare")["metadata_index_create"] == 2


# writing -----------------------------------------------------------------------------------------------------------


def test_a_call_takes_2500_vectors(emulator: Running, made: VectorizeIndex) -> None:
    sent = made.upsert([wave(number) for number in range(2_501)])
    assert [mutation.vectors for mutation in sent] == [2_500, 1]
    assert sent[1].ids == ("v2500",) and sent[0].mutation_id != sent[1].mutation_id
    assert made.state().processed == sent[1].mutation_id and made.state().vectors == 2_501
    assert len(made.present()) == 2_501
    assert (emulator.calls("cloudflare")["vectors"], emulator.calls("cloudflare")["list"]) == (2, 3)
    assert [mutation.vectors for mutation in made.delete([f"v{number:04d}" for number in range(101)])] == [100, 1]
    assert len(made.present()) == 2_400


def test_a_call_ends_before_it_is_too_large() -> None:
    lines = [("a", b"1234"), ("b", b"1234"), ("c", b"123456789"), ("d", b"1"), ("e", b"1"), ("f", b"1")]
    cut = [("ab", 8), ("c", 9), ("def", 3)]
    assert [("".join(ids), len(content)) for ids, content in batches(lines, 3, 8)] == cut
    assert [len(ids) for ids, _ in batches(lines, 2, 100)] == [2, 2, 2]
    assert list(batches([], 2, 100)) == []


def test_what_is_sent(httpserver: HTTPServer, open_at: Open) -> None:
    """1,536 numbers fit into 17.6 KB, and 2,500 such vectors into one call."""
    httpserver.expect_request("/accounts/an-account/vectorize/v2/indexes/words/upsert").respond_with_json(
        {"success": True, "errors": [], "result": {"mutationId": "m-1"}}
    )
    numbers = [math.sin(number) / 20 for number in range(1536)]
    sent = open_at(httpserver.url_for("")).upsert(
        [Vector("ä", numbers, "space", {"mood": "grün"}), Vector("b", [0.123456789, 1])]
    )
    assert sent == (Mutation("m-1", ("ä", "b")),)
    [(request, _)] = httpserver.log
    assert request.headers["content-type"] == "application/x-ndjson"
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.query_string == b"unparsable-behavior=error"
    first, second = request.data.splitlines()
    assert json.loads(second) == {"id": "b", "values": [0.1234568, 1.0]}
    whole = json.loads(first)
    assert len(first) < 17_600 and {name: whole[name] for name in whole if name != "values"} == {
        "id": "ä",
        "namespace": "space",
        "metadata": {"mood": "grün"},
    }


FLAWS = [
    (Vector("x" * 65, (1, 0)), "its id has 65 bytes; 1 to 64"),
    (Vector("ä" * 33, (1, 0)), "its id has 66 bytes"),
    (Vector("", (1, 0)), "its id has 0 bytes"),
    (Vector("\ud800", (1, 0)), "is no JSON"),
    (Vector("a", (1, 0), "n" * 65), "its namespace has 65 bytes; 0 to 64"),
    (Vector("a", (1, 0), None, {"text": "m" * 10_230}), "its metadata has 10,241 bytes; 0 to 10,240"),
    (Vector("a", [0.1] * 1_537), "it has 1,537 dimensions; 1 to 1,536"),
    (Vector("a", ()), "it has 0 dimensions"),
    (Vector("a", (1, math.nan)), "not finite"),
    (Vector("a", (1, 0), None, {"a.b": 1}), r"the key 'a\.b' is empty, holds a dot or a quote, or begins with \$"),
    (Vector("a", (1, 0), None, {'a"b': 1}), "holds a dot or a quote"),
    (Vector("a", (1, 0), None, {"$a": 1}), r"the key '\$a'"),
    (Vector("a", (1, 0), None, {"in": {"": 1}}), "the key '' is empty"),
    (Vector("a", (1, 0), None, {"a": math.inf}), "is no JSON"),
]


@pytest.mark.parametrize(("bad", "says"), FLAWS)
def test_a_vector_that_cannot_be_taken_is_named_and_nothing_is_sent(
    emulator: Running, index: VectorizeIndex, bad: Vector, says: str
) -> None:
    with pytest.raises(RequestRejectedError, match=says) as caught:
        index.upsert([wave(1), bad])
    assert f"vector {bad.id!r} cannot be written" in str(caught.value) and caught.value.provider == "cloudflare"
    assert emulator.calls("cloudflare") == {}


def test_what_is_just_small_enough_is_taken(made: VectorizeIndex) -> None:
    most = Vector("x" * 64, (1, 0), "n" * 64, {"text": "m" * 10_229})
    made.upsert([most])
    assert made.visible([most.id])[most.id].metadata == most.metadata


@pytest.mark.parametrize("ask", [VectorizeIndex.visible, VectorizeIndex.delete])
def test_an_id_that_cannot_be_is_not_asked_for(
    emulator: Running, index: VectorizeIndex, ask: Callable[[VectorizeIndex, list[str]], object]
) -> None:
    with pytest.raises(RequestRejectedError, match="its id has 65 bytes"):
        ask(index, ["a"] * 200 + ["x" * 65])
    assert emulator.calls("cloudflare") == {}


def test_a_mutation_is_noted_although_a_later_call_fails(emulator: Running, made: VectorizeIndex) -> None:
    emulator.faults(fault("status", "delete", status=503, match={"nth": 2}))
    noted: list[Mutation] = []
    with pytest.raises(ProviderBusyError, match="While deleting 1 vectors from 'v0100' on"):
        made.delete([f"v{number:04d}" for number in range(101)], noted.append)
    assert [mutation.vectors for mutation in noted] == [100]


# seeing ------------------------------------------------------------------------------------------------------------


def test_an_accepted_vector_is_seen_later(emulator: Running, made: VectorizeIndex) -> None:
    emulator.faults(fault("visible_after", "vectors", polls=2))
    [first] = made.upsert([wave(1)])
    assert made.visible(["v0001"]) == {} and made.state().processed != first.mutation_id
    assert list(made.visible(["v0001", "v0002"])) == ["v0001"]
    assert made.state().processed == first.mutation_id


def test_a_later_mutation_passes_ours(emulator: Running, made: VectorizeIndex) -> None:
    """The index never names ours as its last, and our vector is seen all the same."""
    emulator.faults(fault("visible_after", "vectors", polls=1))
    [ours], [later] = made.upsert([wave(1)]), made.upsert([wave(2)])
    processed = [made.state().processed for _ in range(3)]
    assert ours.mutation_id not in processed and processed[-1] == later.mutation_id
    assert list(made.visible(["v0001"])) == ["v0001"]


def test_an_upsert_replaces_the_whole_vector(made: VectorizeIndex) -> None:
    made.upsert([Vector("a", (1, 0), "space", {"mood": "calm"})])
    made.upsert([Vector("a", (0, 0.5))])
    assert made.visible(["a"]) == {"a": Vector("a", (0, 0.5), None, {})}


def test_twenty_vectors_are_read_in_a_call(emulator: Running, made: VectorizeIndex) -> None:
    made.upsert([wave(number) for number in range(30)])
    assert len(made.visible([f"v{number:04d}" for number in range(41)])) == 30
    assert emulator.calls("cloudflare")["get_by_ids"] == 3
    assert made.visible([]) == {} and emulator.calls("cloudflare")["get_by_ids"] == 3


def test_a_cursor_that_comes_again_ends_the_list(httpserver: HTTPServer, open_at: Open) -> None:
    page = {"vectors": [{"id": "a"}], "isTruncated": True, "nextCursor": "c"}
    httpserver.expect_request("/accounts/an-account/vectorize/v2/indexes/words/list").respond_with_json(
        {"success": True, "result": page}
    )
    with pytest.raises(ResultsError, match="nextCursor"):
        open_at(httpserver.url_for("")).present()
    assert len(httpserver.log) == 2


# searching ---------------------------------------------------------------------------------------------------------


def test_a_query_finds_the_nearest_within_filter_and_namespace(made: VectorizeIndex) -> None:
    made.upsert(
        [
            Vector("east", (1, 0), None, {"mood": "calm"}),
            Vector("north", (0, 1), "poles", {"mood": "calm"}),
            Vector("north-east", (1, 1), "poles", {"mood": "wild"}),
        ]
    )
    assert [match.id for match in made.query((2, 0.1), 3)] == ["east", "north-east", "north"]
    [best] = made.query((1, 0), 1)
    assert best == Match("east", best.score, {"mood": "calm"}) and best.score == pytest.approx(1.0)
    assert [match.id for match in made.query((1, 0), 3, {"mood": {"$ne": "calm"}})] == ["north-east"]
    assert [match.id for match in made.query((1, 0), 3, namespace="poles")] == ["north-east", "north"]


def test_as_many_matches_as_are_possible(made: VectorizeIndex) -> None:
    made.upsert([wave(number, metadata={"mood": "calm"}) for number in range(120)])
    assert [len(made.query((1, 0), top_k)) for top_k in (0, 7, 20, 21, 500)] == [1, 7, 20, 20, 20]
    bare = [made.query((1, 0), top_k, with_metadata=False) for top_k in (21, 100, 500)]
    assert [len(found) for found in bare] == [21, 100, 100] and bare[0][0].metadata == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (([0.1] * 1_537, 5), "it has 1,537 dimensions"),
        (((1, math.inf), 5), "not finite"),
        (((1, 0), 5, None, "n" * 65), "its namespace has 65 bytes"),
        (((1, 0), 5, {"mood": "m" * 2_037}), "the filter has 2,048 bytes"),
    ],
)
def test_a_search_that_cannot_be(
    emulator: Running, index: VectorizeIndex, arguments: tuple[Any, ...], says: str
) -> None:
    with pytest.raises(RequestRejectedError, match=says):
        index.query(*arguments)
    assert emulator.calls("cloudflare") == {}


# errors ------------------------------------------------------------------------------------------------------------

CODES = [
    (3000, IndexMissingError, "no index of this name. Check the names of index and account"),
    (1005, RequestRejectedError, "content type. Sending the same again is useless"),
    (40006, RequestRejectedError, "vector of the query has other dimensions"),
    (40007, RequestRejectedError, "too many ids"),
    (40012, RequestRejectedError, "A vector has other dimensions"),
    (40014, ProviderBusyError, "too many requests. Try again later"),
    (40041, ProviderBusyError, "too many requests. Try again later"),
    (40018, RequestRejectedError, "A key of the metadata"),
    (40023, RequestRejectedError, "metadata of a vector is too big"),
    (40025, RequestRejectedError, "too many matches"),
    (40026, RequestRejectedError, "way to return metadata"),
    (40999, RequestRejectedError, "Sending the same again is useless"),
]


@pytest.mark.parametrize(("code", "kind", "says"), CODES, ids=str)
@pytest.mark.parametrize("answer", [{"do": "status", "status": 400}, {"do": "success_false"}], ids=["400", "200"])
def test_every_code_has_its_class_and_sentence(
    emulator: Running, index: VectorizeIndex, answer: dict[str, Any], code: int, kind: type[ProviderError], says: str
) -> None:
    emulator.faults(fault(**answer, code=str(code), message="a reason."))
    with pytest.raises(ProviderError, match=says) as caught:
        index.state()
    assert type(caught.value) is kind and caught.value.provider == "cloudflare"
    status = answer.get("status", 200)
    assert f"cloudflare answered {status} {code}: a reason. " in str(caught.value)


FAULTS = [
    (fault("success_false", code="10001"), ProviderBusyError, "200 10001: .* Try again later"),
    (fault("status", status=401), CredentialsError, "Check the API key of cloudflare"),
    (fault("status", status=403), CredentialsError, "Check the API key of cloudflare"),
    (fault("status", status=404), IndexMissingError, "no index of this name"),
    (fault("status", status=500), ProviderBusyError, "Try again later"),
    (fault("html", status=502), ProviderBusyError, "502"),
    (fault("html", status=200), ResultsError, "not its API"),
    (fault("drop_before"), ProviderUnreachableError, "gave no answer"),
    (fault("hold"), ProviderUnreachableError, "gave no answer .*Timeout"),
]


@pytest.mark.parametrize(("rule", "kind", "says"), FAULTS)
def test_every_other_fault_has_its_class(
    emulator: Running, open_at: Open, rule: dict[str, Any], kind: type[ProviderError], says: str
) -> None:
    emulator.faults(rule)
    with pytest.raises(ProviderError, match=says) as caught:
        open_at(emulator.bases["cloudflare"], timeouts=Timeouts(read=0.3)).state()
    assert type(caught.value) is kind
    assert emulator.calls("cloudflare") == {"info": 1}


def test_an_answer_that_drips_is_given_up(open_at: Open) -> None:
    """No wait for bytes is long, and the whole has an end all the same."""
    short = Timeouts(read=30, transfer=60, whole_read=0.2, whole_transfer=0.2)
    with raw_server(lambda _: Dripping(http(200, b" ", length=10**9))) as server:
        index = open_at(server.url, timeouts=short)
        for ask in (index.state, lambda: index.upsert([wave(1)])):
            with pytest.raises(ProviderUnreachableError, match=r"no whole answer within 0\.2 seconds"):
                ask()


def test_a_429_tells_when(emulator: Running, made: VectorizeIndex) -> None:
    emulator.faults(fault("status", "vectors", status=429, retry_after=7))
    with pytest.raises(ProviderBusyError) as caught:
        made.upsert([wave(1)])
    assert caught.value.retry_after == 7 and emulator.calls("cloudflare")["vectors"] == 1


def test_a_wrong_token_is_refused(emulator: Running, open_at: Open) -> None:
    with pytest.raises(CredentialsError, match=r"10000: Authentication error\. Check the API key"):
        open_at(emulator.bases["cloudflare"], token="wrong-token-4711").state()


@pytest.mark.parametrize(
    "result",
    [None, [], {"dimensions": "2", "vectorCount": 0}, {"dimensions": 2}, {"dimensions": True, "vectorCount": 0}],
    ids=str,
)
def test_an_answer_of_another_shape_is_no_state(httpserver: HTTPServer, open_at: Open, result: object) -> None:
    httpserver.expect_request("/accounts/an-account/vectorize/v2/indexes/words/info").respond_with_json(
        {"success": True, "result": result}
    )
    with pytest.raises(ResultsError, match="not its API"):
        open_at(httpserver.url_for("")).state()


def test_the_token_stays_with_its_host(httpserver: HTTPServer, open_at: Open) -> None:
    """A redirect is not followed, and an error that repeats the token is told without it."""
    path = "/accounts/an-account/vectorize/v2/indexes/words/"
    httpserver.expect_request(path + "info").respond_with_response(
        Response(status=302, headers={"location": httpserver.url_for("/elsewhere")})
    )
    echo = {"success": False, "errors": [{"code": 9109, "message": f"token {TOKEN} is expired"}]}
    httpserver.expect_request(path + "list").respond_with_json(echo, status=403)
    index = open_at(httpserver.url_for(""))
    with pytest.raises(RequestRejectedError, match="points elsewhere; check the base URL"):
        index.state()
    with pytest.raises(CredentialsError, match=r"token \[key\] is expired") as caught:
        index.present()
    assert TOKEN not in str(caught.value) and TOKEN not in repr(caught.getrepr())
    assert [request.path for request, _ in httpserver.log] == [path + "info", path + "list"]
