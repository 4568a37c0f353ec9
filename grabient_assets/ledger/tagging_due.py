"""What of the tagging asks nobody has answered and no batch is carrying, and what is under way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.identity import ANALYSES, custom_id, is_in, key_of
from grabient_assets.ledger.wanted import OPEN_ASKS, carried, due, lacking

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class DueRequest:
    """A tagging request that nobody has answered and no batch is carrying.

    `allow_unpriced`: somebody asked for it at whatever price.
    """

    custom_id: str
    subject: str
    prompt_version: str
    model: str
    analysis_index: int
    allow_unpriced: bool = False


@dataclass(frozen=True, slots=True)
class AskedOf:
    """How far the requests about a palette at one provider are.

    Of `requests`, `answered` have an answer, `unusable` of which cannot be used; `carried` are with the provider;
    `stopped` are not asked any more, for the `reason`. What is left is due.
    """

    partition: SubjectVersion
    requests: int
    answered: int
    unusable: int
    carried: int
    stopped: int
    reason: str | None
    batches: tuple[str, ...]

    @property
    def due(self) -> int:
        """How many wait to be sent."""
        return self.requests - self.answered - self.carried - self.stopped


@dataclass(frozen=True, slots=True)
class DueTarget:
    """The due requests of one model under one prompt version and one cap; `subject` is the first palette among them.

    `digest` changes when a request is added or taken away.
    """

    prompt_version: str
    model: str
    requests: int
    subject: str
    digest: str
    cap_id: str | None = None


def due_targets(connection: DuckDBPyConnection, provider: str) -> list[DueTarget]:
    """What has to be asked of the provider now, counted, ordered by prompt version, model and cap."""
    rows = connection.execute(
        f"""
        WITH {lacking(OPEN_ASKS + " AND provider = $1")}, {carried("b.provider = $1")}, {due()}
        SELECT prompt_version, model, sum(bit_count(bits))::BIGINT, min(subject),
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
        SELECT {custom_id("stem")}, subject, prompt_version, model, analysis_index, {is_in("unpriced")}
        FROM due JOIN {ANALYSES} ON {is_in("bits")}
        WHERE $version IS NULL OR (prompt_version = $version AND cap_id IS NOT DISTINCT FROM $cap)
        ORDER BY prompt_version, model, subject, analysis_index
        """,
        {
            "provider": provider,
            "model": target.model if target else None,
            "version": target.prompt_version if target else None,
            "cap": target.cap_id if target else None,
        },
    ).fetchall()
    return [DueRequest(*row) for row in rows]


def asked_tagging(
    connection: DuckDBPyConnection, provider: str, batch_ids: Sequence[str], among: Sequence[SubjectVersion] = ()
) -> list[AskedOf]:
    """How far the palettes in these batches (or equal to one of them) and those named are at the provider."""
    rows = connection.execute(
        f"""
        WITH concerned AS (
            SELECT a.subject, a.prompt_version FROM asks a
            WHERE a.purpose = 'tagging' AND a.provider = $provider AND a.subject_key IN (
                SELECT {key_of("r.custom_id")} FROM batch_requests r
                WHERE r.batch_id IN (SELECT unnest($batches::VARCHAR[])))
            UNION SELECT unnest($seeds::VARCHAR[]), unnest($versions::VARCHAR[])
        ),
        requests AS (
            SELECT a.*, i.analysis_index, {custom_id("a.stem", "i.analysis_index")} AS custom_id
            FROM asks a JOIN concerned USING (subject, prompt_version),
                 unnest(range(a.analyses)) AS i(analysis_index)
            WHERE a.purpose = 'tagging' AND a.provider = $provider
        ),
        carried AS (
            SELECT r.custom_id, any_value(r.batch_id) AS batch_id FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted') GROUP BY ALL
        ),
        found AS (
            SELECT q.prompt_version, q.subject, q.reason, coalesce(c.batch_id, t.batch_id) AS batch_id, t.error,
                   CASE WHEN t.seed IS NOT NULL THEN 'answered' WHEN c.custom_id IS NOT NULL THEN 'carried'
                        WHEN q.state = 'stopped' THEN 'stopped' ELSE 'due' END AS state
            FROM requests q
            LEFT JOIN palette_tags t ON t.seed = q.subject AND t.prompt_version = q.prompt_version
                AND t.provider = q.provider AND t.model = q.model AND t.analysis_index = q.analysis_index
                AND t.custom_id = q.custom_id
                AND (t.error IS NULL OR q.retry_from IS NULL OR t.created_at >= q.retry_from)
            LEFT JOIN carried c ON c.custom_id = q.custom_id
        )
        SELECT prompt_version, subject, count(*), count(*) FILTER (state = 'answered'),
               count(*) FILTER (state = 'answered' AND error IS NOT NULL), count(*) FILTER (state = 'carried'),
               count(*) FILTER (state = 'stopped'), min(reason) FILTER (state = 'stopped'),
               list(DISTINCT batch_id ORDER BY batch_id) FILTER (batch_id IS NOT NULL)
        FROM found GROUP BY ALL ORDER BY 1, 2
        """,
        {
            "provider": provider,
            "batches": list(batch_ids),
            "seeds": [p.subject for p in among],
            "versions": [p.prompt_version for p in among],
        },
    ).fetchall()
    return [AskedOf(SubjectVersion(row[0], row[1]), *row[2:8], batches=tuple(row[8] or ())) for row in rows]
