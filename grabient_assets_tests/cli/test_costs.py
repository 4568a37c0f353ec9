"""Money on the command line: a run that the budget stops, what it says then, and the account of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets_tests.cli.running import grabient, palettes

RUN = ("run", "--until", "consensus", "--analyses", "1")


def test_a_run_ends_over_budget_and_the_next_one_goes_on(data: Path, tmp_path: Path) -> None:
    assert grabient(data, "load", palettes(tmp_path, 1)).code == 0
    # ten models want one answer each; together they may cost more than a third of a cent
    stopped = grabient(data, *RUN, GRABIENT_BUDGET_USD="0.003")
    assert stopped.code == 1
    assert "Over budget: 1 requests to" in stopped.err and "of the 0.0030 USD of" in stopped.err
    waiting = grabient(data, "status", "--json", GRABIENT_BUDGET_USD="0.003").json
    assert waiting["over_budget"] and all(text.startswith("Over budget: ") for text in waiting["over_budget"])
    assert waiting["open_batches"] == []
    partly = grabient(data, "costs", "--json", GRABIENT_BUDGET_USD="0.003").json
    assert 0 < partly["total"]["requests"] == 10 - len(waiting["over_budget"]) < 10
    month = partly["month"]
    assert Decimal(month["spent_usd"]) == Decimal(partly["total"]["cost_usd"]) <= Decimal("0.003")
    assert Decimal(month["left_usd"]) == Decimal("0.003") - Decimal(month["spent_usd"])
    # raised: nothing has to be asked again
    done = grabient(data, *RUN, GRABIENT_BUDGET_USD="1")
    assert done.code == 0, done.err
    assert grabient(data, "status", "--json", GRABIENT_BUDGET_USD="1").json["over_budget"] == []
    found = grabient(data, "costs", "--by", "provider", "--json").json
    assert (found["total"]["requests"], found["total"]["unknown"]) == (10, 0)
    assert sum(Decimal(row["cost_usd"]) for row in found["rows"]) == Decimal(found["total"]["cost_usd"]) > 0
    assert {row["provider"] for row in found["rows"]} == {"anthropic", "openai", "groq", "google"}
    assert len(found["estimates"]) == 10 and found["emulated"] is True
    shown = grabient(data, "costs", "--by", "day").out
    assert "total" in shown and "no budget is set (emulated)." in shown


def test_a_cap_holds_for_what_the_run_asks(data: Path, tmp_path: Path) -> None:
    assert grabient(data, "load", palettes(tmp_path, 1)).code == 0
    stopped = grabient(data, *RUN, "--max-usd", "0.003")
    assert stopped.code == 1 and "of the 0.0030 USD that it was asked with" in stopped.err
    assert Decimal(grabient(data, "costs", "--json").json["total"]["cost_usd"]) <= Decimal("0.003")
    done = grabient(data, *RUN)
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--max-usd", "0"), "--max-usd is '0'; with no money nothing could ever be sent."),
        (("run", "--max-usd", "two"), "--max-usd is 'two'; it must be dollars as a plain number"),
        (("costs", "--by", "colour"), "--by is 'colour'; it must be one of model, provider, palette"),
        (("costs", "--since", "yesterday"), "--since is 'yesterday'; it must be a day such as 2026-11-20."),
        (("costs", "--since", "2026-12-01", "--until", "2026-11-30"), "--until 2026-11-30 lies before --since 2026-12"),
    ],
)
def test_what_a_command_cannot_take(data: Path, arguments: tuple[str, ...], said: str) -> None:
    done = grabient(data, *arguments)
    assert done.code == 2 and done.err.startswith(said)
