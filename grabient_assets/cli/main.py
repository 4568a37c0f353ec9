"""The command `grabient`: errors become sentences and exit codes here. commands.py lists the commands."""

from __future__ import annotations

import errno
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from grabient_assets.cli.commands import Commands
from grabient_assets.cli.console import print_note
from grabient_assets.cli.leaving import STOPPED
from grabient_assets.cli.stopping import in_a_thread, leave_when_asked
from grabient_assets.errors import GrabientError, UsageError

INTERRUPTED = 130
IN_THE_MAIN_THREAD = ("emulator", "dev", "studio")
"""Commands that handle signals themselves."""


class Group(TyperGroup):
    """Turns errors that a person can cause into one sentence on stderr and an exit code."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.commands = Commands()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for one in args:
            # Python decodes invalid bytes as surrogates; no database and no table of ours takes them.
            if not one.isascii() and (shown := one.encode("utf-8", "replace").decode()) != one:
                print_note(
                    f"{shown!r} holds a byte that is not UTF-8. Type it again; a file of such a name has to be renamed."
                )
                raise typer.Exit(UsageError.exit_code)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        invoke = super().invoke
        try:
            if ctx._protected_args and ctx._protected_args[0] in IN_THE_MAIN_THREAD:
                return invoke(ctx)
            return in_a_thread(lambda: invoke(ctx))
        except GrabientError as error:
            print_note(str(error))
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            print_note(STOPPED)
            raise typer.Exit(INTERRUPTED) from error
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise
            where = f"{error.filename}: " if error.filename else ""
            way_out = "Check the path and its permissions; GRABIENT_DATA_DIR says where data go."
            print_note(f"{where}{error.strerror or error}. {way_out}")
            raise typer.Exit(1) from error
        except Exception as error:
            if (reason := _dagster_cannot_write(error)) is None:
                raise
            print_note(reason)
            raise typer.Exit(1) from error


def _dagster_cannot_write(error: Exception) -> str | None:
    """The sentence for an error that makes Dagster's own records unusable: files of SQLite that are damaged, locked or
    not writable, a full disk, a database that went away."""
    import sqlite3

    wrapped = error.__cause__ if type(error).__name__ == "DagsterPostgresException" else error
    cause = getattr(wrapped, "orig", wrapped)  # SQLAlchemy wraps it
    if type(cause).__module__.startswith("psycopg2"):
        return _database_is_gone(cause)
    if not isinstance(cause, sqlite3.DatabaseError) or isinstance(cause, (sqlite3.IntegrityError, sqlite3.DataError)):
        return None
    if not isinstance(cause, sqlite3.OperationalError):
        from grabient_assets.resources.home import damaged_records
        from grabient_assets.settings import load_settings

        if damaged := damaged_records(load_settings().dagster_home):
            return damaged
    return (
        f"Dagster's records below the data folder cannot be used: {cause}. Free space on the disk, or see who has them "
        "open, then run again: what was sent and answered is in the ledger, and nothing of it is lost."
    )


def _database_is_gone(cause: Any) -> str | None:
    """The sentence for an error of psycopg2, when it comes from the database of Dagster's records."""
    from grabient_assets.resources.records import postgres_records
    from grabient_assets.settings import load_settings

    records = postgres_records(load_settings().dagster_home)
    return records.sentence(cause) if records else None


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"grabient {version('grabient-assets')}")
        raise typer.Exit


app = typer.Typer(
    cls=Group,
    name="grabient",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Words for colour gradients: many language models through batch APIs, their consensus, refined tags.",
    epilog="Start with: grabient demo. Every command has --help with an example. "
    "Exit codes: 0 done, 1 failed, 2 usage, 130 and 143 stopped by Ctrl-C and SIGTERM.",
)


@app.callback()
def grabient(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options before a command."""


def main() -> None:
    """The command that the arguments name."""
    leave_when_asked()
    try:
        app(prog_name="grabient")
    except KeyboardInterrupt:
        print_note(STOPPED)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
