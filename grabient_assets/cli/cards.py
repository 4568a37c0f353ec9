"""Palettes with their tags, drawn for a terminal: a table where there is room, stacked cards where there is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.cli.colour_bar import colour_bar

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from grabient_assets.headless.showcase import Showcase, Shown

TABLE_WIDTH = 130
VOTED = ("mood", "style", "dominant_colors", "associations")


def draw_showcase(console: Console, showcase: Showcase) -> None:
    """All palettes, then what their answers cost."""
    if console.width >= TABLE_WIDTH:
        _table(console, showcase)
    else:
        for shown in showcase.palettes:
            _card(console, shown)


def _table(console: Console, showcase: Showcase) -> None:
    from rich.table import Table

    table = Table(show_lines=True)
    table.add_column("palette", width=33)
    table.add_column("the panel says", ratio=2)
    table.add_column("refined", ratio=2)
    table.add_column("embed_text", ratio=3)
    for shown in showcase.palettes:
        table.add_row(_named_bar(console, shown, 3), _consensus(shown), _refined(shown), shown.embed_text or "-")
    console.print(table)


def _card(console: Console, shown: Shown) -> None:
    console.print(_named_bar(console, shown, max(2, min(6, (console.width - 1) // len(shown.hex)))))
    for label, text in (("panel", _consensus(shown)), ("refined", _refined(shown)), ("text", shown.embed_text or "-")):
        console.print(f"{label}: {text}")
    console.print()


def _named_bar(console: Console, shown: Shown, block: int) -> Text:
    from rich.text import Text

    named = Text(shown.name or shown.seed, style="bold")
    named.append("\n")
    if console.is_terminal and not console.no_color:
        return named.append_text(colour_bar(shown.hex, block))
    return named.append(" ".join(shown.hex[::5]))


def _facts(fields: dict[str, list[str]]) -> str:
    words = (fields.get(name, ["-"])[0] for name in ("temperature", "contrast", "brightness", "saturation"))
    temperature, contrast, brightness, saturation = words
    return f"{temperature}, {contrast} contrast, {brightness}, {saturation}"


def _consensus(shown: Shown) -> str:
    if not shown.consensus:
        return "-"
    return f"{_facts(shown.consensus)}; " + "; ".join(
        ", ".join(shown.consensus[f]) for f in VOTED if f in shown.consensus
    )


def _refined(shown: Shown) -> str:
    if not shown.refined:
        return "-"
    return f"{_facts(shown.refined)}; " + "; ".join(", ".join(shown.refined[f]) for f in VOTED if shown.refined.get(f))
