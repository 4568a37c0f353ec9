"""The work that can be sent now, and the work that is not tried now with the reason: held for lack of money, held
after failures, deferred, paused, stopped.

Each call decides anew whether there is money, as a submission would: the tokens of new answers are measured, and prices
become known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.ledger.asks import SubjectVersion, stopped_asks
from grabient_assets.ledger.attempts import HeldWork, held_work, release_work
from grabient_assets.ledger.backoff import LONGEST_NAMED, pauses
from grabient_assets.ledger.batches import put_off_providers
from grabient_assets.ledger.due import DueTarget, due_targets
from grabient_assets.ledger.funding import grant, open_funding, over_budget
from grabient_assets.ledger.money import HoldKey, holds, keys_of_open_asks
from grabient_assets.ledger.overdue import forget_unreachable
from grabient_assets.ledger.request_sizes import kind_of, request_prices

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purpose, Purposes


@dataclass(frozen=True, slots=True)
class Held:
    """Work that is not tried now: the kind of reason, the sentence for a person, and the end of the wait, if it is
    known.

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
    """Everything that is not tried now; work that waits for money only when it concerns one of `among`. Nothing is
    counted twice."""
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
    """The text without the words that hold a digit (times, counts, ids of calls): sentences with equal keys report the
    same."""
    return re.sub(r"\S*\d\S*", "", text)


def _after_failures(work: Sequence[HeldWork]) -> list[Held]:
    """One sentence for each reason, with the work that it holds; reasons that differ only in ids and times count as
    one."""
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
    """Let failed and deferred work be tried at once, on a person's request. Pauses that a provider asked for, and work
    without money, stay."""
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
    """The held requests that are still wanted and of which none can be sent yet, with the sentence.

    Each call decides anew, as a submission would: the tokens of new answers are measured, and prices become known.
    Requests that were asked for again since are left out: their text or terms may have changed, so they are tried
    again.
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
            continue  # sending stops its asks, or no limit applies to them any more
        one = prices[kind]
        if grant(connection, funding, key, one).is_empty:
            found[key] = over_budget(funding, purposes[key.purpose].noun, key, one)
    return found


@dataclass(frozen=True, slots=True)
class Work:
    """The work that waits to be sent to a provider: due requests, and subjects that will be asked automatically.

    `held` are the sentences about work that waits for money.
    """

    due: Sequence[DueTarget]
    following: Sequence[SubjectVersion]
    held: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.due or self.following)

    @property
    def requests(self) -> int:
        """How many requests are due, or will be when the subjects are asked."""
        return sum(target.requests for target in self.due) + len(self.following)

    def items(self) -> Iterator[str]:
        """What identifies this work: a string for each target and each subject."""
        yield from (f"{t.prompt_version} {t.model} {t.digest}" for t in self.due)
        yield from (f"{one.prompt_version} {one.subject}" for one in self.following)

    def first(self) -> SubjectVersion:
        """The subject whose partition the sending run stands under."""
        if self.due:
            return SubjectVersion(self.due[0].prompt_version, self.due[0].subject)
        return self.following[0]


def sendable_requests(
    purpose: Purpose,
    purposes: Purposes,
    connection: DuckDBPyConnection,
    provider: str,
    budget_usd: Decimal | None,
    now: datetime,
) -> Work:
    """The due requests of the purpose that the money allows to be sent to the provider now."""
    held = still_held(connection, purposes, budget_usd, now, purpose.name, provider)
    targets = due_targets(connection, purpose, provider)
    due = [target for target in targets if target.hold_key(purpose.name, provider) not in held]
    return Work(due, (), tuple(dict.fromkeys(held.values())))
