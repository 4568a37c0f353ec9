"""`grabient studio`: the pages over the data folder."""

from __future__ import annotations

from typing import Annotated

import typer


def studio(
    port: Annotated[
        int, typer.Option("--port", "-p", min=0, max=65535, metavar="P", help="0 takes a free one.")
    ] = 3700,
    host: Annotated[str, typer.Option(metavar="NAME", help="The address to listen at; by default this machine.")] = (
        "127.0.0.1"
    ),
) -> None:
    """Open the pages over the data folder, http://127.0.0.1:3700. They read and ask, and send nothing. Ctrl-C ends
    them."""
    from grabient_assets.cli.console import print_note
    from grabient_assets.settings import load_settings
    from grabient_assets.studio.access import LOOPBACK
    from grabient_assets.studio.server import start_studio

    server = start_studio(load_settings(), host, port)
    if host not in (*LOOPBACK, "::1"):
        print_note(f"There are no accounts: whoever reaches {host} can look, and ask for what costs money.")
    server.run(lambda url: typer.echo(f"The studio is at {url}; Ctrl-C ends it."))
    if server.ended_by is not None:
        raise typer.Exit(128 + server.ended_by)
