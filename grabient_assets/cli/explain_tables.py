"""An explanation as tables, for 80 columns and more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.cli.console import colour_bar
from grabient_assets.gradient.vocabulary import CATEGORICAL_VALUES
from grabient_assets.groups.tagging.waves import wave_words
from grabient_assets.groups.tagging.withheld import explained
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from grabient_assets.groups.refinement.explaining import Departure, Explanation
    from grabient_assets.groups.tagging.explanation import Annotator, FieldExplanation, Value, Weight
    from grabient_assets.groups.tagging.inquiries import Cost

LETTERS = "abcdefghijklmnopqrst"
"""One for each analysis that there can be."""
MOST_VOTED = 6
"""The number of a field's values that are shown with the result; --full shows all."""
_LEGEND = (
    "Read `1ab`: model 1, in its analyses a and b. In brackets: said, but not the model's vote. `*`: the refiner wrote "
    "it too. Bits: +1 makes it twice as likely."
)


def show_explanation(
    console: Console, explanation: Explanation, chosen: Collection[str], *, emulated: bool = False, full: bool = True
) -> None:
    """The result first: the refined tags and text, then a line for each field, and the cost.

    If `full`, also the models that were asked, and for each chosen field the values of each model with its weight. The
    models are also shown while there is no answer yet.
    """
    stored = explanation.stored
    console.print(_heading(console, explanation), soft_wrap=not console.is_terminal)
    if stored.withheld is not None:
        console.print(explained(stored.withheld), soft_wrap=not console.is_terminal)
    for sentence in _refinement(explanation):
        console.print(sentence)
    console.print()
    if stored.answers:
        console.print(_results(explanation))
        console.print()
    for sentence in (*_counted(explanation), *_money(explanation, emulated=emulated)):
        console.print(sentence, soft_wrap=not console.is_terminal)
    if stored.answers and not full:
        console.print(
            "Who said what, and what it weighed: the same command with --full, or --field mood.",
            soft_wrap=not console.is_terminal,
        )
        return
    console.print()
    numbers = {who: place for place, who in enumerate(_models(explanation), start=1)}
    console.print(_asked(explanation, numbers))
    if stored.answers:
        console.print(_LEGEND, soft_wrap=not console.is_terminal)
        departed = {one.field: one for one in explanation.departures}
        for field in explanation.fields:
            if field.field in chosen:
                _show_field(console, field, departed.get(field.field), numbers, rates_moved=explanation.rates_moved)


def _models(explanation: Explanation) -> list[tuple[str, str]]:
    return list(dict.fromkeys((one.provider, one.model) for one in explanation.analyses))


def _heading(console: Console, explanation: Explanation) -> Text:
    from rich.text import Text

    palette = explanation.stored.palette
    heading = Text(one_line(palette.name or "") or palette.seed, style="bold")
    if console.is_terminal and not console.no_color:
        heading.append("  ").append_text(colour_bar(palette.hex, 3))
    named = f"{palette.seed}, " if palette.name else ""
    return heading.append(f"\n{named}under {explanation.stored.prompt_version}", style="not bold")


def _results(explanation: Explanation) -> Table:
    """A line for each field: the refined values, the panel's values with votes, and the values computed from the
    colours."""
    from rich.table import Table

    refined = {one.field: one.refined for one in explanation.departures}
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("field", no_wrap=True)
    if refined:
        table.add_column("refined", ratio=3)
    table.add_column("the panel, with models", ratio=4)
    table.add_column("the colours", ratio=2)
    for field in explanation.fields:
        votes = [f"{value.value} {value.models}" for value in field.values if value.models][:MOST_VOTED]
        row = [", ".join(votes) or "-", "-" if field.computed is None else ", ".join(field.computed) or "none"]
        if refined:
            row.insert(0, ", ".join(refined.get(field.field, ())) or "-")
        table.add_row(field.field, *row)
    return table


def _counted(explanation: Explanation) -> Iterator[str]:
    stored, record = explanation.stored, explanation.stored.consensus
    if stored.wave is not None:
        yield f"Asked in waves: {wave_words(stored.wave)}."
    if record is None:
        return
    ranked = "votes (majority)" if record.method in (None, "majority") else f"probability ({record.method})"
    yield (
        f"{counted(record.models, 'model')} with one vote each, {counted(record.answers, 'answer')}, ranked by "
        f"{ranked}, counted {record.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    )
    if not explanation.adds_up:
        yield "The answers stored now give other votes than these: the next `grabient run` counts them again."
    if explanation.rates_moved and explanation.rates_from:
        yield (
            "The probabilities are those of the time it was counted; the bits are of the error rates that were fitted "
            f"again {explanation.rates_from:%Y-%m-%d %H:%M} UTC, which give those in the column `now`."
        )


def _asked(explanation: Explanation, numbers: dict[tuple[str, str], int]) -> Table:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right")
    table.add_column("model", no_wrap=True)
    table.add_column("usable", justify="right")
    table.add_column("USD", justify="right")
    table.add_column("what is missing or special")
    for who, number in numbers.items():
        own = [one for one in explanation.analyses if (one.provider, one.model) == who]
        usable = sum(one.standing.kind == "answered" for one in own)
        costs = [c for c in explanation.stored.costs if c.purpose == "tagging" and (c.provider, c.model) == who]
        special = [
            f"{LETTERS[one.analysis_index]} {_standing(one.standing.kind, one.standing.reason)}"
            for one in own
            if one.standing.kind != "answered" or one.standing.reason
        ]
        table.add_row(str(number), " ".join(who), f"{usable}/{len(own)}", _usd(costs), "; ".join(special))
    return table


def _standing(kind: str, reason: str | None) -> str:
    if not reason:
        return kind
    return reason if kind in ("answered", "failed") else f"{kind}: {reason}"


def _usd(costs: Sequence[Cost]) -> str:
    """Dollars; `~` before an estimate, `?` for an unknown cost, `*` for what an earlier system paid."""
    if not costs:
        return "-"
    marks = {"estimated": "~", "unknown": "?", "imported": "*"}
    return "".join(marks.get(basis or "", "") for basis in sorted({str(one.basis) for one in costs})) + (
        f"{sum(one.cost_usd for one in costs):.6f}"
    )


def _money(explanation: Explanation, *, emulated: bool) -> Iterator[str]:
    costs = explanation.stored.costs
    sums = {
        purpose: sum((one.cost_usd for one in costs if one.purpose == purpose), Decimal(0))
        for purpose in ("tagging", "refinement")
    }
    requests = sum(one.requests for one in costs)
    yield (
        f"Cost: tagging {sums['tagging']:.6f} USD, refinement {sums['refinement']:.6f}, together "
        f"{sum(sums.values()):.6f} for {counted(requests, 'request')}{' (emulated)' if emulated else ''}."
    )
    estimated, unknown, imported = (
        sum(one.requests for one in costs if one.basis == basis) for basis in ("estimated", "unknown", "imported")
    )
    if estimated:
        yield f"The cost of {counted(estimated, 'request')} is estimated (~)."
    if imported:
        yield f"Of these, an earlier system paid for {counted(imported, 'request')} (*)."
    if unknown:
        yield f"The cost of {counted(unknown, 'request')} is unknown (?) and not in the sums."


def _refinement(explanation: Explanation) -> Iterator[str]:
    stored, standing = explanation.stored, explanation.refinement
    if standing is None:
        not_asked = f"No refinement was asked for.{' Ask: grabient run' if stored.asked else ''}"
        yield not_asked if stored.consensus else "Refinement: after the consensus."
        return
    refined = stored.refined
    if refined is None:
        yield f"Refinement: {_standing(standing.kind, standing.reason)}."
        return
    earlier = ""
    if stored.consensus is None or refined.consensus_digest != stored.consensus.digest:
        earlier = ", made from an earlier consensus than this one"
    mean = explanation.mean_distance
    far = "" if mean is None else f" Mean distance from the consensus: {mean:.2f}."
    yield f"\n{refined.embed_text}\n"
    yield f"Refined by {refined.model}{earlier}. Harmony is not refined.{far}"
    for note in refined.notes or ():
        yield f"  {note}"
    if standing.kind != "answered" or standing.reason:
        yield f"Refinement: {_standing(standing.kind, standing.reason)}."


def _show_field(
    console: Console,
    field: FieldExplanation,
    departed: Departure | None,
    numbers: dict[tuple[str, str], int],
    *,
    rates_moved: bool,
) -> None:
    """The result, the fact and the refinement; the values of each model; the weight of each model. `numbers`: of the
    models.

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
    """The value, with `*` when the refiner wrote it too, and with its oddities."""
    odd = ["the colours contradict it"] if value.contradicted else []
    odd += [f"also {', '.join(value.spellings)}"] if value.spellings else []
    behind = f" ({'; '.join(odd)})" if odd else ""
    return f"{value.value}{'*' if value.value in kept else ''}{behind}"


def _who(one: Annotator, numbers: dict[tuple[str, str], int]) -> str:
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
