"""Documents: what is read of each kind, and every poison with its class."""

from __future__ import annotations

import json
import random
import unicodedata
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader, PdfWriter

from grabient_assets.sources.documents import Document, media_type_of, read_document
from grabient_assets.sources.problem import SourceProblem
from grabient_assets.sources.transcripts import Segment

TALK = "We never defend the price. We ask what it costs to change nothing, and then we wait for the answer."
PARAGRAPHS = [f"Paragraph {number}. {TALK}" for number in range(1, 5)]


def problem(body: bytes, media_type: str | None = None, name: str = "a.txt") -> SourceProblem:
    with pytest.raises(SourceProblem) as raised:
        read_document(body, media_type, name)
    assert raised.value.permanent
    assert name in raised.value.sentence
    return raised.value


def pdf(*pages: str, title: str = "") -> bytes:
    """A PDF of one line of text on each page, put together by hand."""
    count = len(pages)
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(count))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {count} >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for number, text in enumerate(pages):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {5 + 2 * number} 0 R >>"
        )
        drawn = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    objects.append(f"<< /Title ({title}) >>")
    file, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(file))
        file += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>"
    file += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n{trailer}\nstartxref\n{len(file)}\n%%EOF"
    return file.encode()


def html(*paragraphs: str, title: str = "On price", head: str = "") -> bytes:
    inside = "".join(f"<p>{paragraph}</p>" for paragraph in paragraphs)
    return (
        f"<!doctype html><html><head><title>{title}</title>{head}</head><body><nav><a href='/'>Home</a></nav>"
        f"<article>{inside}</article><script>steal()</script></body></html>"
    ).encode()


def test_the_name_of_a_file_tells_its_type():
    kinds = {"a.TXT": "text/plain", "b.md": "text/markdown", "c.pdf": "application/pdf", "d.html": "text/html"}
    kinds |= {"e.vtt": "text/vtt", "f.srt": "application/x-subrip", "g.json": "application/json"}
    assert {name: media_type_of(f"/some.folder/{name}") for name in kinds} == kinds
    assert media_type_of("/some.folder/none") is media_type_of("a.docx") is None


def test_text_and_markdown():
    body = f"\ufeffCafe\u0301\r\n\r\n\r\n\r\n{TALK}\x07\x1b[31m\tend  \rlast\u2028line\u200b".encode()
    found = read_document(body, None, "notes.txt")
    assert found == Document("notes", f"Café\n\n{TALK}[31m end\nlast\nline\u200b")
    assert read_document(f"# On *price*\n\n{TALK}".encode(), "text/markdown", "x").title == "On *price*"
    assert read_document(TALK.encode("utf-16"), None, "a.txt").text == TALK
    accents = TALK.replace("a", "à")
    assert read_document(accents.encode("latin-1"), "text/plain; charset=ISO-8859-1", "a").text == accents
    assert read_document(TALK.replace("wait", "wäit").encode("cp1252"), None, "a.txt").text == TALK.replace(
        "wait", "wäit"
    )
    assert read_document(TALK.encode(), "text/plain; charset=nonsense", "a").text == TALK


def test_a_page_gives_its_article():
    found = read_document(html(*PARAGRAPHS), "text/html; charset=utf-8", "https://example.com/a")
    assert found.title == "On price"
    assert found.text.split("\n") == PARAGRAPHS
    assert (found.segments, found.generated, found.quality, found.seconds) == (None, None, None, None)
    for declared, head in (("text/html; charset=latin-1", ""), ("text/html", "<meta charset='latin-1'>")):
        body = html(*(one.replace("wait", "wäit") for one in PARAGRAPHS), head=head).decode().encode("latin-1")
        assert "wäit" in read_document(body, declared, "https://example.com/a").text


def test_a_pdf_gives_its_text():
    found = read_document(pdf(*PARAGRAPHS[:2], title="Talk"), None, "a.pdf")
    assert (found.title, found.text) == ("Talk", "\n\n".join(PARAGRAPHS[:2]))
    assert read_document(pdf(*PARAGRAPHS[:2]), "text/plain", "named.txt").title == "named"


VTT = """WEBVTT
Kind: captions

NOTE this is no cue

intro
00:00:01.000 --> 00:00:03.500 align:start
<v Ann>We never defend</v> the price &amp; wait.

01:02.000 --> 01:04.250
Then we ask
what it costs to change nothing.
"""
SRT = """1
00:00:01,000 --> 00:00:03,500
We never defend the price & wait.

2
00:01:02,000 --> 00:01:04,250
Then we ask
what it costs to change nothing.
"""
CUES = [
    {"text": "Then we ask\nwhat it costs to change nothing.", "start": 62, "duration": 2.25},
    {"text": "We never defend the price & wait.", "start": 1.0, "duration": 2.5},
    {"text": " \n ", "start": 30, "duration": 1},
]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("talk.vtt", VTT),
        ("talk.srt", SRT),
        ("talk.srt", SRT.replace("\n", "\r\n")),
        ("talk.json", json.dumps(CUES)),
        ("talk.json", json.dumps({"segments": CUES})),
        ("talk.json", json.dumps([{"text": one["text"], "t": one["start"], "dur": one["duration"]} for one in CUES])),
    ],
)
def test_a_transcript_as_a_file_has_seconds_and_places(name: str, body: str):
    first, second = "We never defend the price & wait.", "Then we ask what it costs to change nothing."
    assert read_document(body.encode(), None, name) == Document(
        title="talk",
        text=f"{first} {second}",
        segments=(Segment(1.0, 2.5, first, 0, 33), Segment(62.0, 2.25, second, 34, 34 + len(second))),
        language=None,
        generated=False,
        quality=1.0,
        seconds=64.25,
    )


def test_a_transcript_says_how_good_it_is():
    whole = {"segments": CUES, "language": "en", "is_generated": True, "title": "Talk"}
    found = read_document(json.dumps(whole).encode(), "application/json", "x")
    assert (found.title, found.language, found.generated, found.quality) == ("Talk", "en", True, 0.7)
    assert read_document(json.dumps({**whole, "language": "de"}).encode(), "application/json", "x").quality == 0.5
    assert read_document(json.dumps({**whole, "quality": 0.9}).encode(), "application/json", "x").quality == 0.9


def test_rolling_captions_are_not_told_twice():
    lines = ["so the first thing we do", "is to ask for the budget", "and then we say nothing"]
    cues, before = [], " "
    for number, line in enumerate(lines):
        cues.append(f"00:00:0{number}.000 --> 00:00:0{number}.900\n{before}\n{line[:3]}<00:00:01.000><c>{line[3:]}</c>")
        cues.append(f"00:00:0{number}.900 --> 00:00:0{number}.950\n{line}\n ")
        before = line
    found = read_document(("WEBVTT\n\n" + "\n\n".join(cues)).encode(), None, "a.vtt")
    assert found.text == " ".join(lines)
    assert [one.t for one in found.segments or ()] == [0.0, 1.0, 2.0]


def test_a_binary_file_is_none_whatever_its_name():
    noise = random.Random(14).randbytes(100_000)
    assert problem(noise).error_class == "binary"
    assert problem(noise.replace(b"\0", b"\1")).error_class == "binary"
    assert problem(TALK.encode() + b"\0").error_class == "binary"
    assert problem(TALK.encode() * 3 + b"\xff\xfd" * 20).error_class == "binary"
    assert problem(b"\x01\x02" * 20 + TALK.encode(), "text/plain; charset=latin-1").error_class == "binary"
    assert problem(b"PK\3\4\0\0", None, "a.docx").error_class == "binary"
    assert read_document(TALK.encode() * 3 + b"\xff\xfd", None, "a.txt").text.endswith("ÿý")


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "word " * 200_000, "Word, word! " * 1_000, "a" * 1_001 + " and little beside it " * 3]
)
def test_one_word_is_no_text(text: str):
    assert problem(text.encode()).error_class == "one_word"
    assert problem(json.dumps([{"text": text, "start": 0}]).encode(), None, "a.json").error_class == "one_word"
    assert problem(html(text), None, "a.html").error_class in ("one_word", "too_little_text")


def test_little_text_is_no_text():
    assert problem(b"short").error_class == problem(b"").error_class == "too_little_text"
    assert problem(b"-----\n" * 100).error_class == "too_little_text"
    assert problem(b"[]", None, "a.json").error_class == "too_little_text"
    assert problem(html(TALK), None, "a.html").error_class == "too_little_text"
    assert problem(b"", None, "a.html").error_class == "too_little_text"
    assert read_document(html(TALK, TALK + " Twice."), None, "a.html").title == "On price"
    assert read_document(TALK[:40].encode(), None, "a.txt").text == TALK[:40]


@pytest.mark.parametrize(
    "title",
    [
        *("Page not found", "404 Not Found", "404", "Error 404", "Page not found | Acme", "Acme - Page Not Found"),
        *("Access Denied", "403 Forbidden", "Just a moment...", "Attention Required! | Cloudflare", "Captcha"),
        *("Are you a robot?", "Please enable JavaScript", "Error 503: Service Unavailable", "Oops! Page not found"),
    ],
)
def test_an_error_page_is_known_by_its_title(title: str):
    found = problem(html(*PARAGRAPHS, title=title), "text/html", "https://example.com/a")
    assert found.error_class == "error_page"
    assert title[:3] in found.sentence


@pytest.mark.parametrize(
    "words",
    [
        *("Page not found.", "Sorry, the page you are looking for does not exist.", "Access denied.", "403 Forbidden"),
        *("You need to enable JavaScript to run this app.", "Please solve the CAPTCHA.", "Verify you are human."),
        "JavaScript is disabled in your browser.",
    ],
)
def test_an_error_page_is_known_by_its_first_words(words: str):
    assert problem(html(words, *PARAGRAPHS), "text/html", "https://example.com/a").error_class == "error_page"
    assert problem(html(words), "text/html", "https://example.com/a").error_class == "error_page"
    assert problem(f"{words} {TALK}".encode(), "text/plain", "https://example.com/a").error_class == "error_page"


def test_a_page_about_such_words_is_none():
    for title in ("Access denied: how to get past a gatekeeper", "What was not found in 404 calls", "On price | Acme"):
        assert read_document(html(*PARAGRAPHS, title=title), "text/html", "a").title == title
    said = [{"text": f"Access denied, they said. {TALK}", "start": 1}]
    assert read_document(json.dumps(said).encode(), None, "a.json").text.startswith("Access denied")
    first = "Words that are forbidden: captcha, and enable JavaScript is no sentence for a call. "
    assert read_document(html(first, *PARAGRAPHS), "text/html", "a").text.startswith(first[:40])
    late = html(*PARAGRAPHS, "The door says: access denied.")
    assert read_document(late, "text/html", "a").text.endswith("access denied.")


def written(writer: PdfWriter) -> bytes:
    file = BytesIO()
    writer.write(file)
    return file.getvalue()


def test_a_scan_has_no_text():
    scan = PdfWriter()
    scan.add_blank_page(612, 792)
    assert problem(written(scan), None, "scan.pdf").error_class == "no_text"
    assert problem(pdf("1", "2"), None, "scan.pdf").error_class == "no_text"


def test_an_encrypted_pdf_is_opened_when_it_needs_no_password():
    for password, readable in (("", True), ("secret", False)):
        writer = PdfWriter(PdfReader(BytesIO(pdf(*PARAGRAPHS))))
        writer.encrypt(password, "owner", algorithm="RC4-128")
        if readable:
            assert PARAGRAPHS[0] in read_document(written(writer), None, "a.pdf").text
        else:
            assert problem(written(writer), None, "a.pdf").error_class == "encrypted"


def test_a_pdf_of_more_than_a_thousand_pages_is_refused():
    writer = PdfWriter()
    for _ in range(1_001):
        writer.add_blank_page(72, 72)
    found = problem(written(writer), None, "a.pdf")
    assert found.error_class == "too_many_pages"
    assert "1,001 pages" in found.sentence


def test_a_damaged_pdf_has_a_sentence_and_no_traceback():
    whole = pdf(*PARAGRAPHS)
    assert problem(b"not a pdf at all", "application/pdf", "a.pdf").error_class == "broken"
    assert problem(b"%PDF-1.4\n%%EOF", None, "a.pdf").error_class == "broken"
    assert problem(whole[:200], None, "a.pdf").error_class == "broken"
    assert problem(whole.replace(b"/Kids [4 0 R", b"/Kids [2 0 R"), None, "a.pdf").error_class in ("broken", "no_text")
    xref = whole.replace(b"xref\n0 13", b"xref\n0 99")
    try:
        assert PARAGRAPHS[0] in read_document(xref, None, "a.pdf").text
    except SourceProblem as found:
        assert found.error_class == "broken"


@given(st.integers(0, 2_000), st.binary(min_size=1, max_size=30))
@settings(deadline=None, max_examples=150)
def test_a_pdf_with_other_bytes_anywhere_is_read_or_has_a_class(place: int, bytes_: bytes):
    whole = pdf(*PARAGRAPHS)
    place = place % len(whole)
    try:
        read_document(whole[:place] + bytes_ + whole[place + len(bytes_) :], "application/pdf", "a.pdf")
    except SourceProblem as found:
        assert found.permanent


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[1]",
        '{"a": 1}',
        '[{"text": "x"}]',
        '[{"text": "x", "start": -1}]',
        '[{"text": "x", "start": NaN}]',
        "[" * 10**5,
    ],
)
def test_json_that_is_no_transcript_is_broken(body: str):
    assert problem(body.encode(), None, "a.json").error_class == "broken"


def test_captions_without_a_cue_are_broken():
    assert problem(b"WEBVTT\n\nnothing", None, "a.vtt").error_class == "broken"
    assert problem(TALK.encode(), None, "a.srt").error_class == "broken"


@given(st.text(max_size=400), st.sampled_from(["text/plain", "text/markdown"]))
@settings(deadline=None)
def test_any_text_is_clean_afterwards(text: str, kind: str):
    body = (TALK + text).encode("utf-8", "replace")
    try:
        found = read_document(body, kind, "a").text
    except SourceProblem:
        return
    assert unicodedata.is_normalized("NFC", found)
    assert not [one for one in found if unicodedata.category(one) in ("Cc", "Cs") and one != "\n"]
    assert found == found.strip()
    assert read_document(found.encode(), kind, "a").text == found


@given(st.lists(st.tuples(st.floats(0, 1e6), st.text(max_size=40)), max_size=20))
@settings(deadline=None)
def test_every_segment_has_its_place_in_the_text(cues: list[tuple[float, str]]):
    told = [{"text": TALK, "start": 5}, *({"text": text, "start": second} for second, text in cues)]
    found = read_document(json.dumps(told).encode(), "application/json", "a")
    segments = found.segments or ()
    assert [found.text[one.char_start : one.char_end] for one in segments] == [one.text for one in segments]
    assert [one.t for one in segments] == sorted(one.t for one in segments)
    assert unicodedata.is_normalized("NFC", found.text)


def test_a_title_of_filling_words_takes_no_time():
    """An expression that can read such a title in many ways would try all of them."""
    for word in ("you", "your ", "the this that ", "are you a ", "site "):
        title = word * 100 + "x"
        assert read_document(html(*PARAGRAPHS, title=title), "text/html", "a").title == title
        assert read_document(f"{title} {TALK}".encode(), "text/plain", "a").text


def test_long_runs_of_accents_take_no_time():
    """Millions of them, unordered, would take hours to put in order."""
    body = (TALK + "e" + "\u0316\u0301" * 1_000_000).encode()
    assert len(read_document(body, None, "a.txt").text) < len(TALK) + 110
