"""What failed, and asking exactly that again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from uuid import uuid4

from grabient_assets.headless.needs import FailedAsk
from grabient_assets.ledger.asks import AskTarget, SubjectVersion
from grabient_assets.ledger.budget import MONTH, allowances
from grabient_assets.ledger.clock import ledger_time
from grabient_assets.ledger.estimates import DollarRange
from grabient_assets.ledger.held_work import release
from grabient_assets.ledger.money import SpendingCap, make_cap
from grabient_assets.registry.model import Model
from grabient_assets.settings import PROMPTS_DIR, Settings
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


@dataclass(frozen=True, slots=True)
class Failures:
    """What failed and can be asked again, tags and refinements, and what is left out and why."""

    tagging: tuple[FailedAsk, ...]
    refinements: tuple[FailedAsk, ...]
    left_out: tuple[str, ...]

    @property
    def chained(self) -> bool:
        """Whether refinement follows, or is asked for itself."""
        return bool(self.refinements) or any(one.chained for one in self.tagging)

    @property
    def partitions(self) -> tuple[SubjectVersion, ...]:
        """Which palettes these are."""
        return tuple(dict.fromkeys(one.partition for one in [*self.tagging, *self.refinements]))


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
    from grabient_assets.groups.refinement.purpose import refiner
    from grabient_assets.headless.needs import failed_refinements, failed_tagging
    from grabient_assets.prompting.load import load_prompt_versions
    from grabient_assets.resources.modes import usable_providers

    usable = usable_providers(settings)
    current = _current_targets(settings, usable)
    with warehouse.read() as connection:
        failed = _of(failed_tagging(connection, prompt_version), among, provider, model)
        refinements = _of(failed_refinements(connection, prompt_version), among, provider, model)

    def repeatable(one: FailedAsk) -> bool:
        asked_today = current.get((one.partition.prompt_version, one.target.provider, one.target.model))
        return asked_today == one.target.request_digest

    tagging = [one for one in failed if repeatable(one)]
    gone = [one for one in failed if not repeatable(one)]
    versions = load_prompt_versions(PROMPTS_DIR)
    gone += [one for one in refinements if one.partition.prompt_version not in versions]
    refinements = [one for one in refinements if one.partition.prompt_version in versions]
    if refinements and refiner().provider not in usable:
        gone, refinements = [*gone, refinements[0]], []
    return Failures(tuple(tagging), tuple(refinements), tuple(dict.fromkeys(_why(one, usable) for one in gone)))


def repeats(warehouse: Warehouse, failures: Failures, on: date) -> list[Repeat]:
    """What asking them again comes to, model by model, at the prices of the day `on`."""
    from grabient_assets.groups.purposes import PURPOSES
    from grabient_assets.groups.refinement.purpose import refiner
    from grabient_assets.ledger.request_sizes import requests_usd
    from grabient_assets.registry.load import load_registry

    refined = {one.partition for one in failures.refinements}
    following = {one.partition for one in failures.tagging if one.chained} - refined
    counts: dict[tuple[str, str, str, bool], Counter[str]] = {}
    palettes: dict[tuple[str, str, str, bool], set[SubjectVersion]] = defaultdict(set)

    def add(purpose: str, model: Model, partition: SubjectVersion, requests: int, *, follows: bool = False) -> None:
        key = (purpose, model.provider, model.id, follows)
        counts.setdefault(key, Counter())[partition.prompt_version] += requests
        palettes[key].add(partition)

    registry = load_registry()
    for one in failures.tagging:
        add("tagging", registry.model(one.target.provider, one.target.model), one.partition, one.missing)
    for partition in sorted(refined, key=str):
        add("refinement", refiner(), partition, 1)
    for partition in sorted(following, key=str):
        add("refinement", refiner(), partition, 1, follows=True)
    found: list[Repeat] = []
    with warehouse.read() as connection:
        for (purpose, provider, model_id, follows), versions in counts.items():
            model, usd = registry.model(provider, model_id), DollarRange()
            for version, requests in versions.items():
                part = requests_usd(connection, PURPOSES[purpose], model, version, requests, on)
                usd = None if usd is None or part is None else usd + part
            if follows and usd is not None:
                usd = replace(usd, low=Decimal(0))
            of = palettes[purpose, provider, model_id, follows]
            found.append(Repeat(purpose, provider, model_id, len(of), versions.total(), usd, follows))
    return found


def spendable(
    warehouse: Warehouse, budget: Decimal | None, max_usd: Decimal | None, failures: Failures, now: datetime
) -> Decimal | None:
    """The most that asking them again can spend: the new cap `max_usd`, or what is left of the caps they are under, and
    no more than is left of the month's budget. None when some of it is under no limit."""
    caps = {one.cap_id for one in [*failures.tagging, *failures.refinements]} if max_usd is None else set()
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


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """What was asked again: palettes by (provider, model), palettes for the refiner, whether refinement follows,
    which palettes these are, and what was left out and why."""

    tagging: dict[tuple[str, str], int]
    refinement: int
    chained: bool
    partitions: tuple[SubjectVersion, ...]
    left_out: tuple[str, ...]


def ask_again(
    warehouse: Warehouse,
    settings: Settings,
    prompt_version: str | None,
    now: datetime,
    among: Sequence[str] | None = None,
) -> AskedAgain:
    """Ask again for everything that failed, of these palettes or all. Nothing is sent here."""
    return ask_for(warehouse, settings, find_failures(warehouse, settings, prompt_version, among), now)


def ask_for(
    warehouse: Warehouse, settings: Settings, failures: Failures, now: datetime, max_usd: Decimal | None = None
) -> AskedAgain:
    """Ask again for these failures. Nothing is sent here. The terms stand as they were: the cap, and the permissions to
    send at an unknown price and to refine despite a check. With `max_usd`, a new cap takes the place of theirs."""
    cap = None if max_usd is None else SpendingCap(uuid4().hex, max_usd)
    with warehouse.write() as connection:
        release(connection, now)
        if cap is not None:
            make_cap(connection, cap, ledger_time(connection, now))
    if cap is not None:
        failures = replace(
            failures,
            tagging=tuple(replace(one, cap_id=cap.cap_id) for one in failures.tagging),
            refinements=tuple(replace(one, cap_id=cap.cap_id) for one in failures.refinements),
        )
    _ask_taggers(warehouse, failures.tagging, now)
    _ask_refiner(warehouse, settings, failures.refinements, now)
    return AskedAgain(
        tagging=dict(Counter((one.target.provider, one.target.model) for one in failures.tagging)),
        refinement=len(failures.refinements),
        chained=failures.chained,
        partitions=failures.partitions,
        left_out=failures.left_out,
    )


def _ask_taggers(warehouse: Warehouse, failed: Sequence[FailedAsk], now: datetime) -> None:
    """In one transaction for all, on the terms on which each was asked for before."""
    from grabient_assets.groups.tagging.purpose import TAGGING
    from grabient_assets.groups.tagging.waves import reopen_cancelled
    from grabient_assets.ledger.asks import record_asks

    alike: dict[tuple[str, AskTarget, bool, bool, str | None], list[SubjectVersion]] = defaultdict(list)
    for one in failed:
        terms = (one.chained, one.allow_unpriced, one.cap_id)
        alike[one.partition.prompt_version, one.target, *terms].append(one.partition)
    with warehouse.write() as connection:
        asked_at = ledger_time(connection, now)
        for (_, target, chained, unpriced, cap_id), palettes in alike.items():
            # One analysis at least: record_asks keeps the larger number that was asked for before.
            record_asks(
                connection,
                TAGGING,
                palettes,
                [target],
                1,
                asked_at,
                retry=True,
                chained=chained,
                allow_unpriced=unpriced,
                cap_id=cap_id,
            )
            reopen_cancelled(connection, palettes)


def _ask_refiner(warehouse: Warehouse, settings: Settings, failed: Sequence[FailedAsk], now: datetime) -> None:
    from grabient_assets.groups.refinement.asking import ask_for_refinement
    from grabient_assets.resources.modes import answers_from

    alike: dict[tuple[bool, bool, str | None], list[SubjectVersion]] = defaultdict(list)
    for one in failed:
        alike[one.allow_unpriced, one.despite_checks, one.cap_id].append(one.partition)
    for (unpriced, despite, cap_id), palettes in alike.items():
        ask_for_refinement(
            palettes,
            answers_from(settings),
            warehouse,
            now,
            retry_failed=True,
            allow_unpriced=unpriced,
            despite_checks=despite,
            cap_id=cap_id,
        )


def _current_targets(settings: Settings, usable: Sequence[str]) -> dict[tuple[str, str, str], str]:
    """The request digest of today by (prompt version, provider, model)."""
    from grabient_assets.groups.palettes.palette_prompts import load_palette_prompts
    from grabient_assets.groups.tagging.asking import taggers
    from grabient_assets.groups.tagging.purpose import TAGGING
    from grabient_assets.ledger.identity import request_digest
    from grabient_assets.prompting.load import load_prompt_versions
    from grabient_assets.resources.modes import answers_from

    mode = answers_from(settings)
    return {
        (version, model.provider, model.id): request_digest(TAGGING.name, mode, model, digest)
        for version in load_prompt_versions(PROMPTS_DIR)
        for digest in [load_palette_prompts(version)["tagging"].digest]
        for model in taggers(usable)
    }


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
