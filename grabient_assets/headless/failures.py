"""What failed, and asking exactly that again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.groups.refinement.asking import waiting_for_refinement
from grabient_assets.ledger.asked_progress import FailedAsk, asked_again, failed_asks
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.budget import MONTH, allowances
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.estimates import DollarRange
from grabient_assets.ledger.held_work import release
from grabient_assets.ledger.money import SpendingCap, make_cap
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.ledger.request_sizes import requests_usd
from grabient_assets.prompting.load import load_prompt_versions
from grabient_assets.registry.load import load_registry
from grabient_assets.registry.model import Model
from grabient_assets.resources.modes import answers_from, usable_providers
from grabient_assets.settings import PROVIDERS, Settings, prompts_dir
from grabient_assets.warehouse.connection import Warehouse


@dataclass(frozen=True, slots=True)
class Repeat:
    """What is asked of one model again: how many palettes, requests and US dollars (None: not known). `follows`: these
    are refinements that follow when tags that are asked again change what the refiner reads."""

    purpose: str
    provider: str
    model: str
    palettes: int
    requests: int
    usd: DollarRange | None
    follows: bool = False

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "purpose": self.purpose,
            "provider": self.provider,
            "model": self.model,
            "palettes": self.palettes,
            "requests": self.requests,
            "follows": self.follows,
            "usd": self.usd and self.usd.document(),
        }


@dataclass(frozen=True, slots=True)
class Failures:
    """What failed and can be asked again, by purpose, and what is left out and why."""

    asks: Mapping[str, tuple[FailedAsk, ...]]
    left_out: tuple[str, ...]

    @property
    def all(self) -> list[FailedAsk]:
        """Those of every purpose, upstream first."""
        return [one for asks in self.asks.values() for one in asks]

    @property
    def chained(self) -> bool:
        """Whether something follows, or what would is asked for itself."""
        following = (asks for name, asks in self.asks.items() if PURPOSES[name].follows)
        return any(one.terms.chained for one in self.all) or any(following)

    @property
    def asked(self) -> dict[str, Counter[tuple[str, str]]]:
        """How many palettes are asked again, by purpose and then by provider and model."""
        return {
            name: Counter((one.target.provider, one.target.model) for one in asks) for name, asks in self.asks.items()
        }

    @property
    def partitions(self) -> tuple[SubjectVersion, ...]:
        """Which palettes these are."""
        return tuple(dict.fromkeys(one.partition for one in self.all))


def find_failures(
    warehouse: Warehouse,
    settings: Settings,
    prompt_version: str | None = None,
    among: Sequence[str] | None = None,
    provider: str | None = None,
    model: str | None = None,
) -> Failures:
    """Every failed answer and every stopped ask, of these palettes, this provider and this model, or of all.

    Left out is what cannot be repeated as it was: providers without a key, models that left the panel, and requests
    that would read differently today (another prompt text, or emulator answers in live mode); `grabient run` asks
    for those anew.
    """
    usable, asks, gone = usable_providers(settings), dict[str, tuple[FailedAsk, ...]](), list[FailedAsk]()
    with warehouse.read() as connection:
        for purpose in PURPOSES.values():
            if purpose.ask_again is not None:
                failed = _of(failed_asks(connection, purpose, prompt_version), among, provider, model)
                again, rest = _repeatable(purpose, failed, usable, answers_from(settings))
                asks[purpose.name] = tuple(again)
                gone += rest
    return Failures(asks, tuple(dict.fromkeys(_why(one, usable) for one in gone)))


def _repeatable(
    purpose: Purpose, failed: Sequence[FailedAsk], usable: Sequence[str], mode: str
) -> tuple[list[FailedAsk], list[FailedAsk]]:
    """Those that can be asked again, and those that cannot."""
    versions, models = load_prompt_versions(prompts_dir()), purpose.models(usable)
    again, gone = list[FailedAsk](), list[FailedAsk]()
    targets = {(version, purpose.target(version, one, mode)) for version in versions for one in models}
    for one in failed:
        version = one.partition.prompt_version
        # Where the newest answer stands, any model may give it, whatever it is shown today.
        can = version in versions if purpose.table.newest_stands else (version, one.target) in targets
        (again if can else gone).append(one)
    return (again, gone) if models else ([], [*gone, *again[:1]])


def unfinished(
    warehouse: Warehouse, settings: Settings, prompt_version: str | None, among: Sequence[str] | None
) -> tuple[tuple[SubjectVersion, ...], bool]:
    """The palettes that were asked about again before and are not at their end, and whether a refinement follows: a run
    was stopped before the answers came, or before what follows them was asked."""
    purposes = [purpose.name for purpose in PURPOSES.values() if purpose.ask_again is not None]
    chosen = None if among is None else set(among)
    with warehouse.read() as connection:
        again = asked_again(connection, purposes)
        following = set(waiting_for_refinement(connection, usable_providers(settings)))
    found = [
        one
        for one, (is_open, _) in again.items()
        if (is_open or one in following)
        and prompt_version in (None, one.prompt_version)
        and (chosen is None or one.subject in chosen)
    ]
    return tuple(found), any(one in following or again[one][1] for one in found)


def repeats(warehouse: Warehouse, failures: Failures, on: date) -> list[Repeat]:
    """What asking them again comes to, model by model, at the prices of the day `on`."""
    counts: dict[tuple[str, str, str, bool], Counter[str]] = {}
    palettes: dict[tuple[str, str, str, bool], set[SubjectVersion]] = defaultdict(set)

    def add(purpose: Purpose, model: Model, partition: SubjectVersion, requests: int, *, follows: bool = False) -> None:
        key = (purpose.name, model.provider, model.id, follows)
        counts.setdefault(key, Counter())[partition.prompt_version] += requests
        palettes[key].add(partition)

    registry = load_registry()
    for name, asks in failures.asks.items():
        purpose, partitions = PURPOSES[name], dict.fromkeys(one.partition for one in asks)
        if purpose.table.newest_stands:
            for partition in partitions:
                add(purpose, purpose.models(PROVIDERS)[0], partition, 1)
        else:
            for one in asks:
                add(purpose, registry.model(one.target.provider, one.target.model), one.partition, one.missing)
        following = {one.partition for one in failures.asks.get(purpose.follows or "", ()) if one.terms.chained}
        for partition in sorted(following - partitions.keys(), key=str):
            add(purpose, purpose.models(PROVIDERS)[0], partition, 1, follows=True)
    found: list[Repeat] = []
    with warehouse.read() as connection:
        for (name, provider, model_id, follows), versions in counts.items():
            model, usd = registry.model(provider, model_id), DollarRange()
            for version, requests in versions.items():
                part = requests_usd(connection, PURPOSES[name], model, version, requests, on)
                usd = None if usd is None or part is None else usd + part
            if follows and usd is not None:
                usd = replace(usd, low=Decimal(0))
            of = palettes[name, provider, model_id, follows]
            found.append(Repeat(name, provider, model_id, len(of), versions.total(), usd, follows))
    return found


def repeats_document(found: Sequence[Repeat], left_out: Sequence[str]) -> dict[str, Any]:
    """The document of `grabient retry --dry-run --json`."""
    total = together(found)
    return {
        "models": [one.document() for one in found],
        "usd": total and total.document(),
        "left_out": list(left_out),
    }


def spendable(
    warehouse: Warehouse, budget: Decimal | None, max_usd: Decimal | None, failures: Failures, now: datetime
) -> Decimal | None:
    """The most that asking them again can spend: the new cap `max_usd`, or what is left of the caps they are under, and
    no more than is left of the month's budget. None when some of it is under no limit."""
    caps = {one.terms.cap_id for one in failures.all} if max_usd is None else set()
    with warehouse.read() as connection:
        limits = allowances(connection, budget, [cap for cap in caps if cap is not None], now)
    found = [limits[MONTH].left] if MONTH in limits else []
    if max_usd is not None:
        found.append(max_usd)
    elif caps and None not in caps:
        found.append(sum((limits[cap].left for cap in caps), Decimal(0)))
    return min(found, default=None)


def together(found: Sequence[Repeat]) -> DollarRange | None:
    """What all of it costs, the refinements that follow included; None when a price is not known."""
    usd: DollarRange | None = DollarRange()
    for one in found:
        usd = None if usd is None or one.usd is None else usd + one.usd
    return usd


def ask_again(
    warehouse: Warehouse,
    settings: Settings,
    prompt_version: str | None,
    now: datetime,
    among: Sequence[str] | None = None,
) -> Failures:
    """Ask again for everything that failed, of these palettes or all. Nothing is sent here."""
    failures = find_failures(warehouse, settings, prompt_version, among)
    ask_for(warehouse, settings, failures, now)
    return failures


def ask_for(
    warehouse: Warehouse, settings: Settings, failures: Failures, now: datetime, max_usd: Decimal | None = None
) -> None:
    """Ask again for these failures. Nothing is sent here. The terms stand as they were: the cap, and the permissions to
    send at an unknown price and to refine despite a check. With `max_usd`, a new cap takes the place of theirs."""
    cap = None if max_usd is None else SpendingCap(uuid4().hex, max_usd)
    with warehouse.write() as connection:
        release(connection, now)
        if cap is not None:
            make_cap(connection, cap, ledger_time(connection, now))
    for name, asks in failures.asks.items():
        if cap is not None:
            asks = tuple(replace(one, terms=replace(one.terms, cap_id=cap.cap_id)) for one in asks)
        ask = PURPOSES[name].ask_again
        assert ask is not None
        ask(warehouse, asks, answers_from(settings), now)


def _of(
    failed: Sequence[FailedAsk], among: Sequence[str] | None, provider: str | None, model: str | None
) -> list[FailedAsk]:
    chosen = None if among is None else set(among)
    return [
        one
        for one in failed
        if (chosen is None or one.partition.subject in chosen)
        and provider in (None, one.target.provider)
        and model in (None, one.target.model)
    ]


def _why(failed: FailedAsk, usable: Sequence[str]) -> str:
    target = failed.target
    if target.provider not in usable:
        return f"{target.model} of {target.provider} is left out: {target.provider} has no key."
    return (
        f"{target.model} of {target.provider} under {failed.partition.prompt_version} is left out: it is not in the "
        "panel any more, or what it would be asked has changed since. `grabient run` asks anew."
    )
