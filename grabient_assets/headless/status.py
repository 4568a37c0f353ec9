"""How far everything is: what `grabient status` counts, and the progress of a choice of palettes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.refined import chained_refinements
from grabient_assets.groups.search.palette_index import indexed_palettes
from grabient_assets.groups.tagging.tag_consensus import without_current_consensus
from grabient_assets.groups.tagging.tags import complete_tagging
from grabient_assets.groups.tagging.waves import WaveCount, ended_waves, wave_counts

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Counts:
    """Palettes loaded, with a consensus, refined, and with something still to come; answers that failed; dollars;
    palettes that failed: their refinement, or all of their tagging, came to nothing, and nothing is to come; palettes
    with a vector, and palettes in the live index."""

    palettes: int = 0
    tagged: int = 0
    refined: int = 0
    pending: int = 0
    errors: int = 0
    cost_usd: Decimal = Decimal(0)
    failed: int = 0
    embedded: int = 0
    indexed: int = 0


@dataclass(frozen=True, slots=True)
class ProviderProgress:
    """Tagging requests at one provider: wanted, accepted by it so far (answered ones included), and answered."""

    provider: str
    wanted: int
    sent: int
    answered: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a choice of palettes is under one prompt version. `cost_usd`: of what was collected since the start.
    `waves`: of those that are tagged adaptively. `indexed`: found by search."""

    palettes: int
    pictures: int
    providers: tuple[ProviderProgress, ...]
    consensus: int
    refined: int
    cost_usd: Decimal
    waves: tuple[WaveCount, ...] = ()
    indexed: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """Dollars of the answers stored for a choice of palettes, by provider and purpose."""

    provider: str
    purpose: str
    cost_usd: Decimal


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A workflow of knowledge that is neither completed nor failed. `progress` is from 0 to 100."""

    workflow_id: str
    name: str
    status: str
    progress: int


_ASKED_HERE = "ANTI JOIN imports ON import_id = batch_id"
"""Without what was imported: nobody asks again for an imported failure."""


def counts(connection: DuckDBPyConnection, providers: Sequence[str]) -> Counts:
    """What is stored. `providers` are those that can be asked now: they decide whether a tagging is complete."""
    errors = " + ".join(
        f"(SELECT count(error) FROM {purpose.table.name} {_ASKED_HERE})" for purpose in PURPOSES.values()
    )
    row = connection.execute(
        f"""
        SELECT (SELECT count(*) FROM palettes), (SELECT count(DISTINCT seed) FROM tag_consensus),
               (SELECT count(DISTINCT seed) FROM palette_tag_refined WHERE error IS NULL), {errors},
               (SELECT coalesce(sum(cost_usd), 0) FROM batches),
               (SELECT count(DISTINCT seed) FROM palette_embeddings WHERE error IS NULL),
               (SELECT count(*) FROM index_entries e SEMI JOIN index_versions v
                ON v.index_name = 'palettes' AND v.state = 'live' AND e.index_name = v.index_name
                   AND e.version = v.version WHERE e.state <> 'leaving')
        """
    ).fetchone()
    assert row is not None
    palettes, tagged, refined, errors, cost, embedded, indexed = row
    pending = _pending(connection, providers)
    failed = _failed(connection) - pending
    return Counts(palettes, tagged, refined, len(pending), errors, Decimal(cost), len(failed), embedded, indexed)


def workflows_under_way(connection: DuckDBPyConnection) -> list[UnderWay]:
    """The workflows that are under way, the newest first."""
    if not connection.execute("SELECT 1 FROM workflows WHERE deleted_at IS NULL LIMIT 1").fetchone():
        return []  # the view looks through the index and the entries
    rows = connection.execute(
        """
        SELECT workflow_id, name, status, progress FROM workflow_status
        WHERE status NOT IN ('completed', 'completed_with_dead', 'failed') ORDER BY workflow_id DESC
        """
    ).fetchall()
    return [UnderWay(*row) for row in rows]


def _failed(connection: DuckDBPyConnection) -> set[str]:
    failed = " UNION ".join(
        f"SELECT {table.subject} FROM {table.name} {_ASKED_HERE} GROUP BY ALL HAVING bool_and(error IS NOT NULL)"
        for table in (purpose.table for purpose in PURPOSES.values() if purpose.noun == "palette")
    )
    return {row[0] for row in connection.execute(failed).fetchall()}


def _pending(connection: DuckDBPyConnection, providers: Sequence[str]) -> set[str]:
    asked = connection.execute(
        "SELECT DISTINCT subject FROM asks WHERE state = 'open' AND list_contains($1, purpose)",
        [[purpose.name for purpose in PURPOSES.values() if purpose.noun == "palette"]],
    ).fetchall()
    tagged = complete_tagging(connection, providers)
    untallied = without_current_consensus(connection, tagged)
    chained = chained_refinements(connection, [t.partition for t in tagged if t.answers])
    ended = {one.partition.subject for one in ended_waves(connection, providers)}
    return {row[0] for row in asked} | ended | {t.partition.subject for t in untallied} | {p.subject for p in chained}


def progress(connection: DuckDBPyConnection, seeds: Sequence[str], prompt_version: str, since: datetime) -> Progress:
    """How far these palettes are. Requests whose ask was stopped are not wanted any more."""
    chosen = {"seeds": list(seeds), "version": prompt_version}
    rows = connection.execute(
        """
        WITH chosen AS (SELECT unnest($seeds::VARCHAR[]) AS seed),
        wanted AS (
            SELECT provider, sum(analyses)::BIGINT AS n FROM asks SEMI JOIN chosen ON chosen.seed = asks.subject
            WHERE purpose = 'tagging' AND prompt_version = $version AND state <> 'stopped' GROUP BY ALL
        ),
        answered AS (
            SELECT t.provider, count(*) AS n FROM palette_tags t SEMI JOIN chosen USING (seed)
            WHERE t.prompt_version = $version GROUP BY ALL
        ),
        flying AS (
            SELECT b.provider, count(*) AS n FROM batch_requests r JOIN batches b USING (batch_id)
            SEMI JOIN chosen ON chosen.seed = r.subject
            WHERE b.purpose = 'tagging' AND b.prompt_version = $version AND r.fate IS NULL
              AND b.status = 'submitted' GROUP BY ALL
        )
        SELECT w.provider, w.n, least(w.n, coalesce(f.n, 0) + coalesce(a.n, 0)), least(w.n, coalesce(a.n, 0))
        FROM wanted w LEFT JOIN answered a USING (provider) LEFT JOIN flying f USING (provider) ORDER BY 1
        """,
        chosen,
    ).fetchall()
    totals = connection.execute(
        """
        WITH chosen AS (SELECT unnest($seeds::VARCHAR[]) AS seed)
        SELECT (SELECT count(*) FROM palette_images SEMI JOIN chosen USING (seed)),
               (SELECT count(*) FROM tag_consensus SEMI JOIN chosen USING (seed) WHERE prompt_version = $version),
               (SELECT count(*) FROM palette_tag_refined SEMI JOIN chosen USING (seed)
                WHERE prompt_version = $version AND error IS NULL),
               (SELECT coalesce(sum(cost_usd), 0) FROM batches WHERE collected_at >= $since)
        """,
        {**chosen, "since": since},
    ).fetchone()
    assert totals is not None
    pictures, consensus, refined, cost = totals
    providers = tuple(ProviderProgress(*row) for row in rows)
    waves = tuple(wave_counts(connection, prompt_version, seeds))
    indexed = indexed_palettes(connection, seeds, prompt_version)
    return Progress(len(seeds), pictures, providers, consensus, refined, Decimal(cost), waves, indexed)


def spent(connection: DuckDBPyConnection, seeds: Sequence[str], prompt_version: str) -> list[Spent]:
    """What the stored answers about these palettes cost."""
    parts = " UNION ALL ".join(
        f"""
        SELECT {"t.provider" if "provider" in table.asked_of else "b.provider"} AS provider, '{name}' AS purpose,
               sum(t.cost_usd) AS usd
        FROM {table.name} t LEFT JOIN batches b USING (batch_id) SEMI JOIN chosen ON chosen.seed = t.{table.subject}
        WHERE t.{table.version} = $version AND t.cost_usd IS NOT NULL GROUP BY ALL
        """
        for name, table in ((purpose.name, purpose.table) for purpose in PURPOSES.values())
    )
    rows = connection.execute(
        f"""
        WITH chosen AS (SELECT unnest($seeds::VARCHAR[]) AS seed)
        SELECT * FROM ({parts}) WHERE provider IS NOT NULL ORDER BY provider, purpose DESC
        """,
        {"seeds": list(seeds), "version": prompt_version},
    ).fetchall()
    return [Spent(row[0], row[1], Decimal(row[2])) for row in rows]
