"""`grabient explain`: why the tags of one palette are what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import output, print_json, say

if TYPE_CHECKING:
    from grabient_assets.groups.refinement.explaining import Explanation
    from grabient_assets.settings import Settings


def explain(
    seed: Annotated[str, typer.Argument(help="Any of the three encodings. Behind '--' when it begins with '-'.")],
    prompt_version: Annotated[
        str | None, typer.Option("--prompt-version", metavar="V", help="Default: the newest released one.")
    ] = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="F", help="Only this field; may be given several times.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON on stdout.")] = False,
) -> None:
    """Show one palette field by field: who said what, its weight, the colours, the result, the refiner, the cost."""
    from grabient_assets.cli.explain_document import explanation_document
    from grabient_assets.cli.explain_tables import show_explanation
    from grabient_assets.groups.refinement.explaining import without_consensus
    from grabient_assets.settings import load_settings

    settings = load_settings()
    chosen = _chosen(fields)
    explanation = _explained(seed, prompt_version, settings)
    emulated = settings.mode == "emulator"
    if as_json:
        print_json(explanation_document(explanation, chosen, emulated=emulated))
    else:
        show_explanation(output(), explanation, chosen, emulated=emulated)
    if reason := without_consensus(explanation):
        say(reason)
        raise typer.Exit(1)


def _explained(seed: str, prompt_version: str | None, settings: Settings) -> Explanation:
    from grabient_assets.cli.database import open_warehouse
    from grabient_assets.errors import UsageError
    from grabient_assets.gradient.seed import decode_seed
    from grabient_assets.groups.refinement.explaining import explain as explained
    from grabient_assets.groups.refinement.explaining import read_about
    from grabient_assets.headless.wishes import chosen_prompt_version

    decode_seed(seed)
    version = prompt_version or chosen_prompt_version(None)
    warehouse = open_warehouse(settings)
    if not warehouse.exists():
        raise UsageError("No palette is loaded. Load some first: grabient load FILE")
    with warehouse.read() as connection:
        stored = read_about(connection, seed, version)
    return explained(stored)


def _chosen(fields: list[str] | None) -> tuple[str, ...]:
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS

    every = (*CATEGORICAL_FIELDS, *LIST_FIELDS)
    for field in fields or ():
        if field not in every:
            raise UsageError(f"--field is {field!r}; it must be one of {', '.join(every)}.")
    return tuple(field for field in every if not fields or field in fields)
