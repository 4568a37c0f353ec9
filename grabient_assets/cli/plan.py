"""`grabient plan`: what `grabient run` would send and cost. No network, nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_json, print_note
from grabient_assets.cli.options import Analyses, AsJson, MostPalettes, PromptFolder, SeedsFile, Stage, opened_as_it_is
from grabient_assets.cli.stopping import asking

if TYPE_CHECKING:
    from decimal import Decimal

    from grabient_assets.headless.planning import Plan
    from grabient_assets.ledger.estimates import DollarRange
    from grabient_assets.settings import Settings


def plan(
    prompt_version: PromptFolder = None,
    analyses: Analyses = None,
    limit: MostPalettes = None,
    seeds: SeedsFile = None,
    adaptive: Annotated[
        bool,
        typer.Option("--adaptive", help="As `grabient run --adaptive` would: the first wave, then the later ones."),
    ] = False,
    until: Stage = "indexed",
    max_usd: Annotated[
        str | None, typer.Option("--max-usd", metavar="X", help="Say how many palettes so many dollars finish.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what `grabient run` with these options would send: requests, batches, tokens, dollars. Sends nothing."""
    from grabient_assets.settings import load_settings

    found = _made(prompt_version, analyses, limit, seeds, until, max_usd, adaptive=adaptive)
    report_plan(found, load_settings().mode, as_json=as_json)


def report_plan(found: Plan, mode: str, *, as_json: bool) -> None:
    """Print the plan, and its warnings on stderr. Ends with 1 when some of it could not be sent."""
    from grabient_assets.cli.plan_tables import show_plan
    from grabient_assets.headless.plan_document import plan_document

    if as_json:
        print_json(plan_document(found, mode))
    else:
        show_plan(found, mode)
    for sentence in dict.fromkeys((*found.warnings, *found.refused)):
        print_note(sentence)
    if found.refused:
        raise typer.Exit(1)


def _made(
    prompt_version: str | None,
    analyses: str | None,
    limit: int | None,
    seeds: Path | None,
    until: str,
    max_usd: str | None,
    *,
    adaptive: bool,
) -> Plan:
    from datetime import UTC, datetime

    from grabient_assets.headless.planning import make_plan
    from grabient_assets.headless.run_goal import chosen_prompt_version, chosen_until, seeds_of_file
    from grabient_assets.settings import load_settings, parse_analyses, parse_cap

    settings = load_settings()
    stage, cap = chosen_until(until), parse_cap(max_usd)
    version = chosen_prompt_version(prompt_version)
    count = settings.analyses if analyses is None else parse_analyses(analyses, "--analyses")
    with opened_as_it_is(settings) as warehouse:
        among = None if seeds is None else seeds_of_file(seeds, warehouse)
        now = datetime.now(UTC)
        return make_plan(
            warehouse, settings, version, count, among, limit, now, adaptive=adaptive, until=stage, max_usd=cap
        )


def agree_to_spend(
    usd: DollarRange | None,
    requests: int,
    settings: Settings,
    limit: Decimal | None,
    sentence: str | None,
    *,
    yes: bool,
) -> None:
    """In live mode, show the sum about to be spent, and ask a person to confirm. Exits with 1 when they do not.

    Without a terminal nobody is asked, and it goes on. `limit`: the sum that a cap or the rest of a budget allows
    (None: neither holds); `sentence`: a further note, such as how many palettes the money finishes.
    """
    import sys

    from grabient_assets.ledger.budget import dollars

    if settings.mode != "live" or not requests:
        return
    cost = (
        "at a price that is not known"
        if usd is None
        else (f"for {usd.expected:.4f} USD, from {usd.low:.4f} to {usd.high:.4f}")
    )
    if limit is not None and (usd is None or usd.high > limit):
        all_ = "The only request" if requests == 1 else f"All {requests:,} requests"
        print_note(f"At most {dollars(limit)} USD are spent. {all_} would go out {cost}.")
    else:
        print_note(f"{requests:,} {'request goes' if requests == 1 else 'requests go'} out {cost}.")
    if sentence:
        print_note(sentence)
    if limit is None:
        print_note("Nothing limits what is spent. To limit it, set GRABIENT_BUDGET_USD for the month, or --max-usd.")
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    with asking():
        typer.echo("Go on and spend it? [y/N] ", err=True, nl=False)
        answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # Ctrl-D ends no line
        typer.echo(err=True)
    if answer.strip().lower() not in ("y", "yes"):
        print_note("Nothing was asked for, and nothing is spent. With --yes nobody is asked.")
        raise typer.Exit(1)
