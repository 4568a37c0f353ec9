"""The plan of a run, on the run itself and on the asset that sends."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from grabient_assets.asking.plan_reasons import WHY
from grabient_assets.ledger.planning import PlannedModel, Sending

COLUMNS = (
    *("model", "cached", "in flight", "failed", "equal", "missing", "why"),
    *("sent now", "batches", "tokens in", "tokens out", "USD", "from", "to", "cache saves"),
)
LEFT = ("model", "why")


def plan_metadata(planned: Sequence[PlannedModel]) -> dict[str, dg.MetadataValue]:
    """The plan of these models as a table, and its sums as numbers, which Dagster plots over time."""
    total = sum((one.sending for one in planned if one.cannot is None), Sending())
    counts = [one.counts for one in planned]
    rule = "|".join("---" if name in LEFT else "--:" for name in COLUMNS)
    head = f"| {' | '.join(COLUMNS)} |\n|{rule}|"
    found: dict[str, dg.MetadataValue] = {"plan": dg.MetadataValue.md("\n".join([head, *map(_line, planned)]))}
    numbers = {
        "requests": total.requests,
        "batches": total.batches,
        "input tokens": total.input_tokens,
        "output tokens": total.output_tokens,
        "cached": sum(one.cached for one in counts),
        "in flight": sum(one.in_flight for one in counts),
        "failed": sum(one.failed for one in counts),
        "equal": sum(one.equal for one in counts),
        "missing": sum(sum(one.missing.values()) for one in counts),
    }
    found |= {name: dg.MetadataValue.int(number) for name, number in numbers.items()}
    for reason, why in WHY.items():
        because = sum(one.missing.get(reason, 0) for one in counts)
        found |= {f"missing: {why}": dg.MetadataValue.int(because)} if because else {}
    if total.usd is not None:
        found["expected USD"] = dg.MetadataValue.float(float(total.usd.expected))
        found["at least USD"] = dg.MetadataValue.float(float(total.usd.low))
        found["at most USD"] = dg.MetadataValue.float(float(total.usd.high))
        found["cache saves USD"] = dg.MetadataValue.float(float(total.cache_saved_usd))
    return found


def _line(one: PlannedModel) -> str:
    counts, sending = one.counts, one.sending
    why = ", ".join(f"{WHY[reason]}: {count:,}" for reason, count in counts.missing.items() if count)
    known = (counts.cached, counts.in_flight, counts.failed, counts.equal, sum(counts.missing.values()))
    cells = [one.model.id, *(f"{count:,}" for count in known), why]
    if one.cannot is not None:
        cells += [f"{sending.requests:,} not sent: {one.cannot}"]
        return f"| {' | '.join(cells)} |"
    batches = f"{sending.batches}" + "".join(f", by {limit}" for limit in sorted(sending.split_by))
    usd = sending.usd
    dollars = ["?"] * 3 if usd is None else [f"{part:.4f}" for part in (usd.expected, usd.low, usd.high)]
    cells += [f"{sending.requests:,}", batches, f"{sending.input_tokens:,}", f"{sending.output_tokens:,}", *dollars]
    return f"| {' | '.join([*cells, f'{sending.cache_saved_usd:.4f}'])} |"
