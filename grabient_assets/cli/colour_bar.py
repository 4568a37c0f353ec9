"""A palette drawn with blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.text import Text


def colour_bar(hex_colors: Sequence[str], block: int = 4) -> Text:
    """One block of `block` cells per colour. Where colours are off, the bar is empty space."""
    from rich.text import Text

    bar = Text(no_wrap=True)
    for colour in hex_colors:
        bar.append(" " * block, style=f"on {colour}")
    return bar
