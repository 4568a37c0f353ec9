"""`grabient costs`: what was spent on what, and what is left of the budget."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_json

if TYPE_CHECKING:
    from datetime import date

    from duckdb import DuckDBPyConnection

    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.accounts import Costs, Foreseen


def costs(
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="WHAT", help="model, provider, palette, prompt-version, day, batch, purpose, wave."
        ),
    ] = "model",
    since: Annotated[str | None, typer.Option(metavar="DATE", help="From this day on (UTC), YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Up to this day and with it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON on stdout.")] = False,
) -> None:
    """Show what was spent on what, what is left of this month's budget, and how well costs were foreseen."""
    from grabient_assets.cli.database import opened_as_it_is
    from grabient_assets.errors import UsageError
    from grabient_assets.settings import load_settings
    from grabient_assets.warehouse.accounts import GROUPINGS

    settings = load_settings()
    if by not in GROUPINGS:
        raise UsageError(f"--by is {by!r}; it must be one of {', '.join(GROUPINGS)}.")
    first, last = _day(since, "--since"), _day(until, "--until")
    if first and last and last < first:
        raise UsageError(f"--until {last} lies before --since {first}.")
    with opened_as_it_is(settings) as warehouse, warehouse.read() as connection:
        document = _document(connection, settings, by, first, last)
    if as_json:
        print_json(document)
    else:
        _show(document, by, settings)


def _day(text: str | None, name: str) -> date | None:
    from datetime import date

    from grabient_assets.errors import UsageError

    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise UsageError(f"{name} is {text!r}; it must be a day such as 2026-11-20.") from error


def _document(
    connection: DuckDBPyConnection, settings: Settings, by: str, since: date | None, until: date | None
) -> dict[str, Any]:
    from grabient_assets.warehouse.accounts import GROUPINGS, costs, foreseen, total_costs

    return {
        "by": by,
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "emulated": settings.mode == "emulator",
        "rows": [
            dict(zip(GROUPINGS[by], one.what, strict=True)) | _figures(one)
            for one in costs(connection, by, since, until)
        ],
        "total": _figures(total_costs(connection, since, until)),
        "month": _month(connection, settings),
        "estimates": [_foreseen(one) for one in foreseen(connection, since, until)],
    }


def _figures(one: Costs) -> dict[str, Any]:
    """Dollars as text: exact in every language."""
    return {
        "requests": one.requests,
        "usable": one.usable,
        "input_tokens": one.input_tokens,
        "cached_input_tokens": one.cached_input_tokens,
        "output_tokens": one.output_tokens,
        "reasoning_tokens": one.reasoning_tokens,
        "cost_usd": f"{one.cost_usd:f}",
        "cache_saved_usd": f"{one.cache_saved_usd:f}",
        "estimated": one.estimated,
        "unknown": one.unknown,
    }


def _month(connection: DuckDBPyConnection, settings: Settings) -> dict[str, Any]:
    from datetime import UTC, datetime

    from grabient_assets.batching.budget import month_of, monthly
    from grabient_assets.warehouse.money import spending_between

    now = datetime.now(UTC)
    start, following = month_of(now)
    used = spending_between(connection, start, following)
    budget = settings.budget_usd
    return {
        "month": f"{start:%Y-%m}",
        "budget_usd": None if budget is None else f"{budget:f}",
        "spent_usd": f"{used.spent:f}",
        "reserved_usd": f"{used.reserved:f}",
        "left_usd": None if budget is None else f"{monthly(connection, budget, now).left:f}",
    }


def _foreseen(one: Foreseen) -> dict[str, Any]:
    return {
        "provider": one.provider,
        "model": one.model,
        "purpose": one.purpose,
        "requests": one.requests,
        "estimated_usd": f"{one.estimated_usd:f}",
        "actual_usd": f"{one.actual_usd:f}",
        "ratio": one.ratio,
    }


def _show(document: dict[str, Any], by: str, settings: Settings) -> None:
    from rich.table import Table

    from grabient_assets.warehouse.accounts import GROUPINGS

    console = output()
    columns = ("requests", "usable", "input_tokens", "output_tokens", "cost_usd", "cache_saved_usd")
    table_columns = (*GROUPINGS[by], *columns)
    table = Table(*table_columns, box=None)
    for row in [*document["rows"], dict.fromkeys(GROUPINGS[by], "") | {GROUPINGS[by][0]: "total"} | document["total"]]:
        table.add_row(*(_short(row[name]) if name.endswith("_usd") else str(row[name]) for name in table_columns))
    console.print(table)
    total, month = document["total"], document["month"]
    if total["estimated"] or total["unknown"]:
        console.print(
            f"The cost of {total['estimated']} requests is estimated, that of {total['unknown']} is unknown and not in "
            "the sums.",
            soft_wrap=True,
        )
    left = "no budget is set" if month["left_usd"] is None else f"{_short(month['left_usd'])} left of the budget"
    emulated = " (emulated)" if settings.mode == "emulator" else ""
    console.print(
        f"{month['month']} (UTC): {_short(month['spent_usd'])} USD spent, {_short(month['reserved_usd'])} set aside "
        f"for open batches, {left}{emulated}.",
        soft_wrap=True,
    )
    for one in document["estimates"]:
        console.print(
            f"{one['purpose']} by {one['model']}: {_short(one['actual_usd'])} USD for {one['requests']} answers, "
            f"{_short(one['estimated_usd'])} expected ({one['ratio']:.2f} times).",
            soft_wrap=True,
        )


def _short(dollars: str) -> str:
    """Four decimals are enough to look at; JSON has them all."""
    return f"{Decimal(dollars):.4f}"
