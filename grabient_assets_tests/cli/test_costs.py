"""Money on the command line: a run that the budget stops, what it says then, and the account of it."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from grabient_assets.cli.console import print_figures
from grabient_assets.warehouse.connection import Warehouse
from grabient_assets_tests.cli.running import palettes, type_in, typed
from grabient_assets_tests.docs.how_to import commands
from grabient_assets_tests.warehouse.results import batch


def batches_of(data: Path) -> list[tuple[object, ...]]:
    with duckdb.connect(str(data / "grabient.duckdb"), read_only=True) as connection:
        return connection.execute("SELECT batch_id FROM batches WHERE status = 'collected'").fetchall()


@pytest.mark.slow
def test_the_pages_about_money(data: Path, tmp_path: Path) -> None:
    """Their commands, one after the other: a budget that is too small, a larger one, a cap, none, and the reports."""
    assert typed(data, "load", palettes(tmp_path, 3)).code == 0
    scarce, status, costs, enough, capped, free = commands("set-a-budget.md")

    # the money brings one of three palettes to its consensus; no other is begun
    stopped = type_in(data, scarce)
    assert stopped.code == 1 and "Over budget: 2 palettes wait." in stopped.err
    waiting = type_in(data, status, "--json").json
    assert [text.partition(". ")[0] for text in waiting["over_budget"]] == ["Over budget: 2 palettes wait"]
    assert (waiting["open_batches"], waiting["tagged"]) == ([], 1)
    assert "did not get to 'consensus'. What waits for money goes out when the limit is raised" in stopped.err
    assert ("`grabient retry --run`" in stopped.err) == bool(waiting["errors"])
    partly = type_in(data, costs, "--json").json
    assert partly["total"]["requests"] == 10
    month = partly["month"]
    assert Decimal(month["spent_usd"]) == Decimal(partly["total"]["cost_usd"]) <= Decimal("0.01")
    assert Decimal(month["left_usd"]) == Decimal("0.01") - Decimal(month["spent_usd"])

    # raised: nothing has to be asked again
    done = type_in(data, enough)
    assert done.code == 0, done.err

    # a second analysis under a cap that is too small for it, and then without one
    stopped = type_in(data, capped)
    assert stopped.code == 1 and "Over budget: 3 palettes wait." in stopped.err
    planned = typed(data, "plan", "--analyses", "2", "--json").json
    assert planned["over_budget"] == [text for text in stopped.err.splitlines() if text.startswith("Over budget: ")]
    assert planned["over_budget"] and planned["total"]["requests"] == 33, "ten tags and the refinement after them"
    shown = typed(data, "plan", "--analyses", "2").out
    assert f"(the figures above are those of a run without a cap):\n{planned['over_budget'][0]}" in shown

    # the least cap that is named lets one of them go out
    least = Decimal(stopped.err.partition(" --max-usd ")[2].partition(" or more")[0])
    sent = len(batches_of(data))
    again = type_in(data, [*capped[:-1], str(least)])
    assert again.code == 1 and len(batches_of(data)) > sent, again.err
    done = type_in(data, free)
    assert done.code == 0, done.err

    models, providers, days, seeds = commands("read-a-cost-report.md")
    shown = type_in(data, models).out
    assert "total" in shown and "no budget is set (emulated)." in shown
    assert re.search(
        r"^60 answers cost \d\.\d{4} USD, \d\.\d\d times what was expected; .+ times\.$", shown, re.MULTILINE
    )
    found = type_in(data, providers, "--json").json
    assert (found["total"]["requests"], found["total"]["unknown"], len(found["estimates"])) == (60, 0, 10)
    assert sum(Decimal(row["cost_usd"]) for row in found["rows"]) == Decimal(found["total"]["cost_usd"]) > 0
    assert {row["provider"] for row in found["rows"]} == {"anthropic", "openai", "groq", "google"}
    assert type_in(data, days).code == 0
    nothing = typed(data, "costs", "--until", "2020-01-01", "--json").json
    assert (nothing["total"]["requests"], nothing["rows"], nothing["estimates"]) == (0, [], [])
    assert [row["requests"] for row in type_in(data, seeds).json["rows"]] == [20, 20, 20]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--max-usd", "0"), "--max-usd is '0'; with no money nothing could ever be sent."),
        (("run", "--max-usd", "-1"), "--max-usd is '-1'; a sum to be spent is never below 0. Leave it out"),
        (("run", "--max-usd", "two"), "--max-usd is 'two'; it must be dollars as a plain number"),
        (("costs", "--by", "colour"), "--by is 'colour'; it must be one of model, provider, palette"),
        (("costs", "--since", "yesterday"), "--since is 'yesterday'; it must be a day such as 2026-11-20."),
        (("costs", "--since", "2026-12-01", "--until", "2026-11-30"), "--until 2026-11-30 lies before --since 2026-12"),
    ],
)
def test_what_a_command_cannot_take(data: Path, arguments: tuple[str, ...], said: str) -> None:
    done = typed(data, *arguments)
    assert done.code == 2 and done.err.startswith(said)


def test_the_invoices_of_a_month(data: Path) -> None:
    november, december = datetime(2026, 11, 30, 12, tzinfo=UTC), datetime(2026, 12, 3, tzinfo=UTC)
    with Warehouse(data / "grabient.duckdb").write() as connection:
        answers = [("s", "succeeded", 0.25, "reported"), ("t", "missing", None, "unknown")]
        batch(connection, "a", answers, at=november, ended_at=december, reserved_usd=2)
        batch(connection, "b", [("s", None, None, None)], at=december, status="submitted", provider="groq")
        batch(connection, "c", [("s", "succeeded", 0.5, "reported")], at=datetime(2026, 9, 1, tzinfo=UTC))
    document = typed(data, "costs", "--json").json["invoices"]
    assert [(one["month"], one["provider"]) for one in document] == [
        ("2026-12", "groq"),
        ("2026-11", "openai"),
        ("2026-09", "openai"),
    ]
    assert document[1] == {
        "month": "2026-11",
        "provider": "openai",
        "requests": 2,
        "reported_usd": "0.2500000000",
        "estimated_usd": "0.0000000000",
        "total_usd": "0.2500000000",
        "possible": 1,
        "possible_usd": "1.0000000000",
        "possible_unpriced": 0,
        "maybe_next_month_usd": "0.2500000000",
    }
    shown = " ".join(typed(data, "costs").out.split())
    assert "2026-11 openai 2 0.2500 0.0000 0.2500 1.0000" in shown
    assert "Hold total_usd of a month (UTC) against the provider's invoice, before tax and credits" in shown
    assert "openai ended batches of 2026-11 in a later month: 0.2500 USD of this may stand on the next" in shown
    assert "groq, 2026-12: the price of 1 request is not known; possible_usd lacks it." in shown
    assert "2026-09" not in shown.replace("Earlier months: --since 2026-09-01", "")
    assert "2026-09 openai 1 0.5000" in " ".join(typed(data, "costs", "--since", "2026-09-01").out.split())


def test_what_nobody_knows_is_not_called_spent(data: Path) -> None:
    """The line of the month holds the same sum as the table above it, and beside it what counts for unknown costs."""
    now = datetime.now(UTC)
    with Warehouse(data / "grabient.duckdb").write() as connection:
        answers = [("s", "succeeded", 0.25, "reported"), ("t", "missing", None, "unknown")]
        batch(connection, "a", answers, at=now, ended_at=now, reserved_usd=2)
        batch(connection, "b", [("u", "succeeded", 0.125, "estimated")], at=now, ended_at=now, reserved_usd=2)
    month = typed(data, "costs", "--json").json["month"]
    assert {name: Decimal(month[name]) for name in ("known_usd", "unknown", "unknown_usd", "spent_usd")} == {
        "known_usd": Decimal("0.375"),
        "unknown": 1,
        "unknown_usd": Decimal(1),
        "spent_usd": Decimal("1.375"),
    }
    shown = " ".join(typed(data, "costs").out.split())
    assert "(UTC): 0.3750 USD spent and 1.0000 counted for 1 request of unknown cost, 0.0000 set aside" in shown
    assert "The cost of 1 request is estimated. The cost of 1 request is unknown and not in the sums." in shown


@pytest.mark.parametrize("width", [80, 120, 200])
def test_figures_are_whole_at_any_width(width: int) -> None:
    """As a table with figures to the right, or where that is too wide below the names."""
    text = io.StringIO()
    console = Console(file=text, width=width, highlight=False, markup=False, emoji=False)
    models = [f"meta-llama/llama-4-maverick-17b-128e-instruct-{end}" for end in ("one", "two")]
    rows = [["groq", model, "1,000,000", "12.3456", "0.0001"] for model in models]
    print_figures(console, ("provider", "model"), ("requests", "cost_usd", "cache_saved_usd"), rows)
    shown = text.getvalue()
    assert "…" not in shown and max(map(len, shown.splitlines())) <= width
    assert all(word in shown for word in [*models, "1,000,000", "12.3456", "0.0001", "cache_saved_usd"])
    if width > 80:
        header, first, _ = shown.splitlines()
        assert header.rstrip().index("cost_usd") + len("cost_usd") == first.index("12.3456") + len("12.3456")


def test_an_account_of_nothing_makes_nothing(data: Path) -> None:
    done = typed(data, "costs", "--json")
    assert (done.code, done.json["rows"]) == (0, []), done.err
    assert not data.exists()
