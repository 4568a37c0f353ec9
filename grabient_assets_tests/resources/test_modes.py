"""Where emulator mode and live mode differ."""

from __future__ import annotations

from pathlib import Path

from grabient_assets.providers.vectorize import VectorizeIndex
from grabient_assets.resources.modes import vectorize_access
from grabient_assets.settings import load_settings
from grabient_assets_tests.emulator.running import running

NAMED = {"VECTORIZE_INDEX": "words", "CLOUDFLARE_ACCOUNT_ID": "0a1b", "CLOUDFLARE_API_TOKEN": "token-4713"}


def test_the_index_is_the_emulators_in_emulator_mode(tmp_path: Path) -> None:
    settings = load_settings({**NAMED, "GRABIENT_DATA_DIR": str(tmp_path / "data")})
    with running(tmp_path / "data") as emulator:
        access = vectorize_access(settings)
        assert access is not None and access.index and access.base_url == f"{emulator.url}/cloudflare/client/v4"
        assert "token-4713" not in (access.token, access.account)
        index = VectorizeIndex(access.account, access.token, access.index, access.base_url)
        assert index.ensure(3).dimensions == 3
        index.close()
        assert emulator.control("GET", "vectors/words") == {"ids": [], "waiting": 0}


def test_the_index_is_cloudflares_in_live_mode_and_none_where_none_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data"
    live = load_settings({**NAMED, "GRABIENT_MODE": "live", "GRABIENT_DATA_DIR": str(data)})
    assert live.vectorize is not None and vectorize_access(live) == live.vectorize
    for mode in ("emulator", "live"):
        assert vectorize_access(load_settings({"GRABIENT_MODE": mode, "GRABIENT_DATA_DIR": str(data)})) is None
    assert not data.exists(), "no emulator was started"
