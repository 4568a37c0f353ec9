"""A provider that echoes our key wherever it may write freely: neither the database nor the object store holds it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.groups.tagging.tags import TagReader
from grabient_assets.ledger.batches import open_batches, record_polled
from grabient_assets.ledger.connection import Connection
from grabient_assets.ledger.poll import poll_batches
from grabient_assets.ledger.round import collect_batches
from grabient_assets.providers.client import without_key
from grabient_assets.providers.connect import connect, line_reader
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.ledger.house import House
from grabient_assets_tests.ledger.open_batches import open_batch, said
from grabient_assets_tests.ledger.scripted_provider import SETTLING
from grabient_assets_tests.providers.faces import FACES, NOON, Face
from grabient_assets_tests.providers.listings import named, page
from grabient_assets_tests.providers.result_files import ended, results_path

KEY = "planted/Q7xWk2Vn9Lr4Tz"
"""Of no provider's shape, so that only knowing it helps; and with a character that JSON may write in two ways."""
ECHO = f"Incorrect API key provided: {KEY}."


def failed_batch(face: Face, url: str) -> dict[str, Any]:
    """A failed batch with results, which names the key in its state and its error."""
    body = ended(face, url, "failed")
    error = {"code": f"bad {KEY}", "message": ECHO}
    if face.name == "google":
        return body | {"error": error}
    return body if face.name == "anthropic" else body | {"errors": {"data": [error]}}


def refused_line(face: Face, custom_id: str) -> bytes:
    """The result line of a request that was refused with the key in the reason."""
    error = {"type": "authentication_error", "code": "invalid_api_key", "message": ECHO}
    match face.name:
        case "anthropic":
            value = {"custom_id": custom_id, "result": {"type": "errored", "error": {"type": "error", "error": error}}}
        case "google":
            value = {"key": custom_id, "error": error | {"code": 7}}
        case _:
            response = {"status_code": 401, "request_id": KEY, "body": {"error": error}}
            value = {"custom_id": custom_id, "response": response, "error": None}
    return json.dumps(value).encode()


def kept(house: House) -> Iterator[tuple[str, str]]:
    """Everything that was written below the data folder, as text."""
    for path in (house.folder / "objects").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield path.name, (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    for (table,) in house.rows("SELECT table_name FROM duckdb_tables()"):
        yield table, repr(house.rows(f"FROM {table}"))


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_a_state_a_poll_and_a_result_line(face: Face, house: House, httpserver: HTTPServer) -> None:
    @contextmanager
    def connected(name: str) -> Iterator[Connection]:
        provider = connect(name, KEY, httpserver.url_for("").rstrip("/") + face.suffix, Timeouts(attempts=1))
        yield Connection(provider, "emulator", "emulator", SETTLING, None)
        provider.close()

    batch_id = open_batch(house, face, ["good", "bad", "escaped"])
    running = face.body()
    for field in {"processing_status", "status"} & running.keys():
        running[field] = f"waiting for {KEY}"
    httpserver.expect_oneshot_request(face.retrieve).respond_with_json(running)
    httpserver.expect_oneshot_request(face.retrieve).respond_with_json(face.error(400, "bad", ECHO), status=400)
    lines = [face.answer_line("good", said("good")), refused_line(face, "bad")]
    lines.append(refused_line(face, "escaped").replace(KEY.encode(), KEY.replace("/", "\\/").encode()))
    httpserver.expect_request(face.retrieve).respond_with_json(failed_batch(face, httpserver.url_for("")))
    httpserver.expect_request(results_path(face)).respond_with_data(b"\n".join(lines) + b"\n")

    for _ in range(2):
        with house.warehouse.read() as connection:
            waiting = open_batches(connection)
        polled = poll_batches(waiting, connected, house.warehouse, house.clock)
        assert KEY not in repr(polled)
        with house.warehouse.write() as connection:
            record_polled(connection, polled.asked, polled.troubles, house.clock())
    done = collect_batches([batch_id], connected, house.warehouse, house.store, lambda _: TagReader(), house.clock)
    assert done.troubles == () and KEY not in repr(done)
    fates = dict(house.rows("SELECT custom_id, fate FROM batch_requests"))
    assert fates == {"good": "succeeded", "bad": "errored", "escaped": "errored"}
    for where, text in kept(house):
        assert KEY not in text and "Q7xWk2Vn9Lr4Tz" not in text, where
    assert "Incorrect API key provided: [key]." in repr(house.rows("SELECT error FROM palette_tags"))

    # Read again years later, with another key set: what is kept does not hold the old one.
    [archive] = [text for name, text in kept(house) if name.startswith("results-")]
    read = [line_reader(face.name, "another key")(line.encode()) for line in archive.splitlines()]
    assert KEY not in repr(read) and [one.custom_id for one in read] == ["good", "bad", "escaped"]


@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_a_batch_that_is_found(face: Face, httpserver: HTTPServer) -> None:
    """What is adopted goes into the ledger too."""
    body = named(face, "batches/found")
    for field in {"processing_status", "status"} & body.keys():
        body[field] = f"waiting for {KEY}"
    if face.name == "google":
        body["metadata"]["state"] = f"waiting for {KEY}"
    httpserver.expect_request(face.listing).respond_with_json(page(face, body))
    provider = connect(face.name, KEY, httpserver.url_for("").rstrip("/") + face.suffix, Timeouts(attempts=1))
    [found] = provider.find("lab-1", ["a-1"], NOON, 3)
    provider.close()
    assert found.raw_status == "waiting for [key]" and KEY not in repr(found)


def test_a_line_is_only_relieved_of_the_key() -> None:
    lines = [b'{"text": "sk-this-is-what-the-model-wrote k/123456", "n": 1}', b"\xff\x00", b'{"t": "\\nk\\/123456"}']
    assert list(without_key(lines, "k/123456")) == [
        b'{"text": "sk-this-is-what-the-model-wrote [key]", "n": 1}',
        b"\xff\x00",
        b'{"t": "\\n[key]"}',
    ]
    assert list(without_key(lines, "")) == lines


@pytest.mark.parametrize("key", ["g", "none", "emulator", "dummy", "ollama", "EMPTY", "lm-studio", "not-needed", "k/1"])
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)
def test_a_key_that_can_be_no_secret_leaves_answers_as_they_came(face: Face, key: str, httpserver: HTTPServer) -> None:
    """Local servers are used with keys like these."""
    lines = [
        face.answer_line("a-1", said("a-1").replace("dreamy", f"an emulator's {key} glow")),
        refused_line(face, "b"),
    ]
    httpserver.expect_request(face.retrieve).respond_with_json(ended(face, httpserver.url_for(""), "completed"))
    httpserver.expect_request(results_path(face)).respond_with_data(b"\n".join(lines) + b"\n")
    provider = connect(face.name, key, httpserver.url_for("").rstrip("/") + face.suffix, Timeouts(attempts=1))
    assert list(provider.results(face.batch).lines) == lines
    assert provider.read_line(lines[1]).error == ECHO
    provider.close()
