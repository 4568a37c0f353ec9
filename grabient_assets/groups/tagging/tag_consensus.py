"""The table tag_consensus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from grabient_assets.groups.palettes.tables import records_of
from grabient_assets.groups.tagging.tags import Tagged
from grabient_assets.ledger.asks import SubjectVersion, chosen, named, renewed_identity
from grabient_assets.warehouse.rows import columns_of, insert_rows, replacing, with_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class ConsensusRecord:
    """One row of `tag_consensus`. `votes` is JSON: field -> [{"value", "models", "share"}], strongest first; `facts`
    is JSON with what the colours alone say about the same fields. `digest` changes when the refiner would read
    something else. `estimates` is JSON: field -> [{"value", "probability"}], most probable first; `method` says which
    of both ranks the values (majority, or the model of the estimates); `entropy` is that of the categorical votes in
    bits, the mean of the fields. All three are None in rows from before they existed."""

    seed: str
    prompt_version: str
    models: int
    answers: int
    temperature: str | None
    contrast: str | None
    brightness: str | None
    saturation: str | None
    votes: str
    facts: str
    digest: str
    created_at: datetime
    estimates: str | None = None
    method: str | None = None
    entropy: float | None = None


_BASIS_CHANGED = renewed_identity(
    "tag_consensus", "SELECT seed AS subject, prompt_version, digest AS basis FROM new_rows"
)


def record_consensus(connection: DuckDBPyConnection, records: Sequence[ConsensusRecord]) -> None:
    """Insert or replace the consensus of these palettes."""
    replaced = replacing(ConsensusRecord, ("seed", "prompt_version"))
    insert_rows(connection, "tag_consensus", records, f"{replaced}; {_BASIS_CHANGED}")


@dataclass(frozen=True, slots=True)
class _Estimated:
    seed: str
    prompt_version: str
    temperature: str | None
    contrast: str | None
    brightness: str | None
    saturation: str | None
    digest: str
    estimates: str | None


def record_estimates(connection: DuckDBPyConnection, records: Sequence[ConsensusRecord]) -> None:
    """Store the estimates of these records, and what is ranked by them. Votes and time stay as they are."""
    columns = tuple(_Estimated.__dataclass_fields__)
    rows = [_Estimated(*(getattr(record, column) for column in columns)) for record in records]
    if not rows:
        return
    updates = ", ".join(f"{c} = n.{c}" for c in columns if c not in ("seed", "prompt_version"))
    with_rows(
        connection,
        "tag_consensus",
        rows,
        f"""
        UPDATE tag_consensus SET {updates} FROM new_rows n
        WHERE tag_consensus.seed = n.seed AND tag_consensus.prompt_version = n.prompt_version; {_BASIS_CHANGED}
        """,
    )


def drop_consensus(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> None:
    """Remove the consensus of palettes that have no usable answer any more."""
    connection.execute(
        f"""
        WITH {chosen("seed")} DELETE FROM tag_consensus
        WHERE (seed, prompt_version) IN (SELECT (seed, prompt_version) FROM chosen)
        """,
        named(among),
    )
    gone = f"WITH {chosen()} SELECT *, NULL AS basis FROM chosen"
    connection.execute(renewed_identity("tag_consensus", gone), named(among))


def methods_of(connection: DuckDBPyConnection, prompt_version: str) -> set[str]:
    """What ranks the values of the recorded consensus of this version."""
    rows = connection.execute(
        "SELECT DISTINCT method FROM tag_consensus WHERE prompt_version = $1 AND method IS NOT NULL", [prompt_version]
    ).fetchall()
    return {row[0] for row in rows}


def consensus(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> list[ConsensusRecord]:
    """The recorded consensus of these palettes; those without one are not in the result."""
    return records_of(connection, ConsensusRecord, "tag_consensus", among)


def some_consensus(connection: DuckDBPyConnection, most: int) -> list[ConsensusRecord]:
    """At most so many of the recorded consensus, the newest."""
    rows = connection.execute(
        f"SELECT {columns_of(ConsensusRecord)} FROM tag_consensus ORDER BY created_at DESC, seed LIMIT $1", [most]
    ).fetchall()
    return [ConsensusRecord(*row) for row in rows]


def without_current_consensus(connection: DuckDBPyConnection, tagged: Sequence[Tagged]) -> list[Tagged]:
    """Those of the completely tagged palettes whose consensus is missing, older than an answer, or counts others.

    The age alone does not tell: an answer taken over from equal colours is as old as it was there.
    """
    keys = [t.partition for t in tagged if t.answers]
    rows = connection.execute(
        f"""
        WITH {chosen("seed")}, newest AS (
            SELECT seed, prompt_version, max(created_at) AS answered_at, count(*) AS answers FROM palette_tags
            WHERE error IS NULL GROUP BY ALL
        )
        SELECT n.prompt_version, n.seed FROM chosen JOIN newest n USING (seed, prompt_version)
        LEFT JOIN tag_consensus c USING (seed, prompt_version)
        WHERE c.seed IS NULL OR c.created_at < n.answered_at OR c.answers <> n.answers
        """,
        named(keys),
    ).fetchall()
    stale = {SubjectVersion(*row) for row in rows}
    return [t for t in tagged if t.partition in stale]


def tagged_elsewhere(connection: DuckDBPyConnection, prompt_version: str, among: Sequence[str]) -> dict[str, int]:
    """How many of these palettes have no consensus under this version and one under another, by that other version."""
    rows = connection.execute(
        """
        SELECT c.prompt_version, count(*) FROM tag_consensus c SEMI JOIN (SELECT unnest($seeds::VARCHAR[]) AS seed) n
            USING (seed)
        WHERE c.prompt_version <> $version AND NOT EXISTS (
            FROM tag_consensus o WHERE o.seed = c.seed AND o.prompt_version = $version)
        GROUP BY ALL ORDER BY ALL
        """,
        {"seeds": list(among), "version": prompt_version},
    ).fetchall()
    return dict(rows)
