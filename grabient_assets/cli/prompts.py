"""`grabient prompts`: lists prompt versions, shows the differences between two, releases one, and copies them all; of
palettes, or with `--family` of another folder of prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import (
    colour_bar,
    output,
    print_figures,
    print_indented,
    print_json,
    print_note,
    print_output,
)
from grabient_assets.cli.options import AsJson, open_warehouse
from grabient_assets.errors import UsageError
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from grabient_assets.groups.calibration.prompt_comparison import Comparison, Share, Split
    from grabient_assets.groups.calibration.prompt_words import SideBySide
    from grabient_assets.ledger.prompts import PromptUse
    from grabient_assets.prompting.prompt import Prompt

UNLIKELY = 0.05
"""The probability under chance below which a split is called a difference."""

Family = Annotated[
    str | None, typer.Option(metavar="F", help="A folder of prompts/: chorus or knowledge; default: the palettes'.")
]
prompts = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)


@prompts.callback()
def overview(context: typer.Context, family: Family = None, as_json: AsJson = False) -> None:
    """List the prompt versions of prompts/, oldest first: what changed, released or draft, and where they have run."""
    context.obj = family
    if context.invoked_subcommand is not None:
        return
    from grabient_assets.headless.prompt_families import FAMILIES, checked_family, load_prompts, prompt_versions

    chosen = checked_family(family)
    uses = _uses()
    rows = [
        _row(
            prompt,
            chosen,
            found.released,
            [use for use in uses if (use.purpose, use.digest) == (prompt.purpose, prompt.digest)],
        )
        for version in prompt_versions(chosen)
        for found in [load_prompts(chosen, version)]
        for prompt in found.prompts.values()
    ]
    if as_json:
        print_json({"prompts": rows})
        return
    for row in rows:
        ran = ", ".join(f"{counted(one['answers'], 'answer')} ({one['mode']})" for one in row["runs"])
        state = "released" if row["released"] else "draft"
        name = f"{row['prompt_version']} {row['purpose']}"
        print_output(f"{name}, {state}, digest {row['digest'][:12]}, {ran or 'has not run'}")
        print_indented(output(), row["message"])
    if chosen is None:
        print_note(f"These are the palettes'. Others: {', '.join(f'--family {name}' for name in FAMILIES)}.")


@prompts.command(epilog="Example: grabient prompts diff v1 v2")
def diff(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="V1", help="A prompt version.")],
    second: Annotated[str, typer.Argument(metavar="V2", help="Another one.")],
    palettes: Annotated[
        int, typer.Option(min=0, metavar="N", help="How many palettes are shown side by side: those that changed most.")
    ] = 5,
    family: Family = None,
    as_json: AsJson = False,
) -> None:
    """Show how two versions differ: the text, figures over the palettes that both have answered, and their words."""
    from grabient_assets.headless.prompt_families import checked_family, load_prompts
    from grabient_assets.prompting.prompt import text_difference

    chosen = checked_family(family or context.obj)
    one, other = (load_prompts(chosen, version) for version in (first, second))
    pairs = [(prompt, other[purpose]) for purpose, prompt in one.prompts.items()]
    of_palettes = chosen is None
    found = {
        before.purpose: (text_difference(before, after), _compared(before, after) if of_palettes else None)
        for before, after in pairs
    }
    words = _words(first, second, palettes if of_palettes else 0)
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
        print_output("\n".join(text))
        same_text = before.digest == after.digest
        if first == second or (same_text and before.purpose != "refinement"):
            print_output(f"{before.purpose}: models are told the same, so answers are shared.")
        elif of_palettes:
            show_comparison(before.purpose, first, second, figures, same_text=same_text)
    if first != second and of_palettes:
        show_words(first, second, words)


@prompts.command(epilog="Example: grabient prompts release v2")
def release(
    context: typer.Context,
    version: Annotated[str, typer.Argument(metavar="V", help="The draft to release.")],
    family: Family = None,
) -> None:
    """Freeze a prompt version, so that live models may be asked with it. It cannot be changed afterwards."""
    from grabient_assets.headless.prompt_families import checked_family, load_prompts
    from grabient_assets.prompting.released import FILE
    from grabient_assets.prompting.released import release as write_release
    from grabient_assets.settings import prompts_dir

    chosen = checked_family(family or context.obj)
    root = prompts_dir()
    folder = root / (chosen or "")
    write_release(folder, load_prompts(chosen, version))
    name = folder.relative_to(root.parent)
    print_note(f"Prompt version {version} is released. Commit {name}/{FILE} together with the prompts.")


@prompts.command(epilog="Example: grabient prompts copy prompts")
def copy(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="The folder to be made.")]) -> None:
    """Copy all prompt versions into a new folder, where you can add to them. An installed program needs this first."""
    import shutil

    from grabient_assets.settings import prompts_dir

    if folder.exists():
        raise UsageError(f"{folder} exists already, and nothing in it is written over. Name a new folder.")
    shutil.copytree(prompts_dir(), folder)
    print_note(f"To work with the prompts in it, set GRABIENT_PROMPTS_DIR={folder.absolute()}.")


def _row(prompt: Prompt, family: str | None, released: bool, uses: list[PromptUse]) -> dict[str, Any]:
    return {
        "prompt_version": f"{family}/{prompt.version}" if family else prompt.version,
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
    """The uses of each text; empty without a database, and no file is created."""
    from grabient_assets.ledger.prompts import prompt_uses
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    if not warehouse.exists():
        return []
    with warehouse.read() as connection:
        return prompt_uses(connection)


def _compared(before: Prompt, after: Prompt) -> Comparison | None:
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
    from grabient_assets.groups.calibration.prompt_words import words_side_by_side
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    if first == second or not limit or not warehouse.exists():
        return []
    with warehouse.read() as connection:
        return words_side_by_side(connection, first, second, limit)


def comparison_document(figures: Comparison | None) -> dict[str, Any] | None:
    """The comparison as plain data; None when there is nothing to compare."""
    if figures is None:
        return None
    document = asdict(figures)
    for side in ("first", "second"):
        dollars = document[side]["usd_per_answer"]
        document[side]["usd_per_answer"] = None if dollars is None else float(dollars)
    document["splits"] = {
        name: {"rises": split.rises, "falls": split.falls, "chance": split.chance}
        for name, split in figures.splits.items()
    }
    return document


def show_comparison(purpose: str, first: str, second: str, figures: Comparison | None, *, same_text: bool) -> None:
    """A table: a figure a line, both versions, the change, and whether it can be chance.

    `same_text`: the prompts of both versions are equal, so that only the input of the models differs.
    """
    if figures is None:
        print_output(f"{purpose}: no palette has been answered by one model under both {first} and {second}.\n")
        return
    if same_text:
        asked = figures.first.answers - figures.shared
        print_output(
            f"{purpose}: models are told the same and shown what the panel said under each version. "
            f"{counted(figures.shared, 'answer')} shared by both, {counted(asked, 'answer')} asked for each."
        )
    over = f"{counted(figures.palettes, 'palette')}, {counted(figures.models, 'model')} that answered under both"
    print_output(f"{purpose}: {over}")
    print_figures(
        output(),
        ("figure",),
        (first, second, "change", "of answers", "palettes", "by chance"),
        list(_figure_lines(figures)),
        optional=("of answers",),
    )
    print_output(
        "palettes: on how many the figure rises and falls. by chance: how often versions that do not differ show such "
        f"a split; below {UNLIKELY:.0%} it is a difference (*), but one of twenty lines is below it by chance.\n"
    )


def _figure_lines(figures: Comparison) -> Iterator[tuple[str, ...]]:
    first, second, splits = figures.first, figures.second, figures.splits
    for name in ("agreement", "accuracy", "model_accuracy"):
        before, after = getattr(first, name), getattr(second, name)
        label = "accuracy" if name == "model_accuracy" else name
        for key in sorted(before.keys() & after.keys()):
            yield _share_line(f"{label} {key}", before[key], after[key], splits.get(f"{label} {key}"))
    yield _share_line("unusable answers", first.unusable, second.unusable, splits.get("unusable"))
    counts = f"{first.answers}, {second.answers}"
    for label, name in (("input tokens", "input_tokens"), ("output tokens", "output_tokens")):
        values = getattr(first, name), getattr(second, name)
        yield _number_line(f"{label} per answer", *values, ".1f", counts, splits.get(name))
    yield _number_line("dollars per answer", first.usd_per_answer, second.usd_per_answer, ".6f", counts, None)


def _share_line(label: str, before: Share, after: Share, split: Split | None) -> tuple[str, ...]:
    change = f"{100 * (after.share - before.share):+.1f} points"
    return label, f"{before.share:.1%}", f"{after.share:.1%}", change, f"{before.of}, {after.of}", *_sure(split)


def _number_line(
    label: str, before: float | Decimal | None, after: float | Decimal | None, form: str, over: str, split: Split | None
) -> tuple[str, ...]:
    one, other = ("-" if value is None else format(value, form) for value in (before, after))
    change = f"{float(after) / float(before) - 1:+.1%}" if before and after is not None else "-"
    return label, one, other, change, over, *_sure(split)


def _sure(split: Split | None) -> tuple[str, str]:
    if split is None or not split.rises + split.falls:
        return ("-", "-") if split is None else ("+0 -0", "-")
    star = " *" if split.chance < UNLIKELY else "  "
    return f"+{split.rises} -{split.falls}", f"{split.chance:.1%}{star}"


def words_document(found: list[SideBySide]) -> list[dict[str, Any]]:
    """The palettes as plain data."""
    return [asdict(one) for one in found]


def show_words(first: str, second: str, found: list[SideBySide]) -> None:
    """The palettes whose words changed most: `-` marks words of the first version alone, `+` those of the second."""
    if not found:
        print_output(f"No palette has words under both {first} and {second}.")
        return
    from rich.table import Table
    from rich.text import Text

    console = output()
    print_output(f"The palettes whose words changed most (- only in {first}, + only in {second}):")
    for one in found:
        heading = Text(f"\n{one_line(one.name or '') or one.seed}  ", style="bold")
        if console.is_terminal and not console.no_color:
            heading.append_text(colour_bar(one.hex, 2))
        console.print(heading.append(f"  {one.kept:.0%} of the words in both", style="not bold"))
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column("", no_wrap=True)
        table.add_column(first, ratio=1)
        table.add_column(second, ratio=1)
        for field in ("mood", "style", "associations"):
            before, after = getattr(one.first, field), getattr(one.second, field)
            table.add_row(field, _marked(before, after, "-"), _marked(after, before, "+"))
        if one.first.embed_text or one.second.embed_text:
            table.add_row("text", one.first.embed_text or "-", one.second.embed_text or "-")
        console.print(table)


def _marked(words: tuple[str, ...], others: tuple[str, ...], mark: str) -> str:
    return ", ".join(word if word in others else f"{mark}{word}" for word in words) or "-"
