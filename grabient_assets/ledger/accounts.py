"""The accounts: the costs by provider, model, day and so on. Every sum adds up rows of the view cost_by_request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GROUPINGS = {
    "model": ("provider", "model"),
    "provider": ("provider",),
    "palette": ("seed",),
    "prompt-version": ("prompt_version",),
    "day": ("day",),
    "batch": ("batch_id",),
    "purpose": ("purpose",),
    "wave": ("prompt_version", "wave"),
}
"""The groupings of costs, with the columns that each one groups by."""

_SUMS = """
    count(*), count(*) FILTER (fate IN ('succeeded', 'repaired')), coalesce(sum(input_tokens), 0)::BIGINT,
    coalesce(sum(cached_input_tokens), 0)::BIGINT, coalesce(sum(output_tokens), 0)::BIGINT,
    coalesce(sum(reasoning_tokens), 0)::BIGINT, coalesce(sum(cost_usd), 0), coalesce(sum(cache_saved_usd), 0),
    count(*) FILTER (cost_basis = 'estimated'), count(*) FILTER (cost_basis = 'unknown')
"""
_ROWS = {
    "wave": "cost_by_request_and_wave",
    "palette": "(SELECT c.*, subject AS seed FROM cost_by_request c SEMI JOIN palettes p ON p.seed = c.subject)",
}
_PERIOD = "($since IS NULL OR day >= $since) AND ($until IS NULL OR day <= $until)"


@dataclass(frozen=True, slots=True)
class Costs:
    """The cost of the requests of one kind. `estimated` and `unknown` count requests whose cost the provider did not
    report."""

    what: tuple[str, ...]
    requests: int
    usable: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cost_usd: Decimal
    cache_saved_usd: Decimal
    estimated: int
    unknown: int


@dataclass(frozen=True, slots=True)
class EstimateAccuracy:
    """How well the answers of a model were estimated; `ratio` is actual over estimated dollars."""

    provider: str
    model: str
    purpose: str
    requests: int
    estimated_usd: Decimal
    actual_usd: Decimal
    ratio: float | None


def costs(connection: DuckDBPyConnection, by: str, since: date | None = None, until: date | None = None) -> list[Costs]:
    """The costs by one of GROUPINGS, the most expensive first, days and waves in their order; both days are
    included."""
    columns = GROUPINGS[by]
    requests = _ROWS.get(by, "cost_by_request")
    order = "1" if by == "day" else "1, 2" if by == "wave" else f"{len(columns) + 7} DESC, 1"
    rows = connection.execute(
        f"SELECT {', '.join(columns)}, {_SUMS} FROM {requests} WHERE {_PERIOD} GROUP BY ALL ORDER BY {order}",
        {"since": since, "until": until},
    ).fetchall()
    split = len(columns)
    return [Costs(tuple(str(value) for value in row[:split]), *row[split:]) for row in rows]


def total_costs(connection: DuckDBPyConnection, since: date | None = None, until: date | None = None) -> Costs:
    """Everything in the period."""
    row = connection.execute(
        f"SELECT {_SUMS} FROM cost_by_request WHERE {_PERIOD}", {"since": since, "until": until}
    ).fetchone()
    assert row is not None
    return Costs((), *row)


def imported(connection: DuckDBPyConnection, since: date | None = None, until: date | None = None) -> list[Costs]:
    """The answers that an earlier system paid for, by provider, model, purpose and prompt version. No other sum has
    them."""
    columns = ("provider", "model", "purpose", "prompt_version")
    rows = connection.execute(
        f"""
        SELECT {", ".join(columns)}, {_SUMS} FROM (
            SELECT *, 0 AS cached_input_tokens, 0 AS reasoning_tokens, 0::DECIMAL(18, 10) AS cache_saved_usd
            FROM imported_requests)
        WHERE {_PERIOD} GROUP BY ALL ORDER BY ALL
        """,
        {"since": since, "until": until},
    ).fetchall()
    return [Costs(row[: len(columns)], *row[len(columns) :]) for row in rows]


def foreseen(
    connection: DuckDBPyConnection, since: date | None = None, until: date | None = None
) -> list[EstimateAccuracy]:
    """Estimate against actual in the period, by model: the view estimate_against_actual, by day."""
    rows = connection.execute(
        f"""
        SELECT r.provider, r.model, r.purpose, count(*),
               sum(b.estimated_usd / b.request_count)::DECIMAL(18, 10) AS estimated_usd, sum(r.cost_usd),
               sum(r.cost_usd)::DOUBLE / nullif(sum(b.estimated_usd / b.request_count), 0)
        FROM cost_by_request r JOIN batches b USING (batch_id)
        WHERE b.estimated_usd IS NOT NULL AND r.cost_basis = 'reported' AND {_PERIOD}
        GROUP BY ALL ORDER BY ALL
        """,
        {"since": since, "until": until},
    ).fetchall()
    return [EstimateAccuracy(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Invoice:
    """The expected invoice of a provider for a month (UTC), as far as it is known here.

    `reported_usd`: from the tokens that the provider reported. `estimated_usd`: answers without reported tokens.
    `possible_usd`: the most that may come besides, of `possible` requests: requests of open batches, and requests whose
    billing is unknown. `unpriced` of them have no known price and are not in the sum. `later_usd` is the part of
    reported and estimated that may stand on the next invoice: its requests were sent in this month, and their batches
    ended in another.
    """

    month: str
    provider: str
    requests: int
    reported_usd: Decimal
    estimated_usd: Decimal
    possible: int
    possible_usd: Decimal
    unpriced: int
    later_usd: Decimal

    @property
    def total_usd(self) -> Decimal:
        """The sum to look for on the invoice: reported and estimated."""
        return self.reported_usd + self.estimated_usd


def invoices(connection: DuckDBPyConnection, since: date | None = None, until: date | None = None) -> list[Invoice]:
    """One per month and provider, the newest month first. A batch belongs to the month in which it was intended."""
    rows = connection.execute(
        f"""
        WITH requests AS (
            SELECT b.provider, (b.intended_at AT TIME ZONE 'UTC')::DATE AS day, b.status, r.cost_usd, r.cost_basis,
                   b.reserved_usd / b.request_count AS most_usd,
                   date_trunc('month', b.ended_at AT TIME ZONE 'UTC')
                       > date_trunc('month', b.intended_at AT TIME ZONE 'UTC') AS later,
                   b.status IN ('intended', 'submitted')
                       OR (b.status = 'collected' AND r.cost_basis = 'unknown') AS possible
            FROM batch_requests r JOIN batches b USING (batch_id)
            WHERE b.status IN ('intended', 'submitted', 'collected')
        )
        SELECT strftime(day, '%Y-%m') AS month, provider, count(*),
               coalesce(sum(cost_usd) FILTER (cost_basis = 'reported'), 0)::DECIMAL(18, 10),
               coalesce(sum(cost_usd) FILTER (cost_basis = 'estimated'), 0)::DECIMAL(18, 10),
               count(*) FILTER (possible), coalesce(sum(most_usd) FILTER (possible), 0)::DECIMAL(18, 10),
               count(*) FILTER (possible AND most_usd IS NULL),
               coalesce(sum(cost_usd) FILTER (later), 0)::DECIMAL(18, 10)
        FROM requests WHERE {_PERIOD} GROUP BY ALL ORDER BY month DESC, provider
        """,
        {"since": since, "until": until},
    ).fetchall()
    return [Invoice(*row) for row in rows]
