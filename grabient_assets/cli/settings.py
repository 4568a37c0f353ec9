"""`grabient settings`: what every setting is now."""

from __future__ import annotations

from typing import Annotated

import typer

from grabient_assets.cli.console import output, print_json, tell


def settings(
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON on stdout.")] = False,
    env_example: Annotated[bool, typer.Option("--env-example", help="The text of .env.example.")] = False,
) -> None:
    """Show every setting, secrets only as "(set)", where data lie, and which providers can be asked."""
    from grabient_assets.settings import SETTINGS, env_example_text, load_settings, setting_values

    if env_example:
        typer.echo(env_example_text(), nl=False)
        return
    values = setting_values()
    if not as_json:
        from rich.table import Table

        table = Table("setting", "value", "meaning", box=None)
        for column in table.columns:
            column.overflow = "fold"  # an address that is cut cannot be copied
        for one in SETTINGS:
            table.add_row(one.name, values[one.name] or "-", one.meaning)
        output().print(table)
    found = load_settings()  # after the table: it shows what is wrong, this says so
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
    tell(f"\nData folder: {found.data_dir}")
    tell(f"For Dagster's own commands: export DAGSTER_HOME={found.dagster_home}")
    tell(f"Providers: {', '.join(usable) or 'none'}" + (" (emulated)" if found.mode == "emulator" else ""))
    for reason in left_out.values():
        tell(f"  {reason}")
