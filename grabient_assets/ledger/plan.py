"""What sending would do if palettes were asked for: counted in SQL, nothing is written.

The rule is that of sending (wanted.py), over asks as they would be: those of the chosen palettes on top of those that
are open. It goes model by model, so that a panel of ten needs the memory of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grabient_assets.ledger.asks import AskTarget
from grabient_assets.ledger.identity import bit, is_in, stem, stem_of
from grabient_assets.ledger.wanted import carried, due, lacking

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

REASONS = (
    "stopped",  # asked before, and stopped by provider, model or price
    "retried",  # failed, and asked again by `grabient retry`
    "unanswered",  # carried by a batch that ended without an answer: expired, missing, mixed up
    "put_off",  # in a batch that the provider did not take
    "changed_prompt",  # asked before in another wording, with other parameters, or under another version
    "more_analyses",  # asked before, but not so often
    "waiting",  # asked before and not sent yet
    "new_model",  # the palette is known under this version, the model was never asked
    "new_palette",  # never asked before
)


@dataclass(frozen=True, slots=True)
class DueLines:
    """What goes to one model under one prompt version and one cap, in the order of sending: palette after palette its
    row in `palettes`, the number of requests, and the bytes of its colours in each."""

    prompt_version: str
    cap_id: str | None
    palettes: Any
    requests: Any
    colour_bytes: Any


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What becomes of the requests to one model.

    Of the chosen palettes: `cached` are answered, there or for equal colours; `failed` have an answer that cannot be
    used; `in_flight` are in open batches; `equal` are answered together with the same request of another palette;
    `missing` would be sent, by reason in the order of REASONS. `also_due` is sent with them: it was asked for before.
    `stopped`: why what is missing was stopped, with how many requests.
    """

    cached: int
    failed: int
    in_flight: int
    equal: int
    missing: Mapping[str, int]
    also_due: int
    stopped: Mapping[str, int]
    lines: tuple[DueLines, ...]


_COLOURS = "to_json({hex: hex, rgb: rgb, hsl: hsl, lch: lch, color_names: color_names})::VARCHAR"
COLOUR_BYTES = f"(strlen({_COLOURS}) + strlen({_COLOURS}) - strlen(replace({_COLOURS}, '\"', '')))"
"""SQL: what the colours of a palette take in a request line, JSON inside a JSON string, so every quote is two bytes."""

SIZED = 1000
"""The mean size of colours is taken from so many palettes at most."""


_COLOUR_SIZES = f"""
    CREATE TEMP TABLE colour_bytes AS SELECT seed, rowid AS palette, {COLOUR_BYTES} AS bytes FROM palettes
"""


@contextmanager
def planning(connection: DuckDBPyConnection, asked: Sequence[str], others: Sequence[str] = ()) -> Iterator[None]:
    """Lay out what the plans of all models share: seeds of the palettes that would be asked for, and of `others` that
    were chosen and lack nothing. Temporary tables only."""
    import pandas

    # As a frame, because 100,000 strings take DuckDB twenty times as long when they come as a parameter.
    seeds = pandas.Series([*asked, *others], dtype="object")
    idle = [False] * len(asked) + [True] * len(others)
    connection.register("new_chosen", pandas.DataFrame({"seed": seeds, "idle": idle}))
    connection.execute(
        "CREATE TEMP TABLE chosen AS SELECT seed::VARCHAR AS seed, idle::BOOLEAN AS idle FROM new_chosen"
    )
    connection.unregister("new_chosen")
    connection.execute(_COLOUR_SIZES)
    connection.execute(
        """
        CREATE TEMP TABLE asked_before AS SELECT DISTINCT subject, prompt_version FROM asks
        SEMI JOIN chosen ON chosen.seed = asks.subject WHERE purpose = 'tagging'
        """
    )
    try:
        yield
    finally:
        for table in ("chosen", "colour_bytes", "asked_before"):
            connection.execute(f"DROP TABLE {table}")


@contextmanager
def planning_due(connection: DuckDBPyConnection, provider: str) -> Iterator[None]:
    """Lay out what the plans of all models of a provider share when nothing more is asked for. Temporary tables only.

    Chosen are the asks that are open at the provider, and those that were recorded together with one of them.
    """
    connection.execute(_COLOUR_SIZES)
    connection.execute(
        """
        CREATE TEMP TABLE due_asks AS SELECT * FROM asks
        WHERE purpose = 'tagging' AND provider = $1 AND state <> 'stopped' AND asked_at IN (
            SELECT asked_at FROM asks WHERE purpose = 'tagging' AND provider = $1 AND state = 'open')
        """,
        [provider],
    )
    connection.execute(
        """
        CREATE TEMP TABLE asked_before AS
        SELECT DISTINCT seed AS subject, prompt_version FROM palette_tags t SEMI JOIN due_asks d ON d.subject = t.seed
        """
    )
    try:
        yield
    finally:
        for table in ("due_asks", "colour_bytes", "asked_before"):
            connection.execute(f"DROP TABLE {table}")


# The asks of one model as they would be. `$current` are "version digest" of what may be sent.
_PLANNED = f"""
    SELECT c.seed AS subject, $version AS prompt_version, $provider AS provider, $model AS model,
           {stem("p.palette_key", "$digest")} AS stem,
           CASE WHEN c.idle THEN $analyses ELSE greatest(coalesce(a.analyses, 0), $analyses) END::INTEGER AS analyses,
           a.retry_from, coalesce(a.allow_unpriced, false) AS allow_unpriced, NULL::VARCHAR AS cap_id,
           true AS chosen, c.idle, a.state, a.reason,
           a.request_digest IS NOT NULL AS was_asked, a.request_digest <> $digest AS reworded,
           coalesce(a.analyses, 0) AS analyses_before
    FROM chosen c JOIN palettes p USING (seed)
    LEFT JOIN asks a ON a.purpose = 'tagging' AND a.subject = c.seed AND a.prompt_version = $version
        AND a.provider = $provider AND a.model = $model
    UNION ALL
    SELECT subject, prompt_version, provider, model, stem, analyses, retry_from, allow_unpriced, cap_id, false,
           false, state, reason, true, false, analyses
    FROM asks
    WHERE purpose = 'tagging' AND state = 'open' AND provider = $provider AND model = $model
      AND prompt_version || ' ' || request_digest IN (SELECT unnest($current::VARCHAR[]))
      AND NOT (prompt_version = $version AND subject IN (SELECT seed FROM chosen WHERE NOT idle))
"""

# The asks of one model as they are. What was asked before they were recorded shows in the answers alone.
_DUE = """
    SELECT subject, prompt_version, provider, model, stem, analyses, retry_from, allow_unpriced, cap_id,
           true AS chosen, state <> 'open' AS idle, state, reason
    FROM due_asks
    WHERE model = $model AND provider = $provider
      AND prompt_version || ' ' || request_digest IN (SELECT unnest($current::VARCHAR[]))
"""
_ASKED_BEFORE = f"""
    coalesce(h.answered | h.failed, 0) | coalesce(s.bits, 0) AS bits_known,
    bits_known <> 0 AS was_asked,
    CASE WHEN was_asked THEN length(bin(bits_known)) ELSE 0 END AS analyses_before,
    a.subject IN (
        SELECT d.subject FROM palette_tags t JOIN due_asks d ON d.subject = t.seed
            AND d.prompt_version = t.prompt_version AND d.provider = t.provider AND d.model = t.model
        WHERE d.provider = $provider AND d.model = $model AND {stem_of("t.custom_id")} <> d.stem) AS reworded,
"""
_EVER_SENT = f"""
    LEFT JOIN (
        SELECT {stem_of("r.custom_id")} AS stem, bit_or({bit("r.analysis_index")}) AS bits
        FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE b.provider = $provider AND b.model = $model GROUP BY 1
    ) AS s ON s.stem = a.stem
"""


def _planned_asks(asks: str, before: str = "", known_by: str = "") -> str:
    """Statement that lays out the asks of this relation with what is there. `before` are further columns, from the
    further joins `known_by`.

    Answers of equal colours are there as `share_answers` takes them over.
    """
    return f"""
    CREATE OR REPLACE TEMP TABLE planned_asks AS
    WITH {lacking(asks)},
    elsewhere AS (
        SELECT {stem_of("t.custom_id")} AS stem, t.analysis_index, bool_or(t.error IS NULL) AS good,
               max(t.created_at) AS latest
        FROM palette_tags t
        WHERE t.provider = $provider AND t.model = $model AND {stem_of("t.custom_id")} IN (SELECT stem FROM lacking)
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
    FROM asked a LEFT JOIN heard h USING (ask) LEFT JOIN taken_over t USING (ask) {known_by}
    """


_HERE = "b.provider = $provider AND b.model = $model"
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

# Every bit has one reason, the first that fits.
_REASONS = f"""
    WITH sent AS (
        SELECT {stem_of("r.custom_id")} AS stem,
               coalesce(bit_or({bit("r.analysis_index")}) FILTER (b.status = 'collected'), 0) AS unanswered,
               coalesce(bit_or({bit("r.analysis_index")}) FILTER (b.status <> 'collected'), 0) AS put_off
        FROM batch_requests r JOIN batches b USING (batch_id)
        WHERE r.fate NOT IN ('succeeded', 'repaired') AND {_HERE} GROUP BY 1
    ),
    failures AS (
        SELECT d.ask, bit_or({bit("t.analysis_index")}) AS bits
        FROM planned_due d JOIN palette_tags t ON t.seed = d.subject AND t.prompt_version = d.prompt_version
        WHERE d.retry_from IS NOT NULL AND t.error IS NOT NULL AND t.provider = $provider AND t.model = $model
          AND {stem_of("t.custom_id")} = d.stem GROUP BY 1
    ),
    found AS (
        SELECT d.chosen, d.bits AS bits_0, d.state IS NOT DISTINCT FROM 'stopped' AS was_stopped,
               d.reworded, d.was_asked, (1 << d.analyses_before) - 1 AS bits_before,
               coalesce(s.unanswered, 0) AS lost, coalesce(s.put_off, 0) AS deferred, coalesce(f.bits, 0) AS failures,
               h.subject IS NOT NULL AS here, d.subject IN (SELECT subject FROM asked_before) AS anywhere
        FROM planned_due d LEFT JOIN sent s USING (stem) LEFT JOIN failures f USING (ask)
        LEFT JOIN asked_before h ON h.subject = d.subject AND h.prompt_version = d.prompt_version
    ),
    told AS (
        SELECT chosen, CASE WHEN was_stopped THEN bits_0 ELSE 0 END AS stopped, bits_0 & ~stopped AS bits_1,
               bits_1 & failures AS retried, bits_1 & ~retried AS bits_2,
               bits_2 & lost AS unanswered, bits_2 & ~unanswered AS bits_3,
               bits_3 & deferred AS put_off, bits_3 & ~put_off AS bits_4,
               CASE WHEN reworded OR (anywhere AND NOT here) THEN bits_4 ELSE 0 END AS changed_prompt,
               bits_4 & ~changed_prompt AS bits_5,
               CASE WHEN was_asked THEN bits_5 & ~bits_before ELSE 0 END AS more_analyses,
               CASE WHEN was_asked THEN bits_5 & bits_before ELSE 0 END AS waiting,
               CASE WHEN NOT was_asked AND here THEN bits_5 ELSE 0 END AS new_model,
               CASE WHEN NOT was_asked AND NOT here THEN bits_5 ELSE 0 END AS new_palette
        FROM found
    )
    SELECT {", ".join(f"coalesce(sum(bit_count({reason})) FILTER (chosen), 0)::BIGINT" for reason in REASONS)},
           (SELECT coalesce(sum(bit_count(bits)), 0)::BIGINT FROM planned_due WHERE NOT chosen)
    FROM told
"""

_STOPPED = """
    SELECT reason, sum(bit_count(bits))::BIGINT FROM planned_due
    WHERE chosen AND state = 'stopped' AND reason IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1
"""


def plan_target(
    connection: DuckDBPyConnection, prompt_version: str, target: AskTarget, analyses: int, current: Mapping[str, str]
) -> TargetPlan:
    """The plan of one model, inside `planning`, if the chosen palettes were asked for `analyses` times.

    `current`: prompt version -> request digest of what may be sent to it now; other open asks are stopped when sending.
    """
    at = {"provider": target.provider, "model": target.model}
    wish = {"version": prompt_version, "digest": target.request_digest, "analyses": analyses}
    connection.execute(_planned_asks(_PLANNED), {**at, **wish, "current": _worded(current)})
    return _counted(connection, at)


def plan_target_due(
    connection: DuckDBPyConnection, provider: str, model: str, current: Mapping[str, str]
) -> TargetPlan:
    """The plan of one model, inside `planning_due`, if nothing more is asked for. `current` as for `plan_target`."""
    at = {"provider": provider, "model": model}
    connection.execute(_planned_asks(_DUE, _ASKED_BEFORE, _EVER_SENT), {**at, "current": _worded(current)})
    return _counted(connection, at)


def _worded(current: Mapping[str, str]) -> list[str]:
    return [f"{version} {digest}" for version, digest in current.items()]


def _counted(connection: DuckDBPyConnection, at: Mapping[str, str]) -> TargetPlan:
    connection.execute(_CARRIED, at)
    connection.execute(_PLANNED_DUE)
    wanted, cached, failed, in_flight = _row(connection, _STATES)
    *counts, also_due = _row(connection, _REASONS, at)
    found = TargetPlan(
        cached=cached,
        failed=failed,
        in_flight=in_flight,
        equal=wanted - cached - failed - in_flight - sum(counts),
        missing=dict(zip(REASONS, counts, strict=True)),
        also_due=also_due,
        stopped=dict(connection.execute(_STOPPED).fetchall()),
        lines=tuple(_lines(connection)),
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
            SELECT palette, bit_count(bits)::INTEGER AS requests, bytes::INTEGER AS bytes
            FROM planned_due d JOIN colour_bytes c ON c.seed = d.subject
            WHERE prompt_version = $1 AND cap_id IS NOT DISTINCT FROM $2 ORDER BY subject
            """,
            [version, cap],
        ).fetchnumpy()
        yield DueLines(version, cap, found["palette"], found["requests"], found["bytes"])


def mean_colour_bytes(connection: DuckDBPyConnection) -> int:
    """What the colours of a palette take in a request line, the mean of some palettes; 0 when none is loaded."""
    (size,) = _row(
        connection,
        f"SELECT coalesce(round(avg({COLOUR_BYTES})), 0)::INTEGER FROM (FROM palettes ORDER BY seed LIMIT {SIZED})",
    )
    return size
