"""What is not tried now, and why: held back for want of money, left alone after failures, put off, paused, stopped.

Whether there is money is judged anew at every look, as a submission would: answers come in and their tokens are
measured, prices become known.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import SubjectVersion, stopped_asks
from grabient_assets.ledger.attempts import HeldWork, held_work, release_work
from grabient_assets.ledger.backoff import LONGEST_NAMED, pauses
from grabient_assets.ledger.batches import put_off_providers
from grabient_assets.ledger.funding import grant, open_funding, over_budget
from grabient_assets.ledger.money import HoldKey, holds, keys_of_open_asks
from grabient_assets.ledger.overdue import forget_unreachable
from grabient_assets.ledger.request_sizes import kind_of, request_prices

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purposes


@dataclass(frozen=True, slots=True)
class Held:
    """Something that is not tried now: in one word why, the sentence for a person, and until when, if that is known.

    `kind` is failed (a sensor's work, after failures), put_off (a provider takes nothing), paused (a provider asked not
    to be asked about batches), over_budget or stopped (a model, until it is asked again).
    """

    kind: str
    sentence: str
    until: datetime | None = None

    def document(self) -> dict[str, str | None]:
        """The same as JSON."""
        return {"kind": self.kind, "why": self.sentence, "until": self.until.isoformat() if self.until else None}


def held_back(
    connection: DuckDBPyConnection,
    purposes: Purposes,
    budget: Decimal | None,
    now: datetime,
    among: Sequence[SubjectVersion] | None = None,
) -> list[Held]:
    """Everything that is not tried now; what waits for money only where it concerns one of `among`. Nothing is counted
    twice."""
    found = _after_failures(held_work(connection, now))
    for provider, until, error in put_off_providers(connection, now, LONGEST_NAMED):
        reason = (error or "no reason given").rstrip(".")
        found.append(Held("put_off", f"{provider} is put off: {reason}. {_next_try(until)}", until))
    for provider, until in pauses(connection, now).items():
        found.append(
            Held("paused", f"{provider} asked not to be asked about its batches before {until:%H:%M:%S} UTC.", until)
        )
    waiting = still_held(connection, purposes, budget, now, None, None)
    if among is not None:
        theirs = keys_of_open_asks(connection, among)
        waiting = {key: reason for key, reason in waiting.items() if key in theirs}
    found += [Held("over_budget", reason) for reason in dict.fromkeys(waiting.values())]
    found += [Held("stopped", one.sentence) for one in stopped_asks(connection, purposes)]
    return found


def dedupe_key(text: str) -> str:
    """The text without the words that hold a digit: times, counts and the ids of single calls."""
    return re.sub(r"\S*\d\S*", "", text)


def _after_failures(work: Sequence[HeldWork]) -> list[Held]:
    """One sentence for each reason, with the work that it holds; reasons that differ in ids and times are one."""
    alike: dict[str, list[HeldWork]] = {}
    for one in work:
        alike.setdefault(dedupe_key(one.reason), []).append(one)
    found: list[Held] = []
    for same in alike.values():
        roles = ", ".join(dict.fromkeys(one.role for one in same))
        until = min(one.until for one in same)
        reason = same[0].reason.rstrip(".")
        found.append(Held("failed", f"Held after failures ({roles}): {reason}. {_next_try(until)}", until))
    return found


def release(connection: DuckDBPyConnection, now: datetime) -> None:
    """Let what failed, or did not get through, be tried at once: a person asks for it. What a provider asked to wait
    for, and what there is no money for, waits on."""
    release_work(connection, now)
    forget_unreachable(connection, now)


def _next_try(until: datetime) -> str:
    return f"The next try is at {until:%H:%M:%S} UTC; `grabient run` and `grabient retry` try at once."


def still_held(
    connection: DuckDBPyConnection,
    purposes: Purposes,
    budget: Decimal | None,
    now: datetime,
    purpose: str | None,
    provider: str | None,
) -> dict[HoldKey, str]:
    """What was held back, is still asked for and cannot go out yet, not even one request of it; with the sentence.

    It is judged anew at every look, as a submission would: answers come in and their tokens are measured, prices become
    known. What was asked for once more since is not among it: it may read differently now, so it is tried again.
    """
    waiting = holds(connection, purpose, provider)
    if not waiting:
        return {}
    prices = request_prices(connection, now)
    funding = open_funding(connection, purposes, budget, now, prices, [hold.cap_id for hold in waiting])
    if funding is None:
        return {}
    found: dict[HoldKey, str] = {}
    for hold in waiting:
        key, kind = hold.key, kind_of(hold.key)
        if kind not in prices or not funding.limits_of(key.cap_id):
            continue  # sending stops its asks, or nothing limits them any more
        one = prices[kind]
        if grant(connection, funding, key, one).is_empty:
            found[key] = over_budget(funding, purposes[key.purpose].noun, key, one)
    return found
