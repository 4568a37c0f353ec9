"""`grabient load`: palettes in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.options import SixteenNumbers, chosen_sixteen, open_warehouse
from grabient_assets.cli.stopping import asking

if TYPE_CHECKING:
    from grabient_assets.groups.palettes.loading import LoadReport
    from grabient_assets.groups.palettes.palette_file import PaletteFile, RejectedLine

SHOWN = 20
STDIN = Path("/dev/stdin")


def load(
    file: Annotated[Path, typer.Argument(help="JSONL, JSON, CSV or text; see below.")],
    sixteen: SixteenNumbers = None,
    strict: Annotated[bool, typer.Option("--strict", help="Store nothing when any line is rejected.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
) -> None:
    """Load palettes. Rejected lines are shown with the reason and kept in the table rejected_palettes.

    FILE, or - for standard input, is JSON lines, a JSON array, a table with a header (between commas,
    semicolons, tabs or |), or one palette a line. Its columns or fields:

    seed, id or url: a seed, its 12 or 16 numbers, or its address at grabient.com
    style, steps, angle: how it is drawn, where the address does not say it;
    linearGradient, angularSwatches ..., 2 to 50, degrees; name: for people.
    All others are ignored.
    """
    file = STDIN if str(file) == "-" else file
    found = _read(file, sixteen)
    if strict and found.rejected:
        _show(found, None, as_json)
        lines = f"{len(found.rejected)} lines of {file}"
        print_note(f"Nothing was stored: {lines} are not palettes, and --strict was given.")
        raise typer.Exit(1)
    source = "standard input" if file == STDIN else str(file.resolve() if file.is_file() else file.absolute())
    _show(found, store(found, source), as_json)
    if not found.rows:
        print_note(f"No line of {file} is a palette.")
        raise typer.Exit(1)


def _read(file: Path, sixteen: str | None) -> PaletteFile:
    """The palettes of the file. A person at a terminal is asked what 16 numbers mean; a script has to give an
    option."""
    from grabient_assets.errors import AmbiguousPaletteError
    from grabient_assets.groups.palettes.palette_file import read_palette_file

    try:
        return read_palette_file(file, chosen_sixteen(sixteen))
    except AmbiguousPaletteError as error:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        print_note(str(error))
        with asking():
            preset = typer.confirm("Are they presets with alpha?", default=None, err=True)
        return read_palette_file(file, "preset" if preset else "modifiers")


def store(found: PaletteFile, source: str) -> LoadReport:
    """Store the palettes of the file, its rejected lines under the name `source`, and make partitions of them."""
    from datetime import UTC, datetime

    from grabient_assets.groups.palettes.loading import load_palettes
    from grabient_assets.partitions import add_partitions
    from grabient_assets.resources.home import dagster_instance
    from grabient_assets.settings import load_settings

    settings = load_settings()
    report = load_palettes(open_warehouse(settings), found, source, datetime.now(UTC))
    add_partitions(dagster_instance(settings), [row.palette.canonical for row in found.rows])
    return report


def _show(found: PaletteFile, report: LoadReport | None, as_json: bool) -> None:
    accepted, known = (len(report.accepted), len(report.known)) if report else (0, 0)
    if as_json:
        rejected = [
            {"line": line.line, "entry": line.entry, "text": line.text, "reason": line.reason}
            for line in found.rejected
        ]
        notes = [{"line": row.line, "note": row.note} for row in found.rows if row.note]
        seeds = [row.palette.canonical for row in found.rows] if report else []
        print_json({"accepted": accepted, "known": known, "rejected": rejected, "notes": notes, "seeds": seeds})
        return
    print_output(f"{accepted} accepted, {known} known already, {len(found.rejected)} rejected")
    for line in found.rejected[:SHOWN]:
        print_output(_rejected(line))
    if len(found.rejected) > SHOWN:
        print_output(f"  ... and {len(found.rejected) - SHOWN} more")
    noted = [f"  line {row.line}: {row.note}" for row in found.rows if row.note]
    for note in noted[:SHOWN]:
        print_output(note)
    if len(noted) > SHOWN:
        print_output(f"  ... and {len(noted) - SHOWN} more notes")
    if report and found.rejected:
        print_output("Rejected lines are kept in the table rejected_palettes (source, line, entry, text, reason).")
    if accepted:
        print_note("Next: `grabient run`, or `grabient dev` and materialize them there.")


def _rejected(line: RejectedLine) -> str:
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line.text[:60]
    )
    entry = f", entry {line.entry}" if line.entry > 1 else ""
    return f"  line {line.line}{entry}: {line.reason} ({text})"
