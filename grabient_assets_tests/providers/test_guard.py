"""The hook that has the last word over every request."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import pytest
from pytest_httpserver import HTTPServer

from grabient_assets.providers.client import only_ours
from grabient_assets_tests.providers.faces import KEY

KEYS = {"Authorization": f"Bearer {KEY}", "X-Api-Key": KEY, "X-Goog-Api-Key": KEY}


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_keys_go_home_and_nowhere_else(library: Any, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/x").respond_with_data("ok")
    port = httpserver.port
    for home in (
        f"http://localhost:{port}/v1",
        f"http://localhost:{port + 1}",
        f"https://localhost:{port}",
        "http://a.b",
    ):
        hook = only_ours(home, {"authorization": "Bearer ours"})
        with library.Client(event_hooks={"request": [hook]}) as client:
            client.get(httpserver.url_for("/x"), headers=KEYS | {"X-Goog-Api-Client": "sdk", "Cookie": "c"})
    sent = [{name.lower(): value for name, value in request.headers.items()} for request, _ in httpserver.log]
    assert [headers.get("authorization") for headers in sent] == ["Bearer ours", None, None, None]
    assert [headers.get("x-goog-api-key") for headers in sent] == [KEY, None, None, None]
    assert not any("x-api-key" in headers or "cookie" in headers for headers in sent)
    assert all(headers["x-goog-api-client"] == "sdk" for headers in sent)
