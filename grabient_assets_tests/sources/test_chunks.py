"""Chunks and windows: places, limits, ids that stay, and time that grows with the length only."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grabient_assets.errors import UsageError
from grabient_assets.sources.chunks import (
    CHARACTERS_PER_TOKEN,
    OVERLAP_SECONDS,
    SEGMENT_TOKENS,
    ChunkPlan,
    Window,
    check_chunk_plan,
    chunks_of,
    windows_of,
)
from grabient_assets.sources.documents import Document
from grabient_assets.sources.transcripts import Segment

TEXTS = st.text(alphabet=st.sampled_from("ab .,!?\n\n-äß語🙂"), max_size=600)
PLANS = st.integers(1, 120).flatmap(lambda size: st.builds(ChunkPlan, st.just(size), st.integers(0, size - 1)))


def talk(*spoken: tuple[float, float, str]) -> Document:
    """A transcript of (second, duration, text)."""
    segments: list[Segment] = []
    for t, duration, text in spoken:
        start = segments[-1].char_end + 1 if segments else 0
        segments.append(Segment(t, duration, text, start, start + len(text)))
    return Document("talk", " ".join(one.text for one in segments), tuple(segments))


def long_talk(seconds: int, stops: bool = True) -> Document:
    dice = random.Random(14)
    words = ["price", "call", "budget", "we", "ask", "and", "then", "nothing", "costs", "time"]
    end = "." if stops else ""
    return talk(*((t * 4.0, 3.5, " ".join(dice.choices(words, k=10)) + end) for t in range(seconds // 4)))


@pytest.mark.parametrize(
    ("size", "overlap", "sentence"),
    [
        (0, 0, "chunk size is 0"),
        (-5, 0, "chunk size is -5"),
        (100, -1, "overlap is -1"),
        (100, 100, "overlap of 100 is not smaller"),
        (100, 200, "overlap of 200 is not smaller"),
        (2_049, 0, "about 513 tokens; the embedder takes 512. Take 2,048 characters at most"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(size: int, overlap: int, sentence: str):
    with pytest.raises(UsageError, match=sentence):
        check_chunk_plan(size, overlap, 512)


def test_a_plan_names_what_cut_the_chunks():
    assert check_chunk_plan(2_048, 2_047, 512) == ChunkPlan(2_048, 2_047)
    assert check_chunk_plan(1, 0, 1).chunker == "c1:1/0"
    assert ChunkPlan(1_000, 100).chunker == "c1:1000/100"


@given(TEXTS, PLANS)
@settings(deadline=None, max_examples=300)
def test_chunks_are_pieces_of_the_text(text: str, plan: ChunkPlan):
    chunks = chunks_of("doc_1", Document("t", text), plan)
    assert [one.position for one in chunks] == list(range(len(chunks)))
    for one in chunks:
        assert one.text == text[one.char_start : one.char_end]
        assert 0 < len(one.text) <= plan.size
        assert one.tokens == -(-len(one.text) // CHARACTERS_PER_TOKEN)
        assert (one.t_start, one.t_end) == (None, None)
    for left, right in pairwise(chunks):
        assert left.char_start < right.char_start
        assert left.char_end - right.char_start <= plan.overlap
        assert left.char_end < right.char_end
    covered = {place for one in chunks for place in range(one.char_start, one.char_end)}
    assert all(text[place].isspace() for place in range(len(text)) if place not in covered)
    assert chunks == chunks_of("doc_1", Document("t", text), plan)
    assert len({one.chunk_id for one in chunks}) == len(chunks)


@pytest.mark.parametrize(
    "text", ["a" * 130_000, "word " * 30_000, "One. Two! Three?\n\n" * 8_000, " " * 130_000 + "end"]
)
@pytest.mark.parametrize("plan", [ChunkPlan(1_000, 100), ChunkPlan(1_000, 500), ChunkPlan(37, 0), ChunkPlan(9_000, 10)])
def test_long_texts_are_cut_as_short_ones(text: str, plan: ChunkPlan):
    """Longer than what the splitter is given at once."""
    chunks = chunks_of("doc_1", Document("t", text), plan)
    end = 0
    for one in chunks:
        assert one.text == text[one.char_start : one.char_end]
        assert len(one.text) <= plan.size
        assert end - one.char_start <= plan.overlap
        assert not text[end : one.char_start].strip()
        end = one.char_end
    assert not text[end:].strip()


def test_the_id_is_of_source_place_text_and_plan():
    text = "The first sentence is here. The second one is here too. And a third."
    plan = ChunkPlan(30, 0)
    ids = [one.chunk_id for one in chunks_of("doc_1", Document("t", text), plan)]
    assert len(ids) == 3
    assert all(len(one) == 32 for one in ids)
    assert ids == [one.chunk_id for one in chunks_of("doc_1", Document("another title", text), plan)]
    changed = [one.chunk_id for one in chunks_of("doc_1", Document("t", text.replace("third", "tenth")), plan)]
    assert changed[:2] == ids[:2]
    assert changed[2] != ids[2]
    for other in (
        chunks_of("doc_2", Document("t", text), plan),
        chunks_of("doc_1", Document("t", text), ChunkPlan(30, 1)),
        chunks_of("doc_1", Document("t", " " + text), plan),
    ):
        assert {one.chunk_id for one in other}.isdisjoint(ids)


def test_a_chunk_of_a_talk_has_the_seconds_of_its_first_and_last_segment():
    document = talk((1.0, 2.0, "We ask first."), (4.0, 2.0, "Then we wait."), (9.5, 1.0, "Nothing more."))
    chunks = chunks_of("yt_1", document, ChunkPlan(27, 0))
    assert [(one.text, one.t_start, one.t_end) for one in chunks] == [
        ("We ask first. Then we wait.", 1.0, 4.0),
        ("Nothing more.", 9.5, 9.5),
    ]


def cost(window: Window) -> int:
    return sum(-(-len(one["text"]) // CHARACTERS_PER_TOKEN) + SEGMENT_TOKENS for one in window.segments)


def test_a_short_document_is_one_window():
    document = talk((1.0, 2.0, "We ask."), (4.0, 2.0, "Then we wait."))
    assert windows_of(document) == [
        Window(
            0,
            0,
            21,
            [
                {"t": 1.0, "text": "We ask.", "char_start": 0},
                {"t": 4.0, "text": "Then we wait.", "char_start": 8},
            ],
        )
    ]
    assert windows_of(Document("t", "")) == []
    assert windows_of(talk()) == []
    prose = Document("t", "One.\n\nTwo\nlines.")
    assert windows_of(prose) == [
        Window(
            0,
            0,
            16,
            [
                {"t": None, "text": "One.", "char_start": 0},
                {"t": None, "text": "Two\nlines.", "char_start": 6},
            ],
        )
    ]


def test_windows_of_a_talk_overlap_by_thirty_seconds_and_are_cut_at_a_pause():
    """Segments of 4 s; the one at 372 s is followed by a pause of 0.9 s, all others by 0.5 s."""
    text = "We ask, and then we say nothing more."
    document = talk(*((n * 4.0, 3.1 if n == 93 else 3.5, text) for n in range(250)))
    each = -(-len(text) // CHARACTERS_PER_TOKEN) + SEGMENT_TOKENS
    windows = windows_of(document, most_tokens=100 * each)
    assert windows[0].segments[-1]["t"] == 93 * 4.0
    assert windows[1].segments[0]["t"] == 94 * 4.0 - 28.0
    assert [one.part for one in windows] == list(range(len(windows)))


def check_windows(document: Document, windows: list[Window], most: int) -> None:
    """Whole, in order, within the limit, and every segment is what stands at its place."""
    assert windows[0].char_start == 0
    assert windows[-1].char_end == len(document.text)
    for one in windows:
        assert cost(one) <= most
        assert (one.char_start, one.char_end) == (
            one.segments[0]["char_start"],
            one.segments[-1]["char_start"] + len(one.segments[-1]["text"]),
        )
        for part in one.segments:
            assert document.text[part["char_start"] :].startswith(part["text"])
    for left, right in pairwise(windows):
        assert left.char_start < right.char_start
        assert left.char_end < right.char_end
        assert not document.text[left.char_end : right.char_start].strip()


@given(
    st.lists(
        st.tuples(st.floats(0, 20), st.floats(0, 30), st.text("ab", min_size=1, max_size=80)), min_size=1, max_size=60
    ),
    st.integers(40, 400),
)
@settings(deadline=None, max_examples=200)
def test_any_talk_is_whole_in_its_windows(spoken: list[tuple[float, float, str]], most: int):
    document = talk(*((sum(gap for gap, _, _ in spoken[: n + 1]), d, text) for n, (_, d, text) in enumerate(spoken)))
    windows = windows_of(document, most)
    check_windows(document, windows, most)
    for left, right in pairwise(windows):
        first, last = right.segments[0]["t"], left.segments[-1]["t"]
        assert first is not None
        assert last is not None
        shared = [one for one in right.segments if one["char_start"] < left.char_end]
        fresh = next(one["t"] for one in right.segments if one["char_start"] >= left.char_end)
        assert fresh is not None
        assert not shared or fresh - first <= OVERLAP_SECONDS


@given(
    st.lists(st.text("ab .", min_size=1, max_size=300).map(lambda x: "a" + x + "b"), min_size=1, max_size=30),
    st.integers(40, 400),
)
@settings(deadline=None)
def test_any_prose_is_whole_in_its_windows(paragraphs: list[str], most: int):
    document = Document("t", "\n\n".join(paragraphs))
    windows = windows_of(document, most)
    check_windows(document, windows, most)


def test_an_overlap_takes_half_a_window_at_most():
    """Thirty seconds would be thirty segments here, and a window holds ten."""
    document = talk(*((float(n), 1.0, "We ask and then wait.") for n in range(200)))
    windows = windows_of(document, 120)
    check_windows(document, windows, 120)
    assert {len([one for one in right.segments if one in left.segments]) for left, right in pairwise(windows)} == {5}


def test_prose_repeats_one_paragraph():
    document = Document("t", "\n\n".join(f"Paragraph {number:03}. " + "Words. " * 20 + "End." for number in range(100)))
    windows = windows_of(document, 1_000)
    assert len(windows) > 4
    for left, right in pairwise(windows):
        assert right.segments[0] == left.segments[-1]
        assert right.segments[1] not in left.segments


def test_a_paragraph_without_end_is_cut():
    document = Document("t", "word " * 100_000 + "end")
    windows = windows_of(document, 10_000)
    check_windows(document, windows, 10_000)
    assert max(len(part["text"]) for one in windows for part in one.segments) <= 4_000


def test_many_words_without_a_full_stop_take_no_time():
    """The splitter alone takes minutes for this: its time grows with the square."""
    document = long_talk(120_000, stops=False)
    assert len(document.text) > 1_500_000
    assert len(chunks_of("yt_1", document, ChunkPlan())) > 1_500
