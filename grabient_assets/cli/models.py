"""`grabient models`: who is asked, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_json, say

if TYPE_CHECKING:
    from datetime import date

    from grabient_assets.registry.catalogue import Registry
    from grabient_assets.registry.model import Model

USUAL_PROMPT_TOKENS = 10_000


def models(
    every: Annotated[bool, typer.Option("--all", help="Also models outside the panel, retired ones included.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON on stdout.")] = False,
) -> None:
    """List the panel and the refiner with their batch prices and the end of their service."""
    from datetime import UTC, datetime

    from grabient_assets.registry.load import load_registry

    registry, today = load_registry(), datetime.now(UTC).date()
    chosen = registry.models if every else (*registry.panel("tagger"), *registry.panel("refiner"))
    rows = [_row(model, registry, today) for model in chosen]
    if as_json:
        print_json({"date": today.isoformat(), "models": rows})
        return
    from rich.table import Table

    table = Table("provider", "model", "family", "role", "in", "out", "retires on", box=None)
    for row in rows:
        prices = [f"{row[name]:g}" if row[name] is not None else "-" for name in ("batch_usd_in", "batch_usd_out")]
        role = ", ".join(row["roles"]) + ("" if row["panel"] else " (not in the panel)")
        table.add_row(row["provider"], row["model"], row["family"], role, *prices, row["retires_on"] or "-")
    output().print(table)
    typer.echo("Prices: US dollars per million tokens in batches, today.")
    for row in rows:
        if row["warning"]:
            say(row["warning"])


def _row(model: Model, registry: Registry, today: date) -> dict[str, Any]:
    from grabient_assets.errors import RegistryError
    from grabient_assets.registry.prices import rates_on

    try:
        warning = registry.usable(model, today)
    except RegistryError as error:
        warning = str(error)
    try:
        rates, _ = rates_on(model, today, True, USUAL_PROMPT_TOKENS)
        prices = float(rates.input), float(rates.output)
    except RegistryError:
        prices = None, None
    return {
        "provider": model.provider,
        "model": model.id,
        "family": model.family,
        "roles": list(model.roles),
        "panel": model.panel,
        "batch_usd_in": prices[0],
        "batch_usd_out": prices[1],
        "retires_on": model.retires_on.isoformat() if model.retires_on else None,
        "warning": warning,
    }
