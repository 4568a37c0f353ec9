"""The table asks: which answers are wanted from which model.

An ask means "this model, about this subject, under this prompt version, so many times". It is open until every answer
has arrived or is known not to come, and then closed. A provider or model that cannot be used stops its asks, with the
reason. To ask again for a closed ask costs nothing: it opens, misses nothing, and closes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from grabient_assets.ledger.identity import identified, stem, stem_of
from grabient_assets.warehouse.rows import utf8
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose, Purposes
    from grabient_assets.registry.model import Delivery


@dataclass(frozen=True, slots=True)
class AskTarget:
    """A model as it would be asked: `request_digest` covers model, prompt text, schema and parameters."""

    provider: str
    model: str
    request_digest: str


@dataclass(frozen=True, slots=True)
class SubjectVersion:
    """A subject under a prompt version: one partition of what is asked about it."""

    prompt_version: str
    subject: str


@dataclass(frozen=True, slots=True)
class AskTerms:
    """The terms of an ask. The latest ask decides all four.

    With `chained`, the next step follows automatically once all answers have arrived. With `allow_unpriced`, the
    requests may be sent at an unknown price; with `despite_checks`, although a check withholds the subject; under
    `cap_id`, only within that cap.
    """

    chained: bool = False
    allow_unpriced: bool = False
    despite_checks: bool = False
    cap_id: str | None = None


USUAL_TERMS = AskTerms()


def by_version(wanted: Iterable[SubjectVersion]) -> dict[str, list[SubjectVersion]]:
    """The subjects of each prompt version, in order."""
    found: dict[str, list[SubjectVersion]] = {}
    for one in wanted:
        found.setdefault(one.prompt_version, []).append(one)
    return found


def chosen(subject: str = "subject") -> str:
    """Common table expression `chosen`, of what `named` names; `subject` is what its column is called."""
    columns = f"unnest($subjects::VARCHAR[]) AS {subject}, unnest($versions::VARCHAR[]) AS prompt_version"
    return f"chosen AS (SELECT {columns})"


def named(among: Iterable[SubjectVersion]) -> dict[str, Any]:
    """The parameters of `chosen`."""
    listed = list(among)
    return {"subjects": [one.subject for one in listed], "versions": [one.prompt_version for one in listed]}


_ASKED_AGAIN = """
    ON CONFLICT DO UPDATE SET
        subject_key = excluded.subject_key, request_digest = excluded.request_digest, rests_on = excluded.rests_on,
        basis = excluded.basis, stem = excluded.stem,
        delivery = excluded.delivery, analyses = greatest(analyses, excluded.analyses), chained = excluded.chained,
        allow_unpriced = excluded.allow_unpriced, despite_checks = excluded.despite_checks,
        cap_id = excluded.cap_id,
        state = 'open', reason = NULL, closed_at = NULL, asked_at = excluded.asked_at,
        retry_from = coalesce(excluded.retry_from, retry_from)
"""


def asking(wanted: str, purpose: Purpose) -> str:
    """Statement that asks everything in the relation `wanted`: the columns of `asks` besides those of the identity."""
    return f"INSERT INTO asks BY NAME {identified(wanted, purpose)} {_ASKED_AGAIN}"


def record_asks(
    connection: DuckDBPyConnection,
    purpose: Purpose,
    wanted: Sequence[SubjectVersion],
    targets: Sequence[AskTarget],
    analyses: int,
    now: datetime,
    terms: AskTerms = USUAL_TERMS,
    *,
    retry: bool = False,
    delivery: Delivery | None = None,
) -> None:
    """Request `analyses` answers of every target about every subject. Idempotent.

    With `retry`, failures count as missing. The requests go out by this `delivery`, or by the purpose's default.
    """
    requests = f"""
        WITH {chosen()}
        SELECT $purpose AS purpose, s.subject, s.prompt_version, t.provider, t.model, t.request_digest,
               $delivery AS delivery, $analyses AS analyses, $chained AS chained, $allow_unpriced AS allow_unpriced,
               $despite_checks AS despite_checks, $cap_id AS cap_id, 'open' AS state,
               $now AS asked_at,
               CASE WHEN $retry THEN $now END AS retry_from
        FROM chosen AS s
        CROSS JOIN (SELECT unnest($providers::VARCHAR[]) AS provider, unnest($models::VARCHAR[]) AS model,
                           unnest($digests::VARCHAR[]) AS request_digest) AS t
    """
    connection.execute(
        asking(requests, purpose),
        {
            "purpose": purpose.name,
            **named(wanted),
            "providers": [t.provider for t in targets],
            "models": [t.model for t in targets],
            "digests": [t.request_digest for t in targets],
            "analyses": analyses,
            "now": now,
            "retry": retry,
            **asdict(terms),
            "delivery": delivery or purpose.delivery,
        },
    )


def renewed_identity(table: str, found: str) -> str:
    """Statement that renews the identity of the asks that rest on `table`.

    `found` is a relation (subject, prompt_version, basis) of the present contents, null for rows that are gone. The
    statement belongs into the transaction that writes the table: an ask with an old basis would be sent under the wrong
    identity.
    """
    return f"""
        UPDATE asks SET basis = f.basis, stem = {stem("asks.subject_key", "asks.request_digest", "f.basis")}
        FROM ({found}) AS f
        WHERE asks.rests_on = '{table}' AND asks.subject = f.subject AND asks.prompt_version = f.prompt_version
          AND asks.basis IS DISTINCT FROM f.basis
    """


def set_terms(
    connection: DuckDBPyConnection,
    purpose: str,
    terms: str,
    columns: Sequence[str],
    parameters: Mapping[str, Any],
    *,
    open_only: bool = False,
) -> None:
    """Set these terms on the asks of the purpose. `terms` is a relation of subject, prompt_version and the columns."""
    connection.execute(
        f"""
        UPDATE asks SET {", ".join(f"{name} = f.{name}" for name in columns)} FROM ({terms}) AS f
        WHERE asks.purpose = '{purpose}' AND asks.subject = f.subject AND asks.prompt_version = f.prompt_version
          AND (NOT {open_only} OR asks.state = 'open')
        """,
        dict(parameters),
    )


def close_asks(connection: DuckDBPyConnection, tables: str, which: str, now: datetime) -> None:
    """Close the asks for which the condition `which` holds, over the common table expressions `tables`."""
    connection.execute(f"WITH {tables} UPDATE asks SET state = 'closed', closed_at = $now WHERE {which}", {"now": now})


def close_stopped(connection: DuckDBPyConnection, answered: str, parameters: Mapping[str, Any]) -> None:
    """Close stopped asks that are answered all the same. `answered` is a relation with the columns of `asks`."""
    connection.execute(
        f"""
        UPDATE asks SET state = 'closed', reason = NULL FROM ({answered}) AS n
        WHERE asks.purpose = n.purpose AND asks.subject = n.subject AND asks.prompt_version = n.prompt_version
          AND asks.provider = n.provider AND asks.model = n.model
        """,
        dict(parameters),
    )


def forget_earlier_targets(connection: DuckDBPyConnection, purpose: str, among: Sequence[SubjectVersion]) -> None:
    """Remove the asks about these subjects that are older than the latest one and not open: for a purpose that asks one
    model about each subject."""
    connection.execute(
        f"""
        WITH {chosen()}, latest AS (
            SELECT subject, prompt_version, max(asked_at) AS asked_at
            FROM asks JOIN chosen USING (subject, prompt_version) WHERE purpose = $purpose GROUP BY ALL
        )
        DELETE FROM asks USING latest AS l
        WHERE asks.purpose = $purpose AND asks.subject = l.subject AND asks.prompt_version = l.prompt_version
          AND asks.asked_at < l.asked_at AND asks.state <> 'open'
        """,
        {**named(among), "purpose": purpose},
    )


def stop_failed(
    connection: DuckDBPyConnection, purpose: str, failed: Sequence[tuple[SubjectVersion, str]], now: datetime
) -> None:
    """Stop the asks about these subjects, with the reason: their stored answer may be an older one that still stands.
    An ask that was stopped with its whole model keeps that reason."""
    connection.execute(
        """
        UPDATE asks SET state = 'stopped', reason = f.reason, closed_at = $now
        FROM (SELECT unnest($subjects::VARCHAR[]) AS subject, unnest($versions::VARCHAR[]) AS prompt_version,
                     unnest($reasons::VARCHAR[]) AS reason) AS f
        WHERE asks.purpose = $purpose AND asks.subject = f.subject AND asks.prompt_version = f.prompt_version
          AND asks.state <> 'stopped'
        """,
        {
            **named(one for one, _ in failed),
            "reasons": [utf8(reason) for _, reason in failed],
            "now": now,
            "purpose": purpose,
        },
    )


def unchain(connection: DuckDBPyConnection, purpose: str, among: Sequence[SubjectVersion]) -> None:
    """No step follows the asks about these subjects automatically any more, until they are asked about again."""
    connection.execute(
        f"""
        WITH {chosen()}
        UPDATE asks SET chained = false
        WHERE purpose = $purpose AND (subject, prompt_version) IN (SELECT (subject, prompt_version) FROM chosen)
        """,
        {**named(among), "purpose": purpose},
    )


def stop_asks(
    connection: DuckDBPyConnection,
    purpose: str,
    provider: str,
    model: str | None,
    reason: str,
    now: datetime,
    *,
    spare_unpriced: bool = False,
    delivery: Delivery | None = None,
) -> int:
    """Stop the open asks of a provider, or of one of its models, in one delivery or in both; returns how many.

    With `spare_unpriced`, those that may be sent at an unknown price stay open.
    """
    row = connection.execute(
        """
        UPDATE asks SET state = 'stopped', reason = $reason, closed_at = $now
        WHERE state = 'open' AND purpose = $purpose AND provider = $provider AND ($model IS NULL OR model = $model)
          AND NOT ($spare_unpriced AND allow_unpriced) AND ($delivery IS NULL OR delivery = $delivery)
        """,
        {
            "reason": utf8(reason),
            "now": now,
            "purpose": purpose,
            "provider": provider,
            "model": model,
            "spare_unpriced": spare_unpriced,
            "delivery": delivery,
        },
    ).fetchone()
    return int(row[0]) if row else 0


def stop_subjects(
    connection: DuckDBPyConnection, purposes: Sequence[str], subjects: Sequence[str], reason: str, now: datetime
) -> None:
    """Stop the open asks of these purposes about these subjects, of every model."""
    connection.execute(
        """
        UPDATE asks SET state = 'stopped', reason = $3, closed_at = $4
        WHERE state = 'open' AND list_contains($1::VARCHAR[], purpose) AND list_contains($2::VARCHAR[], subject)
        """,
        [list(purposes), list(subjects), utf8(reason), now],
    )


def no_longer_asked(connection: DuckDBPyConnection, custom_ids: Sequence[str]) -> set[str]:
    """Those of the requests for which no ask is open any more."""
    rows = connection.execute(
        f"""
        SELECT custom_id FROM (SELECT unnest($1::VARCHAR[]) AS custom_id) r
        ANTI JOIN asks a ON a.state = 'open' AND a.stem = {stem_of("r.custom_id")}
        """,
        [list(custom_ids)],
    ).fetchall()
    return {row[0] for row in rows}


@dataclass(frozen=True, slots=True)
class OpenTarget:
    """The open asks of a purpose for one model under one prompt version, by the digest they were made with."""

    purpose: str
    prompt_version: str
    provider: str
    model: str
    request_digest: str


def open_targets(connection: DuckDBPyConnection, purpose: str, provider: str) -> list[OpenTarget]:
    """The different targets of the open asks at a provider."""
    rows = connection.execute(
        """
        SELECT DISTINCT purpose, prompt_version, provider, model, request_digest FROM asks
        WHERE state = 'open' AND purpose = $1 AND provider = $2 ORDER BY ALL
        """,
        [purpose, provider],
    ).fetchall()
    return [OpenTarget(*row) for row in rows]


def stop_target(connection: DuckDBPyConnection, target: OpenTarget, reason: str, now: datetime) -> None:
    """Stop exactly the open asks of this target."""
    connection.execute(
        """
        UPDATE asks SET state = 'stopped', reason = $reason, closed_at = $now
        WHERE state = 'open' AND purpose = $purpose AND prompt_version = $prompt_version AND provider = $provider
          AND model = $model AND request_digest = $request_digest
        """,
        {
            "reason": utf8(reason),
            "now": now,
            "purpose": target.purpose,
            "prompt_version": target.prompt_version,
            "provider": target.provider,
            "model": target.model,
            "request_digest": target.request_digest,
        },
    )


def stopped_subjects(
    connection: DuckDBPyConnection, purpose: str, provider: str, since: datetime
) -> list[SubjectVersion]:
    """The subjects that had asks of the provider stopped since then."""
    rows = connection.execute(
        """
        SELECT DISTINCT prompt_version, subject FROM asks
        WHERE purpose = $1 AND provider = $2 AND state = 'stopped' AND closed_at >= $3 ORDER BY ALL
        """,
        [purpose, provider, since],
    ).fetchall()
    return [SubjectVersion(*row) for row in rows]


def asked_subjects(connection: DuckDBPyConnection) -> set[str]:
    """The subjects that some model was asked about, whatever the result."""
    return {row[0] for row in connection.execute("SELECT DISTINCT subject FROM asks").fetchall()}


@dataclass(frozen=True, slots=True)
class StoppedAsks:
    """The asks that were stopped for one reason and not asked again since, with the number of subjects; `noun` is what
    one subject is called.

    `failed`: it failed for these subjects alone; the model goes on with the others.
    """

    noun: str
    provider: str
    model: str
    reason: str
    subjects: int
    failed: bool

    @property
    def sentence(self) -> str:
        """The provider or model that is stopped, the number of subjects, and the reason."""
        subjects = counted(self.subjects, self.noun)
        if self.failed:
            return f"Failed: {subjects} with {self.model} of {self.provider}. {self.reason.rstrip('.')}."
        return f"Stopped: {self.model} of {self.provider}, {subjects}. {self.reason}"


def stopped_asks(
    connection: DuckDBPyConnection, purposes: Purposes, since: datetime | None = None
) -> list[StoppedAsks]:
    """Everything that is stopped now, or was stopped since then, by provider, model and reason."""
    stopped = " UNION ALL ".join(
        f"""
        SELECT '{purpose.noun}' AS noun, a.provider, a.model, a.reason, a.subject, t.error IS NOT NULL AS failed
        FROM asks a LEFT JOIN {purpose.table.name} t ON t.{purpose.table.subject} = a.subject
            AND t.{purpose.table.version} = a.prompt_version AND t.error = a.reason
        WHERE a.purpose = '{purpose.name}' AND a.state = 'stopped' AND ($1 IS NULL OR a.closed_at >= $1)
        """
        for purpose in purposes.values()
    )
    rows = connection.execute(
        f"""
        SELECT noun, provider, model, reason, count(DISTINCT subject), bool_and(failed) FROM ({stopped})
        GROUP BY ALL ORDER BY provider, model, reason, noun
        """,
        [since],
    ).fetchall()
    return [StoppedAsks(*row) for row in rows]
