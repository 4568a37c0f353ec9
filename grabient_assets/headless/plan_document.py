"""A plan as JSON, and as the sentences that go with its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grabient_assets.ledger.planning import NAMES, WHY
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.groups.tagging.wave_planning import PlannedWaves
    from grabient_assets.headless.planning import Finishing, Plan
    from grabient_assets.ledger.estimates import DollarRange
    from grabient_assets.ledger.planning import PlannedModel, Sending


def plan_document(plan: Plan, mode: str) -> dict[str, Any]:
    """The document of `grabient plan --json`. Dollars are numbers; null where a price is not known."""
    refinement, budget = plan.refinement, plan.budget
    return {
        "mode": mode,
        "prompt_version": plan.prompt_version,
        "analyses": plan.analyses,
        "palettes": plan.palettes,
        "needing": plan.needing,
        "models": [_model(one) for one in plan.tagging],
        "refinement": None if refinement is None else _refinement(refinement),
        "adaptive": None if plan.waves is None else _waves(plan.waves),
        "total": {**_sending(plan.total), **({} if plan.waves is None else {"usd": _range(plan.usd)})},
        "budget": None
        if budget is None
        else {
            "month_usd": float(budget.usd),
            "used_usd": float(budget.spent),
            "reserved_usd": float(budget.reserved),
            "left_usd": float(budget.left),
            "fits": plan.fits,
        },
        "finishes": None if plan.finishing is None else _finishes(plan.finishing),
        "over_budget": list(plan.over_budget),
        "warnings": list(plan.warnings),
        "refused": list(plan.refused),
    }


def _model(one: PlannedModel) -> dict[str, Any]:
    return {**_counts(one), "stopped": dict(one.counts.stopped), "also_due": one.counts.also_due, **_sent(one)}


def _refinement(one: PlannedModel) -> dict[str, Any]:
    """`expected` of the missing ones read a consensus that does not exist yet: there may turn out to be fewer."""
    return {
        **_counts(one),
        "expected": one.counts.missing["basis_to_come"],
        "palettes": one.sending.requests,
        **_sent(one),
    }


def _counts(one: PlannedModel) -> dict[str, Any]:
    counts = one.counts
    return {
        "provider": one.model.provider,
        "model": one.model.id,
        "cached": counts.cached,
        "failed": counts.failed,
        "in_flight": counts.in_flight,
        "equal": counts.equal,
        "missing": sum(counts.missing.values()),
        "why": {NAMES.get(reason, reason): count for reason, count in counts.missing.items() if count},
    }


def _sent(one: PlannedModel) -> dict[str, Any]:
    return {"cannot": one.cannot, **_sending(one.sending)}


def _waves(waves: PlannedWaves) -> dict[str, Any]:
    """`share` of the palettes is expected in a wave; the figures are those of all palettes."""
    return {
        "waves": len(waves.plan.waves),
        "chosen": waves.plan.basis,
        "first": [{"provider": one.provider, "model": one.model} for one in waves.plan.waves[0]],
        "later": [
            {
                "wave": one.wave,
                "models": one.models,
                "share": round(one.share, 4),
                "basis": "measured" if one.measured else "assumed",
                "requests": one.requests,
                "input_tokens": one.input_tokens,
                "output_tokens": one.output_tokens,
                "usd": _range(one.usd),
            }
            for one in waves.later
        ],
    }


def _sending(sending: Sending) -> dict[str, Any]:
    return {
        "requests": sending.requests,
        "batches": sending.batches,
        "split_by": sorted(sending.split_by),
        "bytes": sending.bytes,
        "input_tokens": sending.input_tokens,
        "output_tokens": sending.output_tokens,
        "basis": sorted(sending.basis),
        "usd": _range(sending.usd),
        "cache_saved_usd": float(sending.cache_saved_usd),
    }


def _finishes(one: Finishing) -> dict[str, Any]:
    """`low` is the least number of palettes: everything costs the high end of its estimate. `rest_usd` is the cost of
    the palettes that the money is not expected to finish; with less than `begins_usd` none is begun."""
    palettes = {"low": one.least, "expected": one.expected, "high": one.most}
    return {
        "usd": float(one.usd),
        "palettes": palettes,
        "rest_usd": _range(one.rest),
        "begins_usd": float(one.begins),
    }


def _range(usd: DollarRange | None) -> dict[str, float] | None:
    """An estimate as JSON data; None where a price is not known."""
    return usd and usd.document()


def plan_sentences(plan: Plan) -> list[str]:
    """What a person should know beside the figures: later waves, why requests are missing, budget and cap."""
    return [*_later_waves(plan), *_whys(plan), *_totals(plan)]


def refiners(plan: Plan) -> list[PlannedModel]:
    """The planned refinement as a list; empty where its provider is left out."""
    return [] if plan.refinement is None else [plan.refinement]


def _later_waves(plan: Plan) -> list[str]:
    waves = plan.waves
    if waves is None:
        return []
    chosen = "by what was measured" if waves.plan.basis == "measured" else "the cheapest of each family"
    models = counted(len(waves.plan.waves[0]), "model")
    first = f"The table is wave 1 of {len(waves.plan.waves)}: {models}, chosen {chosen}."
    found = [f"{first} Only palettes that are not certain then go on."]
    for one in waves.later:
        how = "as before under this prompt version" if one.measured else "assumed, until there are figures"
        found.append(
            f"Wave {one.wave}: at most {counted(one.requests, 'request')} to {counted(one.models, 'model')}, "
            f"{one.usd.expected:.4f} USD ({one.usd.low:.4f} to {one.usd.high:.4f}); {one.share:.0%} of it is expected "
            f"({how})."
        )
    usd = plan.usd
    found.append(f"All waves and refinement: {usd.expected:.4f} USD, from {usd.low:.4f} to {usd.high:.4f}.")
    return found


def _whys(plan: Plan) -> list[str]:
    whys: dict[str, int] = {}
    for one in plan.tagging:
        for reason, count in one.counts.missing.items():
            whys[reason] = whys.get(reason, 0) + count
    found = [f"Missing because: {WHY[reason]}: {counted(count, 'request')}." for reason, count in whys.items() if count]
    for one in refiners(plan):
        for reason, count in one.counts.missing.items():
            found += [f"Refinement missing because: {WHY[reason]}: {counted(count, 'request')}."] if count else []
    for one in plan.tagging:
        for reason, count in one.counts.stopped.items():
            found.append(f"{one.model.id} was stopped ({counted(count, 'request')}): {reason}")
    parts = [*plan.tagging, *refiners(plan)]
    equal = sum(one.counts.equal for one in parts)
    if equal:
        found.append(
            f"{_thousands(equal)} more are the same requests under another palette of equal colours: sent once."
        )
    failed = sum(one.counts.failed for one in parts)
    if failed:
        found.append(f"{_thousands(failed)} failed before and are not sent; to ask again: grabient retry")
    also = sum(one.counts.also_due for one in plan.tagging)
    if also:
        found.append(
            f"{_thousands(also)} requests that were asked for before go out with them, and are counted in USD."
        )
    return found


def _totals(plan: Plan) -> list[str]:
    total, found = plan.total, []
    if "assumed" in total.basis:
        every = "every model that is still to be asked: there are"
        what = "some models: they have" if "measured" in total.basis else every
        found.append(f"Tokens are assumed for {what} too few answers yet to measure.")
    if total.cache_saved_usd:
        found.append(f"Prompt caching should save {total.cache_saved_usd:.4f} USD of it.")
    expected = sum(one.counts.missing["basis_to_come"] for one in refiners(plan))
    if expected:
        found.append(
            f"Refinement of {counted(expected, 'palette')} follows when they are tagged. What it reads is not known "
            "before, so some may turn out to be there already."
        )
    budget = plan.budget
    if budget is not None:
        verdict = "It fits." if plan.fits else "The high end does not fit: what is over waits."
        found.append(
            f"Budget of the month: {budget.usd:.2f} USD; {budget.spent:.4f} used, {budget.reserved:.4f} set aside for "
            f"open batches, {budget.left:.4f} left. {verdict}"
        )
    if plan.finishing is not None:
        found.append(finishing_sentence(plan.finishing, plan.needing))
    if plan.over_budget:
        found.append("Waiting for money now (the figures above are those of a run without a cap):")
        found += plan.over_budget
    return found


def finishing_sentence(one: Finishing, needing: int) -> str:
    """How many of the palettes the money finishes, and what the others would cost."""
    from grabient_assets.ledger.budget import dollars, enough

    if not one.most:
        return (
            f"{dollars(one.usd)} USD finish 0 of {counted(needing, 'palette')}: none is begun that could not be "
            f"finished. It takes {enough(one.begins)} USD to begin one; all of them would cost "
            f"{one.rest.expected:.4f} USD, from {one.rest.low:.4f} to {one.rest.high:.4f}."
        )
    range_ = f"{one.expected}" if one.least == one.most else f"{one.expected} (from {one.least} to {one.most})"
    found = f"{dollars(one.usd)} USD finish {range_} of {counted(needing, 'palette')}, one after the other."
    if one.expected < needing:
        rest = needing - one.expected
        found += (
            f" The other {_thousands(rest)} would cost {one.rest.expected:.4f} USD more, from {one.rest.low:.4f} to "
            f"{one.rest.high:.4f}."
        )
    return found


def _thousands(number: int) -> str:
    return f"{number:,}"
