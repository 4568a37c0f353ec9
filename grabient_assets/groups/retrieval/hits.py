"""Hits of a search in knowledge: an entry, its place in its source, and the request that made it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.vectors.exact import Scored

AREA, TYPE = "(e.metadata ->> 'focusArea')::INTEGER", "(e.metadata ->> 'entryType')"
"""SQL over the entries `e` of the index."""
SAME_WORDS = 0.6
"""So many of the words of a quote must stand at its place in the chunk, or the place is that of another text."""


@dataclass(frozen=True, slots=True)
class KnowledgeHit:
    """An entry that was found. `t_start` is in seconds, `url` leads to that second of a video. The quote stands in
    `passage` from `quote_start` to `quote_end`. `custom_id` and `batch_id` name the request that made the entry; they
    and `entry_id` are None when a newer entry is about to replace it and its row is gone."""

    rank: int
    score: float
    content: str
    type: str
    focus_area: int
    source_id: str
    title: str | None
    t_start: float | None
    url: str | None
    quote: str
    entry_id: str | None
    workflow_id: str
    custom_id: str | None
    batch_id: str | None
    passage: str
    quote_start: int
    quote_end: int


def hits_of(
    connection: DuckDBPyConnection,
    entries: str,
    values: Mapping[str, Any],
    best: Sequence[Scored],
    limit: int,
    threshold: float | None,
) -> tuple[KnowledgeHit, ...]:
    """The best ones with their details, by score, then area, then type. `entries` is FROM and WHERE, with `values`, of
    the entries `e` that count, and their workflows `w`.

    An entry whose source was read anew is shown from its older row, until the new one is in the index.
    """
    rows = connection.execute(
        f"""
        WITH best AS (SELECT unnest($ids::VARCHAR[]) AS vector_id, unnest($scores::DOUBLE[]) AS score),
        hits AS (
            SELECT b.score, e.vector_id, e.namespace, e.subject, {AREA} AS focus_area, {TYPE} AS type,
                   e.metadata ->> 'content' AS content, (e.metadata ->> 'timestamp')::DOUBLE AS t_start,
                   w.prompt_version
            {entries.replace("WHERE", "JOIN best b USING (vector_id) WHERE", 1)} AND b.score >= $threshold
            QUALIFY row_number() OVER (PARTITION BY e.content_sha256, {AREA}, {TYPE} ORDER BY e.vector_id) = 1
            ORDER BY b.score DESC, focus_area, type, e.vector_id LIMIT $limit
        ),
        origins AS (
            SELECT h.vector_id, h.subject, k.entry_id, k.custom_id, k.batch_id, k.quote, k.quote_start, k.quote_end
            FROM hits h JOIN knowledge_entries k USING (focus_area, type, content)
            LEFT JOIN extractions x ON x.custom_id = k.custom_id AND x.source_id = h.subject
                AND x.prompt_version = h.prompt_version
            WHERE k.state = 'ok'
            QUALIFY row_number() OVER (PARTITION BY h.vector_id ORDER BY x.custom_id IS NULL, k.source_id <> h.subject,
                                       k.created_at, k.entry_id) = 1
        ),
        passages AS (
            SELECT o.vector_id, c.text, o.quote_start - c.char_start AS quote_start,
                   least(o.quote_end, c.char_end) - c.char_start AS quote_end
            FROM origins o JOIN chunks c ON c.source_id = o.subject
                AND c.char_start <= o.quote_start AND o.quote_start < c.char_end
            QUALIFY row_number() OVER (PARTITION BY o.vector_id
                                       ORDER BY least(o.quote_end, c.char_end) DESC, c.char_start DESC) = 1
        )
        SELECT h.score, h.content, h.type, h.focus_area, h.subject, s.title, h.t_start, s.locator, h.namespace,
               o.entry_id, o.custom_id, o.batch_id, o.quote, p.text, p.quote_start, p.quote_end
        FROM hits h LEFT JOIN origins o USING (vector_id) LEFT JOIN passages p USING (vector_id)
        LEFT JOIN sources s ON s.source_id = h.subject
        ORDER BY h.score DESC, h.focus_area, h.type, h.vector_id
        """,
        {
            **values,
            "ids": [one.vector_id for one in best],
            "scores": [one.score for one in best],
            "threshold": -2 if threshold is None else threshold,
            "limit": limit,
        },
    ).fetchall()
    return tuple(_hit(rank, *row) for rank, row in enumerate(rows, 1))


def _hit(rank: int, score: float, content: str, kind: str, area: int, source: str, *more: Any) -> KnowledgeHit:
    title, t_start, locator, workflow, entry_id, custom_id, batch_id, quote, passage, start, end = more
    quote = quote or ""
    if passage is None or not _says(passage[start:end], quote):
        passage, start, end = quote, 0, len(quote)
    request = (entry_id, workflow, custom_id, batch_id)
    place = (title, t_start, source_url(source, locator, t_start), quote)
    return KnowledgeHit(rank, score, content, kind, area, source, *place, *request, passage, start, end)


def _says(text: str, quote: str) -> bool:
    """Offsets are those of the text that was read; the chunks may be of a later one."""
    words, own = set(re.findall(r"\w+", quote.casefold())), set(re.findall(r"\w+", text.casefold()))
    return bool(words) and len(words & own) >= SAME_WORDS * len(words)


def source_url(source_id: str, locator: str | None, t_start: float | None) -> str | None:
    """The address of a place in a source: of a video its second, of a page the page, of a document its path."""
    if not source_id.startswith("yt_"):
        return locator
    address = f"https://www.youtube.com/watch?v={source_id.removeprefix('yt_')}"
    return address if t_start is None else f"{address}&t={math.floor(t_start)}s"
