"""What may be named as a source, and how it is known from then on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.errors import UsageError
from grabient_assets.sources.reference import Reference, WorkflowType, read_list, read_reference

ID = "dQw4w9WgXcQ"
WATCH = f"https://www.youtube.com/watch?v={ID}"
IDS = st.text(alphabet="ABCXYZabcxyz0189_-", min_size=11, max_size=11).filter(lambda x: x not in ("live_stream",))


@pytest.mark.parametrize(
    "text",
    [
        WATCH,
        f"http://youtube.com/watch?v={ID}",
        f"https://www.youtube.com/watch?app=desktop&v={ID}&t=42s#here",
        f"https://www.youtube.com/watch?v={ID}&list=PL123456789",
        f"https://youtu.be/{ID}",
        f"https://youtu.be/{ID}?si=abcdefgh&t=3",
        f"https://www.youtube.com/shorts/{ID}?feature=share",
        f"https://www.youtube.com/embed/{ID}",
        f"https://www.youtube-nocookie.com/embed/{ID}",
        f"https://www.youtube.com/live/{ID}/",
        f"https://m.youtube.com/watch?v={ID}",
        f"https://music.youtube.com/watch?v={ID}&list=RDAMVM",
        f"HTTPS://WWW.YouTube.COM/watch?v={ID}",
        f"youtube.com/watch?v={ID}",
        f"  youtu.be/{ID}\n",
    ],
)
def test_every_address_form_of_a_video_is_the_same_source(text: str):
    for kind in ("mixed", "youtube"):
        assert read_reference(text, kind) == Reference(f"yt_{ID}", "youtube", WATCH)


@given(IDS, st.sampled_from(["https://youtu.be/{}", "https://m.youtube.com/watch?x=1&v={}", "{}"]))
@settings(deadline=None)
def test_any_id_of_eleven_is_kept(video_id: str, form: str):
    assert read_reference(form.format(video_id), "youtube").source_id == f"yt_{video_id}"


@pytest.mark.parametrize(
    "text",
    [
        "https://www.youtube.com/@somebody",
        "https://www.youtube.com/@somebody/videos",
        "https://www.youtube.com/channel/UC1234567890",
        "https://www.youtube.com/c/Somebody",
        "https://www.youtube.com/user/somebody",
        "https://www.youtube.com/playlist?list=PL123",
        "https://www.youtube.com/watch?list=PL123",
        "https://www.youtube.com/embed/videoseries?list=PL123",
        "https://www.youtube.com/embed/live_stream?channel=UC123",
    ],
)
def test_a_channel_or_playlist_is_refused_with_the_way_out(text: str):
    with pytest.raises(UsageError, match="cannot be expanded without an API key; list the videos in a file"):
        read_reference(text)


@pytest.mark.parametrize("wrong", ["short", "a" * 12, "a" * 65, "abcdefghij!", "äbcdefghijk", "abcdefghij١"])
def test_an_id_that_is_not_eleven_of_the_alphabet_is_refused(wrong: str):
    with pytest.raises(UsageError, match="ids have 11 of"):
        read_reference(f"https://youtu.be/{wrong}")
    with pytest.raises(UsageError, match="ids have 11 of"):
        read_reference(wrong, "youtube")


def test_a_page_of_youtube_that_is_no_video_is_refused():
    with pytest.raises(UsageError, match="of no video"):
        read_reference("https://www.youtube.com/about/")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file:///etc/passwd", "file://"),
        ("FILE:/etc/passwd", "file://"),
        ("ftp://example.com/a.txt", "only http and https"),
        ("gopher://example.com", "only http and https"),
        ("data:text/html,hello", "only http and https"),
        ("javascript:alert(1)", "only http and https"),
        ("https:///path", "no host"),
        ("http:example.com", "no host"),
        ("https://example.com:0/", "a port that there is not"),
        ("https://example.com:99999/", "a port that there is not"),
        ("http://0177.0.0.1/", "no valid address"),
        ("https://exa mple.com\x00/", "no valid address"),
        ("https://user:secret@example.com/", "user name or password"),
        ("https://example.com\\@127.0.0.1/", "user name or password"),
        ("https://example.com/" + "a" * 2_000, "at most 2,000"),
        ("", "is empty"),
        ("   ", "is empty"),
        ("no such file.txt", "is no file"),
        ("a" * 1_500, "is no (path|file)"),
        ("ab:" + "x" * 1_500, "is no (path|file)"),
        ("a\0b", "no path|is no file"),
    ],
)
def test_what_is_no_source_is_refused_with_a_sentence(text: str, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        read_reference(text)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
            "100.64.0.1",
        ),
        *("2130706433", "0x7f.1", "127.1", "127.0.0.1.", "localhost", "LOCALHOST.", "a.localhost"),
        *("[::1]", "[::]", "[fe80::1]", "[fc00::1]", "[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]"),
    ],
)
def test_this_machine_and_private_networks_are_refused_however_written(host: str):
    with pytest.raises(UsageError, match="this machine or a private network"):
        read_reference(f"http://{host}/page")
    with pytest.raises(UsageError, match="this machine or a private network"):
        read_reference(f"https://{host}:8443/page")


def test_equal_addresses_are_one_source():
    digest = hashlib.sha256(b"https://example.com/a?b=1").hexdigest()[:12]
    expected = Reference(f"url_{digest}", "url", "https://example.com/a?b=1")
    for text in ("https://example.com/a?b=1", "HTTPS://Example.COM:443/a?b=1#part", " https://example.com/x/../a?b=1 "):
        assert read_reference(text) == expected
    assert read_reference("https://example.com").locator == read_reference("https://example.com/#top").locator
    assert read_reference("https://example.com/A").source_id != read_reference("https://example.com/a").source_id
    assert read_reference("https://8.8.8.8/a").kind == "url"


def test_a_file_is_known_by_its_resolved_path(tmp_path: Path):
    talk = tmp_path / "talk: one.txt"
    talk.write_text("text")
    link = tmp_path / "link.txt"
    link.symlink_to(talk)
    found = read_reference(str(talk))
    assert found == Reference(
        f"doc_{hashlib.sha256(str(talk.resolve()).encode()).hexdigest()[:12]}", "document", str(talk)
    )
    assert read_reference(f"{tmp_path}/../{tmp_path.name}/link.txt", "documents") == found
    with pytest.raises(UsageError, match="is a folder"):
        read_reference(str(tmp_path))


def test_a_source_of_another_type_than_the_workflow_is_refused(tmp_path: Path):
    file = tmp_path / "a.txt"
    file.write_text("text")
    of = {"youtube": WATCH, "documents": str(file), "urls": "https://example.com/"}
    for type in get_args(WorkflowType):
        for own, text in of.items():
            if type in (own, "mixed"):
                assert read_reference(text, type)
            else:
                with pytest.raises(UsageError):
                    read_reference(text, type)
    with pytest.raises(UsageError, match="is a YouTube video; a workflow of type urls takes none"):
        read_reference(WATCH, "urls")
    with pytest.raises(UsageError, match="has to begin with https://"):
        read_reference("example.com/page", "urls")


def test_a_list_file_has_one_source_in_a_line(tmp_path: Path):
    sources = tmp_path / "sources.txt"
    sources.write_text(
        "\ufeff# talks\n\n" + f"{WATCH}  # a good one\r\n" + "https://example.com/a#part\n  talk #3.txt  \n", "utf-8"
    )
    assert read_list(sources) == [WATCH, "https://example.com/a#part", "talk #3.txt"]
    sources.write_bytes(b"\xff\xfe\x00")
    for wrong in (sources, tmp_path / "none.txt", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            read_list(wrong)


@given(
    st.one_of(st.text(max_size=60), st.text(max_size=40).map(lambda text: f"https://{text}")),
    st.sampled_from(get_args(WorkflowType)),
)
@settings(deadline=None, max_examples=300)
def test_any_text_is_a_source_or_a_usage_error(text: str, type: WorkflowType):
    try:
        found = read_reference(text, type)
    except UsageError:
        return
    if found.kind != "document":
        assert read_reference(found.locator, type) == found
