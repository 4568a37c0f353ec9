"""Pieces of a document: chunks, which are searched, and windows, which a model reads whole.

Both have offsets into the document's text. Tokens are counted as characters / 4, which fits English; no tokenizer runs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TypedDict

from grabient_assets.errors import UsageError
from grabient_assets.sources.documents import Document
from grabient_assets.sources.grounding import second_of

VERSION = "c1"
"""Another one when chunks are cut otherwise: their ids change then."""
CHARACTERS_PER_TOKEN = 4
SEGMENT_TOKENS = 6
"""What a segment costs beside its text: its second and its marks in JSON."""
OVERLAP_SECONDS = 30.0
_PARAGRAPH = 4_000
_BLOCK = 10_000
"""Characters given to the splitter at once. Its time grows with the square where a text has no full stops."""


@dataclass(frozen=True, slots=True)
class ChunkPlan:
    """How large chunks are, and how much of one the next may repeat: characters, both at most."""

    size: int = 1_000
    overlap: int = 100

    @property
    def chunker(self) -> str:
        """What cut the chunks, as it goes into their ids: `c1:1000/100`."""
        return f"{VERSION}:{self.size}/{self.overlap}"


@dataclass(frozen=True, slots=True)
class Chunk:
    """[`char_start`, `char_end`) of a text. `t_start` and `t_end`: where its first and its last segment begin."""

    chunk_id: str
    position: int
    char_start: int
    char_end: int
    t_start: float | None
    t_end: float | None
    tokens: int
    text: str


class WindowSegment(TypedDict):
    """A segment of a transcript with its second, or a paragraph (`t` is None), and where it begins in the document."""

    t: float | None
    text: str
    char_start: int


@dataclass(frozen=True, slots=True)
class Window:
    """[`char_start`, `char_end`) of a document, number `part` from 0, as one request reads it."""

    part: int
    char_start: int
    char_end: int
    segments: list[WindowSegment]


def check_chunk_plan(size: int, overlap: int, most_input_tokens: int) -> ChunkPlan:
    """The plan. Raises UsageError when it cannot be, or its chunks are too long for an embedder of so many tokens."""
    if size <= 0:
        raise UsageError(f"The chunk size is {size}; it has to be 1 character at least, 1000 is usual.")
    if overlap < 0:
        raise UsageError(f"The overlap is {overlap}; it cannot be negative. 0 is none.")
    if overlap >= size:
        raise UsageError(f"The overlap of {overlap} is not smaller than the chunk size of {size}. Make it smaller.")
    if _tokens(size) > most_input_tokens:
        raise UsageError(
            f"Chunks of {size:,} characters have about {_tokens(size):,} tokens; the embedder takes "
            f"{most_input_tokens:,}. Take {most_input_tokens * CHARACTERS_PER_TOKEN:,} characters at most."
        )
    return ChunkPlan(size, overlap)


def chunks_of(source_id: str, document: Document, plan: ChunkPlan) -> list[Chunk]:
    """The chunks in their order. The same text, source and plan give the same ids."""
    chunks: list[Chunk] = []
    for position, (start, text) in enumerate(_pieces(document.text, plan.size, plan.overlap)):
        end = start + len(text)
        identity = "\0".join((source_id, str(start), str(end), text, plan.chunker))
        chunk_id = hashlib.sha256(identity.encode()).hexdigest()[:32]
        t_start, t_end = second_of(document.segments, start), second_of(document.segments, end - 1)
        chunks.append(Chunk(chunk_id, position, start, end, t_start, t_end, _tokens(len(text)), text))
    return chunks


def windows_of(document: Document, most_tokens: int = 60_000) -> list[Window]:
    """The document in windows of at most `most_tokens`: cut at the longest pause near the end, with 30 s of overlap.

    Prose is cut between paragraphs and repeats one of them. Overlap takes half a window at most.
    """
    timed = list(_segments(document, max(most_tokens // 4 - SEGMENT_TOKENS, 1) * CHARACTERS_PER_TOKEN))
    parts = [part for part, _ in timed]
    costs = [_tokens(len(part["text"])) + SEGMENT_TOKENS for part in parts]
    pauses = [0.0, *((part["t"] or 0.0) - ended for (_, ended), (part, _) in pairwise(timed))]
    windows: list[Window] = []
    start, cut = 0, 0
    while cut < len(parts):
        end, used, late = start, 0, start
        while end < len(parts) and (end <= cut or used + costs[end] <= most_tokens):
            used += costs[end]
            end += 1
            late = end if used <= most_tokens * 0.9 else late
        if end < len(parts):
            end = max(range(max(late, cut + 1), end + 1), key=lambda place: (pauses[place], place))
        last = parts[end - 1]
        taken = parts[start:end]
        windows.append(Window(len(windows), taken[0]["char_start"], last["char_start"] + len(last["text"]), taken))
        cut, start, repeated = end, end, 0
        while start > 0 and cut < len(parts):
            t, until = parts[start - 1]["t"], parts[cut]["t"]
            near = start == cut if t is None or until is None else until - t <= OVERLAP_SECONDS
            repeated += costs[start - 1]
            if not near or repeated > most_tokens / 2:
                break
            start -= 1
    return windows


def _segments(document: Document, longest: int) -> Iterator[tuple[WindowSegment, float]]:
    """Segments with the second of their end, or paragraphs (0.0); none longer than `longest` characters."""
    spans: Iterable[tuple[float | None, float, int, str]] = (
        ((None, 0.0, found.start(), found[0]) for found in re.finditer(r"[^\n]+(?:\n[^\n]+)*", document.text))
        if document.segments is None
        else ((one.t, one.t + one.duration, one.char_start, one.text) for one in document.segments)
    )
    for t, ended, start, text in spans:
        limit = longest if t is not None else min(longest, _PARAGRAPH)
        for at, piece in _pieces(text, limit, 0) if len(text) > limit else [(0, text)]:
            yield {"t": t, "text": piece, "char_start": start + at}, ended


def _pieces(text: str, size: int, overlap: int) -> Iterator[tuple[int, str]]:
    """Offset and text of each piece, block by block. A block begins where the last piece of the one before did."""
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter(size, overlap=overlap)
    block, start = max(_BLOCK, 20 * size), 0
    while start < len(text):
        pieces = splitter.chunk_indices(text[start : start + block])
        ended = start + block >= len(text)
        for at, piece in pieces if ended or len(pieces) < 2 else pieces[:-1]:
            yield start + at, piece
        start += block if ended or len(pieces) < 2 else pieces[-1][0]


def _tokens(characters: int) -> int:
    return -(-characters // CHARACTERS_PER_TOKEN)
