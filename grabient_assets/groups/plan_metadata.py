"""What a run is about to send, where a person looks for it: on the run, and on the asset that sends."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from grabient_assets.batching.planning import Sending

HEAD = "| model | requests | batches | tokens in | tokens out | USD | from | to |\n|---|--:|--:|--:|--:|--:|--:|--:|"


def plan_metadata(planned: Sequence[tuple[str, Sending, str | None]]) -> dict[str, dg.MetadataValue]:
    """Metadata for models with what goes to them; the sentence is why nothing does."""
    sent = [sending for _, sending, cannot in planned if cannot is None]
    total = sum(sent, Sending())
    found: dict[str, dg.MetadataValue] = {
        "plan": dg.MetadataValue.md("\n".join([HEAD, *(_line(*one) for one in planned)])),
        "requests": dg.MetadataValue.int(total.requests),
        "batches": dg.MetadataValue.int(total.batches),
        "input tokens": dg.MetadataValue.int(total.input_tokens),
        "output tokens": dg.MetadataValue.int(total.output_tokens),
    }
    if total.usd is not None:
        found["expected USD"] = dg.MetadataValue.float(float(total.usd.expected))
        found["at most USD"] = dg.MetadataValue.float(float(total.usd.high))
    return found


def _line(name: str, sending: Sending, cannot: str | None) -> str:
    if cannot is not None:
        return f"| {name} | {sending.requests:,} not sent: {cannot} | | | | | | |"
    batches = f"{sending.batches}" + "".join(f", by {limit}" for limit in sorted(sending.split_by))
    usd = sending.usd
    dollars = ["?"] * 3 if usd is None else [f"{part:.4f}" for part in (usd.expected, usd.low, usd.high)]
    cells = [f"{sending.requests:,}", batches, f"{sending.input_tokens:,}", f"{sending.output_tokens:,}", *dollars]
    return f"| {name} | {' | '.join(cells)} |"
