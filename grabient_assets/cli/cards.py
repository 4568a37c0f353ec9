"""Palettes with their tags, drawn for a terminal of any width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.cli.colour_bar import colour_bar
from grabient_assets.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.text import Text

    from grabient_assets.headless.showcase import Shown

LISTED = ("mood", "style", "dominant_colors", "associations")
INDENT = 2
WIDEST = 100
"""Lines longer than this are hard to read."""


def draw_cards(console: Console, palettes: Sequence[Shown]) -> None:
    """Each palette with its name and colours, its refined tags and the text it is found by."""
    from rich.padding import Padding

    for shown in palettes:
        console.print(_named_bar(console, shown))
        for line in (_facts(shown.refined), _tags(shown.refined), shown.embed_text):
            if line:
                console.print(Padding(line, (0, 0, 0, INDENT)), width=min(console.width, WIDEST))
        console.print()


def _named_bar(console: Console, shown: Shown) -> Text:
    from rich.text import Text

    named = Text(f"{one_line(shown.name or '') or shown.seed}  ", style="bold")
    if console.is_terminal and not console.no_color:
        return named.append_text(colour_bar(shown.hex, 3))
    return named.append(" ".join(shown.hex[::5]), style="not bold")


def _facts(fields: dict[str, list[str]]) -> str:
    named = {
        name: fields[name][0] for name in ("temperature", "contrast", "brightness", "saturation") if name in fields
    }
    return ", ".join(f"{value} contrast" if name == "contrast" else value for name, value in named.items())


def _tags(fields: dict[str, list[str]]) -> str:
    return "; ".join(", ".join(fields[name]) for name in LISTED if fields.get(name))
