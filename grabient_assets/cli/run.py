"""`grabient run`: tagging, consensus and refinement without a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_note
from grabient_assets.cli.options import Analyses, MostPalettes, PromptFolder, SeedsFile, Stage, Yes, open_warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from grabient_assets.settings import Settings

DEFAULT_TIMEOUT = 25 * 3600
"""Providers end a batch within 24 hours."""


def run(
    prompt_version: PromptFolder = None,
    analyses: Analyses = None,
    limit: MostPalettes = None,
    seeds: SeedsFile = None,
    until: Stage = "indexed",
    timeout: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Stop waiting after so long.")
    ] = DEFAULT_TIMEOUT,
    allow_unpriced: Annotated[
        bool, typer.Option("--allow-unpriced", help="Send also to models whose batch price is not known.")
    ] = False,
    max_usd: Annotated[
        str | None, typer.Option("--max-usd", metavar="X", help="Spend at most so many dollars on what this run asks.")
    ] = None,
    adaptive: Annotated[
        bool,
        typer.Option("--adaptive", help="Ask a few cheap models first, the others only where those are uncertain."),
    ] = False,
    yes: Yes = False,
    as_json: Annotated[bool, typer.Option("--json", help="The status at the end as JSON on stdout.")] = False,
) -> None:
    """Tag, tally and refine the loaded palettes; drives the same jobs and sensors as Dagster's daemon."""
    from datetime import UTC, datetime

    from grabient_assets.cli.progress import follow, report
    from grabient_assets.headless.run_goal import (
        chosen_prompt_version,
        chosen_until,
        make_goal,
        record_goal,
        seeds_of_file,
    )
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import load_settings, parse_analyses, parse_cap
    from grabient_assets.store.objects import check_store

    settings = load_settings()
    stage = chosen_until(until)
    version = chosen_prompt_version(prompt_version)
    count = settings.analyses if analyses is None else parse_analyses(analyses, "--analyses")
    cap = parse_cap(max_usd)
    warehouse = open_warehouse(settings)
    among = None if seeds is None else seeds_of_file(seeds, warehouse)
    name_left_out(settings)
    now = datetime.now(UTC)
    goal = make_goal(warehouse, settings, version, count, stage, among, limit, today=now.date(), adaptive=adaptive)
    name_ends(goal.providers, stage, now.date())
    check_store(open_store(settings))
    if settings.mode == "live" and goal.needing:
        from grabient_assets.cli.plan import agree_to_spend
        from grabient_assets.headless.plan_document import finishing_sentence
        from grabient_assets.headless.planning import make_plan

        plan = make_plan(
            warehouse, settings, version, count, among, limit, now, adaptive=adaptive, until=stage, max_usd=cap
        )
        finishing = None if plan.finishing is None else finishing_sentence(plan.finishing, plan.needing)
        most = None if plan.finishing is None else plan.finishing.usd
        agree_to_spend(plan.usd, plan.total.requests, settings, most, finishing, yes=yes)
    record_goal(goal, warehouse, settings, now, allow_unpriced=allow_unpriced, max_usd=cap)
    times = counted(count, "analysis", "analyses")
    times = f"adaptively, up to {times}" if adaptive else times
    need = "needs" if len(goal.needing) == 1 else "need"
    needing = f"{counted(len(goal.needing), 'palette')} {need} work under {version}"
    print_note(f"{needing}: {times} by {', '.join(goal.providers)}.")
    report(follow(goal, warehouse, settings, timeout), goal, warehouse, settings, as_json=as_json)


def name_left_out(settings: Settings) -> None:
    """Say which providers cannot be asked in live mode, and why."""
    from grabient_assets.resources.modes import usable_providers, why_not_usable
    from grabient_assets.settings import PROVIDERS

    usable = usable_providers(settings)
    for provider in PROVIDERS:
        if provider not in usable and usable:
            print_note(why_not_usable(settings, provider))


def name_ends(providers: Sequence[str], until: str, today: date) -> None:
    """Say which models of the panel are shut down, and which soon will be."""
    from grabient_assets.groups.refinement.purpose import refiner
    from grabient_assets.headless.run_goal import REFINED
    from grabient_assets.registry.load import load_registry

    registry = load_registry()
    asked = [*registry.panel("tagger"), *((refiner(),) if until in REFINED else ())]
    asked = [model for model in asked if model.provider in providers]
    for sentence in (*registry.refusals(asked, today).values(), *registry.warnings(asked, today)):
        print_note(sentence)
