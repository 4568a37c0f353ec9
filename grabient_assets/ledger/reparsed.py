"""Putting staged rows in the place of stored ones, by the rules of a live collection. All set-wise, in one transaction.

A row is filled by deliveries: its own, by batches that carried it, or those of equal colours, whose answer it shares.
Of an answer's deliveries the first usable one stands (a failure never replaces it, nor is it asked again), of a
refinement's the last; without a usable one, the last failure. A row that a batch filled which is not being parsed
again stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, batches_of
from grabient_assets.ledger.identity import custom_id
from grabient_assets.ledger.staging import BATCHES, FATES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TAG_KEY = "seed, prompt_version, provider, model, analysis_index"
_REFINED_KEY = "seed, prompt_version"

# Rows of these batches that no batch carried: they share the answer of equal colours, the one there was when they were
# filled, or a later one once they were asked for again.
_SHARED = """
    own_requests AS (
        SELECT r.batch_id, r.custom_id, r.subject AS seed, b.prompt_version
        FROM batch_requests r JOIN batches b USING (batch_id) SEMI JOIN staged.batches USING (batch_id)
    ),
    sharing AS (
        SELECT {columns}, t.custom_id,
               CASE WHEN a.retry_from IS NULL THEN t.created_at ELSE 'infinity'::TIMESTAMPTZ END AS until
        FROM {table} t SEMI JOIN staged.batches USING (batch_id)
        ANTI JOIN own_requests USING (batch_id, custom_id, seed, prompt_version)
        LEFT JOIN asks a ON a.purpose = '{purpose}' AND {asked}
    ),
    untouched AS (
        SELECT {key} FROM sharing
        UNION ALL
        SELECT {key} FROM {table} WHERE batch_id IS NULL OR batch_id NOT IN (SELECT batch_id FROM staged.batches)
    )
"""


def with_same_requests(connection: DuckDBPyConnection, batch_ids: Iterable[str]) -> list[BatchRecord]:
    """These batches and all that carried the same requests as one of them, in the order in which they were closed."""
    rows = connection.execute(
        """
        WITH RECURSIVE closed AS (
            SELECT r.batch_id, r.custom_id FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE b.collected_at IS NOT NULL
        ),
        pairs AS (SELECT DISTINCT a.batch_id AS one, b.batch_id AS other FROM closed a JOIN closed b USING (custom_id)),
        connected AS (
            SELECT unnest($1::VARCHAR[]) AS batch_id
            UNION SELECT p.other FROM connected c JOIN pairs p ON p.one = c.batch_id
        )
        SELECT batch_id FROM connected
        """,
        [list(batch_ids)],
    ).fetchall()
    found = [batch for batch in batches_of(connection, [row[0] for row in rows]) if batch.collected_at is not None]
    return sorted(found, key=lambda batch: (batch.collected_at, batch.batch_id))


def closed_batches(connection: DuckDBPyConnection, prompt_version: str | None) -> list[str]:
    """The ids of all batches whose requests have their fates, of one prompt version or all."""
    query = "SELECT batch_id FROM batches WHERE collected_at IS NOT NULL AND ($1 IS NULL OR prompt_version = $1)"
    return [row[0] for row in connection.execute(query, [prompt_version]).fetchall()]


def deliveries_before(connection: DuckDBPyConnection, batch: BatchRecord) -> dict[str, int]:
    """How many batches that were collected before this one have carried each of its requests."""
    rows = connection.execute(
        """
        SELECT r.custom_id, count(*) FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE b.status = 'collected' AND b.batch_id <> $1 AND b.collected_at < $2
          AND (b.delivery = 'batch' OR r.began_at IS NOT NULL)
          AND r.custom_id IN (SELECT custom_id FROM batch_requests WHERE batch_id = $1)
        GROUP BY r.custom_id
        """,
        [batch.batch_id, batch.collected_at],
    ).fetchall()
    return dict(rows)


def changed_fates(connection: DuckDBPyConnection) -> Counter[tuple[str, str]]:
    """How many requests go from which fate to which."""
    rows = connection.execute(
        """
        SELECT r.fate, n.fate, count(*) FROM batch_requests r JOIN staged.batch_requests n USING (batch_id, custom_id)
        WHERE r.fate IS DISTINCT FROM n.fate GROUP BY ALL ORDER BY ALL
        """
    ).fetchall()
    return Counter({(was, now): count for was, now, count in rows})


def replace_ledger(connection: DuckDBPyConnection) -> None:
    """The fates of the requests and the sums of the batches. Rows that stay the same are not written."""
    for table, columns, key in (
        ("batch_requests", FATES, ("batch_id", "custom_id")),
        ("batches", BATCHES, ("batch_id",)),
    ):
        values = [name for name in columns if name not in key]
        connection.execute(
            f"""
            UPDATE {table} AS t SET {", ".join(f"{v} = n.{v}" for v in values)} FROM staged.{table} AS n
            WHERE {" AND ".join(f"t.{k} = n.{k}" for k in key)}
              AND ({" OR ".join(f"t.{v} IS DISTINCT FROM n.{v}" for v in values)})
            """
        )


@dataclass(frozen=True, slots=True)
class Replaced:
    """Palettes with a row before or after, and how many rows are gone because nothing final is known any more."""

    palettes: tuple[SubjectVersion, ...]
    gone: int


def replace_tags(connection: DuckDBPyConnection) -> Replaced:
    """The answers, own and shared.

    Of different wordings under one key that one counts which is stored now, else the one that is asked for now, else
    the latest. An ask that has no row, though its equal has an answer, shares it.
    """
    best = "(s.error IS NOT NULL), CASE WHEN s.error IS NULL THEN s.created_at END, s.created_at DESC"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE wanted AS WITH {_shared("palette_tags", _TAG_KEY, "tagging")},
        asked AS (
            SELECT a.subject AS seed, a.prompt_version, a.provider, a.model, i.analysis_index,
                   {custom_id("a.stem", "i.analysis_index")} AS custom_id
            FROM asks a, unnest(range(a.analyses)) AS i(analysis_index)
            WHERE a.purpose = 'tagging' AND a.state <> 'stopped'
        ),
        wordings AS (
            SELECT {_TAG_KEY}, custom_id, max(created_at) AS latest FROM staged.palette_tags GROUP BY ALL
        ),
        own AS (
            SELECT s.* FROM staged.palette_tags s ANTI JOIN untouched USING ({_TAG_KEY})
            JOIN wordings w USING ({_TAG_KEY}, custom_id)
            LEFT JOIN palette_tags t USING ({_TAG_KEY}) LEFT JOIN asked a USING ({_TAG_KEY})
            QUALIFY row_number() OVER (
                PARTITION BY s.seed, s.prompt_version, s.provider, s.model, s.analysis_index
                ORDER BY (s.custom_id IS DISTINCT FROM t.custom_id), (s.custom_id IS DISTINCT FROM a.custom_id),
                         w.latest DESC, {best}) = 1
        ),
        borrowing AS (
            SELECT *, false AS answers_only FROM sharing
            UNION ALL
            SELECT *, 'infinity'::TIMESTAMPTZ, true FROM asked
            ANTI JOIN palette_tags USING ({_TAG_KEY}) ANTI JOIN staged.palette_tags USING ({_TAG_KEY})
        )
        SELECT * FROM own
        UNION ALL BY NAME
        SELECT s.* REPLACE (b.seed AS seed, b.prompt_version AS prompt_version, 0 AS cost_usd)
        FROM borrowing b JOIN staged.palette_tags s USING (custom_id)
        WHERE s.created_at <= b.until AND (s.error IS NULL OR NOT b.answers_only)
        QUALIFY row_number() OVER (PARTITION BY b.seed, b.prompt_version, s.provider, s.model, s.analysis_index
                                   ORDER BY {best}) = 1
        """
    )
    return _replace(connection, "palette_tags", _TAG_KEY)


def replace_refined(connection: DuckDBPyConnection) -> Replaced:
    """The refinements, own and shared."""
    best = "(s.error IS NOT NULL), s.created_at DESC"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE wanted AS WITH {_shared("palette_tag_refined", _REFINED_KEY, "refinement")}
        SELECT s.* FROM staged.palette_tag_refined s ANTI JOIN untouched USING ({_REFINED_KEY})
        QUALIFY row_number() OVER (PARTITION BY s.seed, s.prompt_version ORDER BY {best}) = 1
        UNION ALL BY NAME
        SELECT s.* REPLACE (b.seed AS seed, b.prompt_version AS prompt_version,
                            b.prompt_version AS source_prompt_version, 0 AS cost_usd)
        FROM sharing b JOIN staged.palette_tag_refined s USING (custom_id) WHERE s.created_at <= b.until
        QUALIFY row_number() OVER (PARTITION BY b.seed, b.prompt_version ORDER BY {best}) = 1
        """
    )
    return _replace(connection, "palette_tag_refined", _REFINED_KEY)


def _shared(table: str, key: str, purpose: str) -> str:
    names = key.split(", ")
    return _SHARED.format(
        table=table,
        key=key,
        columns=", ".join(f"t.{name}" for name in names),
        purpose=purpose,
        asked=" AND ".join(
            f"a.{'subject' if name == 'seed' else name} = t.{name}" for name in names if name != "analysis_index"
        ),
    )


def _replace(connection: DuckDBPyConnection, table: str, key: str) -> Replaced:
    """Put `wanted` in the place of the rows of these batches."""
    concerned = connection.execute(
        f"""
        SELECT prompt_version, seed FROM wanted
        UNION SELECT prompt_version, seed FROM {table} SEMI JOIN staged.batches USING (batch_id) ORDER BY ALL
        """
    ).fetchall()
    gone = connection.execute(
        f"""
        DELETE FROM {table} WHERE batch_id IN (SELECT batch_id FROM staged.batches)
          AND ({key}) NOT IN (SELECT ({key}) FROM wanted)
        """
    ).fetchone()
    columns = [row[0] for row in connection.execute(f"DESCRIBE {table}").fetchall()]
    updates = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key.split(", "))
    connection.execute(
        f"""
        INSERT INTO {table} BY NAME
        SELECT * FROM (SELECT {", ".join(columns)} FROM wanted EXCEPT SELECT {", ".join(columns)} FROM {table})
        ON CONFLICT DO UPDATE SET {updates}
        """
    )
    return Replaced(tuple(SubjectVersion(*row) for row in concerned), gone[0] if gone else 0)


def close_answered(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> None:
    """Close what was stopped of these palettes and has all its answers now."""
    connection.execute(
        """
        WITH chosen AS (SELECT unnest($1::VARCHAR[]) AS seed, unnest($2::VARCHAR[]) AS prompt_version),
        answered AS (
            SELECT 'tagging' AS purpose, seed, prompt_version, provider, model, count(*) AS answers
            FROM palette_tags JOIN chosen USING (seed, prompt_version) WHERE error IS NULL GROUP BY ALL
            UNION ALL
            SELECT 'refinement', r.seed, r.prompt_version, b.provider, r.model, 1
            FROM palette_tag_refined r JOIN chosen USING (seed, prompt_version)
            JOIN tag_consensus c ON c.seed = r.seed AND c.prompt_version = r.prompt_version
                AND c.digest = r.consensus_digest
            JOIN batches b USING (batch_id) WHERE r.error IS NULL
        )
        UPDATE asks SET state = 'closed', reason = NULL FROM answered AS n
        WHERE asks.state = 'stopped' AND asks.purpose = n.purpose AND asks.subject = n.seed
          AND asks.prompt_version = n.prompt_version AND asks.provider = n.provider AND asks.model = n.model
          AND n.answers >= asks.analyses
        """,
        [[p.subject for p in among], [p.prompt_version for p in among]],
    )


def newest_answers(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> dict[SubjectVersion, datetime]:
    """When the newest usable answer of each of these palettes was stored."""
    rows = connection.execute(
        """
        WITH chosen AS (SELECT unnest($1::VARCHAR[]) AS seed, unnest($2::VARCHAR[]) AS prompt_version)
        SELECT prompt_version, seed, max(created_at) FROM palette_tags JOIN chosen USING (seed, prompt_version)
        WHERE error IS NULL GROUP BY ALL
        """,
        [[p.subject for p in among], [p.prompt_version for p in among]],
    ).fetchall()
    return {SubjectVersion(row[0], row[1]): row[2].astimezone(UTC) for row in rows}


def outdated_refinements(connection: DuckDBPyConnection) -> int:
    """How many refined palettes were refined from a consensus that reads otherwise now."""
    row = connection.execute(
        """
        SELECT count(*) FROM palette_tag_refined r JOIN tag_consensus c USING (seed, prompt_version)
        WHERE r.error IS NULL AND r.consensus_digest <> c.digest
        """
    ).fetchone()
    return int(row[0]) if row else 0
