"""Spent and reserved money, the caps of single runs, and the requests that wait for money."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.warehouse.rows import insert_rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Spending:
    """US dollars: the cost of collected batches, the reservations of open ones, and the expected cost of these.

    An answer of unknown cost counts with its share of its batch's reservation.
    """

    spent: Decimal
    reserved: Decimal
    expected: Decimal


@dataclass(frozen=True, slots=True)
class SpendingCap:
    """The most to spend on everything that is asked under this id."""

    cap_id: str
    usd: Decimal


@dataclass(frozen=True, slots=True)
class HoldKey:
    """The unit that is held together: the requests of one model under one prompt version and one cap (None: no cap)."""

    purpose: str
    provider: str
    model: str
    prompt_version: str
    cap_id: str | None


@dataclass(frozen=True, slots=True)
class BudgetHold:
    """One row of `budget_holds`.

    `request_usd` is the highest cost of one request at `held_at`, `needed_usd` that of all; None: unknown.
    """

    purpose: str
    provider: str
    model: str
    prompt_version: str
    cap_id: str | None
    requests: int
    request_usd: Decimal | None
    needed_usd: Decimal | None
    reason: str
    held_at: datetime

    @property
    def key(self) -> HoldKey:
        """The key of the held requests."""
        return HoldKey(self.purpose, self.provider, self.model, self.prompt_version, self.cap_id)


_SPENDING = """
    SELECT coalesce(sum(CASE WHEN b.status = 'collected' THEN
               coalesce(b.cost_usd, 0)
               + coalesce((b.reserved_usd * coalesce(u.requests, 0) / b.request_count)::DECIMAL(18, 10), 0) END), 0),
           coalesce(sum(b.reserved_usd) FILTER (b.status IN ('intended', 'submitted')), 0),
           coalesce(sum(b.estimated_usd) FILTER (b.status IN ('intended', 'submitted')), 0)
    FROM batches b LEFT JOIN (
        SELECT batch_id, count(*) AS requests FROM batch_requests WHERE cost_basis = 'unknown' GROUP BY ALL
    ) AS u USING (batch_id)
"""


def spending_between(connection: DuckDBPyConnection, start: datetime, end: datetime) -> Spending:
    """Over the batches that were intended from `start` on and before `end`."""
    return _spending(connection, "WHERE b.intended_at >= $1 AND b.intended_at < $2", [start, end])


def spending_by_cap(connection: DuckDBPyConnection, cap_ids: Iterable[str]) -> dict[str, tuple[Decimal, Spending]]:
    """By cap: its limit, and the money of the batches that were sent under it."""
    rows = connection.execute(
        f"""
        SELECT c.cap_id, c.usd, s.*
        FROM spending_caps c, LATERAL ({_SPENDING} WHERE b.cap_id = c.cap_id) AS s
        WHERE c.cap_id IN (SELECT unnest($1::VARCHAR[]))
        """,
        [list(cap_ids)],
    ).fetchall()
    return {cap_id: (usd, Spending(*map(Decimal, used))) for cap_id, usd, *used in rows}


def make_cap(connection: DuckDBPyConnection, cap: SpendingCap, now: datetime) -> None:
    """Record the cap. One that exists under this id stays as it is."""
    insert = "INSERT INTO spending_caps VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    connection.execute(insert, [cap.cap_id, cap.usd, now])


def record_hold(connection: DuckDBPyConnection, hold: BudgetHold) -> None:
    """Record that these requests wait for money."""
    release(connection, hold.key)
    insert_rows(connection, "budget_holds", [hold])


def keys_of_open_asks(connection: DuckDBPyConnection, among: Sequence[SubjectVersion]) -> set[HoldKey]:
    """The keys under which the open asks about these subjects would be held."""
    rows = connection.execute(
        """
        SELECT DISTINCT purpose, provider, model, prompt_version, cap_id FROM asks
        SEMI JOIN (SELECT unnest($1::VARCHAR[]) AS prompt_version, unnest($2::VARCHAR[]) AS subject)
            USING (prompt_version, subject)
        WHERE state = 'open'
        """,
        [[one.prompt_version for one in among], [one.subject for one in among]],
    ).fetchall()
    return {HoldKey(*row) for row in rows}


def release(connection: DuckDBPyConnection, key: HoldKey) -> None:
    """Remove the holds of these requests: they no longer wait."""
    connection.execute(
        """
        DELETE FROM budget_holds WHERE purpose = $1 AND provider = $2 AND model = $3 AND prompt_version = $4
          AND cap_id IS NOT DISTINCT FROM $5
        """,
        [key.purpose, key.provider, key.model, key.prompt_version, key.cap_id],
    )


_WANTED = """
    SEMI JOIN (SELECT * FROM asks WHERE state = 'open') AS a
    ON a.purpose = h.purpose AND a.provider = h.provider AND a.model = h.model
       AND a.prompt_version = h.prompt_version AND a.cap_id IS NOT DISTINCT FROM h.cap_id
"""


def holds(connection: DuckDBPyConnection, purpose: str | None = None, provider: str | None = None) -> list[BudgetHold]:
    """The held requests that are still wanted, of one purpose or provider or of all.

    Requests that were asked for again since are left out: they are tried again.
    """
    columns = ", ".join(f"h.{name}" for name in BudgetHold.__dataclass_fields__)
    rows = connection.execute(
        f"""
        SELECT {columns} FROM budget_holds h {_WANTED}
        ANTI JOIN asks AS n ON n.asked_at > h.held_at AND n.state = 'open' AND n.purpose = h.purpose
            AND n.provider = h.provider AND n.model = h.model AND n.prompt_version = h.prompt_version
            AND n.cap_id IS NOT DISTINCT FROM h.cap_id
        WHERE ($1 IS NULL OR h.purpose = $1) AND ($2 IS NULL OR h.provider = $2)
        ORDER BY h.purpose DESC, h.provider, h.model, h.prompt_version, h.cap_id
        """,
        [purpose, provider],
    ).fetchall()
    found = [BudgetHold(*row) for row in rows]
    return [replace(hold, held_at=hold.held_at.astimezone(UTC)) for hold in found]


def forget_unwanted_holds(connection: DuckDBPyConnection) -> None:
    """Remove the holds of requests that are no longer wanted."""
    unwanted = f"SELECT * FROM budget_holds EXCEPT ALL SELECT h.* FROM budget_holds h {_WANTED}"
    for row in connection.execute(
        f"SELECT purpose, provider, model, prompt_version, cap_id FROM ({unwanted})"
    ).fetchall():
        release(connection, HoldKey(*row))


def _spending(connection: DuckDBPyConnection, where: str, parameters: list[Any]) -> Spending:
    row = connection.execute(f"{_SPENDING} {where}", parameters).fetchone()
    assert row is not None
    return Spending(*map(Decimal, row))
