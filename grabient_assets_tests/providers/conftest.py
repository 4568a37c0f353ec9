from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.providers.connect import connect
from grabient_assets.providers.contract import BatchProvider
from grabient_assets.providers.deadlines import Timeouts
from grabient_assets_tests.providers.faces import FACES, KEY, Face

Open = Callable[..., BatchProvider]


@pytest.fixture(params=FACES, ids=lambda face: face.name)
def face(request: pytest.FixtureRequest) -> Face:
    return request.param


@pytest.fixture
def open_at() -> Iterator[Open]:
    """Connects a face to an address, and closes it after the test. Reads are repeated without a pause in between."""
    opened: list[BatchProvider] = []

    def open_it(face: Face, url: str, timeouts: Timeouts | None = None, key: str = KEY) -> BatchProvider:
        at_once = replace(timeouts or Timeouts(), pause=0.0)
        opened.append(connect(face.name, key, url.rstrip("/") + face.suffix, at_once))
        return opened[-1]

    yield open_it
    for provider in opened:
        provider.close()


@pytest.fixture
def provider(face: Face, httpserver: HTTPServer, open_at: Open) -> BatchProvider:
    """The face, connected to `httpserver`."""
    return open_at(face, httpserver.url_for(""))


@pytest.fixture
def uploads(face: Face, httpserver: HTTPServer) -> None:
    """The servers of OpenAI and Groq take files."""
    if face.name in ("openai", "groq"):
        path = face.create.replace("batches", "files")
        httpserver.expect_request(path, method="POST").respond_with_json({"id": "file-in", "object": "file"})
