"""Poison in the results of a batch: it has its fate and a sentence, and every other answer of the batch is stored.

Each provider's real client downloads from a server of ours; the archive, the collection and DuckDB are the real ones.
"""

from __future__ import annotations

import gzip
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.costs import unbalanced_batches
from grabient_assets.ledger.round import Round, collect_batches
from grabient_assets.providers.connect import connect
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.open_batches import open_batch, said
from grabient_assets_tests.ledger.scripted_provider import SETTLING
from grabient_assets_tests.providers.faces import FACES, GOOGLE, KEY, Face, google_answer
from grabient_assets_tests.providers.result_files import ended, inline, results_path

GOOD = ("good-0", "good-1")
DEEP = 100_000


@dataclass(frozen=True)
class Poison:
    """What a model said; `fate` and `why` are what is made of it (None: any usable answer has no reason)."""

    text: Callable[[str], str]
    fate: str
    why: str | None = None


TEXTS = {
    "megabytes": Poison(lambda _: "x" * 10_000_000, "invalid", "10000000 characters, more than 1000000"),
    "nul": Poison(lambda i: said(i).replace('"calm"', '"ca\x00lm"'), "succeeded"),
    "only-nul": Poison(lambda _: "\x00" * 50_000, "invalid", "no JSON object"),
    "deep": Poison(lambda _: "[" * DEEP + "]" * DEEP, "invalid", "no JSON object"),
    "deep-mood": Poison(lambda _: '{"mood":' + "[" * DEEP, "invalid", "no JSON object"),
    "nan": Poison(lambda i: said(i, temperature=float("nan"), mood=[float("inf"), "calm"]), "succeeded"),
    "twice": Poison(lambda i: '{"mood": ["wrong"], ' + said(i)[1:], "succeeded"),
    "surrogate": Poison(lambda i: said(i, mood=["calm"]).replace('"calm"', '"calm \ud83c"'), "succeeded"),
    "foreign": Poison(lambda _: said("good-0"), "mismatched", "belongs to the request"),
}
"""By custom id."""

LINES = {
    "ten megabytes": b"x" * 10_000_000,
    "NUL bytes": b"\x00" * 5000,
    "invalid UTF-8": b'{"custom_id": "lost-0", "key": "lost-0", "text": "\xff\xfe\xf0\x28"}',
    "open brackets": b"[" * DEEP,
    "closed brackets": b"[" * DEEP + b"]" * DEEP,
    "deep inside": b'{"custom_id":"lost-1","key":"lost-1","response":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "not a number": b'{"custom_id": NaN, "key": -Infinity}',
    "a list": b"[1, 2]",
    "nobody asked": b'{"custom_id": "stranger", "key": "stranger", "response": {"status_code": 200}}',
    "a surrogate for an id": rb'{"custom_id": "\ud800", "key": "\ud800", "result": {"type": "expired"}}',
}
LOST = ("lost-0", "lost-1")


def twice_named(face: Face) -> bytes:
    """A good line that names two requests: the last counts, and its answer says that it is the other's."""
    field = b"key" if face is GOOGLE else b"custom_id"
    line = face.answer_line("named-twice", said("good-1"))
    return b'{"%s": "good-1", ' % field + line[1:]


def requests_and_lines(face: Face) -> tuple[list[str], list[bytes]]:
    """What the batch asked, and its result file."""
    asked = [*GOOD, *TEXTS, *LOST, "named-twice"]
    answers = [face.answer_line(i, said(i)) for i in GOOD]
    poisoned = [face.answer_line(i, poison.text(i)) for i, poison in TEXTS.items()]
    return asked, [*LINES.values(), answers[0], *poisoned, twice_named(face), answers[1]]


def collect(house: House, face: Face, url: str, batch_id: str) -> Round:
    @contextmanager
    def connected(name: str) -> Iterator[Connection]:
        provider = connect(name, KEY, url.rstrip("/") + face.suffix, Timeouts(attempts=1))
        try:
            yield Connection(provider, "emulator", "emulator", SETTLING, None)
        finally:
            provider.close()

    return collect_batches([batch_id], connected, house.warehouse, house.store, lambda _: TagReader(), house.clock)


def archived(house: House, batch_id: str) -> bytes:
    return gzip.decompress(house.archived(batch_id, "results").read_bytes())


def check_fates(house: House, done: Round) -> None:
    assert done.troubles == () and len(done.collected) == 1
    rows = {row[0]: row[1:] for row in house.rows("SELECT custom_id, fate, error FROM batch_requests")}
    for good in GOOD:
        assert rows[good] == ("succeeded", None)
    for custom_id, poison in TEXTS.items():
        fate, error = rows[custom_id]
        assert (custom_id, fate) == (custom_id, poison.fate)
        assert (error is None) == (poison.why is None) and (poison.why or "") in (error or "")
    stored = {row[0]: row[1:] for row in house.rows("SELECT custom_id, mood, temperature FROM palette_tags")}
    for custom_id in (*GOOD, "nan", "twice"):
        assert "calm" in stored[custom_id][0]
    assert stored["nan"][1] is None and "wrong" not in stored["twice"][0]
    with house.warehouse.read() as connection:
        assert unbalanced_batches(connection) == (0, [])


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_poison_in_a_result_file(face: Face, house: House, httpserver: HTTPServer) -> None:
    asked, lines = requests_and_lines(face)
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    httpserver.expect_request(results_path(face)).respond_with_data(b"\n".join(lines) + b"\n")
    batch_id = open_batch(house, face, asked)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    done = collect(house, face, httpserver.url_for(""), batch_id)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000, "kilobytes; the file has 41 MB"
    check_fates(house, done)
    rows = dict(house.rows("SELECT custom_id, fate FROM batch_requests"))
    assert {rows[lost] for lost in LOST} == {"unreadable"} and rows["named-twice"] == "mismatched"
    problems = done.collected[0].problems
    for number in range(1, len(LINES) + 1):
        assert any(problem.startswith(f"Result line {number} ") for problem in problems), number
    assert all(len(problem) < 1000 for problem in problems)
    assert archived(house, batch_id).splitlines() == lines
    assert house.rows("SELECT max(length(answer_text)) FROM palette_tags") == [(100_000,)]


def test_poison_in_inline_answers(house: House, httpserver: HTTPServer) -> None:
    """Gemini's small batches carry their answers inside the batch object."""
    asked = [*GOOD, *TEXTS, "no-utf8"]
    texts = {**{i: said(i) for i in GOOD}, **{i: poison.text(i) for i, poison in TEXTS.items()}}
    answers = [{"metadata": {"key": i}, "response": google_answer(i, text)["response"]} for i, text in texts.items()]
    marker = {"metadata": {"key": "no-utf8"}, "response": google_answer("no-utf8", "MARK")["response"], "n": "NAN"}
    body = GOOGLE.body("completed", response=inline(*answers, marker))
    content = json.dumps(body).encode().replace(b"MARK", b"\xff\xfe").replace(b'"NAN"', b"NaN")
    httpserver.expect_request(GOOGLE.retrieve).respond_with_data(content, content_type="application/json")
    batch_id = open_batch(house, GOOGLE, asked)
    done = collect(house, GOOGLE, httpserver.url_for(""), batch_id)
    check_fates(house, done)
    assert dict(house.rows("SELECT custom_id, fate FROM batch_requests"))["no-utf8"] == "invalid"
    kept = {one["key"]: one for one in map(json.loads, archived(house, batch_id).splitlines())}
    assert kept["surrogate"]["response"]["candidates"][0]["content"]["parts"][0]["text"] == texts["surrogate"]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_a_batch_object_that_is_poison_is_trouble_of_that_batch_alone(
    face: Face, house: House, httpserver: HTTPServer
) -> None:
    deep = b'{"id":' + b"[" * DEEP + b"]" * DEEP + b"}"
    httpserver.expect_request(face.retrieve).respond_with_data(deep, content_type="application/json")
    batch_id = open_batch(house, face, ["a"])
    done = collect(house, face, httpserver.url_for(""), batch_id)
    [(named, trouble)] = done.troubles
    assert named == batch_id and "answered something that is not its API" in trouble and "Try again" in trouble
    assert house.rows("SELECT status FROM batches") == [("submitted",)]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_a_file_that_is_cut_is_collected_whole_on_the_next_try(
    face: Face, house: House, httpserver: HTTPServer
) -> None:
    ids = [f"r-{number}" for number in range(20)]
    lines = [face.answer_line(i, said(i)) for i in ids]
    whole = b"\n".join(lines)  # and no line end, as some files come
    batch_id = open_batch(house, face, ids)
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for("")))
    httpserver.expect_oneshot_request(results_path(face)).respond_with_data(whole[: len(whole) // 2])
    httpserver.expect_request(results_path(face)).respond_with_data(whole)
    [(_, trouble)] = collect(house, face, httpserver.url_for(""), batch_id).troubles
    assert "broke off" in trouble and "Nothing of it counts; download it again" in trouble
    assert house.rows("SELECT status, results_key FROM batches") == [("submitted", None)]
    assert house.rows("SELECT DISTINCT fate FROM batch_requests") == [(None,)]
    assert not list(Path(house.folder).rglob("results*"))
    assert collect(house, face, httpserver.url_for(""), batch_id).troubles == ()
    assert archived(house, batch_id) == whole + b"\n"
    assert house.rows("SELECT count(*) FROM palette_tags WHERE fate = 'succeeded'") == [(20,)]
