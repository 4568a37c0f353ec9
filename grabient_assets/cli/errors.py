"""`grabient errors`: what failed, by reason and model."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import output, print_indented, print_json
from grabient_assets.cli.options import opened_as_it_is
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from grabient_assets.headless.failure_groups import FailureGroup
    from grabient_assets.headless.failures import Repeat


def errors(
    prompt_version: Annotated[
        str | None, typer.Option("--prompt-version", metavar="V", help="Only under this version; default: all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The same with every palette, as JSON on stdout.")] = False,
) -> None:
    """Show what failed, grouped by reason and model: which palettes, and what asking again would cost."""
    from datetime import UTC, datetime

    from grabient_assets.headless.failure_groups import (
        NAMED_PALETTES,
        failure_groups,
        failures_document,
        priced_groups,
    )
    from grabient_assets.headless.failures import find_failures, repeats
    from grabient_assets.headless.run_goal import answered_prompt_version
    from grabient_assets.settings import load_settings

    settings = load_settings()
    with opened_as_it_is(settings) as warehouse:
        version = None if prompt_version is None else answered_prompt_version(prompt_version, warehouse)
        with warehouse.read() as connection:
            found = failure_groups(connection, version, None if as_json else NAMED_PALETTES)
        again = repeats(warehouse, find_failures(warehouse, settings, version), datetime.now(UTC).date())
    found = priced_groups(found, again)
    if as_json:
        print_json(failures_document(found, again))
    else:
        show_errors(output(), found, again, emulated=settings.mode == "emulator")


def show_errors(
    console: Console, found: Sequence[FailureGroup], again: Sequence[Repeat] = (), *, emulated: bool
) -> None:
    """The groups, and what asking all of them again would cost."""
    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.headless.failure_groups import total_of

    if not found:
        console.print("Nothing failed.")
        return
    for one in found:
        cost = one.retry_usd
        price = "at a cost nobody knows" if cost is None else f"about {cost:.4f} USD"
        more = f", and {one.palettes - len(one.named):,} more" if one.palettes > len(one.named) else ""
        named = ", ".join(f"{one_line(name)} ({seed})" if name else seed for seed, name in one.named)
        purpose = PURPOSES[one.purpose]
        console.print(f"{one.provider} {one.model}, {one.purpose}: {counted(one.palettes, purpose.noun)}", style="bold")
        print_indented(console, one.reason)
        print_indented(console, f"{purpose.noun.capitalize()}s: {named}{more}")
        again_at = f"Again: {counted(one.requests, 'request')}, {price}"
        if purpose.ask_again is None:
            again_at = "`grabient retry` leaves it out; what made it asks again, such as `grabient chorus retry`."
        print_indented(console, again_at if one.requests else "An earlier system asked; it was imported as it is.")
        console.print()
    total = total_of(found, again)
    if not total["requests"]:
        return
    unknown = f", and {counted(total['unknown'], 'request')} at a cost nobody knows" if total["unknown"] else ""
    usd = f"about {Decimal(total['retry_usd']):.4f} USD{unknown}{' (emulated)' if emulated else ''}"
    follow = f", and {counted(total['follow'], 'refinement')} that may follow" if total["follow"] else ""
    console.print(
        f"`grabient retry --run` asks all of them again: {counted(total['requests'], 'request')}{follow}; {usd}. "
        "`grabient retry --dry-run` says it model by model."
    )
