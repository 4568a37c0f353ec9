"""`grabient prompts`: which prompt versions there are."""

from __future__ import annotations

from typing import Annotated

import typer

from grabient_assets.cli.console import output, print_json


def prompts(as_json: Annotated[bool, typer.Option("--json", help="The same as JSON on stdout.")] = False) -> None:
    """List the prompt versions of prompts/, oldest first: purpose, what changed, and the digest of what is sent."""
    from grabient_assets.prompting.load import load_prompt_set, load_prompt_versions
    from grabient_assets.settings import PROMPTS_DIR

    rows = [
        {"prompt_version": version, "purpose": prompt.purpose, "message": prompt.message, "digest": prompt.digest}
        for version in load_prompt_versions(PROMPTS_DIR)
        for found in [load_prompt_set(PROMPTS_DIR, version)]
        for prompt in (found.tagging, found.refinement)
    ]
    if as_json:
        print_json({"prompts": rows})
        return
    from rich.table import Table

    table = Table("version", "purpose", "digest", "message", box=None)
    for row in rows:
        table.add_row(row["prompt_version"], row["purpose"], row["digest"][:12], row["message"])
    output().print(table)
