"""The progress of the requests at a provider, subject by subject, and the asks that failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import AskTarget, AskTerms, SubjectVersion, chosen, named
from grabient_assets.ledger.due import finished, lacking, open_asks
from grabient_assets.ledger.identity import custom_id, key_of, stem_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose


@dataclass(frozen=True, slots=True)
class AskedProgress:
    """The progress of the requests about a subject at one provider.

    Of `requests`, `answered` have an answer, of which `unusable` cannot be used; `carried` are with the provider;
    `stopped` are not asked any more. The rest is due. `reason` explains why something is stopped or unusable.
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


def asked_progress(
    connection: DuckDBPyConnection,
    purpose: Purpose,
    provider: str,
    batch_ids: Sequence[str],
    among: Sequence[SubjectVersion] = (),
) -> list[AskedProgress]:
    """The progress at the provider of the subjects in these batches (or equal to one of them) and of the subjects
    named. A subject without requests there is left out, and so is one under another prompt version, unless it waits for
    the same request."""
    table = purpose.table
    rows = connection.execute(
        f"""
        WITH {chosen()}, sent AS (
            SELECT DISTINCT {key_of("r.custom_id")} AS subject_key, {stem_of("r.custom_id")} AS stem, b.prompt_version
            FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE r.batch_id IN (SELECT unnest($batches::VARCHAR[]))
        ),
        concerned AS (
            SELECT a.subject, a.prompt_version FROM asks a JOIN sent s USING (subject_key, prompt_version)
            WHERE a.purpose = $purpose AND a.provider = $provider
            UNION SELECT a.subject, a.prompt_version FROM asks a JOIN sent s USING (stem)
            WHERE a.purpose = $purpose AND a.provider = $provider
            UNION FROM chosen
        ),
        requests AS (
            SELECT a.*, i.analysis_index, {custom_id("a.stem", "i.analysis_index")} AS custom_id
            FROM asks a JOIN concerned USING (subject, prompt_version),
                 unnest(range(a.analyses)) AS i(analysis_index)
            WHERE a.purpose = $purpose AND a.provider = $provider
        ),
        carried AS (
            SELECT r.custom_id, any_value(r.batch_id) AS batch_id FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted') GROUP BY ALL
        ),
        -- A join of its own: an outer join with OR in its condition compares every request with every answer.
        answers AS (
            SELECT q.subject, q.prompt_version, q.custom_id, t.batch_id, t.error
            FROM requests q JOIN {table.name} t ON t.{table.subject} = q.subject
                AND t.{table.version} = q.prompt_version AND t.custom_id = q.custom_id
            WHERE t.error IS NULL OR q.retry_from IS NULL OR t.created_at >= q.retry_from
        ),
        found AS (
            SELECT q.prompt_version, q.subject, coalesce(c.batch_id, t.batch_id) AS batch_id, t.error,
                   CASE WHEN t.custom_id IS NOT NULL THEN 'answered' WHEN c.custom_id IS NOT NULL THEN 'carried'
                        WHEN q.state = 'stopped' THEN 'stopped' ELSE 'due' END AS state,
                   CASE WHEN q.state = 'stopped' THEN q.reason END AS reason
            FROM requests q LEFT JOIN answers t USING (subject, prompt_version, custom_id)
            LEFT JOIN carried c ON c.custom_id = q.custom_id
        )
        SELECT prompt_version, subject, count(*), count(*) FILTER (state = 'answered'),
               count(*) FILTER (state = 'answered' AND error IS NOT NULL), count(*) FILTER (state = 'carried'),
               count(*) FILTER (state = 'stopped'),
               coalesce(min(reason) FILTER (state = 'stopped'), min(error) FILTER (state = 'answered')),
               list(DISTINCT batch_id ORDER BY batch_id) FILTER (batch_id IS NOT NULL)
        FROM found GROUP BY ALL ORDER BY 1, 2
        """,
        {
            "purpose": purpose.name,
            "provider": provider,
            "batches": list(batch_ids),
            **named(among),
        },
    ).fetchall()
    return [AskedProgress(SubjectVersion(row[0], row[1]), *row[2:8], batches=tuple(row[8] or ())) for row in rows]


def answered_but_open(connection: DuckDBPyConnection, purpose: Purpose) -> list[SubjectVersion]:
    """Subjects with an open ask that misses nothing: the process that stored the last answer ended before it closed the
    ask."""
    rows = connection.execute(
        f"""
        WITH {lacking(open_asks(purpose), purpose.table)}
        SELECT DISTINCT prompt_version, subject FROM asks WHERE {finished(purpose)} ORDER BY ALL
        """
    ).fetchall()
    return [SubjectVersion(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a subject has failed. `since` distinguishes this failure from an earlier one of the same subject."""

    reason: str
    since: str


@dataclass(frozen=True, slots=True)
class FailedAsk:
    """An ask that is to be asked again: stopped, or answered with something unusable; and the terms it was asked on.
    `missing` requests have no usable answer."""

    partition: SubjectVersion
    target: AskTarget
    terms: AskTerms
    failures: int
    stopped: bool
    missing: int


def asked_again(connection: DuckDBPyConnection, purposes: Collection[str]) -> dict[SubjectVersion, tuple[bool, bool]]:
    """The subjects of these purposes that were asked about again after a failure: whether any of their asks is open,
    and whether the next step follows."""
    rows = connection.execute(
        """
        SELECT prompt_version, subject, bool_or(state = 'open'), bool_or(chained) FROM asks
        WHERE purpose IN (SELECT unnest($1::VARCHAR[]))
        GROUP BY ALL HAVING bool_or(retry_from IS NOT NULL) ORDER BY ALL
        """,
        [list(purposes)],
    ).fetchall()
    return {SubjectVersion(version, subject): (is_open, chained) for version, subject, is_open, chained in rows}


def failed_asks(connection: DuckDBPyConnection, purpose: Purpose, prompt_version: str | None) -> list[FailedAsk]:
    """Asks of the purpose that were stopped or have unusable answers, under one prompt version or all."""
    table = purpose.table
    usable = f"t.{table.subject} IS NOT NULL AND t.error IS NULL AND {table.analysis_of('t')} < a.analyses"
    # Where the newest answer stands, it may be one to an earlier request.
    answered = "0" if table.newest_stands else f"count(*) FILTER ({usable})"
    rows = connection.execute(
        f"""
        SELECT a.prompt_version, a.subject, a.provider, a.model, a.request_digest, a.chained, a.allow_unpriced,
               a.despite_checks, a.cap_id, count(t.error), a.state = 'stopped', a.analyses - {answered}
        FROM asks a LEFT JOIN {table.name} t ON {table.is_of_ask("t", "a")}
        WHERE a.purpose = $purpose AND ($version IS NULL OR a.prompt_version = $version)
        GROUP BY a.prompt_version, a.subject, a.provider, a.model, a.request_digest, a.chained, a.allow_unpriced,
                 a.despite_checks, a.cap_id, a.state, a.analyses
        HAVING count(t.error) > 0 OR a.state = 'stopped' ORDER BY ALL
        """,
        {"purpose": purpose.name, "version": prompt_version},
    ).fetchall()
    return [FailedAsk(SubjectVersion(*row[:2]), AskTarget(*row[2:5]), AskTerms(*row[5:9]), *row[9:]) for row in rows]
