"""The tables palette_tags and tag_consensus, and what of them is still missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.warehouse.asks import PaletteVersion
from grabient_assets.warehouse.rows import insert_rows
from grabient_assets.warehouse.wanted import (
    ANALYSES,
    OPEN_ASKS,
    carried,
    custom_id,
    due,
    is_in,
    lacking,
    stem_of,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class TagRecord:
    """One row of `palette_tags`: an answer, or with `error` the reason why there is none."""

    seed: str
    prompt_version: str
    provider: str
    model: str
    analysis_index: int
    custom_id: str
    fate: str
    created_at: datetime
    temperature: str | None = None
    contrast: str | None = None
    brightness: str | None = None
    saturation: str | None = None
    mood: tuple[str, ...] | None = None
    style: tuple[str, ...] | None = None
    dominant_colors: tuple[str, ...] | None = None
    harmony: tuple[str, ...] | None = None
    seasonal: tuple[str, ...] | None = None
    associations: tuple[str, ...] | None = None
    error: str | None = None
    notes: tuple[str, ...] | None = None
    answer_text: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: Decimal | None = None
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """What a usable answer says, without the raw text and the money."""

    seed: str
    prompt_version: str
    provider: str
    model: str
    analysis_index: int
    temperature: str | None
    contrast: str | None
    brightness: str | None
    saturation: str | None
    mood: list[str] | None
    style: list[str] | None
    dominant_colors: list[str] | None
    harmony: list[str] | None
    seasonal: list[str] | None
    associations: list[str] | None


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A tagging request that nobody has answered and no batch is carrying.

    `allow_unpriced`: somebody asked for it at whatever price.
    """

    custom_id: str
    seed: str
    prompt_version: str
    model: str
    analysis_index: int
    allow_unpriced: bool = False


@dataclass(frozen=True, slots=True)
class Tagged:
    """A palette whose tagging is complete: how many answers can be used, how many cannot, and an example why not."""

    partition: PaletteVersion
    answers: int
    failures: int
    models: int
    cost_usd: Decimal
    error: str | None


@dataclass(frozen=True, slots=True)
class Underway:
    """A palette whose requests at one provider are all with the provider or answered."""

    partition: PaletteVersion
    requests: int
    answered: int
    batches: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class DueTarget:
    """The due requests of one model under one prompt version and one cap; `seed` is the first palette among them.

    `digest` changes when a request is added or taken away.
    """

    prompt_version: str
    model: str
    requests: int
    seed: str
    digest: str
    cap_id: str | None = None


def due_targets(connection: DuckDBPyConnection, provider: str) -> list[DueTarget]:
    """What has to be asked of the provider now, counted, ordered by prompt version, model and cap."""
    rows = connection.execute(
        f"""
        WITH {lacking(OPEN_ASKS + " AND provider = $1")}, {carried("b.provider = $1")}, {due()}
        SELECT prompt_version, model, sum(bit_count(bits))::BIGINT, min(seed),
               bit_xor(md5_number_lower(stem || '-' || bits))::VARCHAR, cap_id
        FROM due GROUP BY ALL ORDER BY prompt_version, model, cap_id NULLS FIRST
        """,
        [provider],
    ).fetchall()
    return [DueTarget(*row) for row in rows]


def due_tagging(connection: DuckDBPyConnection, provider: str, target: DueTarget | None = None) -> list[DueRequest]:
    """The requests that have to be asked of the provider now, or those of one target: equal ones once, ordered by
    prompt version, model and palette."""
    rows = connection.execute(
        f"""
        WITH {lacking(OPEN_ASKS + " AND provider = $provider AND ($model IS NULL OR model = $model)")},
             {carried("b.provider = $provider")}, {due()}
        SELECT {custom_id("stem")}, seed, prompt_version, model, analysis_index, {is_in("unpriced")}
        FROM due JOIN {ANALYSES} ON {is_in("bits")}
        WHERE $version IS NULL OR (prompt_version = $version AND cap_id IS NOT DISTINCT FROM $cap)
        ORDER BY prompt_version, model, seed, analysis_index
        """,
        {
            "provider": provider,
            "model": target.model if target else None,
            "version": target.prompt_version if target else None,
            "cap": target.cap_id if target else None,
        },
    ).fetchall()
    return [DueRequest(*row) for row in rows]


def share_answers(connection: DuckDBPyConnection) -> None:
    """Give palettes that wait for an answer the one that exists for the same request, free of charge."""
    connection.execute(
        f"""
        WITH {lacking(OPEN_ASKS)},
        best AS (
            SELECT * FROM palette_tags t WHERE {stem_of("t.custom_id")} IN (SELECT stem FROM lacking)
            QUALIFY row_number() OVER (PARTITION BY custom_id ORDER BY (error IS NOT NULL), created_at DESC) = 1
        )
        INSERT INTO palette_tags BY NAME
        SELECT b.* REPLACE (m.seed AS seed, m.prompt_version AS prompt_version, 0 AS cost_usd)
        FROM lacking m JOIN best b ON {stem_of("b.custom_id")} = m.stem AND {is_in("m.bits", "b.analysis_index")}
        WHERE b.error IS NULL OR m.retry_from IS NULL OR b.created_at >= m.retry_from
        {_KEEP_THE_BETTER}
        """
    )


def underway_tagging(
    connection: DuckDBPyConnection, provider: str, batch_ids: Sequence[str], among: Sequence[PaletteVersion] = ()
) -> list[Underway]:
    """Of the palettes in these batches (or equal to one of them) and those named: what leaves nothing due."""
    rows = connection.execute(
        """
        WITH concerned AS (
            SELECT a.seed, a.prompt_version FROM asks a JOIN palettes p USING (seed)
            WHERE a.purpose = 'tagging' AND a.provider = $provider AND p.palette_key IN (
                SELECT q.palette_key FROM batch_requests r JOIN palettes q USING (seed)
                WHERE r.batch_id IN (SELECT unnest($batches::VARCHAR[])))
            UNION SELECT unnest($seeds::VARCHAR[]), unnest($versions::VARCHAR[])
        ),
        requests AS (
            SELECT a.*, i.analysis_index,
                   p.palette_key || '-' || a.request_digest || '-' || lpad(i.analysis_index::VARCHAR, 2, '0')
                       AS custom_id
            FROM asks a JOIN concerned USING (seed, prompt_version) JOIN palettes p USING (seed),
                 unnest(range(a.analyses)) AS i(analysis_index)
            WHERE a.purpose = 'tagging' AND a.provider = $provider AND a.state <> 'stopped'
        ),
        carried AS (
            SELECT r.custom_id, any_value(r.batch_id) AS batch_id FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted') GROUP BY ALL
        )
        SELECT q.prompt_version, q.seed, count(*), count(t.seed),
               list(DISTINCT coalesce(c.batch_id, t.batch_id) ORDER BY 1)
        FROM requests q
        LEFT JOIN palette_tags t ON t.seed = q.seed AND t.prompt_version = q.prompt_version AND t.provider = q.provider
            AND t.model = q.model AND t.analysis_index = q.analysis_index AND t.custom_id = q.custom_id
            AND (t.error IS NULL OR q.retry_from IS NULL OR t.created_at >= q.retry_from)
        LEFT JOIN carried c ON c.custom_id = q.custom_id
        GROUP BY ALL HAVING bool_and(t.seed IS NOT NULL OR c.custom_id IS NOT NULL)
        ORDER BY 1, 2
        """,
        {
            "provider": provider,
            "batches": list(batch_ids),
            "seeds": [p.seed for p in among],
            "versions": [p.prompt_version for p in among],
        },
    ).fetchall()
    return [
        Underway(PaletteVersion(row[0], row[1]), row[2], row[3], tuple(b for b in row[4] if b is not None))
        for row in rows
    ]


def record_tags(connection: DuckDBPyConnection, records: Sequence[TagRecord]) -> None:
    """Insert answers and failures. An answer replaces a failure; a failure never replaces an answer to its request.

    What was asked in an older wording and comes late never replaces what the ask wants now.
    """
    insert_rows(connection, "palette_tags", records, f"{_NOT_OVERTAKEN} {_KEEP_THE_BETTER}")


_NOT_OVERTAKEN = """
    WHERE NOT EXISTS (
        SELECT 1 FROM palette_tags t JOIN palettes p USING (seed)
        JOIN asks a USING (seed, prompt_version, provider, model)
        WHERE t.seed = new_rows.seed AND t.prompt_version = new_rows.prompt_version
          AND t.provider = new_rows.provider AND t.model = new_rows.model
          AND t.analysis_index = new_rows.analysis_index AND t.custom_id <> new_rows.custom_id
          AND a.purpose = 'tagging' AND t.custom_id = p.palette_key || '-' || a.request_digest || '-'
              || lpad(t.analysis_index::VARCHAR, 2, '0'))
"""
_KEY = ("seed", "prompt_version", "provider", "model", "analysis_index")
_KEEP_THE_BETTER = (
    "ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{c} = excluded.{c}" for c in TagRecord.__dataclass_fields__ if c not in _KEY)
    + " WHERE palette_tags.error IS NOT NULL OR excluded.custom_id <> palette_tags.custom_id"
)


def close_finished_tagging(connection: DuckDBPyConnection, now: datetime) -> None:
    """Close the open tagging asks that miss nothing any more."""
    connection.execute(
        f"""
        WITH {lacking(OPEN_ASKS)}
        UPDATE asks SET state = 'closed', closed_at = $now
        WHERE purpose = 'tagging' AND state = 'open' AND NOT EXISTS (
            SELECT 1 FROM lacking u WHERE u.seed = asks.seed AND u.prompt_version = asks.prompt_version
               AND u.provider = asks.provider AND u.model = asks.model)
        """,
        {"now": now},
    )


def answered_but_open(connection: DuckDBPyConnection) -> list[PaletteVersion]:
    """Palettes with an open tagging ask that misses nothing: whoever stored the last answer ended before closing it."""
    rows = connection.execute(
        f"""
        WITH {lacking(OPEN_ASKS)}
        SELECT DISTINCT prompt_version, seed FROM asks
        WHERE purpose = 'tagging' AND state = 'open' AND NOT EXISTS (
            SELECT 1 FROM lacking u WHERE u.seed = asks.seed AND u.prompt_version = asks.prompt_version
               AND u.provider = asks.provider AND u.model = asks.model)
        ORDER BY ALL
        """
    ).fetchall()
    return [PaletteVersion(*row) for row in rows]


def complete_tagging(
    connection: DuckDBPyConnection, providers: Sequence[str], among: Sequence[PaletteVersion] | None = None
) -> list[Tagged]:
    """Palettes of which every one of `providers` was asked and no ask is open any more.

    Of those that are tagged adaptively, the settled ones: a provider counts as asked that has no part in their waves.
    """
    rows = connection.execute(
        """
        WITH chosen AS (SELECT unnest($seeds::VARCHAR[]) AS seed, unnest($versions::VARCHAR[]) AS prompt_version),
        complete AS (
            SELECT a.seed, a.prompt_version FROM asks a LEFT JOIN tagging_waves w USING (seed, prompt_version)
            WHERE a.purpose = 'tagging'
              AND ($everything OR (a.seed, a.prompt_version) IN (SELECT (seed, prompt_version) FROM chosen))
            GROUP BY ALL
            HAVING bool_and(a.state <> 'open') AND bool_and(w.state IS DISTINCT FROM 'open') AND list_has_all(
                list_concat(list(DISTINCT a.provider), coalesce(any_value(w.providers), [])), $providers::VARCHAR[])
        )
        SELECT c.prompt_version, c.seed, count(*) FILTER (t.seed IS NOT NULL AND t.error IS NULL),
               count(*) FILTER (t.error IS NOT NULL),
               count(DISTINCT t.model) FILTER (t.error IS NULL), coalesce(sum(t.cost_usd), 0), min(t.error)
        FROM complete c LEFT JOIN palette_tags t USING (seed, prompt_version)
        GROUP BY ALL ORDER BY 1, 2
        """,
        {
            "everything": among is None,
            "seeds": [p.seed for p in among or ()],
            "versions": [p.prompt_version for p in among or ()],
            "providers": list(providers),
        },
    ).fetchall()
    return [Tagged(PaletteVersion(row[0], row[1]), *row[2:]) for row in rows]


def answers(connection: DuckDBPyConnection, among: Sequence[PaletteVersion]) -> list[AnswerRecord]:
    """What the usable answers for these palettes say, in a fixed order."""
    columns = ", ".join(f"t.{c}" for c in AnswerRecord.__dataclass_fields__)
    rows = connection.execute(
        f"""
        WITH chosen AS (SELECT unnest($1::VARCHAR[]) AS seed, unnest($2::VARCHAR[]) AS prompt_version)
        SELECT {columns} FROM palette_tags t JOIN chosen USING (seed, prompt_version) WHERE t.error IS NULL
        ORDER BY t.prompt_version, t.seed, t.provider, t.model, t.analysis_index
        """,
        [[p.seed for p in among], [p.prompt_version for p in among]],
    ).fetchall()
    return [AnswerRecord(*row) for row in rows]


def record_consensus(connection: DuckDBPyConnection, records: Sequence[ConsensusRecord]) -> None:
    """Insert or replace the consensus of these palettes."""
    updates = ", ".join(
        f"{c} = excluded.{c}" for c in ConsensusRecord.__dataclass_fields__ if c not in ("seed", "prompt_version")
    )
    insert_rows(connection, "tag_consensus", records, f"ON CONFLICT DO UPDATE SET {updates}")


def consensus(connection: DuckDBPyConnection, among: Sequence[PaletteVersion]) -> list[ConsensusRecord]:
    """The recorded consensus of these palettes; those without one are not in the result."""
    columns = ", ".join(ConsensusRecord.__dataclass_fields__)
    rows = connection.execute(
        f"""
        WITH chosen AS (SELECT unnest($1::VARCHAR[]) AS seed, unnest($2::VARCHAR[]) AS prompt_version)
        SELECT {columns} FROM tag_consensus JOIN chosen USING (seed, prompt_version) ORDER BY prompt_version, seed
        """,
        [[p.seed for p in among], [p.prompt_version for p in among]],
    ).fetchall()
    return [ConsensusRecord(*row) for row in rows]


def some_consensus(connection: DuckDBPyConnection, most: int) -> list[ConsensusRecord]:
    """At most so many of the recorded consensus, the newest."""
    columns = ", ".join(ConsensusRecord.__dataclass_fields__)
    rows = connection.execute(
        f"SELECT {columns} FROM tag_consensus ORDER BY created_at DESC, seed LIMIT $1", [most]
    ).fetchall()
    return [ConsensusRecord(*row) for row in rows]


def without_current_consensus(connection: DuckDBPyConnection, tagged: Sequence[Tagged]) -> list[Tagged]:
    """Those of the completely tagged palettes whose consensus is missing, older than an answer, or counts others.

    The age alone does not tell: an answer taken over from equal colours is as old as it was there.
    """
    keys = [t.partition for t in tagged if t.answers]
    rows = connection.execute(
        """
        WITH chosen AS (SELECT unnest($1::VARCHAR[]) AS seed, unnest($2::VARCHAR[]) AS prompt_version),
        newest AS (
            SELECT seed, prompt_version, max(created_at) AS answered_at, count(*) AS answers FROM palette_tags
            WHERE error IS NULL GROUP BY ALL
        )
        SELECT n.prompt_version, n.seed FROM chosen JOIN newest n USING (seed, prompt_version)
        LEFT JOIN tag_consensus c USING (seed, prompt_version)
        WHERE c.seed IS NULL OR c.created_at < n.answered_at OR c.answers <> n.answers
        """,
        [[p.seed for p in keys], [p.prompt_version for p in keys]],
    ).fetchall()
    stale = {PaletteVersion(*row) for row in rows}
    return [t for t in tagged if t.partition in stale]
