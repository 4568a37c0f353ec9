"""How one request stands, in a word and a sentence for the person who waits for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from grabient_assets.groups.tagging.inquiries import Inquiry
from grabient_assets.ledger.fates import USABLE

Kind = Literal["answered", "failed", "under way", "waiting", "stopped"]
_OPEN = ("intended", "submitted")


@dataclass(frozen=True, slots=True)
class Standing:
    """`answered`: usable. `failed`: asked again only by a person. `waiting`: it is sent by itself when it can be."""

    kind: Kind
    reason: str | None


def standing_of(inquiry: Inquiry) -> Standing:
    """How the request stands. The stored answer comes first: it counts, whatever else is wanted."""
    if inquiry.fate in USABLE:
        return Standing("answered", _shared(inquiry))
    carrier = inquiry.carrier
    if carrier is not None and carrier.fate is None and carrier.status in _OPEN:
        return Standing("under way", f"in batch {carrier.batch_id} since {carrier.since:%Y-%m-%d %H:%M} UTC")
    # An answer that cannot be used is one, also where its ask is stopped; a request that errs is none.
    if inquiry.state == "stopped" and (inquiry.again or inquiry.fate in (None, "errored")):
        return Standing("stopped", inquiry.reason)
    if inquiry.fate is not None and not inquiry.again:
        return Standing("failed", f"{inquiry.fate}: {inquiry.error}" if inquiry.error else inquiry.fate)
    return Standing("waiting", _why_waiting(inquiry))


def _shared(inquiry: Inquiry) -> str | None:
    if inquiry.shared_from is None:
        return None
    seed, version = inquiry.shared_from
    return f"taken over from {seed} under {version}, which was asked the same"


def _why_waiting(inquiry: Inquiry) -> str:
    if inquiry.held:
        return inquiry.held
    carrier = inquiry.carrier
    if inquiry.again:
        return f"{inquiry.fate} before, and asked again"
    if carrier is not None and carrier.status == "deferred":
        return f"put off by the provider: {carrier.error}" if carrier.error else "put off by the provider"
    if carrier is not None and carrier.fate is not None:
        return f"{carrier.fate} in batch {carrier.batch_id}, and due again"
    return "asked, not sent yet"
