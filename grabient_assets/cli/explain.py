"""`grabient explain`: why the tags of one palette are what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import output, print_json, print_note
from grabient_assets.cli.options import PromptVersion, one_of, open_warehouse

if TYPE_CHECKING:
    from grabient_assets.groups.refinement.explaining import Explanation
    from grabient_assets.settings import Settings


def explain(
    seed: Annotated[
        str,
        typer.Argument(
            metavar="SEED|VECTOR_ID|NAME",
            help="A seed in any of the three encodings, or the vector_id of a search hit, behind '--' when it begins "
            "with '-'; or a name.",
        ),
    ],
    prompt_version: PromptVersion = None,
    fields: Annotated[
        list[str] | None, typer.Option("--field", metavar="F", help="Only this field; may be given several times.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also who said what, in each analysis, and what it weighed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON on stdout.")] = False,
) -> None:
    """Show one palette: its text and tags, what the panel and the colours say, the cost; with --full who said what."""
    from grabient_assets.cli.explain_tables import show_explanation
    from grabient_assets.groups.refinement.explaining import without_consensus
    from grabient_assets.groups.refinement.explanation_document import explanation_document
    from grabient_assets.settings import load_settings

    settings = load_settings()
    chosen = _chosen(fields)
    explanation = _explained(seed, prompt_version, settings)
    emulated = settings.mode == "emulator"
    if as_json:
        print_json(explanation_document(explanation, chosen, emulated=emulated))
    else:
        show_explanation(output(), explanation, chosen, emulated=emulated, full=full or bool(fields))
    if reason := without_consensus(explanation):
        print_note(reason)
        raise typer.Exit(1)


def _explained(seed: str, prompt_version: str | None, settings: Settings) -> Explanation:
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.palettes.palette_line import typed_palette
    from grabient_assets.groups.refinement.explaining import explain as explained
    from grabient_assets.groups.refinement.explaining import read_about
    from grabient_assets.headless.run_goal import answered_prompt_version

    warehouse = open_warehouse(settings)
    version = answered_prompt_version(prompt_version, warehouse)
    if not warehouse.exists():
        typed_palette(seed)
        raise UsageError("No palette is loaded. Load some first: grabient load FILE")
    with warehouse.read() as connection:
        stored = read_about(connection, seed, version)
    return explained(stored)


def _chosen(fields: list[str] | None) -> tuple[str, ...]:
    from grabient_assets.groups.tagging.answers import CATEGORICAL_FIELDS, LIST_FIELDS

    every = (*CATEGORICAL_FIELDS, *LIST_FIELDS)
    wanted = {one_of(field, every, "--field") for field in fields or ()}
    return tuple(field for field in every if not wanted or field in wanted)
