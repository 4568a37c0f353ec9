"""The remaining needs of open subjects, request by request.

A subject is finished when no request that was asked about it is missing, automatic follow-ups included. Subjects with
one key under one prompt version count as one here, over all purposes: a request that one of them needs is asked once
for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from grabient_assets.ledger.due import carried, lacking, open_asks, ready
from grabient_assets.ledger.money import HoldKey
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose, Purposes


@dataclass(frozen=True, slots=True)
class RequestPrice:
    """The highest and the expected cost of one request of this kind, in US dollars; None: its price is not known."""

    purpose: str
    provider: str
    model: str
    prompt_version: str
    high: Decimal | None
    expected: Decimal | None


@dataclass(frozen=True, slots=True)
class Need:
    """US dollars that an unfinished subject needs from one cap (None: asked under no cap), at most and as expected.

    `spread` is the largest amount by which the high end of a single request exceeds its expected cost. With `unpriced`,
    some of it may be sent at an unknown price.
    """

    cap_id: str | None
    high: Decimal
    expected: Decimal
    spread: Decimal
    unpriced: bool


class UnfinishedKey(NamedTuple):
    """Equal subjects under a prompt version. `noun` is what a subject is called."""

    noun: str
    subject_key: str
    prompt_version: str


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A request about equal subjects, and how many of these want it.

    `begun`: a request was answered or is with a provider. `arrival` is the order of arrival.
    """

    key: UnfinishedKey
    subjects: int
    begun: bool
    arrival: int
    needs: tuple[Need, ...]


def _still_needed(purpose: Purpose) -> str:
    """Relation of the requests that can be sent now, by `stem`, and of those to come."""
    to_come = f"UNION ALL BY NAME SELECT * FROM ({purpose.to_come})" if purpose.to_come else ""
    return f"""
        SELECT '{purpose.name}' AS purpose, * FROM (
            WITH {lacking(open_asks(purpose), purpose.table)}, {ready(purpose)},
                 {carried(f"b.purpose = '{purpose.name}'")}
            SELECT r.subject, r.prompt_version, r.provider, r.model, r.cap_id, r.allow_unpriced, r.stem,
                   bit_count(r.bits & ~coalesce(c.bits, 0))::INTEGER AS requests, NULL::DECIMAL(18, 10) AS high,
                   NULL::DECIMAL(18, 10) AS expected, NULL::DECIMAL(18, 10) AS spread
            FROM ready r LEFT JOIN carried c USING (stem) WHERE r.bits & ~coalesce(c.bits, 0) <> 0
            {to_come})
    """


def _priced(purposes: Purposes) -> str:
    wanted = " UNION ALL BY NAME ".join(_still_needed(purpose) for purpose in purposes.values())
    return f"""
        CREATE OR REPLACE TEMP TABLE priced_steps AS
        SELECT w.* REPLACE (
                   coalesce(w.high, p.high * w.requests, 0) AS high,
                   coalesce(w.expected, p.expected * w.requests, 0) AS expected,
                   coalesce(w.spread, p.high - p.expected, 0) AS spread),
               p.purpose IS NOT NULL AND p.high IS NULL AND w.allow_unpriced AS unpriced
        FROM ({wanted}) w LEFT JOIN request_prices p USING (purpose, provider, model, prompt_version)
    """


def _keys(purposes: Purposes) -> str:
    """Relation of the subjects of all purposes: their keys, and their order of arrival."""
    return " UNION ALL ".join(
        f"""
        SELECT '{purpose.name}' AS purpose, '{purpose.noun}' AS noun, subject, subject_key,
               row_number() OVER () AS arrival FROM ({purpose.keys})
        """
        for purpose in purposes.values()
    )


def _steps(purposes: Purposes) -> str:
    """A subject has one row of a kind, so the rows of a group are equal subjects."""
    return f"""
        CREATE OR REPLACE TEMP TABLE open_steps AS
        SELECT k.noun, k.subject_key, p.prompt_version, p.purpose, p.provider, p.model, p.stem,
               arg_min_null(p.cap_id, p.subject) AS cap_id, max(p.requests) AS requests,
               max(p.high) AS high, max(p.expected) AS expected, max(p.spread) AS spread,
               bool_or(p.unpriced) AS unpriced, count(*) AS subjects, min(k.arrival) AS arrival
        FROM priced_steps p JOIN ({_keys(purposes)}) k USING (purpose, subject) GROUP BY ALL
    """


_WITH_PROVIDERS = """
    SELECT DISTINCT k.noun, k.subject_key, b.prompt_version, b.cap_id
    FROM batch_requests r JOIN batches b USING (batch_id) JOIN keys k ON k.purpose = b.purpose AND k.subject = r.subject
    WHERE r.fate IS NULL AND b.status IN ('intended', 'submitted')
"""


def _begun(purposes: Purposes) -> str:
    """Relation of the keys with a request that was answered or is with a provider; needs `keys`."""
    answered = " UNION ".join(
        f"""
        SELECT k.noun, k.subject_key, t.{purpose.table.version} FROM {purpose.table.name} t
        JOIN keys k ON k.purpose = '{purpose.name}' AND k.subject = t.{purpose.table.subject}
        SEMI JOIN open_steps s ON s.subject_key = k.subject_key AND s.prompt_version = t.{purpose.table.version}
        """
        for purpose in purposes.values()
    )
    return f"{answered} UNION SELECT noun, subject_key, prompt_version FROM ({_WITH_PROVIDERS})"


def price_steps(
    connection: DuckDBPyConnection, purposes: Purposes, prices: Sequence[RequestPrice]
) -> dict[str | None, Decimal]:
    """Create the table of the needs of every subject by itself at these prices. Returns the US dollars that all of it
    may cost, by cap (None: asked under no cap); a request that equal subjects share counts for each of them.

    A request without a row in `prices` costs nothing: it is stopped when it is sent.
    """
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE request_prices (
            purpose VARCHAR, provider VARCHAR, model VARCHAR, prompt_version VARCHAR,
            high DECIMAL(18, 10), expected DECIMAL(18, 10))
        """
    )
    if not purposes:
        return {}
    insert_rows(connection, "request_prices", prices)
    connection.execute(_priced(purposes))
    return dict(connection.execute("SELECT cap_id, sum(high) FROM priced_steps GROUP BY ALL").fetchall())


def lay_out_steps(connection: DuckDBPyConnection, purposes: Purposes) -> None:
    """Create, after `price_steps`, the temporary table `open_steps` that the functions below read: the requests that
    can be sent now, and those that come later (without a stem), each once for all equal subjects."""
    connection.execute(_steps(purposes))


def unfinished(connection: DuckDBPyConnection, purposes: Purposes) -> list[Unfinished]:
    """Everything in `open_steps`, in the subjects' order of arrival."""
    rows = connection.execute(
        f"""
        WITH keys AS MATERIALIZED ({_keys(purposes)}), begun AS ({_begun(purposes)}),
        by_cap AS (
            SELECT noun, subject_key, prompt_version, cap_id, max(subjects) AS subjects, min(arrival) AS arrival,
                   sum(high) AS high, sum(expected) AS expected, max(spread) AS spread,
                   bool_or(unpriced) AS unpriced
            FROM open_steps GROUP BY ALL
        )
        SELECT c.noun, c.subject_key, c.prompt_version, c.subjects, b.subject_key IS NOT NULL, c.arrival,
               c.cap_id, c.high, c.expected, c.spread, c.unpriced
        FROM by_cap c LEFT JOIN begun b USING (noun, subject_key, prompt_version)
        ORDER BY c.arrival, c.prompt_version, c.subject_key, c.noun, c.cap_id NULLS FIRST
        """
    ).fetchall()
    found: dict[UnfinishedKey, Unfinished] = {}
    for noun, subject_key, version, subjects, begun, arrival, *need in rows:
        key = UnfinishedKey(noun, subject_key, version)
        known = found.get(key)
        needs = (*(known.needs if known else ()), Need(*need))
        found[key] = Unfinished(key, subjects, begun, arrival, needs)
    return list(found.values())


def with_providers(connection: DuckDBPyConnection, purposes: Purposes) -> list[tuple[UnfinishedKey, str | None]]:
    """The requests with a provider, under the cap they were sent under (None: no cap)."""
    rows = connection.execute(f"WITH keys AS ({_keys(purposes)}) {_WITH_PROVIDERS}").fetchall()
    return [(UnfinishedKey(*row[:3]), row[3]) for row in rows]


def open_stems(connection: DuckDBPyConnection, key: HoldKey) -> list[tuple[str, UnfinishedKey, int]]:
    """The requests that can be sent now under this key: the stem of a custom_id, the subject, the number of
    requests."""
    rows = connection.execute(
        """
        SELECT stem, noun, subject_key, prompt_version, requests FROM open_steps
        WHERE purpose = $1 AND provider = $2 AND model = $3
          AND stem IN (SELECT stem FROM open_steps WHERE prompt_version = $4 AND cap_id IS NOT DISTINCT FROM $5)
        """,
        [key.purpose, key.provider, key.model, key.prompt_version, key.cap_id],
    ).fetchall()
    return [(row[0], UnfinishedKey(*row[1:4]), row[4]) for row in rows]
