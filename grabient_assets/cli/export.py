"""`grabient export`: the refined palettes as a file for a site's database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_note
from grabient_assets.cli.options import PromptVersion, day, one_of, opened_as_it_is
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.groups.exports.files import Delivered, FileKind
    from grabient_assets.groups.exports.tables import Selection
    from grabient_assets.settings import Settings

NAMED_AT_MOST = 5


def export(
    form: Annotated[str, typer.Option("--format", metavar="F", help="jsonl, csv, parquet or sql.")] = "jsonl",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="F", help="Write this file, whole or not at all; default: stdout.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Refined from this day on (UTC); or 'last': changed since the last export."),
    ] = None,
    prompt_version: PromptVersion = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B", help="Columns of the view refined_palettes; default: all but cost_usd.")
    ] = None,
    dialect: Annotated[str, typer.Option(metavar="D", help="Of --format sql: sqlite or postgres.")] = "sqlite",
    table: Annotated[
        str, typer.Option(metavar="T", help="Of --format sql: the table to insert into.")
    ] = "refined_palettes",
    target: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who gets it, for --since last; default: the format, of sql the dialect."),
    ] = None,
) -> None:
    """Export the refined palettes, one row a palette: all, those refined since a day, or what changed since last."""
    from datetime import UTC, datetime

    from grabient_assets.groups.exports.files import deliver
    from grabient_assets.groups.exports.tables import Selection
    from grabient_assets.headless.run_goal import answered_prompt_version
    from grabient_assets.settings import load_settings

    settings = load_settings()
    kind = _kind(form, dialect, table)
    with opened_as_it_is(settings) as warehouse:
        selection = Selection(
            prompt_version=answered_prompt_version(prompt_version, warehouse),
            columns=_columns(columns, kind),
            target=target or (kind.dialect if kind.format == "sql" else kind.format),
            since=None if since == "last" else day(since, "--since", ", or last"),
            changed=since == "last",
        )
        check_place(out, kind.format, settings)
        done = deliver(warehouse, selection, kind, out, sys.stdout.buffer, datetime.now(UTC))
    _print_summary(done, selection, kind, out, settings)


def _kind(form: str, dialect: str, table: str) -> FileKind:
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.exports.files import FORMATS, FileKind
    from grabient_assets.groups.exports.upserts import DIALECTS

    chosen = one_of(form, FORMATS, "--format"), one_of(dialect, DIALECTS, "--dialect")
    if not table or "\0" in table:
        raise UsageError(f"--table is {table!r}; it must be the name of a table.")
    return FileKind(*chosen, table)


def _columns(text: str | None, kind: FileKind) -> tuple[str, ...]:
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.exports.tables import EXPORT_COLUMNS, USUAL_COLUMNS

    if text is None:
        return USUAL_COLUMNS
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in EXPORT_COLUMNS:
            raise UsageError(f"--columns names {name!r}; there is {', '.join(EXPORT_COLUMNS)}.")
    if not names:
        raise UsageError(f"--columns names no column; there is {', '.join(EXPORT_COLUMNS)}.")
    if kind.format == "sql" and "seed" not in names:
        raise UsageError("--columns lacks seed, which tells the rows of the table apart. Add it.")
    return names


def check_place(out: Path | None, form: str, settings: Settings) -> None:
    """Raise UsageError where an export of this format cannot go to `out`, or without it to stdout."""
    from grabient_assets.errors import UsageError

    if out is None:
        if form == "parquet" and sys.stdout.isatty():
            raise UsageError("Parquet is nothing to read on a terminal. Name a file with --out.")
        return
    if out.is_dir():
        raise UsageError(f"--out is {out}, a folder. Name a file in it.")
    if not out.parent.is_dir():
        raise UsageError(f"--out is {out}, and there is no folder {out.parent}. Make it first.")
    if out.resolve() == settings.database.resolve():
        raise UsageError(f"--out is {out}, the database itself. Name another file.")


def _print_summary(done: Delivered, selection: Selection, kind: FileKind, out: Path | None, settings: Settings) -> None:
    """What was written, on stderr: stdout may be the export itself."""
    what = f"{counted(done.rows, 'palette')} of {selection.prompt_version} as {kind.format}"
    since = ""
    if selection.changed:
        since = f", changed since {done.before:%Y-%m-%d %H:%M} UTC" if done.before else ", for the first time"
    elif selection.since:
        since = f", refined since {selection.since}"
    emulated = " (emulated)" if settings.mode == "emulator" else ""
    print_note(f"Exported {what}{since}{f' to {out}' if out else ''} ({done.bytes:,} bytes){emulated}.")
    if done.withdrawn:
        print_note(_withdrawn(done.withdrawn, kind))


def _withdrawn(seeds: tuple[str, ...], kind: FileKind) -> str:
    more = f" and {len(seeds) - NAMED_AT_MOST:,} more" if len(seeds) > NAMED_AT_MOST else ""
    named = ", ".join(seeds[:NAMED_AT_MOST]) + more
    one = len(seeds) == 1
    then = (
        f"The file deletes {'it' if one else 'them'}."
        if kind.format == "sql"
        else f"Take {'it' if one else 'them'} out of the site."
    )
    return (
        f"Taken back: {counted(len(seeds), 'palette')} exported before {'has' if one else 'have'} "
        f"no usable refinement any more ({named}). {then}"
    )
