"""How sources are reached in each mode."""

from __future__ import annotations

from pathlib import Path

import pytest

from grabient_assets.resources.modes import YouTubeAccess, web_access, youtube_access
from grabient_assets.resources.sources import fetchers
from grabient_assets.settings import load_settings
from grabient_assets.sources.documents import read_document
from grabient_assets.sources.problem import SourceProblem
from grabient_assets_tests.pipeline.place import emulator_ended_after


def test_the_emulator_stands_for_youtube_and_for_every_page(tmp_path: Path) -> None:
    proxied = {"YOUTUBE_BASE_URL": "http://127.0.0.1:9", "YOUTUBE_PROXY_URL": "http://127.0.0.1:9"}
    settings = load_settings({"GRABIENT_DATA_DIR": str(tmp_path), **proxied})
    with emulator_ended_after(tmp_path):
        assert youtube_access(settings) == YouTubeAccess(f"{web_access(settings)}/youtube")
        found = fetchers(settings)
        video = found.transcript("dQw4w9WgXcQ")
        talk = read_document(video.body, video.media_type, "https://www.youtube.com/watch?v=dQw4w9WgXcQ")
        assert talk.segments and talk.title and len(talk.text) > 500
        page = found.page("https://sales.example/articles/handling-price", None, None)
        assert page.etag and "price" in read_document(page.body, page.media_type, page.final_url).text
        assert found.page("https://sales.example/articles/handling-price", page.etag, None).unchanged
        with pytest.raises(SourceProblem) as refused:
            found.page("http://10.0.0.1/", None, None)
        assert refused.value.error_class == "private_address"


def test_in_live_mode_they_are_reached_where_they_are(tmp_path: Path) -> None:
    values = {"GRABIENT_MODE": "live", "GRABIENT_DATA_DIR": str(tmp_path)}
    settings = load_settings(values)
    assert web_access(settings) is None and youtube_access(settings) == YouTubeAccess(None, None)
    other = load_settings({**values, "YOUTUBE_BASE_URL": "http://yt/", "YOUTUBE_PROXY_URL": "http://a:b-c-d-1@proxy"})
    access = youtube_access(other)
    assert (access.base_url, access.proxy_url) == ("http://yt", "http://a:b-c-d-1@proxy")
    assert "b-c-d-1" not in repr(access)
    assert not any(tmp_path.iterdir())  # no emulator was started
