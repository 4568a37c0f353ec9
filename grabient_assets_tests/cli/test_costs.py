"""Money on the command line: a run that the budget stops, what it says then, and the account of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from grabient_assets_tests.cli.running import Ended, palettes, typed
from grabient_assets_tests.docs.test_how_to import commands


def type_in(data: Path, command: list[str], *more: str) -> Ended:
    """A command of a page, with the settings before it."""
    count = next(number for number, word in enumerate(command) if word.endswith("grabient"))
    values = dict(word.split("=", 1) for word in command[:count])
    return typed(data, *command[count + 1 :], *more, **values)


def test_the_pages_about_money(data: Path, tmp_path: Path) -> None:
    """Their commands, one after the other: a budget that is too small, a larger one, a cap, none, and the reports."""
    assert typed(data, "load", palettes(tmp_path, 1)).code == 0
    scarce, status, costs, enough, capped, free = commands("set-a-budget.md")

    # ten models want one answer each; together they may cost more than a third of a cent
    stopped = type_in(data, scarce)
    assert stopped.code == 1
    assert "Over budget: 1 requests to" in stopped.err and "of the 0.0030 USD of" in stopped.err
    waiting = type_in(data, status, "--json").json
    assert waiting["over_budget"] and all(text.startswith("Over budget: ") for text in waiting["over_budget"])
    assert waiting["open_batches"] == []
    partly = type_in(data, costs, "--json").json
    assert 0 < partly["total"]["requests"] == 10 - len(waiting["over_budget"]) < 10
    month = partly["month"]
    assert Decimal(month["spent_usd"]) == Decimal(partly["total"]["cost_usd"]) <= Decimal("0.003")
    assert Decimal(month["left_usd"]) == Decimal("0.003") - Decimal(month["spent_usd"])

    # raised: nothing has to be asked again
    done = type_in(data, enough)
    assert done.code == 0, done.err

    # a second analysis under a cap that is too small for it, and then without one
    stopped = type_in(data, capped)
    assert stopped.code == 1 and "of the 0.0001 USD that it was asked with" in stopped.err
    planned = typed(data, "plan", "--analyses", "2", "--json").json
    assert planned["over_budget"] == [text for text in stopped.err.splitlines() if text.startswith("Over budget: ")]
    assert planned["over_budget"] and planned["total"]["requests"] == 11, "ten tags and the refinement after them"
    shown = typed(data, "plan", "--analyses", "2").out
    assert f"(the figures above are those of a run without a cap):\n{planned['over_budget'][0]}" in shown
    done = type_in(data, free)
    assert done.code == 0, done.err

    models, providers, days, seeds = commands("read-a-cost-report.md")
    shown = type_in(data, models).out
    assert "total" in shown and "no budget is set (emulated)." in shown and "times)." in shown
    found = type_in(data, providers, "--json").json
    assert (found["total"]["requests"], found["total"]["unknown"], len(found["estimates"])) == (20, 0, 10)
    assert sum(Decimal(row["cost_usd"]) for row in found["rows"]) == Decimal(found["total"]["cost_usd"]) > 0
    assert {row["provider"] for row in found["rows"]} == {"anthropic", "openai", "groq", "google"}
    assert type_in(data, days).code == 0
    nothing = typed(data, "costs", "--until", "2020-01-01", "--json").json
    assert (nothing["total"]["requests"], nothing["rows"], nothing["estimates"]) == (0, [], [])
    assert [row["requests"] for row in type_in(data, seeds).json["rows"]] == [20]


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


def test_an_account_of_nothing_makes_nothing(data: Path) -> None:
    done = typed(data, "costs", "--json")
    assert (done.code, done.json["rows"]) == (0, []), done.err
    assert not data.exists()
