"""An object store that takes nothing: found before anything is asked, and said once."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from moto.server import ThreadedMotoServer
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from grabient_assets_tests.cli.running import palettes, typed

RUN = ("run", "--analyses", "1")


def r2(endpoint: str, **more: str) -> dict[str, str]:
    keys = {"R2_ACCESS_KEY_ID": "the-id-4711", "R2_SECRET_ACCESS_KEY": "the-secret-4712"}
    return {"R2_BUCKET": "pictures", "R2_ENDPOINT": endpoint, **keys, **more}


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(data / "grabient.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Bucket:
    """A bucket that takes a number of objects, and refuses the key from then on."""

    def __init__(self, server: HTTPServer, takes: int) -> None:
        self.objects: dict[str, bytes] = {}
        self.takes, self.refused = takes, 0
        server.expect_request("/pictures", method="HEAD").respond_with_data("")
        for method in ("PUT", "GET", "HEAD"):
            server.expect_request(re.compile(".*"), method=method).respond_with_handler(self._answer)

    def _answer(self, request: Request) -> Response:
        if len(self.objects) >= self.takes:
            self.refused += 1
            return Response("<Error><Code>SignatureDoesNotMatch</Code></Error>", 403)
        if request.method == "PUT":
            self.objects[request.path] = request.get_data()
            return Response("")
        if request.path not in self.objects:
            return Response("<Error><Code>NoSuchKey</Code></Error>", 404)
        return Response(self.objects[request.path])


def test_a_store_that_takes_nothing_is_found_before_anything_is_asked(
    data: Path, tmp_path: Path, moto: str, httpserver: HTTPServer
) -> None:
    typed(data, "load", palettes(tmp_path, 2))
    Bucket(httpserver, takes=0)
    cases = {
        moto: "There is no bucket pictures at R2_ENDPOINT. Make it, or correct R2_BUCKET.",
        httpserver.url_for("/"): "R2 refuses this token for bucket pictures (SignatureDoesNotMatch).",
        "http://127.0.0.1:9": "R2 cannot be reached for object palettes/store-check.txt in bucket pictures",
    }
    for endpoint, says in cases.items():
        for arguments in (RUN, ("retry", "--run"), ("demo",)):
            ended = typed(data, *arguments, **r2(endpoint))
            assert ended.code == 1 and ended.err.count(says) == 1, ended.err
            assert says in ended.err.strip().splitlines()[-1] and "need work" not in ended.err and ended.out == ""
    assert rows(data, "SELECT count(*) FROM asks") == [(0,)] == rows(data, "SELECT count(*) FROM batches")
    (data / "objects").write_text("a file where the folder of objects belongs")
    ended = typed(data, *RUN)
    assert ended.code == 1 and "Object palettes/store-check.txt cannot be written below" in ended.err
    assert "objects is a file, where a folder belongs: move it away" in ended.err
    (data / "objects").unlink()
    for prefix in ("palettes", "batches", "exports"):
        (data / "objects").mkdir(exist_ok=True)
        (data / "objects" / prefix).write_text("a file where a folder belongs")
        for arguments in (RUN, ("retry", "--run")):
            ended = typed(data, *arguments)
            assert ended.code == 1 and ended.err.count("cannot be written") == 1, ended.err
            assert f"objects/{prefix} is a file, where a folder belongs: move it away" in ended.err
        shutil.rmtree(data / "objects")
    assert rows(data, "SELECT count(*) FROM asks") == [(0,)]


@pytest.mark.slow
def test_a_store_that_stops_taking_ends_the_run_with_one_sentence(
    data: Path, tmp_path: Path, httpserver: HTTPServer
) -> None:
    typed(data, "load", palettes(tmp_path, 2))
    bucket = Bucket(httpserver, takes=6)  # the check, two pictures, and the requests of one batch
    settings = r2(httpserver.url_for("/"))
    ended = typed(data, *RUN, **settings)
    assert ended.code == 1
    assert ended.err.count("R2 refuses this token") == 1 and bucket.refused < 8, ended.err
    [(sent, put_off, intended)] = rows(
        data,
        "SELECT count(*) FILTER (provider_batch_id IS NOT NULL), count(*) FILTER (status = 'deferred'), "
        "count(*) FILTER (status = 'intended') FROM batches",
    )
    assert (sent, put_off, intended) == (1, 1, 0)
    assert rows(data, "SELECT DISTINCT error_kind FROM batches WHERE status = 'deferred'") == [("StoreError",)]
    requests = [line for line in ended.err.splitlines() if " sent, " in line]
    assert sum(int(line.split(": ")[1].split(" of ")[0]) for line in requests) <= 2, "those of the batch that exists"
    bucket.takes = 10_000
    ended = typed(data, *RUN, **settings)
    assert ended.code == 0, ended.err
    assert rows(data, "SELECT count(*), count(DISTINCT seed) FROM palette_tags") == [(20, 2)]
