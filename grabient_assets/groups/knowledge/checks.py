"""What must hold of entries and of their index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.asking.checks import none_of
from grabient_assets.groups.knowledge.entries import TYPES
from grabient_assets.thresholds import ENTRY_WORDS

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _off_schema(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    """Entries that search may show and that are of no known type, too long, empty, or of no area."""
    rows = connection.execute(
        """
        SELECT entry_id || ': ' || type || ', ' || len(string_split(content, ' ')) || ' words'
        FROM knowledge_entries WHERE state = 'ok' AND (
            type NOT IN (SELECT unnest($1::VARCHAR[])) OR trim(content) = '' OR focus_area NOT BETWEEN 1 AND 9
            OR len(string_split(content, ' ')) > $2) ORDER BY 1
        """,
        [list(TYPES), ENTRY_WORDS],
    ).fetchall()
    return len(rows), [row[0] for row in rows[:20]]


def _ungrounded(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    """Entries that search may show and whose quote does not stand at their place, or that are embedded all the same."""
    rows = connection.execute(
        """
        SELECT e.entry_id FROM knowledge_entries e
        WHERE (e.state = 'ok' AND ((e.quote_end > e.quote_start) IS NOT TRUE OR trim(e.quote) = ''))
           OR (e.state <> 'ok' AND e.entry_id IN (SELECT entry_id FROM entry_embeddings))
        ORDER BY 1
        """
    ).fetchall()
    return len(rows), [row[0] for row in rows[:20]]


entry_checks = (
    none_of(
        "entries_keep_to_their_schema",
        "knowledge_entries",
        f"Every entry that search may show is of a known type, has a content of at most {ENTRY_WORDS} words, and "
        "belongs to one of the nine areas.",
        _off_schema,
    ),
    none_of(
        "entries_are_grounded",
        "knowledge_entries",
        "Every entry that search may show has the place of its quote in the text, and no other is embedded.",
        _ungrounded,
    ),
)
