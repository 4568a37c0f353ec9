"""Hits of a search in knowledge: an entry, its place in its source, and the request that made it."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grabient_assets.warehouse.parameters import literal

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


IN_TABLE = """
    WITH best AS MATERIALIZED (
        SELECT unnest($ids::VARCHAR[]) AS vector_id, unnest($scores::DOUBLE[]) AS score
    )
    SELECT b.score, e.vector_id, e.namespace, e.subject, e.content_sha256, e.metadata
    FROM index_entries e JOIN best b USING (vector_id) WHERE e.index_name = $index AND e.version = $version
"""
"""Relation of the best entries, as they are in the index."""

IN_MEMORY = """
    SELECT unnest($ids::VARCHAR[]) AS vector_id, unnest($scores::DOUBLE[]) AS score,
           unnest($namespaces::VARCHAR[]) AS namespace, unnest($subjects::VARCHAR[]) AS subject,
           unnest($contents::VARCHAR[]) AS content_sha256, unnest($metadata::VARCHAR[])::JSON AS metadata
"""
"""The same of values that the process has in memory."""


def hits_of(
    connection: DuckDBPyConnection,
    scored: str,
    conditions: str,
    values: Mapping[str, Any],
    best: Sequence[Scored],
    limit: int,
    threshold: float | None,
) -> tuple[KnowledgeHit, ...]:
    """The best ones with their details, by score, then area, then type. `scored` is IN_TABLE or IN_MEMORY;
    `conditions`, with `values`, say which of its entries `e` count, with their workflows `w`.

    An entry whose source was read anew is shown from its older row, until the new one is in the index.
    """
    hits = connection.execute(
        f"""
        WITH scored AS MATERIALIZED ({scored})
        SELECT e.score, e.metadata ->> 'content' AS content, {TYPE} AS type, {AREA} AS focus_area, e.subject,
               e.namespace, (e.metadata ->> 'timestamp')::DOUBLE AS t_start, w.prompt_version, s.title, s.locator
        FROM scored e JOIN workflows w ON w.workflow_id = e.namespace LEFT JOIN sources s ON s.source_id = e.subject
        WHERE e.score >= $threshold AND {conditions}
        QUALIFY row_number() OVER (PARTITION BY e.content_sha256, {AREA}, {TYPE} ORDER BY e.vector_id) = 1
        ORDER BY e.score DESC, focus_area, type, e.vector_id LIMIT $limit
        """,
        {
            **values,
            "ids": [one.vector_id for one in best],
            "scores": [one.score for one in best],
            "threshold": -2 if threshold is None else threshold,
            "limit": limit,
        },
    ).fetchall()
    places = _places(connection, [(row[1], row[2], row[3], row[4], row[7]) for row in hits]) if hits else []
    found: list[KnowledgeHit] = []
    for rank, (row, place) in enumerate(zip(hits, places, strict=True), 1):
        score, content, kind, area, source, workflow, t_start, _, title, locator = row
        found.append(_hit(rank, score, content, kind, area, source, title, t_start, locator, workflow, *place))
    return tuple(found)


def _places(connection: DuckDBPyConnection, hits: Sequence[tuple[str, str, int, str, str]]) -> list[tuple[Any, ...]]:
    """Of each hit (content, type, area, source, prompt version): its entry_id, custom_id, batch_id and quote, and the
    passage with the place of the quote in it. None for what is not there any more.

    Digests and ids stand in the statements as they are. Then DuckDB reads the other columns only where a digest is
    found, and finds the rows of the ids by the primary key.
    """
    digests = _listed(hashlib.sha256(hit[0].encode()).hexdigest() for hit in hits)
    same = connection.execute(
        f"SELECT entry_id FROM knowledge_entries WHERE content_sha256 IN ({digests}) AND state = 'ok'"
    ).fetchall()
    ids = _listed(row[0] for row in same)
    names = ("contents", "types", "areas", "subjects", "versions")
    return connection.execute(
        f"""
        WITH hits AS MATERIALIZED (
            SELECT unnest($contents::VARCHAR[]) AS content, unnest($types::VARCHAR[]) AS type,
                   unnest($areas::INTEGER[]) AS focus_area, unnest($subjects::VARCHAR[]) AS subject,
                   unnest($versions::VARCHAR[]) AS prompt_version, unnest(range(len($contents::VARCHAR[]))) AS rank
        ),
        same AS MATERIALIZED (
            SELECT entry_id, source_id, focus_area, type, content, custom_id, batch_id, quote, quote_start, quote_end,
                   created_at FROM knowledge_entries WHERE entry_id IN ({ids})
        ),
        requests AS MATERIALIZED (
            SELECT custom_id, source_id, prompt_version FROM extractions
            WHERE source_id IN (SELECT unnest($subjects::VARCHAR[]))
        ),
        origins AS MATERIALIZED (
            SELECT h.rank, h.subject, k.entry_id, k.custom_id, k.batch_id, k.quote, k.quote_start, k.quote_end
            FROM hits h JOIN same k USING (focus_area, type, content)
            LEFT JOIN requests x ON x.custom_id = k.custom_id AND x.source_id = h.subject
                AND x.prompt_version = h.prompt_version
            QUALIFY row_number() OVER (PARTITION BY h.rank ORDER BY x.custom_id IS NULL, k.source_id <> h.subject,
                                       k.created_at, k.entry_id) = 1
        ),
        passages AS (
            SELECT o.rank, c.text, o.quote_start - c.char_start AS quote_start,
                   least(o.quote_end, c.char_end) - c.char_start AS quote_end
            FROM origins o JOIN chunks c ON c.source_id = o.subject
                AND c.char_start <= o.quote_start AND o.quote_start < c.char_end
            QUALIFY row_number() OVER (PARTITION BY o.rank
                                       ORDER BY least(o.quote_end, c.char_end) DESC, c.char_start DESC) = 1
        )
        SELECT o.entry_id, o.custom_id, o.batch_id, o.quote, p.text, p.quote_start, p.quote_end
        FROM hits h LEFT JOIN origins o USING (rank) LEFT JOIN passages p USING (rank) ORDER BY rank
        """,
        dict(zip(names, map(list, zip(*hits, strict=True)), strict=True)),
    ).fetchall()


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(str(literal(text)) for text in texts) or "NULL"


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
