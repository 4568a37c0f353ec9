"""What a model says that a text teaches: read from its answer, and kept only where the text says it. Pure.

An entry without its quote in the text, of another type, too long, empty, or repeating instructions is quarantined with
the reason. It is stored, so that `reparse` heals it when a rule changes, and never embedded.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal

from grabient_assets.prompting.extraction import AnswerFinder
from grabient_assets.sources.grounding import FoldedText
from grabient_assets.thresholds import ENTRY_WORDS

TYPES = ("technique", "mindset", "sales_phrase", "example")
LEAST_QUOTE_WORDS = 3
"""A shorter quote stands in nearly every text, so it proves nothing."""
MOST_CHARACTERS = 2_000
"""Of each field. A model that repeats itself fills its output limit."""
_FINDER = AnswerFinder(("entries",))
_INSTRUCTION = re.compile(
    r"\b(ignore|disregard|forget|override)\b.{0,40}\b(instructions?|prompts?|rules|above|previous)\b"
    r"|\bsystem prompt\b|\bas an ai\b|\bcopied from the message\b|\bone json object\b",
    re.IGNORECASE | re.DOTALL,
)
"""An entry that talks about instructions for a model, not about selling."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry; offsets are characters of the window. With `reason` it is quarantined."""

    type: str
    content: str
    speaker_perspective: str
    notes: str
    quote: str
    quote_start: int | None = None
    quote_end: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """An answer: its entries, and its fate; with `error` there is no answer. No entry at all is an answer."""

    entries: tuple[Entry, ...] = ()
    fate: Literal["succeeded", "repaired", "invalid", "mismatched"] = "invalid"
    error: str | None = None


def read_extraction(text: str, ref: str | None, window: FoldedText) -> Extraction:
    """The entries in a model's text, held against the window that it read. `ref` is the request's own."""
    found = _FINDER.find(text, ref)
    if isinstance(found, str):
        return Extraction(error=found)
    if ref is not None and found.ref not in (None, ref):
        error = f"The answer belongs to the request {found.ref!r}, not to {ref}."
        return Extraction(fate="mismatched", error=error)
    listed = found.fields.get("entries")
    if not isinstance(listed, list):
        return Extraction(error="The answer holds no list of entries.")
    kept: dict[tuple[str, str], Entry] = {}
    for one in listed:
        entry = _entry(one, window)
        key = (entry.type, entry.content)
        if key not in kept or (kept[key].reason and not entry.reason):
            kept[key] = entry
    return Extraction(tuple(kept.values()), "repaired" if found.repaired else "succeeded")


def _entry(value: Any, window: FoldedText) -> Entry:
    fields = value if isinstance(value, dict) else {}
    names = ("type", "content", "speaker_perspective", "notes", "quote")
    kind, content, perspective, notes, quote = (_text(fields.get(name)) for name in names)
    kind = kind.lower().replace(" ", "_")
    place = window.find(quote) if len(quote.split()) >= LEAST_QUOTE_WORDS else None
    start, end = place or (None, None)
    return Entry(kind, content, perspective, notes, quote, start, end, _reason(kind, content, quote, place is not None))


def _reason(kind: str, content: str, quote: str, grounded: bool) -> str | None:
    """Why the entry is quarantined; None for a good one."""
    words = len(content.split())
    if not content:
        return "It has no content."
    if kind not in TYPES:
        return f"Its type {kind[:40]!r} is none of {', '.join(TYPES)}."
    if words > ENTRY_WORDS:
        return f"Its content has {words} words; {ENTRY_WORDS} are the most."
    if _INSTRUCTION.search(content):
        return "It repeats instructions for a model instead of what the text teaches."
    if not quote:
        return "It has no quote, so nothing shows that the text says it."
    if len(quote.split()) < LEAST_QUOTE_WORDS:
        return f"Its quote has fewer than {LEAST_QUOTE_WORDS} words, which stand in nearly every text."
    return None if grounded else "Its quote does not stand in the text."


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    clean = "".join(" " if unicodedata.category(one) == "Cc" else one for one in unicodedata.normalize("NFC", value))
    return " ".join(clean.encode(errors="replace").decode().split())[:MOST_CHARACTERS]


def entry_id(custom_id: str, entry: Entry) -> str:
    """The name of an entry: of its request, its type and what it says."""
    parts = "\n".join((custom_id, entry.type, entry.content))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]
