"""Transcripts, through the real library from a small YouTube of this machine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from grabient_assets.sources.documents import read_document
from grabient_assets.sources.problem import SourceProblem
from grabient_assets.sources.transcripts import Segment, fetch_transcript
from grabient_assets_tests.ports import closed_port
from grabient_assets_tests.sources.local_youtube import CAPTCHA, Youtube, youtube

ID = "dQw4w9WgXcQ"


@pytest.fixture
def site() -> Iterator[Youtube]:
    with youtube() as one:
        yield one


def problem(site: Youtube) -> SourceProblem:
    with pytest.raises(SourceProblem) as raised:
        fetch_transcript(ID, site.base_url)
    assert ID in raised.value.sentence or "blocks this machine" in raised.value.sentence
    assert "\n" not in raised.value.sentence
    return raised.value


def test_a_transcript_comes_in_segments_and_as_json_that_is_read_again(site: Youtube):
    site.track("en")
    found = fetch_transcript(ID, site.base_url)
    assert found.segments == (Segment(0.5, 2.5, "We don't talk"), Segment(3.0, 2.0, "about lang=en."))
    assert (found.language, found.generated, found.quality, found.title) == ("en", False, 1.0, "How & why")
    assert site.asked == [f"GET /watch?v={ID}", "POST /youtubei/v1/player?key=key-1", "GET /api/timedtext?lang=en"]
    assert json.loads(found.body)["segments"][1] == {"text": "about lang=en.", "start": 3.0, "duration": 2.0}
    assert fetch_transcript(ID, site.base_url).body == found.body

    site.caption = "".join(f'<text start="{n}" dur="2.5">we talk about price {n}</text>' for n in range(9)).join(
        ("<transcript>", "</transcript>")
    )
    read = read_document(fetch_transcript(ID, site.base_url).body, "application/json", ID)
    assert (read.title, read.language, read.generated, read.quality) == ("How & why", "en", False, 1.0)
    assert read.seconds == 10.5
    assert read.segments is not None
    assert [read.text[one.char_start : one.char_end] for one in read.segments] == [one.text for one in read.segments]
    assert read.segments[8].text == "we talk about lang=en 8"


@pytest.mark.parametrize(
    ("tracks", "chosen", "quality"),
    [
        ([("de", False), ("en", True), ("en", False)], ("en", False), 1.0),
        ([("en", True), ("en-GB", False)], ("en-GB", False), 1.0),
        ([("en-GB", False), ("en", False)], ("en", False), 1.0),
        ([("de", False), ("en", True)], ("en", True), 0.7),
        ([("de", False), ("en-US", True)], ("en-US", True), 0.7),
        ([("fr", True), ("de", False)], ("de", False), 0.5),
        ([("fr", True)], ("fr", True), 0.5),
        ([("eno", False)], ("eno", False), 0.5),
    ],
)
def test_english_by_a_person_is_preferred(
    site: Youtube, tracks: list[tuple[str, bool]], chosen: tuple[str, bool], quality: float
):
    for language, generated in tracks:
        site.track(language, generated)
    found = fetch_transcript(ID, site.base_url)
    assert (found.language, found.generated) == chosen
    assert found.quality == quality
    assert f"lang={chosen[0]}{'&kind=asr' if chosen[1] else ''}." in found.segments[1].text


LOGIN = {"status": "LOGIN_REQUIRED"}


@pytest.mark.parametrize(
    ("change", "error_class", "permanent"),
    [
        ({"status": {"watch": 429}, "headers": {"Retry-After": "9"}}, "blocked", False),
        ({"status": {"caption": 429}, "headers": {"Retry-After": "9"}}, "blocked", False),
        ({"watch": CAPTCHA}, "blocked", False),
        ({"watch": "<html>nothing</html>"}, "blocked", False),
        ({"playability": {**LOGIN, "reason": "Sign in to confirm you’re not a bot"}}, "blocked", False),
        (
            {"playability": {**LOGIN, "reason": "This video may be inappropriate for some users."}},
            "age_restricted",
            True,
        ),
        ({"playability": {"status": "ERROR", "reason": "This video is unavailable"}}, "unavailable", True),
        ({"playability": {"status": "UNPLAYABLE", "reason": "Members only"}}, "unplayable", True),
        ({"playability": {**LOGIN, "reason": "This video is private"}}, "unplayable", True),
        ({"tracks": []}, "disabled", True),
        ({"caption": ""}, "empty_body", False),
        ({"caption": " \n"}, "empty_body", False),
        ({"caption": "<transcript>"}, "broken", True),
        ({"caption": "<transcript></transcript>"}, "no_transcript", True),
        ({"player": [1]}, "broken", True),
        ({"player": {"captions": {"playerCaptionsTracklistRenderer": {"captionTracks": [{}]}}}}, "broken", True),
        ({"player": {"playabilityStatus": {"status": "OK"}}}, "disabled", True),
        (
            {
                "player": {
                    "playabilityStatus": {},
                    "captions": {"playerCaptionsTracklistRenderer": {"captionTracks": []}},
                }
            },
            "no_transcript",
            True,
        ),
        ({"status": {"watch": 503}, "headers": {"Retry-After": "9"}}, "http_5xx", False),
        ({"status": {"player": 500}, "headers": {"Retry-After": "9"}}, "http_5xx", False),
        ({"status": {"caption": 404}}, "not_found", True),
        ({"status": {"player": 403}}, "refused", True),
    ],
)
def test_what_youtube_answers_has_its_class(site: Youtube, change: dict[str, Any], error_class: str, permanent: bool):
    site.track("en")
    for name, value in change.items():
        setattr(site, name, value)
    found = problem(site)
    assert (found.error_class, found.permanent) == (error_class, permanent)
    assert found.retry_after == (9.0 if "headers" in change else None)


def test_a_track_that_wants_a_token_is_blocked(site: Youtube):
    site.track("en", more="&exp=xpe")
    assert problem(site).error_class == "blocked"


@pytest.mark.parametrize("elsewhere", ["http://127.0.0.1:{port}", "https://captions.example", "http://www.youtube.com"])
def test_a_track_of_another_site_is_not_fetched(site: Youtube, elsewhere: str):
    site.track("en", site=elsewhere.format(port=closed_port()))
    found = problem(site)
    assert found.error_class == "refused"
    assert len(site.asked) == 2


def test_an_unreachable_site_is_tried_again():
    with pytest.raises(SourceProblem) as raised:
        fetch_transcript(ID, f"http://127.0.0.1:{closed_port()}")
    assert (raised.value.error_class, raised.value.permanent) == ("network", False)


def test_a_proxy_is_asked_when_it_is_named(site: Youtube):
    """The small YouTube plays the proxy: a proxy of http is asked for whole addresses."""
    site.track("en", site="http://proxied.example/yt")
    proxy = site.base_url.removesuffix("/yt")
    found = fetch_transcript(ID, "http://proxied.example/yt", proxy)
    assert found.segments[0].text == "We don't talk"
    assert len(site.asked) == 3
