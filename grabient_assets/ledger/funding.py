"""Which subjects the money finishes: a limit buys whole subjects, not a part of each.

Everything that an unfinished subject still needs counts at once, at the high end of its estimate: the requests that are
due at any provider, and everything that is expected to follow. Subjects are taken in order, begun ones before new ones,
then the cheapest to finish, then in order of arrival; money reserved for one is not there for the next. Only requests
of subjects that were taken are sent. Nothing of this is stored: it follows from the ledger, in the transaction that
writes an intent, so it is released when a request is sent, withheld or no longer wanted.

When the money covers the high end of no subject, one is sent *step by step*: as many of its requests as can be reserved
for, and the others as its answers release what they did not cost. This requires that the money covers its expected
cost, and the amount by which the riskiest request, mostly the last, reserves more than its own expected cost. That
request can then still be sent last, when all others cost what is expected. The subject may end unfinished, when its
answers cost more than expected; no other is begun meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.ledger.budget import MONTH, OVER_BUDGET, Allowance, Limit, allowances, dollars, enough
from grabient_assets.ledger.estimates import DollarRange
from grabient_assets.ledger.money import HoldKey
from grabient_assets.ledger.request_sizes import RequestKey
from grabient_assets.ledger.unfinished import (
    RequestPrice,
    Unfinished,
    UnfinishedKey,
    lay_out_steps,
    open_stems,
    price_steps,
    unfinished,
    with_providers,
)
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.purpose import Purposes


@dataclass(frozen=True, slots=True)
class StepCost:
    """The cost of finishing a subject under one limit, in US dollars; `spread` is the largest amount by which the high
    end of one request exceeds its expected cost."""

    high: Decimal = Decimal(0)
    expected: Decimal = Decimal(0)
    spread: Decimal = Decimal(0)

    @property
    def stepwise(self) -> Decimal:
        """The least sum that finishes it request after request, when each costs what is expected."""
        return self.expected + self.spread


def costs(one: Unfinished, limits: Iterable[Limit]) -> dict[Limit, StepCost]:
    """The sum that it takes from each limit that applies to it."""
    found: dict[Limit, StepCost] = {}
    for need in one.needs:
        for limit in {MONTH, need.cap_id} & set(limits):
            known = found.get(limit, StepCost())
            found[limit] = StepCost(
                known.high + need.high, known.expected + need.expected, max(known.spread, need.spread)
            )
    return found


@dataclass(frozen=True, slots=True)
class Funding:
    """The subjects that are sent: the money finishes those in `whole`, those in `stepwise` go step by step, `waiting`
    are all but the whole ones, in order. `kept` is the sum that the whole ones take from each limit."""

    limits: Mapping[Limit, Allowance]
    whole: AbstractSet[UnfinishedKey] = frozenset()
    stepwise: AbstractSet[UnfinishedKey] = frozenset()
    waiting: tuple[Unfinished, ...] = ()
    kept: Mapping[Limit, Decimal] = field(default_factory=dict)

    def limits_of(self, cap_id: str | None) -> list[Limit]:
        """The limits that apply to requests asked under this cap."""
        return [limit for limit in dict.fromkeys((MONTH, cap_id)) if limit in self.limits]


def fund(
    found: Iterable[Unfinished],
    limits: Mapping[Limit, Allowance],
    out: Mapping[Limit, AbstractSet[UnfinishedKey]],
) -> Funding:
    """Take the subjects in order as long as the limits allow. `out`: by limit, those with requests at a provider.

    A begun subject that does not fit keeps new ones back, as long as the unspent money could finish it.
    """
    left = {limit: one.left for limit, one in limits.items()}
    unspent = {limit: max(Decimal(0), one.usd - one.spent) for limit, one in limits.items()}
    kept = dict.fromkeys(limits, Decimal(0))
    whole, waiting = set[UnfinishedKey](), list[tuple[Unfinished, dict[Limit, StepCost]]]()
    closed = set[Limit]()
    priced = [(one, costs(one, limits)) for one in found]
    for one, cost in sorted(priced, key=_order):
        if _is_unpriced(one) and cost:
            waiting.append((one, cost))
        elif all(c.high <= left[limit] for limit, c in cost.items()) and (one.begun or closed.isdisjoint(cost)):
            whole.add(one.key)
            for limit, c in cost.items():
                left[limit] -= c.high
                kept[limit] += c.high
        else:
            waiting.append((one, cost))
            if one.begun and _could_end(cost, unspent):
                closed |= {limit for limit, c in cost.items() if c.high > left[limit]}
    busy = {limit for limit, usd in kept.items() if usd}
    expected_left = {limit: one.expected_left for limit, one in limits.items()}
    stepwise = set[UnfinishedKey]()
    for one, cost in waiting:
        alone = all(limit not in busy and out.get(limit, frozenset()) <= {one.key} for limit in cost)
        if alone and not _is_unpriced(one) and _could_end(cost, expected_left):
            stepwise.add(one.key)
            busy |= set(cost)
    return Funding(limits, whole, stepwise, tuple(one for one, _ in waiting), kept)


def _order(priced: tuple[Unfinished, Mapping[Limit, StepCost]]) -> tuple[bool, Decimal, int, str, str]:
    one, cost = priced
    dearest = max((c.high for c in cost.values()), default=Decimal(0))
    return not one.begun, dearest, one.arrival, one.key.prompt_version, one.key.subject_key


def _could_end(cost: Mapping[Limit, StepCost], usd: Mapping[Limit, Decimal]) -> bool:
    """Whether this sum finishes it, request after request, when each costs what is expected."""
    return all(c.stepwise <= usd[limit] for limit, c in cost.items())


@dataclass(frozen=True, slots=True)
class Grant:
    """The requests that may be sent under one key. Of the requests that are open there: those with a stem in `whole`
    without limit, those in `stepwise` at most `steps`, those in `others` not. `requests`: how many open requests each
    stem stands for."""

    whole: AbstractSet[str]
    stepwise: AbstractSet[str]
    steps: int
    requests: Mapping[str, int]

    @property
    def is_empty(self) -> bool:
        """Whether no request at all may be sent."""
        return not self.whole and not (self.stepwise and self.steps)

    @property
    def held(self) -> int:
        """How many open requests have to wait."""
        stepwise = sum(self.requests[stem] for stem in self.stepwise)
        whole = sum(self.requests[stem] for stem in self.whole)
        return sum(self.requests.values()) - whole - min(stepwise, self.steps)

    def admitted(self, custom_ids: Sequence[str]) -> list[int]:
        """The places of the requests that may be sent; requests that no open ask wants are not among them."""
        found, steps = list[int](), self.steps
        for place, custom_id in enumerate(custom_ids):
            stem = custom_id[:-3]
            step = stem in self.stepwise and steps > 0
            steps -= step
            if step or stem in self.whole:
                found.append(place)
        return found


def open_funding(
    connection: DuckDBPyConnection,
    purposes: Purposes,
    budget: Decimal | None,
    now: datetime,
    prices: Mapping[RequestKey, DollarRange | None],
    caps: Iterable[str | None] = (),
    besides: Decimal = Decimal(0),
) -> Funding | None:
    """The funding by the present state of the ledger; call it in the transaction that uses it. `prices`: see
    `request_prices`. `caps` are counted also where no open ask is under them.

    None when nothing has to wait: all prices are known, and every limit has room for all open requests, under any cap,
    and for `besides`. Ordering the subjects would take several times as long.
    """
    needed = price_steps(
        connection,
        purposes,
        [RequestPrice(*key, one.high if one else None, one.expected if one else None) for key, one in prices.items()],
    )
    limits = allowances(connection, budget, [cap for cap in {*caps, *needed} if cap is not None], now)
    everything = sum(needed.values(), besides)
    if None not in prices.values() and all(everything <= one.left for one in limits.values()):
        return None
    lay_out_steps(connection, purposes)
    found, sent = unfinished(connection, purposes), with_providers(connection, purposes)
    out: dict[Limit, set[UnfinishedKey]] = {limit: set() for limit in limits}
    for key, cap_id in sent:
        for limit in {MONTH, cap_id} & set(limits):
            out[limit].add(key)
    return fund(found, limits, out)


def grant(connection: DuckDBPyConnection, funding: Funding, key: HoldKey, one: DollarRange | None) -> Grant:
    """The open requests under the key that may be sent; `one` is the cost of a single one (None: not known)."""
    requests: dict[str, int] = {}
    whole, stepwise = set[str](), set[str]()
    for stem, wanting, count in open_stems(connection, key):
        requests[stem] = max(count, requests.get(stem, 0))
        if wanting in funding.whole:
            whole.add(stem)
        elif wanting in funding.stepwise:
            stepwise.add(stem)
    if one is None:
        return Grant(frozenset(), frozenset(), 0, requests)
    left = min(funding.limits[limit].left for limit in funding.limits_of(key.cap_id))
    return Grant(whole, stepwise - whole, int(left / one.high) if one.high else sum(requests.values()), requests)


def over_budget(
    funding: Funding, noun: str, key: HoldKey, one: DollarRange | None, outside: int = 0, sent: Decimal = Decimal(0)
) -> str:
    """The sentence about the requests that wait under the key, of subjects called `noun`. `one`: the cost of a single
    request (None: not known).

    `outside`: how many waiting requests no open ask wants; for those of them that are sent, `sent` is reserved.
    """
    limit = min(funding.limits_of(key.cap_id), key=lambda name: funding.limits[name].left)
    tightest = funding.limits[limit]
    alike = [waiting for waiting in funding.waiting if waiting.key.noun == noun]
    waits = [(waiting, cost[limit]) for waiting in alike if limit in (cost := costs(waiting, [limit]))]
    subjects = sum(waiting.subjects for waiting, _ in waits) + outside
    who = f"{counted(subjects, noun)} {'waits' if subjects == 1 else 'wait'}"
    if one is None or (waits and all(_is_unpriced(waiting) for waiting, _ in waits)):
        model = f"{key.model} ({key.provider})" if one is None else "a model that is asked about them"
        return (
            f"{OVER_BUDGET}: {who}. The price of {model} is not known, so nothing can be set aside for it out of "
            f"{tightest.named}. Add the price to registry/data/{key.provider}.toml, or ask without a budget and a cap."
        )
    expected = sum((cost.expected for _, cost in waits), one.expected * outside)
    high = sum((cost.high for _, cost in waits), one.high * outside)
    aside = tightest.reserved + funding.kept[limit] + sent
    priced = [(w.begun, c) for w, c in waits if not _is_unpriced(w)]
    least, alone = _least(tightest, priced, one, aside), _alone(priced, one)
    way_out = tightest.way_out_while_open if aside else tightest.way_out_otherwise
    return (
        f"{OVER_BUDGET}: {who}. To finish {'it' if subjects == 1 else 'them'} is expected to cost {dollars(expected)} "
        f"USD, {dollars(high)} at most; of {tightest.named}, {dollars(tightest.spent)} are spent and {dollars(aside)} "
        f"set aside for what goes first. "
        + way_out.format(
            it="It" if subjects == 1 else "The next one",
            least=enough(least),
            renewal=tightest.renewal if alone <= tightest.usd else "",
        )
    )


def _least(limit: Allowance, waits: Sequence[tuple[bool, StepCost]], one: DollarRange, aside: Decimal) -> Decimal:
    """The least limit in dollars with which the next waiting subject is sent. `waits`: for each whether it is begun,
    and its cost; `aside` is the sum that the limit has reserved for others."""
    alone = _alone(waits, one)
    if limit.starts_anew:
        return alone
    if not aside:
        return limit.spent + alone
    first = [cost.high for begun, cost in waits if begun] or [cost.high for _, cost in waits]
    return limit.spent + aside + min(first, default=one.high)


def _alone(waits: Sequence[tuple[bool, StepCost]], one: DollarRange) -> Decimal:
    """The least limit in dollars with which a waiting subject is sent when nothing is spent or reserved."""
    return min((cost.stepwise for _, cost in waits), default=one.high)


def _is_unpriced(one: Unfinished) -> bool:
    return any(need.unpriced for need in one.needs)
