"""`grabient retry`: asks again what failed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.options import SeedsFile, Yes, open_warehouse
from grabient_assets.cli.run import DEFAULT_TIMEOUT, name_left_out
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from grabient_assets.headless.failures import Failures, Repeat
    from grabient_assets.ledger.held_work import Held
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse


def retry(
    seeds_named: Annotated[list[str] | None, typer.Argument(metavar="SEED...", help="Only these palettes.")] = None,
    prompt_version: Annotated[
        str | None, typer.Option(metavar="V", help="Only under this version; default: all.")
    ] = None,
    seeds: SeedsFile = None,
    provider: Annotated[str | None, typer.Option(metavar="P", help="Only what was asked of this provider.")] = None,
    model: Annotated[str | None, typer.Option(metavar="M", help="Only what was asked of this model.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be asked again and what it costs; ask nothing.")
    ] = False,
    run: Annotated[bool, typer.Option("--run", help="Drive the pipeline at once, until nothing is open.")] = False,
    max_usd: Annotated[
        str | None, typer.Option("--max-usd", metavar="X", help="Spend at most so many dollars on what is asked again.")
    ] = None,
    yes: Yes = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was asked again, as JSON on stdout.")] = False,
) -> None:
    """Ask again exactly what failed: unusable answers, and what a provider or model refused.

    Example: grabient retry --dry-run --provider openai
    """
    from datetime import UTC, datetime

    from grabient_assets.cli.plan import agree_to_spend
    from grabient_assets.cli.progress import follow, report
    from grabient_assets.errors import UsageError
    from grabient_assets.headless.failures import ask_for, find_failures, repeats, spendable, together, unfinished
    from grabient_assets.headless.run_goal import askable_providers, chosen_prompt_version, goal_of_asked
    from grabient_assets.registry.load import load_registry
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import PROVIDERS, load_settings, parse_cap
    from grabient_assets.store.objects import check_store

    settings, cap = load_settings(), parse_cap(max_usd)
    version = None if prompt_version is None else chosen_prompt_version(prompt_version)
    if provider is not None and provider not in PROVIDERS:
        raise UsageError(f"There is no provider {provider!r}; use one of {', '.join(PROVIDERS)}.")
    known = [one.id for one in load_registry().models]
    if model is not None and model not in known:
        raise UsageError(f"There is no model {model!r}; `grabient models` lists them.")
    askable_providers(settings)
    check_store(open_store(settings))
    name_left_out(settings)
    warehouse, now = open_warehouse(settings), datetime.now(UTC)
    among = _among(seeds_named, seeds, warehouse)
    failures = find_failures(warehouse, settings, version, among, provider, model)
    found = repeats(warehouse, failures, now.date())
    if dry_run:
        _show_repeats(found, failures.left_out, cap, as_json)
        return
    if found and settings.mode == "live":
        for one in found:
            print_note(_sentence(one))
        most = spendable(warehouse, settings.budget_usd, cap, failures, now)
        requests = sum(one.requests for one in found if not one.follows)
        agree_to_spend(together(found), requests, settings, most, None, yes=yes)
    held = [one for one in _held(warehouse, settings) if one.kind == "failed"]
    ask_for(warehouse, settings, failures, now, cap)
    for one in held:
        print_note(f"{one.sentence} It is released.")
    _show(failures, found, _held(warehouse, settings), as_json and not run)
    partitions, chained = failures.partitions, failures.chained
    if not failures.all and run:
        partitions, chained = unfinished(warehouse, settings, version, among)
        if partitions:
            print_note(f"What was asked again before goes on: {counted(len(partitions), 'palette')}.")
    if not partitions:
        print_note("Nothing failed that could be asked again.")
        return
    if not run:
        print_note("It goes out with the next `grabient run`, or by itself where Dagster's daemon runs.")
        return
    goal = goal_of_asked(partitions, "indexed" if chained else "consensus", settings)
    report(follow(goal, warehouse, settings, DEFAULT_TIMEOUT), goal, warehouse, settings, as_json=as_json)


def _among(named: Sequence[str] | None, file: Path | None, warehouse: Warehouse) -> tuple[str, ...] | None:
    """The chosen palettes by their canonical seed; None for all."""
    from grabient_assets.groups.palettes.palette_line import typed_palette
    from grabient_assets.headless.run_goal import seeds_of_file

    chosen = [typed_palette(seed).palette.canonical for seed in named or ()]
    if file is not None:
        chosen += seeds_of_file(file, warehouse)
    return tuple(chosen) if named or file else None


def _sentence(one: Repeat) -> str:
    what = (
        f"{counted(one.requests, 'refinement')} that may follow"
        if one.follows
        else counted(one.requests, f"{one.purpose} request")
    )
    cost = (
        "price not known"
        if one.usd is None
        else (f"{one.usd.expected:.4f} USD (from {one.usd.low:.4f} to {one.usd.high:.4f})")
    )
    return f"{one.provider} {one.model}: {counted(one.palettes, 'palette')}, {what}, {cost}"


def _show_repeats(found: Sequence[Repeat], left_out: Sequence[str], cap: Decimal | None, as_json: bool) -> None:
    from grabient_assets.headless.failures import repeats_document, together
    from grabient_assets.ledger.budget import dollars

    for reason in left_out:
        print_note(reason)
    if as_json:
        print_json(repeats_document(found, left_out))
        return
    total = together(found)
    for one in found:
        print_output(_sentence(one))
    if not found:
        print_note("Nothing failed that could be asked again.")
    elif total is not None:
        print_output(f"Together {total.expected:.4f} USD, from {total.low:.4f} to {total.high:.4f}. Nothing was asked.")
        if cap is not None and total.high > cap:
            print_output(f"Of this, at most {dollars(cap)} USD would be spent.")


def _held(warehouse: Warehouse, settings: Settings) -> list[Held]:
    """The requests that are not tried at once, although they are asked for."""
    from datetime import UTC, datetime

    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.ledger.held_work import held_back

    with warehouse.read() as connection:
        return held_back(connection, PURPOSES, settings.budget_usd, datetime.now(UTC))


def _show(failures: Failures, found: Sequence[Repeat], held: list[Held], as_json: bool) -> None:
    for reason in (*failures.left_out, *(one.sentence for one in held)):
        print_note(reason)
    from grabient_assets.headless.failures import together

    tagging, refinement, usd = failures.asked["tagging"], failures.asked["refinement"].total(), together(found)
    if as_json:
        print_json(
            {
                "tagging": [{"provider": p, "model": m, "palettes": count} for (p, m), count in tagging.items()],
                "refinement": refinement,
                "usd": usd and usd.document(),
                "left_out": list(failures.left_out),
                "held": [one.document() for one in held],
            }
        )
        return
    for (provider, model), count in tagging.items():
        print_note(f"{provider} {model}: {counted(count, 'palette')} asked again")
    if refinement:
        print_note(f"refinement: {counted(refinement, 'palette')} asked again")
