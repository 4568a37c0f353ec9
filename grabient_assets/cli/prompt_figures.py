"""What `grabient prompts diff` shows: figures and words of two versions, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.cli.console import output, tell
from grabient_assets.cli.tables import print_figures
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from grabient_assets.groups.calibration.prompt_comparison import Comparison, Share, Split
    from grabient_assets.groups.calibration.prompt_words import SideBySide

UNLIKELY = 0.05
"""A split that coins make more rarely than this is called a difference."""


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

    `same_text` says that models are told the same under both versions, so that only what they are shown differs.
    """
    if figures is None:
        tell(f"{purpose}: no palette has been answered by one model under both {first} and {second}.\n")
        return
    if same_text:
        asked = figures.first.answers - figures.shared
        tell(
            f"{purpose}: models are told the same and shown what the panel said under each version. "
            f"{counted(figures.shared, 'answer')} shared by both, {counted(asked, 'answer')} asked for each."
        )
    over = f"{counted(figures.palettes, 'palette')}, {counted(figures.models, 'model')} that answered under both"
    tell(f"{purpose}: {over}")
    print_figures(
        output(),
        ("figure",),
        (first, second, "change", "of answers", "palettes", "by chance"),
        list(_lines(figures)),
        optional=("of answers",),
    )
    tell(
        "palettes: on how many the figure rises and falls. by chance: how often versions that do not differ show such "
        f"a split; below {UNLIKELY:.0%} it is a difference (*), but one of twenty lines is below it by chance.\n"
    )


def _lines(figures: Comparison) -> Iterator[tuple[str, ...]]:
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
        tell(f"No palette has words under both {first} and {second}.")
        return
    from rich.table import Table
    from rich.text import Text

    from grabient_assets.cli.colour_bar import colour_bar

    console = output()
    tell(f"The palettes whose words changed most (- only in {first}, + only in {second}):")
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
