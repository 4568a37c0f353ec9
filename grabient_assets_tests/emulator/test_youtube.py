"""Emulated YouTube, read by youtube-transcript-api over a real socket."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any
from xml.etree.ElementTree import ParseError

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from youtube_transcript_api import (
    AgeRestricted,
    FetchedTranscript,
    IpBlocked,
    NoTranscriptFound,
    PoTokenRequired,
    RequestBlocked,
    TranscriptsDisabled,
    VideoUnavailable,
    VideoUnplayable,
    YouTubeRequestFailed,
    YouTubeTranscriptApi,
)

from grabient_assets.emulator.talks import AREAS, GENERATED, MANUAL, sample_ids, segments_of, sentences, talk_of
from grabient_assets.emulator.youtube import API_KEY
from grabient_assets_tests.emulator.holding import at_the_same_time
from grabient_assets_tests.emulator.running import Running

SAMPLE, BOTH, PLAIN, LONG = "think-about", "price-talk1", "abcdefghijk", "longabcdefg"
CAPTIONS = len(segments_of(SAMPLE, MANUAL))
YOUTUBE = "https://www.youtube.com/"


class ToEmulator(HTTPAdapter):
    """Sends what is meant for YouTube to the emulator."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        assert request.url
        request.url = request.url.replace(YOUTUBE, f"{self._url}/youtube/", 1)
        return super().send(request, *args, **options)


def api(emulator: Running) -> YouTubeTranscriptApi:
    session = requests.Session()
    session.trust_env = False
    session.mount(YOUTUBE, ToEmulator(emulator.url))
    return YouTubeTranscriptApi(http_client=session)


def manual(emulator: Running, video: str) -> FetchedTranscript:
    return api(emulator).list(video).find_manually_created_transcript(["en"]).fetch()


def first(emulator: Running, video: str) -> FetchedTranscript:
    """The first track of a video, whatever it is."""
    return next(iter(api(emulator).list(video))).fetch()


def tracks(emulator: Running, video: str) -> list[tuple[str, bool]]:
    return [(one.language_code, one.is_generated) for one in api(emulator).list(video)]


# what is served -----------------------------------------------------------------------------------------------------


def test_a_sample_talk_is_read_with_its_seconds(emulator: Running) -> None:
    found = manual(emulator, SAMPLE)
    assert (found.language, found.language_code, found.is_generated) == ("English", "en", False)
    assert found.snippets[0].text == "Five words that kill more deals than any competitor: I have to"
    assert [(one.text, one.start, one.duration) for one in found] == [
        (one.text, one.start, one.duration) for one in segments_of(SAMPLE, MANUAL)
    ]
    text = " ".join(one.text for one in found)
    assert "a wild Q&A." in " ".join(one.text for one in manual(emulator, "nine-in-one"))
    assert 'So don\'t say "sure, take your time."' in text, "what XML escapes comes back"


def test_tracks_follow_the_beginning_of_an_id(emulator: Running) -> None:
    assert tracks(emulator, BOTH) == [("en", False), ("de", False), ("en", True)]
    assert tracks(emulator, "manabcdefgh") == [("en", False)] and tracks(emulator, "genabcdefgh") == [("en", True)]
    assert tracks(emulator, "de_abcdefgh") == [("de", False)] and tracks(emulator, "es_abcdefgh") == [("es", True)]
    assert tracks(emulator, "fr_abcdefgh") == [("fr", False), ("fr", True)]
    assert tracks(emulator, LONG) == [("en", False), ("en", True)]
    spoken = first(emulator, "de_abcdefgh")
    assert spoken.language == "German" and "Einwand" in " ".join(one.text for one in spoken)
    with pytest.raises(NoTranscriptFound):
        api(emulator).list("de_abcdefgh").find_transcript(["en"])


def test_other_ids_have_english_tracks_in_fixed_shares() -> None:
    kinds = [talk_of(f"a{number:010}").tracks for number in range(400)]
    assert all(MANUAL in one or GENERATED in one for one in kinds)
    assert 160 < sum(one == (MANUAL, GENERATED) for one in kinds) < 240
    assert 120 < sum(one == (GENERATED,) for one in kinds) < 200


def test_generated_captions_have_no_full_stops_and_overlap(emulator: Running) -> None:
    found = api(emulator).list(PLAIN).find_generated_transcript(["en"]).fetch()
    text = " ".join(one.text for one in found)
    assert found.is_generated and text == text.lower() and "." not in text and "," not in text
    assert found[0].start + found[0].duration > found[1].start


@pytest.mark.parametrize(
    ("video", "error"),
    [
        ("muteabcdefg", TranscriptsDisabled),
        ("goneabcdefg", VideoUnavailable),
        ("adultabcdef", AgeRestricted),
        ("privabcdefg", VideoUnplayable),
        ("short", VideoUnavailable),
        ("eleven&char", VideoUnavailable),
    ],
)
def test_some_videos_have_no_transcript(emulator: Running, video: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        api(emulator).list(video)


def test_the_page_and_the_player_say_what_the_video_is(emulator: Running) -> None:
    page = requests.get(f"{emulator.url}/youtube/watch", {"v": SAMPLE}, timeout=20).text
    assert "<title>I have to think about it - YouTube</title>" in page and f'"INNERTUBE_API_KEY":"{API_KEY}"' in page
    found = player(emulator, SAMPLE).json()
    details = found["videoDetails"]
    assert details["title"] == "I have to think about it" and details["videoId"] == SAMPLE
    [track] = found["captions"]["playerCaptionsTracklistRenderer"]["captionTracks"]
    assert track["baseUrl"].startswith(f"{emulator.url}/youtube/api/timedtext?")
    last = segments_of(SAMPLE, MANUAL)[-1]
    assert last.start + last.duration < int(details["lengthSeconds"]) < last.start + last.duration + 5
    newer = requests.get(track["baseUrl"], timeout=20).text
    assert "<timedtext" in newer and '<p t="800" d=' in newer


def player(emulator: Running, video: str, client: str = "ANDROID", key: str = API_KEY) -> requests.Response:
    body = {"context": {"client": {"clientName": client, "clientVersion": "20.10.38"}}, "videoId": video}
    return requests.post(f"{emulator.url}/youtube/youtubei/v1/player", params={"key": key}, json=body, timeout=20)


def test_the_player_wants_its_key_and_the_android_client(emulator: Running) -> None:
    assert player(emulator, SAMPLE, key="another").status_code == 403
    assert player(emulator, SAMPLE, client="WEB").status_code == 400
    empty = requests.post(f"{emulator.url}/youtube/youtubei/v1/player", params={"key": API_KEY}, data="{", timeout=20)
    assert empty.status_code == 400
    assert requests.get(f"{emulator.url}/youtube/playlist?list=x", timeout=20).status_code == 404


# what is said -------------------------------------------------------------------------------------------------------


def test_sample_talks_are_about_nine_areas() -> None:
    assert len(sample_ids()) == 10 and all(len(one) == 11 for one in sample_ids())
    assert len({talk_of(one).title for one in sample_ids()}) == 10
    text = " ".join(one.text for one in segments_of("nine-in-one", MANUAL))
    assert "ignore your instructions" in text


def test_lengths(emulator: Running) -> None:
    lengths = [talk_of(f"b{number:010}").seconds for number in range(200)]
    assert 240 <= min(lengths) < 320 and 420 < max(lengths) <= 480
    long = first(emulator, LONG)
    assert 3_590 < talk_of(LONG).seconds < 3_690 and sum(len(one.text.split()) for one in long) > 8_000
    heard = " ".join(one.text for one in long)
    assert all(word in heard for word in ("discount", "competitor", "budget", "layer", "framework", "rejection"))


@settings(deadline=None, max_examples=60)
@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=11, max_size=11))
def test_any_id_is_a_talk_that_stays_the_same(video: str) -> None:
    spoken = segments_of(video, MANUAL)
    segments_of.cache_clear()
    assert spoken == segments_of(video, MANUAL) and len(spoken) > 20
    assert all(one.start < two.start for one, two in pairwise(spoken))
    assert not any("{" in one.text or not one.text.strip() for one in spoken)


def test_different_ids_are_different_talks() -> None:
    texts = {" ".join(one.text for one in segments_of(f"c{number:010}", MANUAL)) for number in range(50)}
    assert len(texts) == 50 and list(AREAS) == list(range(1, 10))


def test_sentences_end_behind_their_quotes() -> None:
    assert sentences('He said, "Stop." Then he left.  Why?') == ['He said, "Stop."', "Then he left.", "Why?"]


# faults -------------------------------------------------------------------------------------------------------------


def fault(do: str, times: int | None = None, video: str | None = None, **action: Any) -> dict[str, Any]:
    match = {"route": "transcript", "times": times, "video": video}
    return {
        "match": {key: value for key, value in match.items() if value is not None},
        "action": {"do": do, **action},
    }


OF_FAULTS: list[tuple[dict[str, Any], type[Exception]]] = [
    (fault("status", 1, status=429), IpBlocked),
    (fault("status", 1, status=503), YouTubeRequestFailed),
    (fault("status", 1, status=500), YouTubeRequestFailed),
    (fault("blocked", 1), IpBlocked),
    (fault("blocked", 1, how="login"), RequestBlocked),
    (fault("disabled", 1), TranscriptsDisabled),
    (fault("unavailable", 1), VideoUnavailable),
    (fault("age_restricted", 1), AgeRestricted),
    (fault("unplayable", 1), VideoUnplayable),
    (fault("po_token", 1), PoTokenRequired),
    (fault("empty_body", 1), ParseError),
    (fault("drop_before", 1), requests.ConnectionError),
]


@pytest.mark.parametrize(("rule", "error"), OF_FAULTS)
def test_faults_end_when_their_times_are_over(emulator: Running, rule: dict[str, Any], error: type[Exception]) -> None:
    emulator.faults(rule)
    with pytest.raises(error):
        manual(emulator, SAMPLE)
    assert len(manual(emulator, SAMPLE)) == CAPTIONS
    [shown] = emulator.control("GET", "faults")["rules"]
    assert shown["fired"] == 1


def test_twice_then_good(emulator: Running) -> None:
    emulator.faults(fault("status", 2, status=503))
    for _ in range(2):
        with pytest.raises(YouTubeRequestFailed):
            manual(emulator, SAMPLE)
    assert len(manual(emulator, SAMPLE)) == CAPTIONS
    assert emulator.calls("youtube") == {"transcript": 5}, "two watch pages that failed, and three calls"


def test_faults_of_one_video_and_of_one_step(emulator: Running) -> None:
    emulator.faults(fault("unavailable", video="price-*"))
    with pytest.raises(VideoUnavailable):
        manual(emulator, BOTH)
    assert len(manual(emulator, SAMPLE)) == CAPTIONS
    emulator.faults({"match": {"route": "transcript", "step": "captions"}, "action": {"do": "status", "status": 500}})
    listed = api(emulator).list(SAMPLE)
    with pytest.raises(YouTubeRequestFailed):
        listed.find_transcript(["en"]).fetch()


def test_a_changed_talk_ends_in_other_sentences(emulator: Running) -> None:
    before = [one.text for one in manual(emulator, SAMPLE)]
    emulator.faults(fault("changed", video=SAMPLE))
    second = [one.text for one in manual(emulator, SAMPLE)]
    emulator.faults(fault("changed", video=SAMPLE, version=3))
    third = [one.text for one in manual(emulator, SAMPLE)]
    assert second[: len(before)] == before == third[: len(before)]
    assert len(second) > len(before) < len(third) and second != third
    emulator.faults()
    assert [one.text for one in manual(emulator, SAMPLE)] == before


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"match": {"route": "page"}, "action": {"do": "disabled"}}, "disabled is laid on what is fetched"),
        ({"match": {"route": "create"}, "action": {"do": "blocked"}}, "write transcript or page"),
        ({"match": {"provider": "web"}, "action": {"do": "po_token"}}, "po_token exists only at youtube"),
        ({"match": {"provider": "openai"}, "action": {"do": "changed"}}, "only at youtube and web"),
        ({"match": {"step": "listen"}, "action": {"do": "delay", "seconds": 1}}, "match.step"),
        ({"action": {"do": "changed", "version": 1}}, "greater than or equal to 2"),
    ],
)
def test_rules_that_cannot_be_are_refused(emulator: Running, rule: dict[str, Any], reason: str) -> None:
    answer = requests.post(f"{emulator.url}/_emulator/faults", json={"rules": [rule]}, timeout=20)
    assert answer.status_code == 400 and reason in answer.json()["error"]


# counts -------------------------------------------------------------------------------------------------------------


def test_calls_are_counted_by_video_and_at_the_same_time(emulator: Running) -> None:
    manual(emulator, SAMPLE)
    manual(emulator, SAMPLE)
    first(emulator, BOTH)
    found = emulator.control("GET", "calls")
    assert found["counts"]["youtube"] == {"transcript": 9}
    assert found["fetched"]["youtube"] == {SAMPLE: 2, BOTH: 1} and found["in_flight"]["youtube"] == 1
    assert at_the_same_time(emulator, lambda: first(emulator, SAMPLE), {"route": "transcript", "step": "watch"}) == 4


def test_reset_forgets_what_was_fetched(emulator: Running) -> None:
    first(emulator, BOTH)
    emulator.control("POST", "reset")
    assert json.dumps(emulator.control("GET", "calls")["fetched"]) == "{}"
