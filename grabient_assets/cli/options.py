"""The shared parts of commands: options, typed values, and opening the warehouse."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from grabient_assets.cli.console import print_note
from grabient_assets.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from grabient_assets.groups.palettes.palette_line import Sixteen
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

T = TypeVar("T", bound=str)

AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON on stdout.")]
PromptVersion = Annotated[
    str | None, typer.Option("--prompt-version", metavar="V", help="Default: GRABIENT_PROMPT_VERSION.")
]
PromptFolder = Annotated[
    str | None, typer.Option(metavar="V", help="A folder of prompts/; default: GRABIENT_PROMPT_VERSION.")
]
Analyses = Annotated[
    str | None, typer.Option(metavar="N", help="How often each model is asked, 1-20; default: TAG_ANALYSIS_COUNT.")
]
MostPalettes = Annotated[int | None, typer.Option(min=1, metavar="N", help="At most N palettes that still need work.")]
SeedsFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Only these palettes: one seed a line.")]
Stage = Annotated[str, typer.Option(metavar="STAGE", help="tags, consensus, refined or indexed.")]
Yes = Annotated[bool, typer.Option("--yes", help="Spend without asking first, in live mode at a terminal.")]
SixteenNumbers = Annotated[
    str | None,
    typer.Option(
        "--sixteen",
        metavar="WHAT",
        help="What 16 numbers with 1, 0, 0, 0 in places 4, 8, 12, 16 are: preset (vectors with alpha, which is "
        "left out) or modifiers (12 coefficients, then exposure, contrast, frequency, phase).",
    ),
]


def one_of(text: str, choices: Sequence[T], option: str) -> T:
    """The choice that was typed. Raises UsageError for any other word."""
    for choice in choices:
        if choice == text:
            return choice
    raise UsageError(f"{option} is {text!r}; it must be one of {', '.join(choices)}.")


def day(text: str | None, option: str, otherwise: str = "") -> date | None:
    """The day that was typed. Raises UsageError for anything else; `otherwise` names the alternatives."""
    from datetime import date

    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} is {text!r}; it must be a day such as 2026-11-20{otherwise}.") from error


def chosen_sixteen(text: str | None) -> Sixteen | None:
    """The value of `--sixteen`. Raises UsageError for any other word."""
    if text is None or text == "preset" or text == "modifiers":
        return text
    raise UsageError(f"--sixteen is {text!r}; it must be preset or modifiers.")


def open_warehouse(settings: Settings) -> Warehouse:
    """The warehouse. It waits for the lock without a limit: stderr names the holder after a second and every minute, so
    that a person may close it there or press Ctrl-C."""
    from grabient_assets.warehouse import connection
    from grabient_assets.warehouse.lock_wait import LockTimeout

    return connection.open_warehouse(settings, LockTimeout(math.inf, print_note))


@contextmanager
def opened_as_it_is(settings: Settings) -> Iterator[Warehouse]:
    """The same for a command that only reads: a missing file is replaced by an empty one elsewhere; none is created
    here."""
    from grabient_assets.warehouse.connection import Warehouse

    found = open_warehouse(settings)
    if found.exists():
        yield found
        return
    with tempfile.TemporaryDirectory() as folder:
        yield Warehouse(Path(folder) / settings.database.name)
