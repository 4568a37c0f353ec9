"""Where words go: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from grabient_assets.wording import harmless

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console, ConsoleOptions, RenderableType

WIDTH_WITHOUT_TERMINAL = 160


def output() -> Console:
    """The console of stdout. Colours only on a terminal and without NO_COLOR."""
    return _console(stderr=False)


def notes() -> Console:
    """The console of stderr."""
    return _console(stderr=True)


def print_json(document: dict[str, Any]) -> None:
    """The document, alone on stdout."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def say(sentence: str) -> None:
    """A sentence to stderr. On a terminal its lines end between words."""
    _print_text(sentence, stderr=True)


def tell(text: str) -> None:
    """Text for a person to stdout. On a terminal its lines end between words; a pipe gets each line whole."""
    _print_text(text, stderr=False)


def _print_text(text: str, *, stderr: bool) -> None:
    if (sys.stderr if stderr else sys.stdout).isatty():
        _console(stderr=stderr).print(text)
    else:
        typer.echo(harmless(text), err=stderr)


def typed_program() -> str:
    """How a person can type this program again: by its name where the shell finds it, by its path otherwise."""
    found = shutil.which(Path(sys.argv[0]).name)
    if found is not None and Path(found).resolve() == Path(sys.argv[0]).resolve():
        return Path(sys.argv[0]).name
    return sys.argv[0]


def print_indented(console: Console, text: str) -> None:
    """The text two columns in, also where it goes on in the next line."""
    from rich.padding import Padding

    console.print(Padding(text, (0, 0, 0, 2)))


def _console(*, stderr: bool) -> Console:
    from rich.console import Console
    from rich.segment import Segment

    class Screen(Console):
        """Shows words and colours. Nothing that is printed steers the terminal but what rich itself sends."""

        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(harmless(segment.text), segment.style)

    console = Screen(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        return Screen(stderr=stderr, highlight=False, markup=False, emoji=False, width=WIDTH_WITHOUT_TERMINAL)
    if console.color_system == "standard":
        # TERM=xterm says sixteen colours, which would draw other palettes; what answers to it today knows 24 bits.
        return Screen(stderr=stderr, highlight=False, markup=False, emoji=False, color_system="truecolor")
    return console
