"""`grabient emulator`: the four providers offline, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from grabient_assets.emulator.endpoint import EmulatorEndpoint


def emulator(
    port: Annotated[int, typer.Option(min=0, max=65535, metavar="P", help="0 takes a free one.")] = 0,
    polls: Annotated[int, typer.Option(min=1, metavar="N", help="How often a batch is asked for until it ends.")] = 2,
    faults: Annotated[Path | None, typer.Option(metavar="FILE", help="A fault script, TOML or YAML.")] = None,
) -> None:
    """Serve the batch APIs of Anthropic, OpenAI, Groq and Gemini on this machine. Ctrl-C ends it."""
    from grabient_assets.emulator.server import serve
    from grabient_assets.settings import load_settings

    serve(load_settings().data_dir, port=port, polls=polls, faults=faults, announce=_announce)


def _announce(endpoint: EmulatorEndpoint) -> None:
    typer.echo(f"Emulated providers at {endpoint.url}; Ctrl-C ends them.")
    for name, url in endpoint.base_urls.items():
        typer.echo(f"  {name:10} {url}")
