"""Rows of names and figures that fit the screen: nothing is cut, and figures stand to the right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from grabient_assets.cli.console import print_indented

if TYPE_CHECKING:
    from rich.console import Console

MUCH = 10_000
"""Columns of a screen on which everything has room."""


def print_figures(
    console: Console, names: Sequence[str], figures: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """A table with a column for each name and each figure. Where it is wider than the screen a row is its names, and
    below them its figures with what they are."""
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, no_wrap=True)
    for figure in figures:
        table.add_column(figure, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    if Measurement.get(console, console.options.update(max_width=MUCH), table).maximum <= console.width:
        console.print(table)
        return
    for row in rows:
        console.print(" ".join(filter(None, row[: len(names)])), style="bold")
        said = (f"{figure} {value}" for figure, value in zip(figures, row[len(names) :], strict=True))
        print_indented(console, ", ".join(said))
