"""`grabient retry`: asks again what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_json, say
from grabient_assets.cli.run import DEFAULT_TIMEOUT, name_left_out

if TYPE_CHECKING:
    from grabient_assets.batching.holding import Held
    from grabient_assets.headless.failures import AskedAgain
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse


def retry(
    prompt_version: Annotated[
        str | None, typer.Option(metavar="V", help="Only under this version; default: all.")
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Drive the pipeline at once, until nothing is open.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="What was asked again, as JSON on stdout.")] = False,
) -> None:
    """Ask again exactly what failed: unusable answers, and what a provider or model refused."""
    from datetime import UTC, datetime

    from grabient_assets.cli.database import open_warehouse
    from grabient_assets.cli.following import follow, report
    from grabient_assets.headless.failures import ask_again
    from grabient_assets.headless.wishes import askable_providers, chosen_prompt_version, wish_of_asked
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import load_settings
    from grabient_assets.store.objects import check_store

    settings = load_settings()
    version = None if prompt_version is None else chosen_prompt_version(prompt_version)
    askable_providers(settings)
    check_store(open_store(settings))
    name_left_out(settings)
    warehouse = open_warehouse(settings)
    held = [one for one in _held(warehouse, settings) if one.kind == "failed"]
    asked = ask_again(warehouse, settings, version, datetime.now(UTC))
    for one in held:
        say(f"{one.sentence} It is released.")
    _show(asked, _held(warehouse, settings), as_json and not run)
    if not (asked.tagging or asked.refinement):
        say("Nothing failed that could be asked again.")
        return
    if not run:
        say("It goes out with the next `grabient run`, or by itself where Dagster's daemon runs.")
        return
    wish = wish_of_asked(asked.partitions, "refined" if asked.chained else "consensus", settings)
    report(follow(wish, warehouse, settings, DEFAULT_TIMEOUT), wish, warehouse, settings, as_json=as_json)


def _held(warehouse: Warehouse, settings: Settings) -> list[Held]:
    """What is not tried at once, although it is asked for."""
    from datetime import UTC, datetime

    from grabient_assets.batching.holding import held_back

    with warehouse.read() as connection:
        return held_back(connection, settings.budget_usd, datetime.now(UTC))


def _show(asked: AskedAgain, held: list[Held], as_json: bool) -> None:
    for reason in (*asked.left_out, *(one.sentence for one in held)):
        say(reason)
    if as_json:
        tagging = [{"provider": p, "model": m, "palettes": count} for (p, m), count in asked.tagging.items()]
        print_json(
            {
                "tagging": tagging,
                "refinement": asked.refinement,
                "left_out": list(asked.left_out),
                "held": [one.document() for one in held],
            }
        )
        return
    for (provider, model), count in asked.tagging.items():
        say(f"{provider} {model}: {count} palettes asked again")
    if asked.refinement:
        say(f"refinement: {asked.refinement} palettes asked again")
