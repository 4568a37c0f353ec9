"""`grabient models`: who is asked, what it costs, and whether the providers still serve them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_figures, print_json, print_note, print_output
from grabient_assets.cli.options import AsJson
from grabient_assets.registry.model import Role

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal

    from grabient_assets.registry.catalogue import Registry
    from grabient_assets.registry.model import Model, Rates
    from grabient_assets.resources.model_lists import ModelList


def models(
    every: Annotated[bool, typer.Option("--all", help="Also those outside the panel, and those shut down.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the providers what they serve; exit 1 when the panel is not served.")
    ] = False,
    role: Annotated[Role | None, typer.Option("--role", help="Who can do this; its panel is marked.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the panel and the refiner, or the models of a role, with their prices and the end of their service."""
    from datetime import UTC, datetime

    from grabient_assets.groups.refinement.purpose import refiner
    from grabient_assets.registry.load import load_registry

    registry, today = load_registry(), datetime.now(UTC).date()
    refines = refiner()
    chosen = _chosen(registry, role, every, refines, today)
    lists = _lists(chosen) if check else {}
    rows = [_row(model, registry, today, lists, _in_panel(model, registry, role, refines)) for model in chosen]
    if as_json:
        print_json({"date": today.isoformat(), "models": rows})
    else:
        _show(rows, check, role)
    for row in rows:
        if row["warning"]:
            print_note(row["warning"])
    for found in lists.values():
        if not isinstance(found, frozenset):
            print_note(str(found))
    gone = [row for row in rows if row["panel"] and row["served"] in ("not served", "failed")]
    for row in gone:
        if row["served"] == "not served":
            what = f"{row['provider']} does not serve {row['model']}"
            print_note(f"{what}; take it out of the panel, or name its replacement.")
    if gone:
        raise typer.Exit(1)


def _chosen(registry: Registry, role: Role | None, every: bool, refines: Model, today: date) -> tuple[Model, ...]:
    if role is None:
        return registry.models if every else (*registry.panel("tagger"), refines)
    able = registry.in_role(role)
    return able if every else tuple(model for model in able if model not in registry.refusals(able, today))


def _lists(chosen: tuple[Model, ...]) -> Mapping[str, ModelList]:
    from grabient_assets.resources.model_lists import model_lists
    from grabient_assets.settings import load_settings

    named = dict.fromkeys(model.provider for model in chosen if model.provider != "local")
    return model_lists(load_settings(), list(named))


def _in_panel(model: Model, registry: Registry, role: Role | None, refines: Model) -> bool:
    """Whether it is asked where nobody chooses: in this role, or in any."""
    if role == "refiner" or (role is None and "refiner" in model.roles):
        return model.id == refines.id
    return model.panel if role is None else model in registry.panel(role)


def _row(model: Model, registry: Registry, today: date, lists: Mapping[str, ModelList], panel: bool) -> dict[str, Any]:
    from grabient_assets.registry.prices import batch_price
    from grabient_assets.resources.model_lists import verdict

    price = batch_price(model, today, allow_unpriced=True)
    standard = _standard(model, today)
    return {
        "provider": model.provider,
        "model": model.id,
        "family": model.family,
        "roles": list(model.roles),
        "panel": panel,
        "batch_usd_in": float(price[0].input) if price else None,
        "batch_usd_out": float(price[0].output) if price else None,
        "batch_usd_image_out": _dollars(price[0].image_output) if price else None,
        "standard_usd_in": _dollars(standard.input) if standard else None,
        "standard_usd_out": _dollars(standard.output) if standard else None,
        "standard_usd_image_out": _dollars(standard.image_output) if standard else None,
        "price_basis": price[1] if price else None,
        "deliveries": list(model.deliveries),
        "retires_on": model.retires_on.isoformat() if model.retires_on else None,
        "warning": registry.refusals([model], today).get(model) or registry.warning(model, today),
        "served": verdict(model, lists) if model.provider in lists else None,
    }


def _standard(model: Model, today: date) -> Rates | None:
    from grabient_assets.errors import UnpricedError
    from grabient_assets.registry.prices import SHORT_PROMPT, rates_on

    try:
        return rates_on(model, today, False, SHORT_PROMPT)[0]
    except UnpricedError:
        return None


def _dollars(rate: Decimal | None) -> float | None:
    return None if rate is None else float(rate)


def _show(rows: list[dict[str, Any]], checked: bool, role: Role | None) -> None:
    names = ("provider", "model", "panel" if role else "role", *(("served",) if checked else ()))
    images, lines = role in ("brush", "editor"), []
    for row in rows:
        delivery = "batch" if "batch" in row["deliveries"] else "standard"
        shown = [row[f"{delivery}_usd_{part}"] for part in ("in", "out", *(("image_out",) if images else ()))]
        prices = ["-" if price is None else f"{price:g}" for price in shown]
        part = ", ".join(row["roles"]) + ("" if row["panel"] else " (not in the panel)")
        part = ("panel" if row["panel"] else "") if role else part
        served = [row["served"] or "in this process"] if checked else []
        lines.append((row["provider"], row["model"], part, *served, row["retires_on"] or "", *prices))
    print_figures(output(), names, ("until", "in", "out", *(("image out",) if images else ())), lines)
    print_output("Prices: US dollars per million tokens in batches, today.")
