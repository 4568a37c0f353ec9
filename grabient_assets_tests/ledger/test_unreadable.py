"""Answers that were paid for and cannot be read, or do not say whose they are: never bought again by themselves."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.headless.failure_groups import failure_groups
from grabient_assets.ledger.asks import stopped_asks
from grabient_assets.ledger.batches import BatchRecord, open_batches
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.costs import unbalanced_batches
from grabient_assets.ledger.round import Round, collect_batches
from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import Result
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.ledger.house import House, palette
from grabient_assets_tests.ledger.open_batches import open_batch, said
from grabient_assets_tests.ledger.reparsing import MODEL, ask, collect, reparse, retry, send, send_if_due
from grabient_assets_tests.ledger.scripted_provider import ANSWER, SETTLING, USAGE, ScriptedProvider, answered
from grabient_assets_tests.providers.faces import FACES, GOOGLE, KEY, Face
from grabient_assets_tests.providers.result_files import ended, inline, results_path

IDS = [f"request-{number}" for number in range(4)]


def nameless(text: str, **more: Any) -> bytes:
    """A result line as a scripted provider writes it that says nothing about its request."""
    return json.dumps({"custom_id": None, "fate": "answered", "text": text, "usage": USAGE, **more}).encode()


def sent_to(house: House, provider: ScriptedProvider, palettes: int) -> list[str]:
    """The custom_ids of a batch about so many palettes."""
    ask(house, house.load(*map(palette, range(palettes))))
    send(house, provider)
    return list(provider.held["openai-1"].file.custom_ids)


def house_batch(house: House) -> BatchRecord:
    """The one that is open."""
    with house.warehouse.read() as connection:
        [batch] = open_batches(connection)
    return batch


def fates(house: House) -> dict[str, int]:
    return dict(house.rows("SELECT fate, count(*) FROM batch_requests GROUP BY ALL"))


def test_an_answer_without_a_key_is_bound_by_the_ref_in_it(house: House, provider: ScriptedProvider) -> None:
    ids = sent_to(house, provider, 8)
    lines = [nameless(json.dumps({"ref": custom_id, **ANSWER, "mood": [custom_id]})) for custom_id in reversed(ids)]
    lines[0] = lines[0].replace(b'"custom_id": null', b'"custom_id": "theirs-1"')  # a gateway has names of its own
    provider.end("openai-1", lines)
    collect(house, provider, house_batch(house))
    assert fates(house) == {"succeeded": 8}
    assert dict(house.rows("SELECT custom_id, mood[1] FROM palette_tags")) == {i: i.lower() for i in ids}
    assert house.rows("SELECT DISTINCT cost_basis FROM batch_requests") == [("reported",)]
    assert send_if_due(house, provider) is None and provider.sent == ids


@pytest.mark.parametrize("named", ["every line", "all but one"])
def test_an_answer_with_another_ref_is_mismatched(named: str, house: House, provider: ScriptedProvider) -> None:
    """Inline answers of Gemini come out of order (googleapis/python-genai#1909): who binds keys by place mixes them."""
    ids = sent_to(house, provider, 8)
    keys = [*ids[1:], ids[0]] if named == "every line" else [ids[0], *ids[2:], ids[1]]
    texts = [json.dumps({"ref": custom_id, **ANSWER, "mood": [custom_id]}) for custom_id in ids]
    provider.end("openai-1", [answered(key, text) for key, text in zip(keys, texts, strict=True)])
    collect(house, provider, house_batch(house))
    mixed = 8 if named == "every line" else 7
    assert fates(house) == {"mismatched": mixed, **({"succeeded": 1} if mixed < 8 else {})}


@pytest.mark.parametrize(
    "said", ["string", 1, "_gzzzQQQwwwVVVkkkJJJpppHHHlllSSSmmmBBB-01234567890123456789-00"], ids=str
)
def test_a_ref_that_no_request_has_is_mismatched(said: object, house: House, provider: ScriptedProvider) -> None:
    [ref] = sent_to(house, provider, 1)
    provider.end("openai-1", [answered(ref, json.dumps({"ref": said, **ANSWER}))])
    collect(house, provider, house_batch(house))
    assert fates(house) == {"mismatched": 1}


@pytest.mark.parametrize("counted", ["least_answers", "least_lines"])
def test_answers_that_are_counted_and_never_come_are_not_bought_again(
    counted: str, house: House, provider: ScriptedProvider
) -> None:
    ids = sent_to(house, provider, 8)
    provider.end("openai-1", [])
    held = provider.held["openai-1"]
    held.state = replace(held.state, **{counted: 8})
    batch = house_batch(house)
    for _ in range(2):
        collect(house, provider, batch)
        house.clock.wind(minutes=10)
    assert fates(house) == {"unreadable": 8}
    [(error,)] = house.rows("SELECT error FROM batches")
    assert error.startswith(f"openai counts 8 answers to batch {batch.batch_id}, and its results were empty, twice.")
    with house.warehouse.read() as connection:
        assert unbalanced_batches(connection) == (0, [])
        assert [(one.fate, one.requests) for one in failure_groups(connection)] == [("unreadable", 8)]
    house.clock.wind(days=1)
    assert send_if_due(house, provider) is None and provider.sent == ids
    retry(house)
    assert send(house, provider).request_count == 8


def test_when_no_line_can_be_read_the_model_stops_until_a_person_comes(
    house: House, provider: ScriptedProvider
) -> None:
    ids = sent_to(house, provider, 8)
    later = house.load(palette(99))
    ask(house, later)
    usages = [{"input_tokens": 1000 + number, "output_tokens": 200} for number in range(8)]
    texts = [json.dumps({**ANSWER, "mood": [custom_id]}) for custom_id in ids]  # no ref
    provider.end("openai-1", [nameless(text, usage=usage) for text, usage in zip(texts, usages, strict=True)])
    batch = house_batch(house)
    collect(house, provider, batch)

    assert fates(house) == {"unreadable": 8}
    each = [(usage["input_tokens"] * Decimal("0.075") + 200 * Decimal("0.30")) / 1_000_000 for usage in usages]
    [(cost, failed, error)] = house.rows("SELECT cost_usd, failed, error FROM batches")
    assert (cost, failed) == (sum(each), 8), "what came was billed, whosever it is"
    assert error.startswith(f"Not one line of the results of batch {batch.batch_id} can be read")
    with house.warehouse.read() as connection:
        assert unbalanced_batches(connection) == (0, [])
        [stopped] = stopped_asks(connection, PURPOSES)
        found = {(one.fate, one.requests) for one in failure_groups(connection)}
        assert found == {("unreadable", 8), ("stopped", 1)}, "as many as a retry sends"
    assert (stopped.model, stopped.failed) == (MODEL, False)
    reason = stopped.reason
    assert f"`grabient reparse {batch.batch_id}`" in reason and "`grabient retry`" in reason
    for _ in range(3):
        house.clock.wind(hours=12)
        assert send_if_due(house, provider) is None, "also nothing else of this model"

    # An update that can read them: at no cost, and nothing is stopped any more but what was never sent.
    named = dict(zip(texts, ids, strict=True))
    plain = provider.read_line

    def better(line: bytes) -> Result:
        result = plain(line)
        return Result(named[result.text or ""], result.fate, result.text, usage=result.usage)

    provider.read_line = better
    done = reparse(house, provider)
    assert done.fates == {("unreadable", "succeeded"): 8}
    assert house.rows("SELECT cost_usd FROM batches") == [(sum(each),)]
    assert house.rows("SELECT state, count(*) FROM asks GROUP BY ALL ORDER BY 1") == [("closed", 8), ("stopped", 1)]
    assert send_if_due(house, provider) is None
    retry(house)
    assert send(house, provider).request_count == 1


def test_a_person_may_buy_them_again(house: House, provider: ScriptedProvider) -> None:
    sent_to(house, provider, 2)
    provider.end("openai-1", [b"<html>", b"</html>"])
    collect(house, provider, house_batch(house))
    assert fates(house) == {"unreadable": 2} and send_if_due(house, provider) is None
    assert house.rows("SELECT DISTINCT cost_basis FROM batch_requests") == [("estimated",)]
    retry(house)
    assert send(house, provider).request_count == 2


def test_where_some_lines_can_be_read_the_others_are_not_bought_again_either(
    house: House, provider: ScriptedProvider
) -> None:
    ids = sent_to(house, provider, 6)
    lines = [answered(i) for i in ids[:3]]
    lines += [b'{"id": "%s", "says": ["nothing"]}' % ids[3].encode(), b"{ cut"]
    provider.end("openai-1", lines)
    collect(house, provider, house_batch(house))
    rows = house.rows("SELECT fate, cost_basis, count(*) FROM batch_requests GROUP BY ALL ORDER BY ALL")
    # one is named by its line; of the last two one has the line that names nobody, and nobody knows which
    assert rows == [("succeeded", "reported", 3), ("unreadable", "estimated", 2), ("unreadable", None, 1)]
    assert house.rows("SELECT count(*) FROM asks WHERE state = 'stopped'") == [(0,)], "the model can be read"
    assert send_if_due(house, provider) is None
    retry(house)
    assert send(house, provider).request_count == 3


@pytest.mark.parametrize("key", ["{}-copy", '"{}"', " {}", "LITELLM-1"])
def test_an_answer_under_a_changed_key_without_a_ref_is_not_bought_again(
    key: str, house: House, provider: ScriptedProvider
) -> None:
    ids = sent_to(house, provider, 3)
    lines = [answered(ids[0]), answered(ids[1]), answered(key.format(ids[2]), json.dumps(ANSWER))]
    provider.end("openai-1", lines)
    collect(house, provider, house_batch(house))
    rows = dict(house.rows("SELECT custom_id, fate FROM batch_requests"))
    assert rows == {ids[0]: "succeeded", ids[1]: "succeeded", ids[2]: "unreadable"}
    assert house.rows("SELECT count(*), min(input_tokens) FROM batch_requests WHERE cost_basis = 'reported'") == [
        (3, 1000)
    ]
    assert send_if_due(house, provider) is None


def test_lines_that_say_there_is_no_answer_are_no_answers(house: House, provider: ScriptedProvider) -> None:
    """Nothing was billed, so what they may be about is due again."""
    ids = sent_to(house, provider, 2)
    line = json.dumps({"custom_id": None, "fate": "errored", "error": "overloaded", "retryable": True}).encode()
    provider.end("openai-1", [answered(ids[0]), line])
    collect(house, provider, house_batch(house))
    assert fates(house) == {"succeeded": 1, "missing": 1}
    assert send(house, provider).request_count == 1


def unnamed(line: bytes) -> bytes:
    value = json.loads(line)
    value.pop("custom_id", None)
    value.pop("key", None)
    return json.dumps(value).encode()


def renamed(line: bytes) -> bytes:
    """The answer lies where nobody looks for it."""
    return line.replace(b'"result"', b'"outcome"').replace(b'"response"', b'"reply"')


def reworded(line: bytes) -> bytes:
    """The envelope is right, and what it holds has other names."""
    return line.replace(b'"content"', b'"contents"').replace(b'"parts"', b'"pieces"').replace(b'"candidates"', b'"x"')


SHAPES: dict[str, Callable[[bytes], bytes]] = {
    "a list": lambda line: b"[" + line + b"]",
    "an envelope around it": lambda line: b'{"data": ' + line + b', "object": "batch.result"}',
    "a string of JSON": lambda line: json.dumps(line.decode()).encode(),
    "another envelope": renamed,
    "another nesting": reworded,
    "another envelope without a key": lambda line: renamed(unnamed(line)),
}


def collected(house: House, face: Face, httpserver: HTTPServer, lines: list[bytes]) -> Round:
    """A batch of IDS that ended with these lines, collected."""

    @contextmanager
    def connected(name: str) -> Iterator[Connection]:
        provider = connect(name, KEY, httpserver.url_for("").rstrip("/") + face.suffix, Timeouts(attempts=1))
        yield Connection(provider, "emulator", "emulator", SETTLING, None)
        provider.close()

    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    httpserver.expect_request(results_path(face)).respond_with_data(b"\n".join(lines) + b"\n")
    batch_id = open_batch(house, face, IDS)
    done = collect_batches([batch_id], connected, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    assert done.troubles == ()
    return done


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_every_shape_at_every_provider(shape: str, face: Face, house: House, httpserver: HTTPServer) -> None:
    """10 + 5 tokens each, as far as they can be read."""
    lines = [SHAPES[shape](face.answer_line(i, said(i))) for i in IDS]
    collected(house, face, httpserver, lines)
    rows = house.rows("SELECT DISTINCT fate, input_tokens, output_tokens FROM batch_requests")
    tokens = (None, None) if shape == "a string of JSON" else (10, 5)
    assert rows == [("unreadable", *tokens)]
    assert "Not one line of the results" in house.rows("SELECT error FROM batches")[0][0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_every_shape_among_good_lines(shape: str, face: Face, house: House, httpserver: HTTPServer) -> None:
    lines = [face.answer_line(i, said(i)) for i in IDS]
    lines[0], lines[2] = SHAPES[shape](lines[0]), unnamed(lines[2])
    collected(house, face, httpserver, lines)
    rows = dict(house.rows("SELECT custom_id, fate FROM batch_requests"))
    assert rows == {IDS[0]: "unreadable", **dict.fromkeys(IDS[1:], "succeeded")}


ELSEWHERE: dict[str, Callable[[dict[str, Any]], object]] = {
    "a block of another kind": lambda line: line["result"]["message"]["content"][0].update(type=["text"]),
    "a block that names its text otherwise": lambda line: _rename(line["result"]["message"]["content"][0]),
    "a part that names its text otherwise": lambda line: _rename(
        line["response"]["candidates"][0]["content"]["parts"][0]
    ),
    "a candidate that names its content otherwise": lambda line: _rename(line["response"]["candidates"][0], "content"),
    "a part that is a string": lambda line: _as_string(line["response"]["candidates"][0]["content"]["parts"]),
}


def _rename(holder: dict[str, Any], name: str = "text") -> None:
    holder["value"] = holder.pop(name)


def _as_string(parts: list[Any]) -> None:
    parts[0] = json.dumps(parts[0])


@pytest.mark.parametrize("keyed", [True, False], ids=["its key", "a key of somebody else"])
@pytest.mark.parametrize("how", ELSEWHERE)
def test_an_answer_that_lies_elsewhere_is_not_an_empty_one(
    how: str, keyed: bool, house: House, httpserver: HTTPServer
) -> None:
    """It was paid for: an empty answer is bought again, up to three times."""
    face = next(face for face in FACES if face.name == ("anthropic" if "block" in how else "google"))
    lines = [json.loads(face.answer_line(i, said(i))) for i in IDS]
    ELSEWHERE[how](lines[0])
    if not keyed:
        lines[0]["key" if face is GOOGLE else "custom_id"] = "theirs-1"
    collected(house, face, httpserver, [json.dumps(line).encode() for line in lines])
    rows = {
        custom_id: rest for custom_id, *rest in house.rows("SELECT custom_id, fate, input_tokens FROM batch_requests")
    }
    assert rows == {IDS[0]: ["unreadable", 10], **{i: ["succeeded", 10] for i in IDS[1:]}}


def test_gemini_answers_without_metadata(house: House, httpserver: HTTPServer) -> None:
    """Inline answers have lost their metadata before (googleapis/python-genai#1886), and come in any order (#1909)."""
    answers = [{"response": json.loads(GOOGLE.answer_line(i, said(i)))["response"]} for i in reversed(IDS)]
    body = GOOGLE.body("completed", response=inline(*answers))
    httpserver.expect_oneshot_request(GOOGLE.retrieve).respond_with_json(body)
    httpserver.expect_oneshot_request(GOOGLE.retrieve).respond_with_json(body)
    done = collected(house, GOOGLE, httpserver, [])
    assert dict(house.rows("SELECT custom_id, fate FROM batch_requests")) == dict.fromkeys(IDS, "succeeded")
    assert done.collected[0].problems == ()
