"""What must hold of fetched sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.asking.checks import none_of
from grabient_assets.sources.documents import is_error_page

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _error_pages(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    """Sources whose text is that of an error page, and pages of one host that have the same text at several
    addresses: a page that stands in for one that is gone."""
    rows = connection.execute(
        """
        SELECT s.source_id, s.title, rpad(min_by(c.text, c.position), s.characters, ' ') FROM sources s
        JOIN chunks c USING (source_id) WHERE s.object_key IS NOT NULL AND s.kind <> 'youtube'
        GROUP BY s.source_id, s.title, s.characters ORDER BY 1
        """
    ).fetchall()
    found = [source for source, title, text in rows if is_error_page(title or "", text)]
    alike = connection.execute(
        """
        SELECT string_agg(source_id, ' ' ORDER BY source_id) FROM sources
        WHERE kind = 'url' AND object_key IS NOT NULL
        GROUP BY content_sha256, regexp_extract(locator, '^https?://[^/]+') HAVING count(*) > 1 ORDER BY 1
        """
    ).fetchall()
    found += [f"the same text: {row[0]}" for row in alike]
    return len(found), found[:20]


source_checks = (
    none_of(
        "no_error_page_became_text",
        "sources",
        "No stored text is that of an error page, and no two addresses of a host have the same text.",
        _error_pages,
    ),
)
