"""A talk of six hours through reading, chunking and windows: seconds of each, and the memory of the process.

The transcript is invented: 2.6 s and 8 words a segment, without punctuation, as generated captions are; that is the
slow case of the splitter. The process starts with the imports, which are counted in its memory.

    .venv/bin/python benchmarks/sources.py [--hours 6]
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
WORDS = [
    "price",
    "cost",
    "value",
    "call",
    "time",
    "objection",
    "think",
    "about",
    "budget",
    "the",
    "a",
    "to",
    "and",
    "we",
    "you",
    "they",
    "said",
    "right",
    "okay",
    "then",
    "next",
]


def main() -> None:
    """Invent, measure, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--hours", type=float, default=6)
    body = _invent(options.parse_args().hours)
    from grabient_assets.sources.chunks import ChunkPlan, chunks_of, windows_of
    from grabient_assets.sources.documents import read_document
    from grabient_assets.sources.grounding import FoldedText

    document = _timed("read", lambda: read_document(body, "application/json", "talk.json"))
    chunks = _timed("chunks", lambda: chunks_of("yt_00000000000", document, ChunkPlan()))
    windows = _timed("windows", lambda: windows_of(document))
    first = document.text[windows[0].char_start : windows[0].char_end]
    quotes = [first[at : at + 80].replace(" ", "\n ") for at in range(0, len(first) - 80, len(first) // 300)]
    folded = FoldedText(first)
    found = _timed(f"{len(quotes)} quotes", lambda: sum(folded.find(quote) is not None for quote in quotes))
    print(
        f"{len(document.text):,} characters, {len(document.segments or ()):,} segments, {len(chunks):,} chunks, "
        f"{len(windows)} windows, {found} quotes found"
    )
    print(f"most memory of the process {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


def _timed(what: str, doing: Callable[[], Result]) -> Result:
    began = time.perf_counter()
    result = doing()
    print(f"{what:<12} {time.perf_counter() - began:6.2f} s")
    return result


def _invent(hours: float) -> bytes:
    dice = random.Random(20261201)
    count = int(hours * 3600 / 2.6)
    told = [
        {"text": " ".join(dice.choices(WORDS, k=8)), "start": round(n * 2.6, 2), "duration": 3.5} for n in range(count)
    ]
    return json.dumps({"segments": told, "language": "en", "generated": True}).encode()


if __name__ == "__main__":
    main()
