"""`grabient settings`: the present value of every setting."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import UNLIMITED, output, print_indented, print_json, print_output
from grabient_assets.cli.options import AsJson

if TYPE_CHECKING:
    from rich.console import Console


def settings(
    as_json: AsJson = False,
    env_example: Annotated[bool, typer.Option("--env-example", help="The text of .env.example.")] = False,
) -> None:
    """Show every setting, secrets only as "(set)", where data lie, and which providers can be asked."""
    from grabient_assets.settings import SETTINGS, env_example_text, load_settings, setting_values

    if env_example:
        typer.echo(env_example_text(), nl=False)
        return
    values = setting_values()
    if not as_json:
        show_settings(output(), [(one.name, values[one.name] or "-", one.meaning) for one in SETTINGS])
    found = load_settings()  # after the table: the table shows the value, this error explains it
    from grabient_assets.resources.modes import usable_providers, why_not_usable
    from grabient_assets.settings import PROVIDERS

    usable = usable_providers(found)
    left_out = {p: why_not_usable(found, p) for p in PROVIDERS if p not in usable}
    if as_json:
        print_json(
            {
                "settings": values,
                "data_dir": str(found.data_dir),
                "dagster_home": str(found.dagster_home),
                "providers": {"usable": list(usable), "left_out": left_out},
            }
        )
        return
    print_output(f"\nData folder: {found.data_dir}")
    print_output(f"For Dagster's own commands: export DAGSTER_HOME={shlex.quote(str(found.dagster_home))}")
    print_output(f"Providers: {', '.join(usable) or 'none'}" + (" (emulated)" if found.mode == "emulator" else ""))
    for reason in left_out.values():
        print_output(f"  {reason}")


def show_settings(console: Console, rows: Sequence[tuple[str, str, str]]) -> None:
    """Name, value and meaning of each as a table. Where a word would not fit into its column, the meaning stands below:
    an address that is cut or broken cannot be copied."""
    from rich.table import Table

    table = Table(box=None)
    for name in ("setting", "value", "meaning"):
        table.add_column(name, no_wrap=name != "meaning")
    for row in rows:
        table.add_row(*row)
    # Measured without a limit: on the console as it is, no table is wider than the screen.
    if console.measure(table, options=console.options.update(width=UNLIMITED)).minimum <= console.width:
        console.print(table)
        return
    for name, value, meaning in rows:
        console.print(f"{name} {value}", style="bold")
        print_indented(console, meaning)
