"""The figures of `grabient prompts diff`, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import typer

from grabient_assets.cli.console import output

if TYPE_CHECKING:
    from grabient_assets.warehouse.prompt_agreement import Share
    from grabient_assets.warehouse.prompt_comparison import Comparison, Measured


def comparison_document(figures: Comparison | None) -> dict[str, Any] | None:
    """The comparison as plain data; None when there is nothing to compare."""
    if figures is None:
        return None
    document = asdict(figures)
    for side in ("first", "second"):
        dollars = document[side]["usd_per_answer"]
        document[side]["usd_per_answer"] = None if dollars is None else float(dollars)
    return document


def show_comparison(purpose: str, first: str, second: str, figures: Comparison | None) -> None:
    """A table: a figure a line, both versions, and the change."""
    if figures is None:
        typer.echo(f"{purpose}: no palette has been answered by one model under both {first} and {second}.\n")
        return
    from rich.table import Table

    title = f"{purpose}: {figures.palettes} palettes, {figures.models} models that answered under both"
    table = Table("", first, second, "change", "over", box=None, title=title, title_justify="left")
    for row in _lines(figures.first, figures.second):
        table.add_row(*row)
    output().print(table)
    typer.echo("")


def _lines(first: Measured, second: Measured) -> Iterator[tuple[str, str, str, str, str]]:
    for name in ("agreement", "accuracy", "model_accuracy"):
        before, after = getattr(first, name), getattr(second, name)
        label = "accuracy" if name == "model_accuracy" else name
        for key in sorted(before.keys() & after.keys()):
            yield _share_line(f"{label} {key}", before[key], after[key])
    yield _share_line("unusable answers", first.unusable, second.unusable)
    counts = f"{first.answers}, {second.answers}"
    for label, name in (("input tokens", "input_tokens"), ("output tokens", "output_tokens")):
        yield _number_line(f"{label} per answer", getattr(first, name), getattr(second, name), ".1f", counts)
    yield _number_line("dollars per answer", first.usd_per_answer, second.usd_per_answer, ".6f", counts)


def _share_line(label: str, before: Share, after: Share) -> tuple[str, str, str, str, str]:
    change = f"{100 * (after.share - before.share):+.1f} points"
    return label, f"{before.share:.1%}", f"{after.share:.1%}", change, f"{before.of}, {after.of}"


def _number_line(
    label: str, before: float | Decimal | None, after: float | Decimal | None, form: str, over: str
) -> tuple[str, str, str, str, str]:
    one, other = ("-" if value is None else format(value, form) for value in (before, after))
    change = f"{float(after) / float(before) - 1:+.1%}" if before and after is not None else "-"
    return label, one, other, change, over
