"""What a refinement request says the other models agreed on, whatever shape the consensus has."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_WORD_KEYS = ("value", "tag", "word", "name")


def agreed(consensus: Any, field: str) -> list[str]:
    """The words of one field in the consensus, strongest first as listed; empty when it has none.

    Read are: a list of words; a list of objects with the word under `value`, `tag`, `word` or `name`; a list of
    [word, count] pairs; an object of word to count; any of them inside `votes`, `fields` or `values`.
    """
    if not isinstance(consensus, dict):
        return []
    found = consensus.get(field)
    if found is None:
        inner = next((consensus[key] for key in ("votes", "fields") if isinstance(consensus.get(key), dict)), None)
        return agreed(inner, field) if inner is not None else []
    if isinstance(found, dict) and isinstance(found.get("values"), list | dict):
        found = found["values"]
    if isinstance(found, str):
        return [found]
    if isinstance(found, dict):
        counts = {word: count for word, count in found.items() if isinstance(count, int | float)}
        return sorted(counts, key=lambda word: -counts[word])
    return list(_words(found)) if isinstance(found, list) else []


def _words(entries: Iterable[Any]) -> Iterable[str]:
    for entry in entries:
        if isinstance(entry, dict):
            entry = next((entry[key] for key in _WORD_KEYS if key in entry), None)
        elif isinstance(entry, list) and entry:
            entry = entry[0]
        if isinstance(entry, str) and entry.strip():
            yield entry.strip()
