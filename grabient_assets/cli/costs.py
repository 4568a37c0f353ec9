"""`grabient costs`: the costs by provider, model, day and so on, and the rest of the budget."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_figures, print_json
from grabient_assets.cli.options import AsJson, day, one_of, opened_as_it_is
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from datetime import date

    from duckdb import DuckDBPyConnection
    from rich.console import Console

    from grabient_assets.ledger.accounts import Costs, Invoice
    from grabient_assets.settings import Settings

SHOWN_MONTHS = 2
"""The months of invoices that are shown; --since asks for more, and JSON has all."""


def costs(
    by: Annotated[
        str,
        typer.Option(
            "--by", metavar="WHAT", help="model, provider, palette, prompt-version, day, batch, purpose, wave."
        ),
    ] = "model",
    since: Annotated[str | None, typer.Option(metavar="DATE", help="From this day on (UTC), YYYY-MM-DD.")] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Up to this day and with it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what was spent on what, what each provider's invoice should say, and what is left of the month's budget."""
    from grabient_assets.errors import UsageError
    from grabient_assets.ledger.accounts import GROUPINGS
    from grabient_assets.settings import load_settings

    settings = load_settings()
    one_of(by, list(GROUPINGS), "--by")
    first, last = day(since or None, "--since"), day(until or None, "--until")
    if first and last and last < first:
        raise UsageError(f"--until {last} lies before --since {first}.")
    with opened_as_it_is(settings) as warehouse, warehouse.read() as connection:
        document = _document(connection, settings, by, first, last)
    if as_json:
        print_json(document)
    else:
        _show(document, by, settings)


def _document(
    connection: DuckDBPyConnection, settings: Settings, by: str, since: date | None, until: date | None
) -> dict[str, Any]:
    from datetime import UTC, datetime

    from grabient_assets.ledger.accounts import GROUPINGS, costs, foreseen, imported, invoices, total_costs
    from grabient_assets.ledger.budget import month_figures

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
        "invoices": [_invoice(one) for one in invoices(connection, since, until)],
        "month": month_figures(connection, settings.budget_usd, datetime.now(UTC)),
        "estimates": [_exact(one) for one in foreseen(connection, since, until)],
        "imported": [
            dict(zip(("provider", "model", "purpose", "prompt_version"), one.what, strict=True)) | _figures(one)
            for one in imported(connection, since, until)
        ],
    }


def _exact(one: Any) -> dict[str, Any]:
    """The fields of a record. Dollars are text: exact in every language."""
    return {name: f"{value:f}" if isinstance(value, Decimal) else value for name, value in asdict(one).items()}


def _figures(one: Costs) -> dict[str, Any]:
    figures = _exact(one)
    del figures["what"]
    return figures


def _invoice(one: Invoice) -> dict[str, Any]:
    return {
        "month": one.month,
        "provider": one.provider,
        "requests": one.requests,
        "reported_usd": f"{one.reported_usd:f}",
        "estimated_usd": f"{one.estimated_usd:f}",
        "total_usd": f"{one.total_usd:f}",
        "possible": one.possible,
        "possible_usd": f"{one.possible_usd:f}",
        "possible_unpriced": one.unpriced,
        "maybe_next_month_usd": f"{one.later_usd:f}",
    }


def _show(document: dict[str, Any], by: str, settings: Settings) -> None:
    from grabient_assets.ledger.accounts import GROUPINGS

    console = output()
    names = GROUPINGS[by]
    figures = ("requests", "usable", "input_tokens", "output_tokens", "cost_usd", "cache_saved_usd")
    total = dict.fromkeys(names, "") | {names[0]: "total"} | document["total"]
    rows = [[_cell(name, row[name]) for name in (*names, *figures)] for row in [*document["rows"], total]]
    optional = ("usable", "input_tokens", "output_tokens", "cache_saved_usd")
    print_figures(console, names, figures, rows, optional=optional)
    total, month = document["total"], document["month"]
    if total["estimated"] or total["unknown"]:
        console.print(_basis(total["estimated"], total["unknown"]))
    _show_invoices(console, document)
    unknown = (
        f" and {_short(month['unknown_usd'])} counted for {counted(month['unknown'], 'request')} of unknown cost"
        if month["unknown"]
        else ""
    )
    left = "no budget is set" if month["left_usd"] is None else f"{_short(month['left_usd'])} left of the budget"
    emulated = " (emulated)" if settings.mode == "emulator" else ""
    console.print(
        f"{month['month']} (UTC): {_short(month['known_usd'])} USD spent{unknown}, {_short(month['reserved_usd'])} set "
        f"aside for open batches, {left}{emulated}."
    )
    _show_estimates(console, document["estimates"])
    if document["imported"]:
        console.print(_imported(document["imported"]))


def _basis(estimated: int, unknown: int) -> str:
    """How many of the costs the provider did not report."""
    parts: list[str] = []
    if estimated:
        parts.append(f"The cost of {counted(estimated, 'request')} is estimated.")
    if unknown:
        parts.append(f"The cost of {counted(unknown, 'request')} is unknown and not in the sums.")
    return " ".join(parts)


def _show_invoices(console: Console, document: dict[str, Any]) -> None:
    """One line per month and provider, for comparison with an invoice."""
    found = document["invoices"]
    months = list(dict.fromkeys(one["month"] for one in found))
    shown = months if document["since"] or document["until"] else months[:SHOWN_MONTHS]
    found = [one for one in found if one["month"] in shown]
    if not found:
        return
    console.print()
    names, dollars = ("month", "provider"), ("reported_usd", "estimated_usd", "total_usd", "possible_usd")
    columns = (*names, "requests", *dollars)
    print_figures(
        console,
        names,
        columns[2:],
        [[_cell(name, one[name]) for name in columns] for one in found],
        optional=("requests",),
    )
    console.print(
        "Hold total_usd of a month (UTC) against the provider's invoice, before tax and credits, and less what else "
        "the key was used for. It is what the provider reported, and estimates for answers of which it reported no "
        "tokens; possible_usd may come besides, at most: open batches, and requests of which nobody knows whether they "
        "were billed. A batch counts in the month in which it was sent."
    )
    for one in found:
        if Decimal(one["maybe_next_month_usd"]):
            later = _short(one["maybe_next_month_usd"])
            console.print(
                f"{one['provider']} ended batches of {one['month']} in a later month: {later} USD of this may stand on "
                "the next invoice."
            )
        if one["possible_unpriced"]:
            console.print(
                f"{one['provider']}, {one['month']}: the price of {counted(one['possible_unpriced'], 'request')} is "
                "not known; possible_usd lacks it."
            )
    if len(shown) < len(months):
        console.print(f"Earlier months: --since {months[-1]}-01")
    console.print()


def _show_estimates(console: Console, estimates: list[dict[str, Any]]) -> None:
    """The accuracy of the estimates: in all, and of the model that was farthest off."""
    import math

    expected = sum((Decimal(one["estimated_usd"]) for one in estimates), Decimal(0))
    actual = sum((Decimal(one["actual_usd"]) for one in estimates), Decimal(0))
    if not expected:
        return
    known = [one for one in estimates if one["ratio"]]
    farthest = max(known, key=lambda one: abs(math.log(one["ratio"])), default=None)
    worst = ""
    if farthest and len(known) > 1:
        worst = f"; {farthest['model']} in {farthest['purpose']} {farthest['ratio']:.2f} times"
    requests = sum(one["requests"] for one in estimates)
    console.print(
        f"{counted(requests, 'answer')} cost {_short(str(actual))} USD, {actual / expected:.2f} times what was "
        f"expected{worst}."
    )


def _imported(rows: list[dict[str, Any]]) -> str:
    """What earlier systems paid for; `grabient import-tags` brought it."""
    requests, unknown = (sum(row[name] for row in rows) for name in ("requests", "unknown"))
    read, written = (sum(row[name] for row in rows) for name in ("input_tokens", "output_tokens"))
    usd = sum((Decimal(row["cost_usd"]) for row in rows), Decimal(0))
    without = f"; the cost of {counted(unknown, 'answer')} is unknown" if unknown else ""
    return (
        f"Imported from earlier systems, and in no sum above: {counted(requests, 'answer')}, {read:,} input and "
        f"{written:,} output tokens, {_short(str(usd))} USD{without}."
    )


def _cell(name: str, value: Any) -> str:
    return _short(value) if name.endswith("_usd") else f"{value:,}" if isinstance(value, int) else str(value)


def _short(dollars: str) -> str:
    """Dollars with four decimals; JSON has all of them."""
    return f"{Decimal(dollars):,.4f}"
