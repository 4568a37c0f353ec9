"""A studio over a data folder, as a client in this process asks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from httpx2 import Response
from starlette.routing import BaseRoute
from starlette.testclient import TestClient

from grabient_assets.settings import load_settings
from grabient_assets.studio.access import Access
from grabient_assets.studio.application import ROUTES, make_application
from grabient_assets.studio.pages import Form, Page, Studio
from grabient_assets_tests.cli.running import environment

PORT = 3700
WAITS_SECONDS = 0.5
HOST = f"127.0.0.1:{PORT}"


@dataclass(frozen=True)
class Opened:
    """The studio and a browser at it."""

    studio: Studio
    client: TestClient

    @property
    def token(self) -> str:
        return self.studio.token

    def json(self, path: str, **query: Any) -> Any:
        """The JSON twin at that path."""
        answer = self.client.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def html(self, path: str, **query: Any) -> str:
        """The page at that path."""
        answer = self.client.get(path, params=query or None)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, data: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> Response:
        """What a program that knows the token gets."""
        sent = {"X-Grabient-Token": self.token, "Accept": "application/json", **(headers or {})}
        return self.client.post(path, data=data or {}, headers=sent)


def opened(
    data: Path,
    routes: Sequence[Page | Form | BaseRoute] = ROUTES,
    clock: Callable[[], datetime] | None = None,
    **values: str,
) -> Opened:
    """The studio over that data folder, with these settings."""
    settings = load_settings(environment(data, **values))
    studio = Studio(settings, clock or (lambda: datetime.now(UTC)), WAITS_SECONDS)
    application = make_application(studio, Access(studio.token, "127.0.0.1", PORT), routes)
    return Opened(studio, TestClient(application, base_url=f"http://{HOST}", raise_server_exceptions=False))
