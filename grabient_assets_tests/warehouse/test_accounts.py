"""The accounts add up, whichever way they are looked at. Every figure is worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from grabient_assets.ledger.accounts import GROUPINGS, costs, foreseen, invoices, total_costs
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.warehouse.results import batch, palette

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Two batches of one model on the two sides of midnight UTC, one of another model, one still open.
ROWS = """
INSERT INTO batches BY NAME
SELECT v.*, 'd' AS prompt_digest, '' AS bodies_sha256, 'emulator' AS account, 0 AS collect_attempts, 0 AS succeeded,
       0 AS failed
FROM (VALUES
    ('a', 'tagging', 'openai', 'm', 'v1', 'collected', 3, '2026-11-30 23:59:59+00'::TIMESTAMPTZ, 0.07, 0.09),
    ('b', 'tagging', 'openai', 'm', 'v2', 'collected', 1, '2026-12-01 00:00:00+00', 0.02, 0.04),
    ('c', 'refinement', 'anthropic', 'n', 'v1', 'collected', 2, '2026-12-01 09:00:00+00', 0.5, 0.4),
    ('d', 'tagging', 'openai', 'm', 'v1', 'submitted', 1, '2026-12-01 10:00:00+00', NULL, 0.1)
) AS v(batch_id, purpose, provider, model, prompt_version, status, request_count, intended_at, cost_usd, estimated_usd);
INSERT INTO batch_requests (batch_id, custom_id, subject, analysis_index, fate, input_tokens, cached_input_tokens,
    cache_write_tokens, output_tokens, reasoning_tokens, cost_usd, cost_basis, cache_saved_usd) VALUES
('a', '1', 's', 0, 'succeeded', 1000, 400, 100, 200, 50, 0.04, 'reported', 0.01),
('a', '2', 't', 0, 'repaired', 900, 0, 100, 100, 0, 0.03, 'reported', -0.002),
('a', '3', 't', 1, 'missing', NULL, NULL, NULL, NULL, NULL, NULL, 'unknown', NULL),
('b', '1', 's', 0, 'succeeded', 1000, 0, 0, 200, 0, 0.02, 'reported', 0),
('c', '4', 's', 0, 'refused', 2000, 0, 0, 10, 0, 0.1, 'reported', 0),
('c', '5', 't', 0, 'truncated', NULL, NULL, NULL, NULL, NULL, 0.4, 'estimated', NULL),
('d', '6', 't', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[DuckDBPyConnection]:
    warehouse = Warehouse(tmp_path / "grabient.duckdb")
    with warehouse.write() as connection:
        connection.execute(ROWS)
        palette(connection, "s")
        palette(connection, "t")
    with warehouse.read() as connection:
        yield connection


def test_by_model(accounts: DuckDBPyConnection) -> None:
    dearest, other = costs(accounts, "model")
    assert (dearest.what, dearest.requests, dearest.usable, dearest.cost_usd) == (
        ("anthropic", "n"),
        2,
        0,
        Decimal("0.5"),  # refused and cut answers are paid for as well
    )
    assert (dearest.estimated, dearest.unknown) == (1, 0)
    assert (other.what, other.requests, other.usable, other.cost_usd) == (("openai", "m"), 4, 3, Decimal("0.09"))
    assert (other.input_tokens, other.cached_input_tokens, other.output_tokens) == (2900, 400, 500)
    assert (other.reasoning_tokens, other.cache_saved_usd, other.unknown) == (50, Decimal("0.008"), 1)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("provider", {"anthropic": "0.5", "openai": "0.09"}),
        ("palette", {"t": "0.43", "s": "0.16"}),
        ("prompt-version", {"v1": "0.57", "v2": "0.02"}),
        ("day", {"2026-11-30": "0.07", "2026-12-01": "0.52"}),
        ("batch", {"c": "0.5", "a": "0.07", "b": "0.02"}),
        ("purpose", {"refinement": "0.5", "tagging": "0.09"}),
    ],
)
def test_each_way_of_looking_has_the_same_sum(accounts: DuckDBPyConnection, by: str, expected: dict[str, str]) -> None:
    found = {one.what[0]: one.cost_usd for one in costs(accounts, by)}
    assert list(found) == list(expected)
    assert found == {what: Decimal(usd) for what, usd in expected.items()}
    assert sum(found.values()) == total_costs(accounts).cost_usd == Decimal("0.59")


def test_a_period_takes_in_both_its_days(accounts: DuckDBPyConnection) -> None:
    last, first = date(2026, 11, 30), date(2026, 12, 1)
    assert total_costs(accounts, until=last).cost_usd == Decimal("0.07")
    assert total_costs(accounts, since=first).cost_usd == Decimal("0.52")
    assert total_costs(accounts, last, first).cost_usd == Decimal("0.59")
    assert total_costs(accounts, date(2026, 12, 2)).cost_usd == 0
    assert costs(accounts, "model", date(2026, 12, 2)) == []


def test_the_views_for_people_say_the_same(accounts: DuckDBPyConnection) -> None:
    views = ("palette", "model", "provider", "prompt_version", "day", "request")
    for name in views:
        (found,) = accounts.execute(f"SELECT sum(cost_usd) FROM cost_by_{name}").fetchone() or (None,)
        assert found == Decimal("0.59"), name
    assert accounts.execute("SELECT batch_id, status, unknown, cost_usd FROM cost_by_batch ORDER BY 1").fetchall() == [
        ("a", "collected", 1, Decimal("0.07")),
        ("b", "collected", 0, Decimal("0.02")),
        ("c", "collected", 0, Decimal("0.5")),
        ("d", "submitted", 0, None),
    ]


def test_estimate_against_actual_counts_what_was_reported(accounts: DuckDBPyConnection) -> None:
    # m: two of three requests of a (0.06 of 0.09) and b (0.04) cost 0.09; n: one of two of c (0.2 of 0.4) cost 0.1
    n, m = foreseen(accounts)
    assert (n.model, n.requests, n.estimated_usd, n.actual_usd) == ("n", 1, Decimal("0.2"), Decimal("0.1"))
    assert (m.model, m.requests, m.estimated_usd, m.actual_usd) == ("m", 3, Decimal("0.1"), Decimal("0.09"))
    assert (round(n.ratio or 0, 9), round(m.ratio or 0, 9)) == (0.5, 0.9)
    view = accounts.execute("SELECT * EXCLUDE (batches) FROM estimate_against_actual ORDER BY model DESC").fetchall()
    assert [astuple(one) for one in (n, m)] == view


def test_estimate_against_actual_of_a_period_is_that_of_its_days(accounts: DuckDBPyConnection) -> None:
    last, first = date(2026, 11, 30), date(2026, 12, 1)
    (before,) = foreseen(accounts, until=last)
    assert (before.model, before.requests, before.estimated_usd, before.actual_usd) == (
        *("m", 2),
        *(Decimal("0.06"), Decimal("0.07")),
    )
    assert [(one.model, one.actual_usd) for one in foreseen(accounts, since=first)] == [
        ("n", Decimal("0.1")),
        ("m", Decimal("0.02")),
    ]
    assert foreseen(accounts, last, first) == foreseen(accounts)
    assert foreseen(accounts, date(2026, 12, 2)) == []


def test_a_month_of_a_provider_as_its_invoice_says_it(tmp_path: Path) -> None:
    """Worked out by hand: what was reported, what is estimated, and what may come besides."""
    november, december = datetime(2026, 11, 30, 23, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    lost, none = ("s", "missing", None, "unknown"), ("s", None, None, None)
    with Warehouse(tmp_path / "grabient.duckdb").write() as connection:
        billed = [("s", "succeeded", 0.1, "reported"), ("t", "refused", 0.02, "reported")]
        guessed = ("s", "succeeded", 0.5, "estimated")
        batch(connection, "a", [*billed, guessed, lost], at=november, ended_at=december, reserved_usd=4)
        batch(connection, "b", [*billed, ("s", "expired", None, None)], at=november, ended_at=november, reserved_usd=9)
        batch(connection, "c", [none, none], at=december, status="submitted", reserved_usd=3)
        batch(connection, "d", [none], at=december, status="intended", reserved_usd=2)
        batch(connection, "e", [none], at=december, status="submitted")
        batch(connection, "f", [none], at=december, status="deferred", reserved_usd=7)
        batch(connection, "g", [none], at=december, status="refused", reserved_usd=7)
        batch(connection, "h", [guessed], at=december, provider="groq", reserved_usd=1)
        found = invoices(connection)
        assert [one.month for one in invoices(connection, since=date(2026, 12, 1))] == ["2026-12", "2026-12"]
    groq, openai, earlier = found
    assert (groq.month, groq.provider, groq.estimated_usd, groq.total_usd) == (
        *("2026-12", "groq"),
        *(Decimal("0.5"), Decimal("0.5")),
    )
    assert (openai.month, openai.requests, openai.total_usd) == ("2026-12", 4, 0)
    assert (openai.possible, openai.possible_usd, openai.unpriced) == (4, 5, 1), "c and d; nobody knows of e"
    assert (earlier.month, earlier.provider, earlier.requests) == ("2026-11", "openai", 7)
    assert (earlier.reported_usd, earlier.estimated_usd) == (Decimal("0.24"), Decimal("0.5"))
    assert (earlier.possible, earlier.possible_usd) == (1, 1), "a quarter of what was set aside for a"
    assert earlier.later_usd == Decimal("0.62"), "a ended in December"


def test_every_grouping_is_known_to_the_view(accounts: DuckDBPyConnection) -> None:
    assert all(costs(accounts, by) for by in GROUPINGS)
