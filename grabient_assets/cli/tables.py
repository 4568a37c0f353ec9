"""Rows of names and figures that fit the screen: nothing is cut, and figures stand to the right."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from grabient_assets.cli.console import print_indented

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MUCH = 10_000
"""Columns of a screen on which everything has room."""


UNLIMITED = 10_000
"""Columns. No table is wider."""


def print_figures(
    console: Console,
    names: Sequence[str],
    figures: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    optional: Collection[str] = (),
) -> None:
    """A table with a column for each name and each figure.

    Where it is wider than the screen, the `optional` figures are left out. Where that is not enough, a row is its
    names, and below them its figures with what they are.
    """
    needed = [place for place, figure in enumerate(figures) if figure not in optional]
    for chosen in (range(len(figures)), needed):
        table = _table(names, figures, rows, chosen)
        # Measured as if there were room: on the console as it is, no table is wider than the screen.
        if console.measure(table, options=console.options.update(width=UNLIMITED)).maximum <= console.width:
            console.print(table)
            return
    for row in rows:
        console.print(" ".join(filter(None, row[: len(names)])), style="bold")
        said = (f"{figure} {value}" for figure, value in zip(figures, row[len(names) :], strict=True) if value)
        print_indented(console, ", ".join(said))


def _table(names: Sequence[str], figures: Sequence[str], rows: Sequence[Sequence[str]], chosen: Iterable[int]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, no_wrap=True)
    chosen = list(chosen)
    for place in chosen:
        table.add_column(figures[place], justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row[: len(names)], *(row[len(names) + place] for place in chosen))
    return table
