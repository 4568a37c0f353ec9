"""`grabient prompts`: which prompt versions there are, how two of them differ, and releasing one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_indented, print_json, say, tell
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.groups.calibration.prompt_comparison import Comparison
    from grabient_assets.groups.calibration.prompt_words import SideBySide
    from grabient_assets.ledger.prompts import PromptUse
    from grabient_assets.prompting.prompt import Prompt

AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON on stdout.")]

prompts = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)


@prompts.callback()
def overview(context: typer.Context, as_json: AsJson = False) -> None:
    """List the prompt versions of prompts/, oldest first: what changed, released or draft, and where they have run."""
    if context.invoked_subcommand is not None:
        return
    from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
    from grabient_assets.prompting.load import load_prompt_versions
    from grabient_assets.settings import PROMPTS_DIR

    uses = _uses()
    rows = [
        _row(
            prompt,
            found.released,
            [use for use in uses if (use.purpose, use.digest) == (prompt.purpose, prompt.digest)],
        )
        for version in load_prompt_versions(PROMPTS_DIR)
        for found in [load_palette_prompts(version)]
        for prompt in found.prompts.values()
    ]
    if as_json:
        print_json({"prompts": rows})
        return
    for row in rows:
        ran = ", ".join(f"{counted(one['answers'], 'answer')} ({one['mode']})" for one in row["runs"])
        state = "released" if row["released"] else "draft"
        tell(f"{row['prompt_version']} {row['purpose']}, {state}, digest {row['digest'][:12]}, {ran or 'has not run'}")
        print_indented(output(), row["message"])


@prompts.command(epilog="Example: grabient prompts diff v1 v2")
def diff(
    first: Annotated[str, typer.Argument(metavar="V1", help="A prompt version.")],
    second: Annotated[str, typer.Argument(metavar="V2", help="Another one.")],
    palettes: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many palettes are shown side by side: those that changed most.")
    ] = 5,
    as_json: AsJson = False,
) -> None:
    """Show how two versions differ: the text, figures over the palettes that both have answered, and their words."""
    from grabient_assets.cli.prompt_figures import comparison_document, show_comparison, show_words, words_document
    from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
    from grabient_assets.prompting.prompt import text_difference

    one, other = (load_palette_prompts(version) for version in (first, second))
    pairs = [(prompt, other[purpose]) for purpose, prompt in one.prompts.items()]
    found = {before.purpose: (text_difference(before, after), _compared(before, after)) for before, after in pairs}
    words = _words(first, second, palettes)
    if as_json:
        print_json(
            {
                "first": first,
                "second": second,
                **{
                    purpose: {"text": text, "figures": comparison_document(figures)}
                    for purpose, (text, figures) in found.items()
                },
                "palettes": words_document(words),
            }
        )
        return
    for before, after in pairs:
        text, figures = found[before.purpose]
        tell("\n".join(text))
        same_text = before.digest == after.digest
        if first == second or (same_text and before.purpose == "tagging"):
            tell(f"{before.purpose}: models are told the same, so answers are shared.")
        else:
            show_comparison(before.purpose, first, second, figures, same_text=same_text)
    if first != second:
        show_words(first, second, words)


@prompts.command(epilog="Example: grabient prompts release v2")
def release(version: Annotated[str, typer.Argument(metavar="V", help="The draft to release.")]) -> None:
    """Freeze a prompt version, so that live models may be asked with it. It cannot be changed afterwards."""
    from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
    from grabient_assets.prompting.released import FILE
    from grabient_assets.prompting.released import release as write_release
    from grabient_assets.settings import PROMPTS_DIR

    write_release(PROMPTS_DIR, load_palette_prompts(version))
    say(f"Prompt version {version} is released. Commit {PROMPTS_DIR.name}/{FILE} together with the prompts.")


def _row(prompt: Prompt, released: bool, uses: list[PromptUse]) -> dict[str, Any]:
    return {
        "prompt_version": prompt.version,
        "purpose": prompt.purpose,
        "released": released,
        "message": prompt.message,
        "digest": prompt.digest,
        "runs": [
            {
                "prompt_versions": list(use.prompt_versions),
                "mode": use.mode,
                "batches": use.batches,
                "requests": use.requests,
                "answers": use.answers,
                "first": use.first.isoformat(),
                "last": use.last.isoformat(),
                "cost_usd": float(use.cost_usd),
            }
            for use in uses
        ],
    }


def _uses() -> list[PromptUse]:
    """Where each wording has run; nothing, and no file made, without a database."""
    from grabient_assets.cli.database import open_warehouse
    from grabient_assets.ledger.prompts import prompt_uses
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    if not warehouse.exists():
        return []
    with warehouse.read() as connection:
        return prompt_uses(connection)


def _compared(before: Prompt, after: Prompt) -> Comparison | None:
    from grabient_assets.cli.database import open_warehouse
    from grabient_assets.groups.calibration.prompt_comparison import Wording, compare, refinement_pairs, tagging_pairs
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    shared = before.version == after.version or (before.purpose == "tagging" and before.digest == after.digest)
    if shared or not warehouse.exists():
        return None
    read = tagging_pairs if before.purpose == "tagging" else refinement_pairs
    with warehouse.read() as connection:
        pairs = read(connection, Wording(before.version, before.digest), Wording(after.version, after.digest))
    return None if pairs is None else compare(pairs)


def _words(first: str, second: str, limit: int) -> list[SideBySide]:
    from grabient_assets.cli.database import open_warehouse
    from grabient_assets.groups.calibration.prompt_words import words_side_by_side
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    if first == second or not limit or not warehouse.exists():
        return []
    with warehouse.read() as connection:
        return words_side_by_side(connection, first, second, limit)
