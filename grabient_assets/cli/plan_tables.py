"""A plan as tables, with the sentences that go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.cli.console import output, print_figures, print_output
from grabient_assets.headless.plan_document import plan_sentences, refiners
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.headless.planning import Plan
    from grabient_assets.ledger.planning import Sending


def show_plan(plan: Plan, mode: str) -> None:
    """The plan as a table on stdout, and the sentences that go with it."""
    emulated = " The emulator charges nothing." if mode == "emulator" else ""
    up_to = "up to " if plan.waves else ""
    need = "needs" if plan.palettes == 1 else "need"
    print_output(
        f"{plan.needing:,} of {counted(plan.palettes, 'palette')} {need} work under {plan.prompt_version}: "
        f"{up_to}{counted(plan.analyses, 'analysis', 'analyses')} of each model.{emulated}"
    )
    if not plan.tagging:
        return
    _show_table(plan)
    for sentence in plan_sentences(plan):
        print_output(sentence)


def _show_table(plan: Plan) -> None:
    """A line for each model. What is 0 for all of them has no column."""
    parts = [*((one, "") for one in plan.tagging), *((one, "refines") for one in refiners(plan))]
    rows = []
    for one, role in parts:
        counts = one.counts
        before = (counts.cached, counts.failed, counts.in_flight, sum(counts.missing.values()))
        sent = ["-"] * 6 if one.cannot else _cells(one.sending)
        rows.append((one.model.provider, one.model.id, role, *map(_count, before), *sent))
    rows.append(("together", "", "", "", "", "", _count(plan.total.requests), *_cells(plan.total)))
    figures = ("answered", "failed", "in flight", "missing", "batches", "tokens in", "tokens out", "USD", "from", "to")
    shown = [
        place
        for place, figure in enumerate(figures)
        if figure not in ("answered", "failed", "in flight") or any(row[3 + place] not in ("", "0") for row in rows)
    ]
    print_figures(
        output(),
        ("provider", "model", ""),
        [figures[place] for place in shown],
        [(*row[:3], *(row[3 + place] for place in shown)) for row in rows],
        optional=("answered", "failed", "in flight", "batches", "tokens in", "tokens out", "from"),
    )


def _cells(sending: Sending) -> list[str]:
    batches = _count(sending.batches) + "".join(f", by {limit}" for limit in sorted(sending.split_by))
    usd = (
        ["?"] * 3
        if sending.usd is None
        else [f"{d:.4f}" for d in (sending.usd.expected, sending.usd.low, sending.usd.high)]
    )
    return [batches, _count(sending.input_tokens), _count(sending.output_tokens), *usd]


def _count(number: int) -> str:
    return f"{number:,}"
