"""The page Repair: what failed and what waits, with a button that asks again. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.groups.purposes import PURPOSES
from grabient_assets.headless.failure_groups import FailureGroup, failure_groups, failures_document, priced_groups
from grabient_assets.headless.failures import Failures, Repeat, ask_for, find_failures, repeats, repeats_document
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.purpose import Purpose
from grabient_assets.studio.pages import Ask, Done, Form, Page, Routes
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from grabient_assets.ledger.asked_progress import FailedAsk
    from grabient_assets.ledger.held_work import Held
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

SHOWN_PALETTES = 14
"""How many swatches a group has. Its count says how many palettes there are."""

KINDS = {
    "failed": "held after failures",
    "put_off": "backoff",
    "paused": "provider paused",
    "over_budget": "waits for money",
    "overdue": "takes long",
}
"""What each kind of wait is called."""
WHO_SENDS = (
    "It goes out with the next `grabient run`, or by itself where Dagster's daemon runs and its sensors are turned on."
)
AskKey = tuple[str, SubjectVersion, str, str]
"""Purpose, palette and prompt version, provider, model."""


@dataclass(frozen=True, slots=True)
class Swatch:
    """A palette as its colours show it."""

    seed: str
    name: str | None
    hex: tuple[str, ...]
    style: str
    angle: float


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """What a button asks again. `usd` is None where a price is not known; `follow`: refinements that may follow.
    `waiting` requests were asked again before, and have no answer yet."""

    palettes: int
    requests: int
    usd: Decimal | None
    follow: int
    waiting: int

    def document(self) -> dict[str, Any]:
        """The same as JSON."""
        usd = None if self.usd is None else f"{self.usd:f}"
        counts = {"palettes": self.palettes, "requests": self.requests, "follow": self.follow, "waiting": self.waiting}
        return {**counts, "usd": usd}


@dataclass(frozen=True, slots=True)
class Wait:
    """Work that is not tried now: the kind, why, and until when, if that is known."""

    kind: str
    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Repair:
    """All that the page shows. `groups` have the prices of `grabient errors`; `again` is by group_id, and `swatches` by
    seed. `failures` can be asked again, and `open_again` of them were already."""

    groups: tuple[FailureGroup, ...]
    repeated: tuple[Repeat, ...]
    failures: Failures
    open_again: frozenset[AskKey]
    swatches: Mapping[str, Swatch]
    waits: tuple[Wait, ...]

    def document(self, now: datetime) -> dict[str, Any]:
        """The data of the page. `groups`, without what the page adds, and `total` are those of `grabient errors
        --json`; `retry` is `grabient retry --dry-run --json`."""
        errors = failures_document(self.groups, self.repeated)
        shown = [
            {
                **document,
                "group_id": one.group_id,
                "swatches": [self.swatches[seed] for seed, _ in one.named[:SHOWN_PALETTES] if seed in self.swatches],
                "more": max(0, len(one.named) - SHOWN_PALETTES),
                "again": self.asked_again(one).document(),
            }
            for one, document in zip(self.groups, errors["groups"], strict=True)
        ]
        return {
            "groups": shown,
            "total": errors["total"],
            "again": self.asked_again(None).document(),
            "retry": repeats_document(self.repeated, self.failures.left_out),
            "waits": [_wait_document(one, now) for one in self.waits],
        }

    def chosen(self, group: FailureGroup | None) -> Failures:
        """What the button of a group asks again, or that for all groups: what was not asked again before."""
        asks = {
            name: tuple(
                one
                for one in found
                if (group is None or _is_of(group, PURPOSES[name], one)) and _key(name, one) not in self.open_again
            )
            for name, found in self.failures.asks.items()
        }
        return Failures(asks, self.failures.left_out)

    def asked_again(self, group: FailureGroup | None) -> AskedAgain:
        """The same in numbers."""
        chosen, waiting = self.chosen(group), 0
        requests, usd, known = 0, Decimal(0), True
        for name, asks in chosen.asks.items():
            purpose = PURPOSES[name]
            for model, count in _requests(purpose, asks).items():
                requests += count
                price = self._price(name, model)
                known, usd = known and price is not None, usd + (price or 0) * count
        for name, asks in self.failures.asks.items():
            mine = [one for one in asks if group is None or _is_of(group, PURPOSES[name], one)]
            open_now = [one for one in mine if _key(name, one) in self.open_again]
            waiting += sum(_requests(PURPOSES[name], open_now).values())
        follow = sum(len(_following(PURPOSES[name], chosen)) for name in chosen.asks)
        following = next((one for one in self.repeated if one.follows), None)
        if follow and following is not None:
            price = None if following.usd is None else following.usd.expected / following.requests
            known, usd = known and price is not None, usd + (price or 0) * follow
        return AskedAgain(len(chosen.partitions), requests, usd if known else None, follow, waiting)

    def _price(self, purpose: str, model: tuple[str, str] | None) -> Decimal | None:
        """Of one request; of whoever answers now where no model is named."""
        for one in self.repeated:
            if one.purpose == purpose and not one.follows and model in (None, (one.provider, one.model)):
                return None if one.usd is None else one.usd.expected / one.requests
        return None


def read_repair(warehouse: Warehouse, settings: Settings, now: datetime) -> Repair:
    """Everything, in a few statements. Sends nothing and writes nothing."""
    failures = find_failures(warehouse, settings)
    repeated = repeats(warehouse, failures, now.date())
    with warehouse.read() as connection:
        groups = priced_groups(failure_groups(connection, None, None), repeated)
        seeds = {seed for one in groups for seed, _ in one.named[:SHOWN_PALETTES]}
        return Repair(
            tuple(groups),
            tuple(repeated),
            failures,
            _open_again(connection),
            _swatches(connection, seeds),
            tuple(_waits(connection, settings, now)),
        )


def retry_failed(warehouse: Warehouse, settings: Settings, group_id: str, now: datetime) -> tuple[str, dict[str, Any]]:
    """Ask a group again, or all of them without an id; a sentence of what was asked, and the same as JSON."""
    found = read_repair(warehouse, settings, now)
    group = next((one for one in found.groups if one.group_id == group_id), None)
    if group_id and group is None:
        return "Nothing was asked: what this button was for has an answer by now.", AskedAgain(
            0, 0, None, 0, 0
        ).document()
    asked, chosen = found.asked_again(group), found.chosen(group)
    if not chosen.all:
        reason = "it was asked again before, and waits." if asked.waiting else "none of it can be asked as it was."
        return f"Nothing was asked: {reason}", asked.document()
    ask_for(warehouse, settings, chosen, now)
    what = f"{counted(asked.requests, 'request')} about {counted(asked.palettes, 'palette')}"
    return f"Asked again: {what}. {WHO_SENDS}", asked.document()


def _is_of(group: FailureGroup, purpose: Purpose, one: FailedAsk) -> bool:
    """Whether the ask has failures of this group. Where the newest answer stands, any model may have given it."""
    same = purpose.table.newest_stands or (one.target.provider, one.target.model) == (group.provider, group.model)
    return purpose.name == group.purpose and same and one.partition in group.partitions


def _key(purpose: str, one: FailedAsk) -> AskKey:
    return purpose, one.partition, one.target.provider, one.target.model


def _requests(purpose: Purpose, asks: Sequence[FailedAsk]) -> dict[tuple[str, str] | None, int]:
    """How many requests asking them again comes to, by provider and model, as `repeats` counts them."""
    if purpose.table.newest_stands:
        partitions = {one.partition for one in asks}
        return {None: len(partitions)} if partitions else {}
    found: dict[tuple[str, str] | None, int] = {}
    for one in asks:
        key = (one.target.provider, one.target.model)
        found[key] = found.get(key, 0) + one.missing
    return found


def _following(purpose: Purpose, chosen: Failures) -> set[SubjectVersion]:
    """The palettes of which this purpose follows when what it reads is asked again."""
    upstream = {one.partition for one in chosen.asks.get(purpose.follows or "", ()) if one.terms.chained}
    return upstream - {one.partition for one in chosen.asks[purpose.name]}


def _open_again(connection: DuckDBPyConnection) -> frozenset[AskKey]:
    """The asks that were asked again and are open."""
    rows = connection.execute(
        """
        SELECT purpose, prompt_version, subject, provider, model FROM asks
        WHERE state = 'open' AND retry_from IS NOT NULL
        """
    ).fetchall()
    return frozenset((row[0], SubjectVersion(row[1], row[2]), row[3], row[4]) for row in rows)


def _swatches(connection: DuckDBPyConnection, seeds: Collection[str]) -> dict[str, Swatch]:
    rows = connection.execute(
        "SELECT seed, name, hex, style, angle FROM palettes WHERE seed IN (SELECT unnest($1::VARCHAR[]))",
        [sorted(seeds)],
    ).fetchall()
    return {row[0]: Swatch(row[0], row[1], tuple(row[2]), row[3], row[4]) for row in rows}


def _waits(connection: DuckDBPyConnection, settings: Settings, now: datetime) -> list[Wait]:
    """What is not tried now, and what takes longer than it should. What was stopped is among the failures."""
    from grabient_assets.ledger.batches import open_batches
    from grabient_assets.ledger.held_work import held_back
    from grabient_assets.ledger.overdue import overdue, put_off, put_off_too_long
    from grabient_assets.resources.modes import belongs_here

    held = held_back(connection, PURPOSES, settings.budget_usd, now)
    found = [_of_held(one) for one in held if one.kind != "stopped"]
    late = [overdue(one, now) for one in open_batches(connection) if belongs_here(settings, one.account)]
    late += [put_off_too_long(one, now) for one in put_off(connection)]
    return [*found, *(Wait("overdue", sentence) for sentence in late if sentence)]


def _of_held(one: Held) -> Wait:
    return Wait(one.kind, one.sentence, one.until)


def _wait_document(one: Wait, now: datetime) -> dict[str, Any]:
    """The wait as JSON, with its kind in words and its time from now on."""
    seconds = None if one.until is None else max(0.0, round((one.until - now).total_seconds(), 1))
    return {
        "kind": one.kind,
        "title": KINDS.get(one.kind, one.kind),
        "why": one.why,
        "until": one.until.isoformat() if one.until else None,
        "seconds": seconds,
    }


def _page(ask: Ask) -> dict[str, Any]:
    return read_repair(ask.warehouse, ask.settings, ask.now).document(ask.now)


def _retry(ask: Ask) -> Done:
    notice, document = retry_failed(ask.warehouse, ask.settings, ask.text("group"), ask.now)
    return Done("/repair", notice, {"asked": document})


ROUTES: Routes = [
    Page("/repair", "repair.html", _page, label="Repair"),
    Form("/repair/retry", _retry),
]
