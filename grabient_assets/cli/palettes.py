"""`grabient palettes`: the loaded palettes, and how each stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_indented, print_json, shown_colours
from grabient_assets.cli.options import AsJson, PromptVersion, opened_as_it_is
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from grabient_assets.headless.palette_list import Filter, ListedPalette, PalettePage

SEED_WIDTH = 45
WIDE = 150
"""The least number of columns for a table with one row a palette; below it a palette is a few lines."""


def palettes(
    failed: Annotated[bool, typer.Option("--failed", help="Those of which something failed.")] = False,
    pending: Annotated[bool, typer.Option("--pending", help="Those of which something is still to come.")] = False,
    withheld: Annotated[bool, typer.Option("--withheld", help="Those that a check keeps from refinement.")] = False,
    uncertain: Annotated[bool, typer.Option("--uncertain", help="Those on which the models do not agree.")] = False,
    like: Annotated[
        str | None, typer.Option(metavar="WORD", help="With this in their name, seed, tags or text.")
    ] = None,
    prompt_version: PromptVersion = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="So many at once.")] = 20,
    page: Annotated[int, typer.Option(min=1, metavar="P", help="Which of the pages.")] = 1,
    as_json: AsJson = False,
) -> None:
    """List the loaded palettes: colours, name, top tags, how each stands and why.

    With several of the filters, what one of them takes is listed; --like narrows it.
    """
    from grabient_assets.groups.tagging.waves import CERTAIN
    from grabient_assets.headless.palette_list import list_palettes
    from grabient_assets.headless.run_goal import answered_prompt_version
    from grabient_assets.resources.modes import usable_providers
    from grabient_assets.settings import load_settings

    wanted: dict[Filter, bool] = {"failed": failed, "pending": pending, "withheld": withheld, "uncertain": uncertain}
    filters: list[Filter] = [name for name in wanted if wanted[name]]
    settings = load_settings()
    with opened_as_it_is(settings) as warehouse:
        version = answered_prompt_version(prompt_version, warehouse)
        with warehouse.read() as connection:
            found = list_palettes(
                connection, version, usable_providers(settings), CERTAIN, filters, like, limit, (page - 1) * limit
            )
    if as_json:
        print_json(_document(found, version, page, limit))
        return
    console = output()
    if found.palettes:
        show_palettes(console, found.palettes)
    console.print(
        _left_out(found, version, page, limit, filtered=bool(filters or like)), soft_wrap=not console.is_terminal
    )


def show_palettes(console: Console, listed: Sequence[ListedPalette]) -> None:
    """The palettes as a table, or where there is no room as a few lines each."""
    (_table if console.width >= WIDE else _stacked)(console, listed)


def _document(found: PalettePage, version: str, page: int, limit: int) -> dict[str, Any]:
    return {
        "prompt_version": version,
        "total": found.total,
        "states": found.states,
        "page": page,
        "limit": limit,
        "left_out": found.total - len(found.palettes),
        "palettes": [
            {
                "seed": one.seed,
                "name": one.name,
                "hex": list(one.hex),
                "tags": list(one.tags),
                "state": one.state,
                "reason": one.reason or None,
                "answers": one.answers,
                "failures": one.failures,
                "undecided": {
                    undecided.field: [{"value": value, "probability": p} for value, p in undecided.values]
                    for undecided in one.undecided
                },
            }
            for one in found.palettes
        ],
    }


def _table(console: Console, listed: Sequence[ListedPalette]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("colours", no_wrap=True)
    table.add_column("name", min_width=SEED_WIDTH)
    table.add_column("tags", ratio=5)
    table.add_column("state", no_wrap=True)
    table.add_column("reason", ratio=5)
    for one in listed:
        name = Text(one_line(one.name or "") or one.seed)
        if one.name:
            name.append(f"\n{one.seed}", style="dim")
        table.add_row(shown_colours(console, one.hex, 2), name, ", ".join(one.tags) or "-", one.state, one.reason)
    console.print(table)


def _stacked(console: Console, listed: Sequence[ListedPalette]) -> None:
    from rich.text import Text

    for one in listed:
        console.print(shown_colours(console, one.hex, 2).append(f"  {one.state}"))
        console.print(Text(one_line(one.name or "") or one.seed, style="bold"))
        if one.name:
            console.print(f"  {one.seed}")
        for text in (", ".join(one.tags), one.reason):
            if text:
                print_indented(console, text)
        console.print()


def _left_out(found: PalettePage, version: str, page: int, limit: int, *, filtered: bool) -> str:
    if not found.total:
        return f"No palette is like that under {version}." if filtered else "Nothing is loaded yet: grabient load FILE"
    states = ", ".join(f"{count:,} {state}" for state, count in found.states.items())
    first, last = (page - 1) * limit + 1, (page - 1) * limit + len(found.palettes)
    if first > found.total:
        return f"There is no page {page}: {counted(found.total, 'palette')} ({states}) in pages of {limit}."
    if last - first + 1 == found.total:
        return f"{counted(found.total, 'palette')} under {version}: {states}."
    more = f" {found.total - last:,} more: --page {page + 1}." if last < found.total else ""
    return f"Palettes {first:,} to {last:,} of {found.total:,} under {version} ({states}).{more}"
