"""The plan: what sending would do if subjects were asked about. It is counted in SQL, and nothing is written.

The rule is that of sending (due.py), over hypothetical asks: those of the chosen subjects on top of the open ones. It
goes model by model, so that a panel of ten needs the memory of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from grabient_assets.ledger.asks import AskTarget
from grabient_assets.ledger.due import carried, due, lacking
from grabient_assets.ledger.identity import bit, identified, is_in, stem_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import AnswerTable, Purpose

REASONS = (
    "stopped",  # asked before, and stopped by provider, model or price
    "retried",  # failed, and asked again by `grabient retry`
    "unanswered",  # carried by a batch that ended without an answer: expired, missing, mixed up
    "put_off",  # in a batch that the provider did not take
    "changed_basis",  # answered before, resting on something that reads otherwise now
    "changed_prompt",  # asked before in another wording, with other parameters, or under another version
    "more_analyses",  # asked before, but not so often
    "waiting",  # asked before and not sent yet
    "new_model",  # the subject is known under this version, the model was never asked
    "new_subject",  # never asked before
    "basis_to_come",  # what it rests on is still to come, so nothing is known of it; counted by its group
)
COUNTED = REASONS[:-1]


@dataclass(frozen=True, slots=True)
class DueLines:
    """What goes to one model under one prompt version and one cap, in the order of sending: subject after subject its
    place in the purpose's `sizes`, the number of requests, and its bytes in each."""

    prompt_version: str
    cap_id: str | None
    places: Any
    requests: Any
    subject_bytes: Any


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """The requests to one model, by their state.

    Of the chosen subjects: `cached` are answered, there or for an equal one; `failed` have an answer that cannot be
    used; `in_flight` are in open batches; `equal` are answered together with the same request of another subject;
    `missing` would be sent, by reason in the order of REASONS. `also_due` is sent with them: it was asked for before.
    `stopped`: why missing requests were stopped, with how many requests.
    """

    cached: int
    failed: int
    in_flight: int
    equal: int
    missing: Mapping[str, int]
    also_due: int = 0
    stopped: Mapping[str, int] = field(default_factory=dict)
    lines: tuple[DueLines, ...] = ()


@contextmanager
def planning(
    connection: DuckDBPyConnection, purpose: Purpose, asked: Sequence[str], others: Sequence[str] = ()
) -> Iterator[None]:
    """Create the tables that the plans of all models share: the subjects that would be asked about, and `others` that
    were chosen and lack nothing. Temporary tables only."""
    import pandas

    # Passed as a frame, because DuckDB takes twenty times as long for 100,000 strings that come as a parameter.
    subjects = pandas.Series([*asked, *others], dtype="object")
    idle = [False] * len(asked) + [True] * len(others)
    connection.register("new_chosen", pandas.DataFrame({"subject": subjects, "idle": idle}))
    connection.execute(
        "CREATE TEMP TABLE chosen AS SELECT subject::VARCHAR AS subject, idle::BOOLEAN AS idle FROM new_chosen"
    )
    connection.unregister("new_chosen")
    connection.execute(f"CREATE TEMP TABLE subject_sizes AS {purpose.sizes}")
    connection.execute(
        """
        CREATE TEMP TABLE asked_before AS SELECT DISTINCT subject, prompt_version FROM asks
        SEMI JOIN chosen USING (subject) WHERE purpose = $1
        """,
        [purpose.name],
    )
    try:
        yield
    finally:
        connection.execute("DROP TABLE chosen; DROP TABLE subject_sizes; DROP TABLE asked_before")


@contextmanager
def planning_due(connection: DuckDBPyConnection, purpose: Purpose, provider: str) -> Iterator[dict[str, list[str]]]:
    """Create the tables that the plans of all models of a provider share when nothing more is asked for. Temporary
    tables only.

    The chosen asks are those open at the provider, and those recorded together with one of them. Returns their prompt
    versions by model.
    """
    connection.execute(f"CREATE TEMP TABLE subject_sizes AS {purpose.sizes}")
    connection.execute(
        """
        CREATE TEMP TABLE due_asks AS SELECT * FROM asks
        WHERE purpose = $1 AND provider = $2 AND state <> 'stopped' AND asked_at IN (
            SELECT asked_at FROM asks WHERE purpose = $1 AND provider = $2 AND state = 'open')
        """,
        [purpose.name, provider],
    )
    table = purpose.table
    connection.execute(
        f"""
        CREATE TEMP TABLE asked_before AS
        SELECT DISTINCT d.subject, t.{table.version} AS prompt_version FROM {table.name} t
        JOIN (SELECT DISTINCT subject FROM due_asks) d ON d.subject = t.{table.subject}
        """
    )
    try:
        rows = connection.execute("SELECT model, list(DISTINCT prompt_version) FROM due_asks GROUP BY 1").fetchall()
        yield {model: sorted(versions) for model, versions in rows}
    finally:
        connection.execute("DROP TABLE due_asks; DROP TABLE subject_sizes; DROP TABLE asked_before")


def _planned(purpose: Purpose) -> str:
    """The hypothetical asks of one model. `$current` are "version digest" of the prompts that may be sent."""
    chosen = identified(
        "SELECT subject, idle, $version AS prompt_version, $digest AS request_digest FROM chosen", purpose
    )
    return f"""
        SELECT c.subject, c.prompt_version, $provider AS provider, $model AS model, c.stem,
               CASE WHEN c.idle THEN $analyses
                    ELSE greatest(coalesce(a.analyses, 0), $analyses) END::INTEGER AS analyses,
               a.retry_from, coalesce(a.allow_unpriced, false) AS allow_unpriced, NULL::VARCHAR AS cap_id,
               true AS chosen, c.idle, a.state, a.reason, coalesce(a.basis <> c.basis, false) AS rebased,
               a.request_digest IS NOT NULL AS was_asked, a.request_digest <> $digest AS reworded,
               coalesce(a.analyses, 0) AS analyses_before
        FROM ({chosen}) c LEFT JOIN asks a ON a.purpose = '{purpose.name}' AND a.subject = c.subject
            AND a.prompt_version = $version AND a.provider = $provider AND a.model = $model
        UNION ALL
        SELECT subject, prompt_version, provider, model, stem, analyses, retry_from, allow_unpriced, cap_id, false,
               false, state, reason, false, true, false, analyses
        FROM asks
        WHERE purpose = '{purpose.name}' AND state = 'open' AND provider = $provider AND model = $model
          AND prompt_version || ' ' || request_digest IN (SELECT unnest($current::VARCHAR[]))
          AND NOT (prompt_version = $version AND subject IN (SELECT subject FROM chosen WHERE NOT idle))
    """


# The asks of one model as they are. What was asked before they were recorded shows in the answers alone.
_DUE = """
    SELECT subject, prompt_version, provider, model, stem, analyses, retry_from, allow_unpriced, cap_id,
           true AS chosen, state <> 'open' AS idle, state, reason, false AS rebased
    FROM due_asks
    WHERE model = $model AND provider = $provider
      AND prompt_version || ' ' || request_digest IN (SELECT unnest($current::VARCHAR[]))
"""
_HERE = "b.provider = $provider AND b.model = $model"
_EVER_SENT = f"""
    LEFT JOIN (
        SELECT {stem_of("r.custom_id")} AS stem, bit_or({bit("r.analysis_index")}) AS bits
        FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE {_HERE} GROUP BY 1
    ) AS s ON s.stem = a.stem
"""


def _asked_before(table: AnswerTable) -> str:
    """Further columns of `_DUE`; needs the join `_EVER_SENT`."""
    same = "".join(f" AND d.{name} = t.{name}" for name in table.asked_of)
    return f"""
        coalesce(h.answered | h.failed, 0) | coalesce(s.bits, 0) AS bits_known,
        bits_known <> 0 AS was_asked,
        CASE WHEN was_asked THEN length(bin(bits_known)) ELSE 0 END AS analyses_before,
        a.subject IN (
            SELECT d.subject FROM {table.name} t JOIN due_asks d ON d.subject = t.{table.subject}
                AND d.prompt_version = t.{table.version}{same}
            WHERE d.provider = $provider AND d.model = $model AND {stem_of("t.custom_id")} <> d.stem) AS reworded,
    """


def _asked_here(table: AnswerTable) -> str:
    """SQL condition on rows `t` of the table: they belong to this model."""
    return " AND ".join(f"t.{name} = ${name}" for name in table.asked_of)


def _planned_asks(table: AnswerTable, asks: str, before: str = "", known_by: str = "") -> str:
    """Statement that creates a table of the asks of this relation with their answers. `before` are further columns,
    from the further joins `known_by`.

    Answers of equal subjects count as `share_answers` takes them over.
    """
    return f"""
    CREATE OR REPLACE TEMP TABLE planned_asks AS
    WITH {lacking(asks, table)},
    elsewhere AS (
        SELECT {stem_of("t.custom_id")} AS stem, {table.analysis_of("t")} AS analysis_index,
               bool_or(t.error IS NULL) AS good, max(t.created_at) AS latest
        FROM {table.name} t
        WHERE {_asked_here(table)} AND {stem_of("t.custom_id")} IN (SELECT stem FROM lacking)
        GROUP BY ALL
    ),
    taken_over AS (
        SELECT l.ask, coalesce(bit_or({bit()}) FILTER (e.good), 0) AS answered,
               coalesce(bit_or({bit()}) FILTER (NOT e.good), 0) AS failed
        FROM lacking l JOIN elsewhere e ON e.stem = l.stem AND {is_in("l.bits")}
        WHERE e.good OR l.retry_from IS NULL OR e.latest >= l.retry_from
        GROUP BY l.ask
    )
    SELECT a.* EXCLUDE (provider, model, analyses), (1 << a.analyses) - 1 AS wanted, {before}
           ((1 << a.analyses) - 1) & (coalesce(h.answered, 0) | coalesce(t.answered, 0)) AS answered,
           ((1 << a.analyses) - 1) & (coalesce(h.failed, 0) | coalesce(t.failed, 0)) AS failed
    FROM asked a LEFT JOIN outcomes h USING (ask) LEFT JOIN taken_over t USING (ask) {known_by}
    """


_MISSING = "missing AS (SELECT *, wanted & ~(answered | failed) AS bits FROM planned_asks WHERE NOT idle)"

_CARRIED = f"CREATE OR REPLACE TEMP TABLE carried AS WITH {carried(_HERE)} FROM carried"
_PLANNED_DUE = f"CREATE OR REPLACE TEMP TABLE planned_due AS WITH {_MISSING}, {due('missing')} FROM due"

_STATES = """
    SELECT coalesce(sum(bit_count(CASE WHEN idle THEN answered | failed ELSE wanted END)), 0)::BIGINT,
           coalesce(sum(bit_count(answered)), 0)::BIGINT,
           coalesce(sum(bit_count(failed)), 0)::BIGINT,
           coalesce(sum(bit_count(wanted & ~(answered | failed) & coalesce(c.bits, 0))) FILTER (NOT idle), 0)::BIGINT
    FROM planned_asks LEFT JOIN carried c USING (stem) WHERE chosen
"""


def _reasons(table: AnswerTable) -> str:
    """Every bit has one reason, the first that fits."""
    return f"""
    WITH sent AS (
        SELECT {stem_of("r.custom_id")} AS stem,
               coalesce(bit_or({bit("r.analysis_index")}) FILTER (b.status = 'collected'), 0) AS unanswered,
               coalesce(bit_or({bit("r.analysis_index")}) FILTER (b.status <> 'collected'), 0) AS put_off
        FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE r.fate NOT IN ('succeeded', 'repaired') AND {_HERE} GROUP BY 1
    ),
    failures AS (
        SELECT d.ask, bit_or({bit(table.analysis_of("t"))}) AS bits
        FROM planned_due d JOIN {table.name} t ON t.{table.subject} = d.subject
            AND t.{table.version} = d.prompt_version
        WHERE d.retry_from IS NOT NULL AND t.error IS NOT NULL AND {_asked_here(table)}
          AND {stem_of("t.custom_id")} = d.stem GROUP BY 1
    ),
    found AS (
        SELECT d.chosen, d.bits AS bits_0, d.state IS NOT DISTINCT FROM 'stopped' AS was_stopped,
               d.rebased, d.reworded, d.was_asked, (1 << d.analyses_before) - 1 AS bits_before,
               coalesce(s.unanswered, 0) AS lost, coalesce(s.put_off, 0) AS deferred, coalesce(f.bits, 0) AS failures,
               h.subject IS NOT NULL AS here, d.subject IN (SELECT subject FROM asked_before) AS anywhere
        FROM planned_due d LEFT JOIN sent s USING (stem) LEFT JOIN failures f USING (ask)
        LEFT JOIN asked_before h ON h.subject = d.subject AND h.prompt_version = d.prompt_version
    ),
    reasons AS (
        SELECT chosen, CASE WHEN was_stopped THEN bits_0 ELSE 0 END AS stopped, bits_0 & ~stopped AS bits_1,
               bits_1 & failures AS retried, bits_1 & ~retried AS bits_2,
               bits_2 & lost AS unanswered, bits_2 & ~unanswered AS bits_3,
               bits_3 & deferred AS put_off, bits_3 & ~put_off AS bits_4,
               CASE WHEN rebased THEN bits_4 ELSE 0 END AS changed_basis, bits_4 & ~changed_basis AS bits_5,
               CASE WHEN reworded OR (anywhere AND NOT here) THEN bits_5 ELSE 0 END AS changed_prompt,
               bits_5 & ~changed_prompt AS bits_6,
               CASE WHEN was_asked THEN bits_6 & ~bits_before ELSE 0 END AS more_analyses,
               CASE WHEN was_asked THEN bits_6 & bits_before ELSE 0 END AS waiting,
               CASE WHEN NOT was_asked AND here THEN bits_6 ELSE 0 END AS new_model,
               CASE WHEN NOT was_asked AND NOT here THEN bits_6 ELSE 0 END AS new_subject
        FROM found
    )
    SELECT {", ".join(f"coalesce(sum(bit_count({reason})) FILTER (chosen), 0)::BIGINT" for reason in COUNTED)},
           (SELECT coalesce(sum(bit_count(bits)), 0)::BIGINT FROM planned_due WHERE NOT chosen)
    FROM reasons
    """


_STOPPED = """
    SELECT reason, sum(bit_count(bits))::BIGINT FROM planned_due
    WHERE chosen AND state = 'stopped' AND reason IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1
"""


def plan_target(
    connection: DuckDBPyConnection,
    purpose: Purpose,
    prompt_version: str,
    target: AskTarget,
    analyses: int,
    current: Mapping[str, str],
) -> TargetPlan:
    """The plan of one model, inside `planning`, if the chosen subjects were asked about `analyses` times.

    `current`: prompt version -> request digest that may be sent to it now; other open asks are stopped when sending.
    """
    at = {"provider": target.provider, "model": target.model}
    wish = {"version": prompt_version, "digest": target.request_digest, "analyses": analyses}
    asks = _planned_asks(purpose.table, _planned(purpose))
    connection.execute(asks, {**at, **wish, "current": _worded(current)})
    return _counted(connection, purpose.table, at, with_lines=True)


def plan_target_due(
    connection: DuckDBPyConnection, purpose: Purpose, provider: str, model: str, current: Mapping[str, str]
) -> TargetPlan:
    """The plan of one model, inside `planning_due`, if nothing more is asked for. `current` as for `plan_target`."""
    at = {"provider": provider, "model": model}
    asks = _planned_asks(purpose.table, _DUE, _asked_before(purpose.table), _EVER_SENT)
    connection.execute(asks, {**at, "current": _worded(current)})
    return _counted(connection, purpose.table, at, with_lines=True)


def count_asks(
    connection: DuckDBPyConnection, table: AnswerTable, target: AskTarget, asks: str, parameters: Mapping[str, Any]
) -> TargetPlan:
    """The outcome for the asks of this relation, which has the columns of `_planned`, without the lines.

    Needs the temporary table `asked_before` (subject, prompt_version): where anything was asked.
    """
    at = {"provider": target.provider, "model": target.model}
    connection.execute(_planned_asks(table, asks), {**_needed(at, table), **parameters})
    return _counted(connection, table, at, with_lines=False)


def _needed(at: Mapping[str, str], table: AnswerTable) -> dict[str, str]:
    return {name: value for name, value in at.items() if name in table.asked_of}


def _worded(current: Mapping[str, str]) -> list[str]:
    return [f"{version} {digest}" for version, digest in current.items()]


def _counted(
    connection: DuckDBPyConnection, table: AnswerTable, at: Mapping[str, str], *, with_lines: bool
) -> TargetPlan:
    connection.execute(_CARRIED, at)
    connection.execute(_PLANNED_DUE)
    wanted, cached, failed, in_flight = _row(connection, _STATES)
    *counts, also_due = _row(connection, _reasons(table), at)
    found = TargetPlan(
        cached=cached,
        failed=failed,
        in_flight=in_flight,
        equal=wanted - cached - failed - in_flight - sum(counts),
        missing=dict(zip(COUNTED, counts, strict=True)),
        also_due=also_due,
        stopped=dict(connection.execute(_STOPPED).fetchall()),
        lines=tuple(_lines(connection)) if with_lines else (),
    )
    connection.execute("DROP TABLE planned_asks; DROP TABLE carried; DROP TABLE planned_due")
    return found


def _row(connection: DuckDBPyConnection, query: str, parameters: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
    row = connection.execute(query, parameters or {}).fetchone()
    assert row is not None
    return row


def _lines(connection: DuckDBPyConnection) -> Iterator[DueLines]:
    groups = connection.execute(
        "SELECT DISTINCT prompt_version, cap_id FROM planned_due ORDER BY prompt_version, cap_id NULLS FIRST"
    ).fetchall()
    for version, cap in groups:
        found = connection.execute(
            """
            SELECT place, bit_count(bits)::INTEGER AS requests, bytes::INTEGER AS bytes
            FROM planned_due JOIN subject_sizes USING (subject)
            WHERE prompt_version = $1 AND cap_id IS NOT DISTINCT FROM $2 ORDER BY subject
            """,
            [version, cap],
        ).fetchnumpy()
        yield DueLines(version, cap, found["place"], found["requests"], found["bytes"])
