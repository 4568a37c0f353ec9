"""An explanation as tables, for 80 columns and more."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.cli.colour_bar import colour_bar
from grabient_assets.cli.explain_fields import LETTERS, show_field
from grabient_assets.groups.tagging.waves import wave_words
from grabient_assets.groups.tagging.withheld import explained
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from grabient_assets.groups.refinement.explaining import Explanation
    from grabient_assets.groups.tagging.inquiries import Cost

MOST_VOTED = 6
"""So many of a field's values are shown with the result; --full shows all."""
_LEGEND = (
    "Read `1ab`: model 1, in its analyses a and b. In brackets: said, but not the model's vote. `*`: the refiner wrote "
    "it too. Bits: +1 makes it twice as likely."
)


def show_explanation(
    console: Console, explanation: Explanation, chosen: Collection[str], *, emulated: bool = False, full: bool = True
) -> None:
    """The result first: the refined tags and text, then a line for each field, and the cost.

    If `full`, who was asked, and for each chosen field who said what with its weight; who was asked stands there as
    well while nobody has answered.
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
                show_field(console, field, departed.get(field.field), numbers, rates_moved=explanation.rates_moved)


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
    """A line for each field: what was refined, what the panel says with its votes, what the colours say."""
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
    """Dollars; `~` before what is estimated, `?` where nobody knows."""
    if not costs:
        return "-"
    marks = {"estimated": "~", "unknown": "?"}
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
    estimated, unknown = (
        sum(one.requests for one in costs if one.basis == basis) for basis in ("estimated", "unknown")
    )
    if estimated:
        yield f"The cost of {counted(estimated, 'request')} is estimated (~)."
    if unknown:
        yield f"The cost of {counted(unknown, 'request')} is unknown (?) and not in the sums."


def _refinement(explanation: Explanation) -> Iterator[str]:
    stored, standing = explanation.stored, explanation.refinement
    if standing is None:
        yield (
            "No refinement was asked for. Ask: grabient run" if stored.consensus else "Refinement: after the consensus."
        )
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
