"""`grabient warehouse`: copying all tables from a file to a database and back, and what a warehouse holds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_json, print_note
from grabient_assets.cli.options import AsJson
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.warehouse.connection import Warehouse
    from grabient_assets.warehouse.copying import Copied

warehouse = typer.Typer(help="The tables as a whole: copy, status.", no_args_is_help=True)
PLACE = "a data folder, a DuckDB file, or postgresql://user@host/database."


@warehouse.command(epilog="Example: grabient warehouse copy .grabient postgresql://grabient@db.example.com/grabient")
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=f"What is copied: {PLACE}")],
    target: Annotated[str, typer.Argument(metavar="TO", help="What is filled, named in the same way.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="TO may hold rows: they are kept in a file, which is named, then removed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Copy all tables with all rows, and compare both sides by counts and digests. FROM keeps what it holds.

    Nobody else writes on either side meanwhile. A copy that was stopped goes on when the same command is given again;
    until it is whole, no program works with TO. Passwords come from PGPASSWORD or ~/.pgpass.

    Pictures and archives are objects and lie beside the tables: copy objects/ of the data folder into the R2 bucket,
    which machines share, or into the other data folder.
    """
    from datetime import UTC, datetime

    from grabient_assets.settings import load_settings, parse_place
    from grabient_assets.warehouse.connection import Warehouse
    from grabient_assets.warehouse.copying import copy_warehouse
    from grabient_assets.warehouse.lock_wait import LockTimeout

    timeout, folder = LockTimeout(math.inf, print_note), load_settings().data_dir
    places = parse_place(source, "FROM"), parse_place(target, "TO")
    here, there = (Warehouse(place, timeout, folder) for place in places)
    done = copy_warehouse(here, there, datetime.now(UTC), print_note, replace=replace)
    if as_json:
        print_json(_document(done))
        return
    written = sum(one.written for one in done.tables)
    what = "copied" if written else "equal already: nothing was copied"
    console = output()
    console.print(
        f"{counted(done.rows, 'row')} in {counted(len(done.tables), 'table')} {what}; "
        "counts and digests are the same.\n"
        f"from  {done.source}\nto    {done.target}",
        highlight=False,
        soft_wrap=True,
    )
    if done.replaced:
        console.print(
            f"{counted(done.replaced, 'text')} held the character 0, which PostgreSQL cannot hold; U+FFFD stands for "
            "it there."
        )
    if done.backup:
        console.print(f"What was there before: {done.backup}", highlight=False, soft_wrap=True)


def _document(done: Copied) -> dict[str, Any]:
    return {
        "from": done.source,
        "to": done.target,
        "version": done.version,
        "rows": done.rows,
        "texts_with_nul": done.replaced,
        "backup": str(done.backup) if done.backup else None,
        "tables": {
            one.table: {
                "rows": one.target.rows,
                "from_digest": one.source.digest,
                "to_digest": one.target.digest,
                "texts_with_nul": one.replaced,
                "written": one.written,
            }
            for one in done.tables
        },
    }


@warehouse.command(epilog="Example: grabient warehouse status --json")
def status(
    place: Annotated[str | None, typer.Argument(metavar="WHERE", help=f"{PLACE} Default: of the settings.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show where the tables lie, their version, and how many rows each holds."""
    from grabient_assets.cli.options import open_warehouse
    from grabient_assets.errors import UsageError
    from grabient_assets.settings import load_settings, parse_place
    from grabient_assets.warehouse.connection import Warehouse
    from grabient_assets.warehouse.copied_values import tables
    from grabient_assets.warehouse.migrations import newest_version

    settings = load_settings()
    opened = open_warehouse(settings)
    if place is not None:
        opened = Warehouse(parse_place(place, "WHERE"), folder=settings.data_dir)
    if not opened.exists():
        raise UsageError(f"{opened.place} holds no tables yet. `grabient load` makes them.")
    counts = " UNION ALL ".join(f"SELECT '{name}', (SELECT count(*) FROM {name})" for name in tables())
    with opened.read() as connection:
        rows = dict(connection.execute(counts).fetchall())
        size = _bytes(opened, connection)
    if as_json:
        print_json({"where": str(opened.place), "version": newest_version(), "bytes": size, "rows": rows})
        return
    console = output()
    console.print(f"{opened.place}: version {newest_version()}, {size / 1e6:,.1f} MB.", highlight=False, soft_wrap=True)
    for name in sorted(rows):
        if rows[name]:
            console.print(f"{rows[name]:>12,}  {name}", highlight=False)


def _bytes(opened: Warehouse, connection: Any) -> int:
    """What the file, or the database on its server, takes."""
    from pathlib import Path

    from grabient_assets.warehouse.postgres_engine import from_server

    if isinstance(opened.place, Path):
        return opened.path.stat().st_size
    [row] = connection.execute(from_server("SELECT pg_database_size(current_database()) AS size")).fetchall()
    return int(row[0])
