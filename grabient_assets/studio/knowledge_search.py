"""The page that searches knowledge: entries with their quote in its passage, their place, and the request behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import UsageError
from grabient_assets.groups.indexes.versions import index_versions
from grabient_assets.groups.knowledge.areas import AREAS, read_areas
from grabient_assets.groups.knowledge.tables import workflows
from grabient_assets.groups.retrieval.hits import KnowledgeHit, source_url
from grabient_assets.groups.retrieval.searching import INDEX_NAME, KnowledgeQuery, knowledge_query
from grabient_assets.studio.pages import Ask
from grabient_assets.vectors.local_embedder import LOCAL_EMBEDDER

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LIMIT, MOST = 20, 100
NEAR = 240
"""Characters of a passage that are shown on each side of its quote."""
_NO_INDEX = (
    "There is no index of knowledge yet, so entries and quotes are looked through for these words. The sensors make "
    "the index, `grabient index sync --index knowledge` at once."
)


def search_page(ask: Ask) -> dict[str, Any]:
    """The hits of a query by score, then area, then type; without a query the form alone."""
    text, areas, named = ask.text("q"), ask.texts("areas"), ask.text("workflow")
    chosen = read_areas(",".join(areas)) if areas else ()
    with ask.warehouse.read() as connection:
        known = {one.workflow_id: one.name for one in workflows(connection).values()}
        live = next((one for one in index_versions(connection, INDEX_NAME) if one.state == "live"), None)
    if named and named not in known:
        raise UsageError(f"There is no workflow {named[:40]!r}. Leave it out to search in all.")
    note, found_by, hits = "", "", ()
    if text:
        query = knowledge_query(text, chosen, (), named or None, min(ask.number("limit", LIMIT), MOST))
        if live is None:
            note = _NO_INDEX
        elif live.embedder != LOCAL_EMBEDDER:
            note = (
                f"The index was made by {live.embedder}, which takes a call for each query, and a page sends nothing. "
                "So entries and quotes are looked through. `grabient knowledge search` asks the index."
            )
        found_by = "words" if note else "meaning"
        if note:
            with ask.warehouse.read() as connection:
                hits = _by_words(connection, query)
        else:
            hits = ask.studio.knowledge.find(query).hits
    return {
        "query": text,
        "areas": [{"number": area.number, "name": area.name, "chosen": area.number in chosen} for area in AREAS],
        "workflow": named,
        "workflows": [{"workflow_id": name, "name": shown} for name, shown in known.items()],
        "found_by": found_by,
        "note": note,
        "hits": [_hit_document(hit, known) for hit in hits],
    }


def _hit_document(hit: KnowledgeHit, known: dict[str, str]) -> dict[str, Any]:
    """The hit, with what a page shows of it: the quote between what stands before and after it."""
    before, quoted, after = around(hit.passage, hit.quote_start, hit.quote_end)
    return {
        **asdict(hit),
        "area": AREAS[hit.focus_area - 1].name,
        "workflow": known.get(hit.workflow_id, ""),
        "link": link(hit.url),
        "before": before,
        "quoted": quoted,
        "after": after,
    }


def around(passage: str, start: int, end: int) -> tuple[str, str, str]:
    """What stands before the quote, the quote, and what stands after it; both sides cut at a word where they are
    long."""
    before, after = passage[:start], passage[end:]
    if len(before) > NEAR:
        before = f"… {before[-NEAR:].partition(' ')[2]}"
    if len(after) > NEAR:
        after = f"{after[:NEAR].rpartition(' ')[0]} …"
    return before, passage[start:end], after


def link(address: str | None) -> str | None:
    """The address, where a page may link to it: of the web, and nothing that a browser would run or open here."""
    return address if address and address.lower().startswith(("https://", "http://")) else None


def _by_words(connection: DuckDBPyConnection, query: KnowledgeQuery) -> Sequence[KnowledgeHit]:
    """Entries that hold every word of the query, in their content or quote, without an index."""
    rows = connection.execute(
        """
        SELECT e.content, e.type, e.focus_area, e.source_id, s.title, s.locator, e.t_start, e.quote, e.entry_id,
               e.workflow_id, e.custom_id, e.batch_id
        FROM workflow_entries e JOIN sources s USING (source_id)
        WHERE ($workflow::VARCHAR IS NULL OR e.workflow_id = $workflow)
          AND (len($areas::INTEGER[]) = 0 OR list_contains($areas::INTEGER[], e.focus_area))
          AND list_bool_and(list_transform($words::VARCHAR[],
                                           word -> contains(lower(e.content || ' ' || e.quote), word)))
        QUALIFY row_number() OVER (PARTITION BY e.content_sha256, e.focus_area, e.type
                                   ORDER BY e.vector_id, e.entry_id) = 1
        ORDER BY e.focus_area, e.type, e.vector_id LIMIT $limit
        """,
        {
            "workflow": query.workflow,
            "areas": list(query.areas),
            "words": query.text.lower().split(),
            "limit": query.limit,
        },
    ).fetchall()
    return [_by_word(rank, *row) for rank, row in enumerate(rows, 1)]


def _by_word(rank: int, content: str, kind: str, area: int, source: str, title: str | None, *more: Any) -> KnowledgeHit:
    locator, t_start, quote, entry_id, workflow_id, custom_id, batch_id = more
    place = (t_start, source_url(source, locator, t_start), quote)
    request = (entry_id, workflow_id, custom_id, batch_id)
    return KnowledgeHit(rank, 1.0, content, kind, area, source, title, *place, *request, quote, 0, len(quote))
