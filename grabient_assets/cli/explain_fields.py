"""One field of an explanation as tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any

from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from rich.console import Console

    from grabient_assets.groups.refinement.explaining import Departure
    from grabient_assets.groups.tagging.explanation import FieldExplanation, SaidBy, Value, Weight

LETTERS = "abcdefghijklmnopqrst"
"""One for each analysis that there can be."""


def show_field(
    console: Console,
    field: FieldExplanation,
    departed: Departure | None,
    numbers: dict[tuple[str, str], int],
    *,
    rates_moved: bool,
) -> None:
    """The result, the fact and the refinement; who said what; what each model weighs. `numbers`: of the models.

    `rates_moved`: there are two probabilities, the stored one and that of the present rates.
    """
    console.print()
    console.print(f"{field.field}: {_result(field)}", soft_wrap=not console.is_terminal, style="bold")
    for sentence in (*_facts(field), *_changed(field, departed)):
        console.print(f"  {sentence}", soft_wrap=not console.is_terminal)
    if field.values:
        console.print(_values(field, departed, numbers, rates_moved=rates_moved))
    if field.prior is not None:
        console.print(f"  Before anybody spoke: {_signed(field.prior)} bits.")
    if field.weights:
        console.print(_weights(field, numbers))


def _result(field: FieldExplanation) -> str:
    if field.field not in CATEGORICAL_VALUES:
        strong = [v.value for v in field.values if v.share >= 0.5 and not v.contradicted]
        return ", ".join(strong) or "no tag has half of the models"
    if not field.result:
        return "nobody said"
    top = field.values[0]
    probable = "" if top.probability is None else f", probability {top.probability:.4f}"
    return f"{top.value}, {counted(top.models, 'model')} ({top.share:.0%}){probable}"


def _facts(field: FieldExplanation) -> Iterator[str]:
    if field.computed is None:
        return
    clear = {True: " (clear-cut)", False: " (near a threshold)", None: ""}[field.clear_cut]
    yield f"The colours say: {', '.join(field.computed) or 'nothing'}{clear}."


def _changed(field: FieldExplanation, departed: Departure | None) -> Iterator[str]:
    if departed is None:
        return
    if departed.distance == 0:
        yield f"The refiner kept: {', '.join(departed.refined) or 'nothing, as the consensus'}."
        return
    added = f" Added: {', '.join(departed.added)}." if departed.added else ""
    left = f" Left out: {', '.join(departed.left_out)}." if departed.left_out else ""
    yield (
        f"The refiner wrote: {', '.join(departed.refined) or 'nothing'}.{added}{left} "
        f"Distance {departed.distance:.2f}, support {departed.support:.0%}."
    )


def _values(
    field: FieldExplanation, departed: Departure | None, numbers: dict[tuple[str, str], int], *, rates_moved: bool
) -> Any:
    from rich.table import Table

    categorical = field.field in CATEGORICAL_VALUES
    kept = set(departed.refined) if departed else set[str]()
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("  value" if categorical else "  tag")
    table.add_column("models", justify="right", no_wrap=True)
    columns: dict[str, Callable[[Value], str]] = {"support": lambda one: f"{one.support:.1f}"}
    columns["prob."] = lambda one: _rate(one.probability)
    if rates_moved:
        columns["now"] = lambda one: _rate(one.probability_now)
    if not categorical:
        columns["bits"] = lambda one: _signed(one.bits)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("said by", min_width=16)
    for value in field.values:
        figures = [figure(value) for figure in columns.values()]
        who = " ".join(_who(one, numbers) for one in value.said_by)
        table.add_row(f"  {_marked(value, kept)}", str(value.models), *figures, who)
    return table


def _marked(value: Value, kept: Collection[str]) -> str:
    """The value, `*` behind what the refiner wrote too, and what is odd about it."""
    odd = ["the colours contradict it"] if value.contradicted else []
    odd += [f"also {', '.join(value.spellings)}"] if value.spellings else []
    behind = f" ({'; '.join(odd)})" if odd else ""
    return f"{value.value}{'*' if value.value in kept else ''}{behind}"


def _who(one: SaidBy, numbers: dict[tuple[str, str], int]) -> str:
    text = f"{numbers[one.provider, one.model]}{''.join(LETTERS[index] for index in one.analyses)}"
    return text if one.votes else f"({text})"


def _weights(field: FieldExplanation, numbers: dict[tuple[str, str], int]) -> Any:
    from rich.table import Table

    columns = _columns_of_words(field) if field.field in CATEGORICAL_VALUES else _columns_of_tags(field)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("  #", justify="right")
    for name in columns:
        table.add_column(name, justify="left" if name == "votes for" else "right")
    for weight in field.weights:
        table.add_row(str(numbers[weight.provider, weight.model]), *(cell(weight) for cell in columns.values()))
    return table


def _columns_of_words(field: FieldExplanation) -> dict[str, Callable[[Weight], str]]:
    columns: dict[str, Callable[[Weight], str]] = {"votes for": lambda one: ", ".join(one.votes_for) or "-"}
    if any(one.measured for one in field.weights):
        columns["right where clear-cut"] = lambda one: _measured(one, "accuracy")
    if field.prior is not None:
        columns[f"bits for {field.result[0]}, not {field.rival}"] = lambda one: _signed(one.bits)
    return columns


def _columns_of_tags(field: FieldExplanation) -> dict[str, Callable[[Weight], str]]:
    columns: dict[str, Callable[[Weight], str]] = {"tags": lambda one: str(len(one.votes_for))}
    if any(one.measured and one.measured.gold for one in field.weights):
        columns["finds true ones"] = lambda one: _measured(one, "sensitivity")
        columns["spares wrong ones"] = lambda one: _measured(one, "specificity")
    if field.prior is not None:
        columns["bits: named"] = lambda one: _signed(one.named)
        columns["not named"] = lambda one: _signed(one.unnamed)
    return columns


def _measured(weight: Weight, rate: str) -> str:
    from grabient_assets.groups.calibration.figures import percent

    row = weight.measured
    return percent(*(getattr(row, f"{rate}{end}") for end in ("", "_low", "_high"))) if row else "-"


def _signed(bits: float | None) -> str:
    return "-" if bits is None else f"{bits:+.1f}"


def _rate(probability: float | None) -> str:
    return "-" if probability is None else f"{probability:.4f}"
