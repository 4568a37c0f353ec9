"""The output of commands: data to stdout and everything else to stderr, and tables of figures that fit the screen."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from grabient_assets.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

WIDTH_WITHOUT_TERMINAL = 160
UNLIMITED = 10_000
"""Columns. No table is wider."""


def output() -> Console:
    """The console of stdout. Colours only on a terminal and without NO_COLOR."""
    return _console(stderr=False)


def notes() -> Console:
    """The console of stderr."""
    return _console(stderr=True)


def print_json(document: dict[str, Any]) -> None:
    """The document, alone on stdout."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_note(sentence: str) -> None:
    """A sentence to stderr. On a terminal its lines end between words."""
    _print_text(sentence, stderr=True)


def print_output(text: str) -> None:
    """Text for a person to stdout. On a terminal its lines end between words; a pipe gets each line whole."""
    _print_text(text, stderr=False)


def _print_text(text: str, *, stderr: bool) -> None:
    if (sys.stderr if stderr else sys.stdout).isatty():
        _console(stderr=stderr).print(text)
    else:
        typer.echo(harmless(text), err=stderr)


def typed_program() -> str:
    """The command by which a person can run this program again: its name where the shell finds it, otherwise its
    path."""
    found = shutil.which(Path(sys.argv[0]).name)
    if found is not None and Path(found).resolve() == Path(sys.argv[0]).resolve():
        return Path(sys.argv[0]).name
    return sys.argv[0]


def print_indented(console: Console, text: str) -> None:
    """The text two columns in, also where it goes on in the next line."""
    from rich.padding import Padding

    console.print(Padding(text, (0, 0, 0, 2)))


def colour_bar(hex_colors: Sequence[str], block: int = 4) -> Text:
    """One block of `block` cells per colour. Where colours are off, the bar is empty space."""
    from rich.text import Text

    bar = Text(no_wrap=True)
    for colour in hex_colors:
        bar.append(" " * block, style=f"on {colour}")
    return bar


def shows_colours(console: Console) -> bool:
    """Whether colours reach a person."""
    return console.is_terminal and not console.no_color


def half_blocks(content: bytes, columns: int) -> list[Text]:
    """A picture as so many columns of blocks, each of two colours, one above the other. Raises ImageError."""
    import numpy as np
    from PIL import Image
    from rich.text import Text

    from grabient_assets.imaging.canvas import opaque, read_canvas

    canvas = read_canvas(content)
    lines = max(1, round(columns * canvas.height / canvas.width / 2))  # a block is twice as high as wide
    small = Image.fromarray(opaque(canvas.pixels)).resize((columns, 2 * lines), Image.Resampling.BOX)
    pixels, rows = np.asarray(small), list[Text]()
    for upper, lower in zip(pixels[::2], pixels[1::2], strict=True):
        row = Text(no_wrap=True)
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            row.append("▀", style="#{:02x}{:02x}{:02x} on #{:02x}{:02x}{:02x}".format(*above, *below))
        rows.append(row)
    return rows


def shown_colours(console: Console, hex_colors: Sequence[str], block: int = 4) -> Text:
    """The bar of the colours, or where colours are off three of the eleven as #rrggbb."""
    from rich.text import Text

    if shows_colours(console):
        return colour_bar(hex_colors, block)
    return Text(" ".join(hex_colors[::5]), style="not bold", no_wrap=True)


def print_figures(
    console: Console,
    names: Sequence[str],
    figures: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    optional: Collection[str] = (),
) -> None:
    """A table with a column for each name and each figure.

    A table that is wider than the screen loses the `optional` figures. When that is not enough, a row consists of its
    names, and below them its figures with their headings.
    """
    needed = [place for place, figure in enumerate(figures) if figure not in optional]
    for chosen in (range(len(figures)), needed):
        table = _figures_table(names, figures, rows, chosen)
        # Measured without a limit: on the console as it is, no table is wider than the screen.
        if console.measure(table, options=console.options.update(width=UNLIMITED)).maximum <= console.width:
            console.print(table)
            return
    for row in rows:
        console.print(" ".join(filter(None, row[: len(names)])), style="bold")
        shown = (f"{figure} {value}" for figure, value in zip(figures, row[len(names) :], strict=True) if value)
        print_indented(console, ", ".join(shown))


def _figures_table(
    names: Sequence[str], figures: Sequence[str], rows: Sequence[Sequence[str]], chosen: Iterable[int]
) -> Table:
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


def _console(*, stderr: bool) -> Console:
    from rich.console import Console
    from rich.segment import Segment

    class Screen(Console):
        """Shows text and colours. Printed text cannot send control sequences to the terminal; only rich does."""

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(harmless(segment.text), segment.style)

    console = Screen(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        return Screen(stderr=stderr, highlight=False, markup=False, emoji=False, width=WIDTH_WITHOUT_TERMINAL)
    if console.color_system == "standard":
        # TERM=xterm announces sixteen colours, which would draw other palettes; terminals of that name now have 24
        # bits.
        return Screen(stderr=stderr, highlight=False, markup=False, emoji=False, color_system="truecolor")
    return console
