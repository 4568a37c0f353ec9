"""What must hold of groups, statements and artworks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dagster as dg

from grabient_assets.asking.checks import Check, none_of
from grabient_assets.groups.images.checks import decodable
from grabient_assets.thresholds import STATEMENT_WORDS, Finding

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def _mixed_groups(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    """Groups whose requests were sent with another prompt, brush or size than the group says."""
    rows = connection.execute(
        """
        SELECT DISTINCT g.group_id FROM chorus_groups g
        JOIN batch_requests r ON left(r.subject, 29) = g.group_id
        JOIN batches b USING (batch_id)
        WHERE (b.purpose = 'statement' AND b.prompt_digest <> g.prompt_digest)
           OR (b.purpose = 'artwork' AND (b.model <> g.brush OR b.provider <> g.brush_provider
               OR b.prompt_version <> g.size || coalesce('/' || g.quality, '')))
        ORDER BY 1
        """
    ).fetchall()
    return len(rows), [row[0] for row in rows[:20]]


def _lengths(connection: DuckDBPyConnection) -> Finding:
    least, most = STATEMENT_WORDS
    rows = connection.execute(
        "SELECT run_id || ': ' || words || ' words' FROM artist_statements "
        "WHERE error IS NULL AND words IS NOT NULL AND NOT words BETWEEN $1 AND $2 ORDER BY 1",
        [least, most],
    ).fetchall()
    return Finding(len(rows), 0, [row[0] for row in rows[:20]], {"fewest words": least, "most words": most})


def _sums_that_differ(connection: DuckDBPyConnection) -> tuple[int, list[str]]:
    """Groups whose runs cost another sum than the ledger has for their requests."""
    rows = connection.execute(
        """
        WITH ledger AS (
            SELECT left(r.subject, 29) AS group_id, sum(r.cost_usd) AS usd
            FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE b.purpose IN ('statement', 'artwork') GROUP BY ALL
        )
        SELECT group_id || ': runs ' || coalesce(sum(c.cost_usd), 0) || ', ledger ' || coalesce(any_value(l.usd), 0)
        FROM ledger l LEFT JOIN chorus_runs c USING (group_id) GROUP BY group_id
        HAVING coalesce(sum(c.cost_usd), 0) <> coalesce(any_value(l.usd), 0) ORDER BY 1
        """
    ).fetchall()
    return len(rows), [row[0] for row in rows[:20]]


statement_checks = (
    Check(
        dg.AssetCheckSpec(
            "statements_keep_to_their_length",
            asset="artist_statements",
            description=f"Every statement has {STATEMENT_WORDS[0]} to {STATEMENT_WORDS[1]} words, as the prompt asks.",
        ),
        _lengths,
        dg.AssetCheckSeverity.WARN,
        between="; ",
    ),
)
artwork_checks = (
    none_of(
        "one_prompt_and_brush_in_a_group",
        "artworks",
        "Every request of a group was sent with the prompt, the brush and the size of the group.",
        _mixed_groups,
    ),
    decodable(
        "every_artwork_decodes",
        "artworks",
        "SELECT run_id, image_id FROM artworks WHERE error IS NULL ORDER BY created_at DESC, run_id",
    ),
    none_of(
        "group_costs_add_up",
        "artworks",
        "What the runs of a group cost adds up to what the ledger has for its requests.",
        _sums_that_differ,
    ),
)
