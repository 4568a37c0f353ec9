"""`grabient plan`: what `grabient run` would send and cost. No network, nothing written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_json, say

if TYPE_CHECKING:
    from grabient_assets.headless.planning import Plan


def plan(
    prompt_version: Annotated[
        str | None, typer.Option(metavar="V", help="A folder of prompts/; default: GRABIENT_PROMPT_VERSION.")
    ] = None,
    analyses: Annotated[
        str | None, typer.Option(metavar="N", help="How often each model is asked, 1-20; default: TAG_ANALYSIS_COUNT.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="At most N palettes that still need work.")
    ] = None,
    seeds: Annotated[Path | None, typer.Option(metavar="FILE", help="Only these palettes: one seed a line.")] = None,
    adaptive: Annotated[
        bool,
        typer.Option("--adaptive", help="As `grabient run --adaptive` would: the first wave, then the later ones."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON on stdout.")] = False,
) -> None:
    """Show what `grabient run` with these options would send: requests, batches, tokens, dollars. Sends nothing."""
    from grabient_assets.settings import load_settings

    report_plan(_made(prompt_version, analyses, limit, seeds, adaptive=adaptive), load_settings().mode, as_json=as_json)


def report_plan(found: Plan, mode: str, *, as_json: bool) -> None:
    """Print the plan, and what a person should know on stderr. Ends with 1 when some of it could not be sent."""
    from grabient_assets.cli.plan_tables import plan_document, show_plan

    if as_json:
        print_json(plan_document(found, mode))
    else:
        show_plan(found, mode)
    for sentence in dict.fromkeys((*found.warnings, *found.refused)):
        say(sentence)
    if found.refused:
        raise typer.Exit(1)


def _made(
    prompt_version: str | None, analyses: str | None, limit: int | None, seeds: Path | None, *, adaptive: bool
) -> Plan:
    from datetime import UTC, datetime

    from grabient_assets.cli.database import opened_as_it_is
    from grabient_assets.headless.planning import make_plan
    from grabient_assets.headless.wishes import chosen_prompt_version, seeds_of_file
    from grabient_assets.settings import load_settings, parse_analyses

    settings = load_settings()
    version = chosen_prompt_version(prompt_version)
    count = settings.analyses if analyses is None else parse_analyses(analyses, "--analyses")
    with opened_as_it_is(settings) as warehouse:
        among = None if seeds is None else seeds_of_file(seeds, warehouse)
        return make_plan(warehouse, settings, version, count, among, limit, datetime.now(UTC), adaptive=adaptive)
