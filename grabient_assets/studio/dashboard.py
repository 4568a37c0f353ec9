"""The first page: the four numbers, what is under way, what it costs; and asking for refinement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import UsageError
from grabient_assets.groups.refinement.asking import ask_for_refinement
from grabient_assets.groups.refinement.planning import plan_refinements
from grabient_assets.groups.refinement.purpose import refiner
from grabient_assets.headless.needs import refinable
from grabient_assets.headless.run_goal import chosen_prompt_version
from grabient_assets.headless.status_document import read_status
from grabient_assets.ledger.accounts import costs
from grabient_assets.ledger.asks import SubjectVersion
from grabient_assets.ledger.batches import BatchRecord, open_batches
from grabient_assets.ledger.budget import month_figures, month_of
from grabient_assets.ledger.estimates import DollarRange, measured_tokens
from grabient_assets.ledger.held_work import release
from grabient_assets.ledger.planning import PlannedModel
from grabient_assets.resources.daemon import daemon_runs
from grabient_assets.resources.modes import (
    answers_from,
    images_by_url,
    sensors_run_by_default,
    usable_providers,
    why_not_usable,
)
from grabient_assets.settings import Settings
from grabient_assets.studio.pages import Ask, Done, Form, Page, Routes
from grabient_assets.studio.rendering import age, plain, usd
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

AT_WORK = timedelta(minutes=2)
"""A run that waits for batches looks at them more often than that, unless a provider asks for a longer pause."""
LIMIT = 25
"""So many palettes the limit field suggests."""


@dataclass(frozen=True, slots=True)
class Refinable:
    """The palettes that could be asked for, what one and `limit` of them are expected to cost, and why none can be
    asked for (None: they can). `sentence` says it to people."""

    palettes: int
    limit: int
    model: str
    each_usd: float | None
    usd: DollarRange | None
    impossible: str | None
    budget: str | None

    @property
    def sentence(self) -> str:
        """The price, or why there is none."""
        if self.impossible is not None:
            return self.impossible
        if self.usd is None or self.each_usd is None:
            return f"The price of {self.model} is not known."
        return (
            f"About {usd(self.usd.expected)} USD for {counted(self.limit, 'palette')} with {self.model}, "
            f"{usd(self.each_usd)} each; from {usd(self.usd.low)} to {usd(self.usd.high)}."
        )


def dashboard(ask: Ask) -> dict[str, Any]:
    """What `grabient status --json` counts, with stages, costs and what may be asked for."""
    settings, now = ask.settings, ask.now
    version = chosen_prompt_version(None)
    with ask.warehouse.read() as connection:
        status = read_status(connection, settings, now)
        batches = open_batches(connection)
        month = month_figures(connection, settings.budget_usd, now)
        start, _ = month_of(now)
        by_provider = costs(connection, "provider", start.date())
        refinement = _refinable(ask, connection, version, month["left_usd"])
    stages = {batch.batch_id: stage(batch) for batch in batches}
    spent, budget = float(month["spent_usd"]) + float(month["reserved_usd"]), month["budget_usd"]
    return {
        **status,
        "open_batches": [_shown(one, stages.get(one["batch_id"], "submitted")) for one in status["open_batches"]],
        "notes": _notes(status),
        "prompt_version": version,
        "mode": settings.mode,
        "month": {
            **month,
            "by_provider": [
                {
                    "provider": one.what[0],
                    "cost_usd": one.cost_usd,
                    "requests": one.requests,
                    "shown": f"{usd(one.cost_usd)} USD",
                }
                for one in by_provider
            ],
            "used_share": min(1.0, spent / float(budget)) if budget else None,
            "shown": f"{usd(month['spent_usd'])} USD",
            "open_shown": f"{usd(month['reserved_usd'])} USD",
            "left_shown": f"{usd(month['left_usd'])} USD" if budget else "no limit",
        },
        "refinable": {**plain(refinement), "sentence": refinement.sentence},
        "sender": sender(settings, now, batches),
    }


def stage(batch: BatchRecord) -> str:
    """Where an open batch is on its way: submitting, submitted, polling, collecting."""
    if batch.status == "intended":
        return "submitting"
    if batch.ended_at is not None:
        return "collecting"
    return "polling" if batch.polled_at is not None else "submitted"


def sender(settings: Settings, now: datetime, batches: Sequence[BatchRecord] = ()) -> dict[str, Any]:
    """Whether anything sends what is asked by itself, and the sentence about it. The open `batches` tell whether a run
    is at work."""
    runs = daemon_runs(settings.dagster_home, now)
    looked = max((time for one in batches for time in (one.intended_at, one.polled_at) if time), default=None)
    if not runs and looked is not None and now - looked < AT_WORK:
        sentence = (
            f"A run is at work without a daemon: it last looked at a batch {age((now - looked).total_seconds())} ago. "
            "What is asked here goes out with the next `grabient run`."
        )
    elif not runs:
        sentence = (
            "No daemon runs, so nothing is sent by itself. `grabient run` in a terminal sends what is asked, and so "
            "does `grabient dev` while it is open."
        )
    elif sensors_run_by_default(settings):
        sentence = "Dagster's daemon runs: its sensors send what is asked, and collect the answers."
    else:
        sentence = "Dagster's daemon runs. In live mode its sensors send only where a person has turned them on."
    return {"daemon": runs, "sentence": sentence}


def _shown(batch: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        **batch,
        "stage": at,
        "age": age(batch["age_seconds"]),
        "counts": counted(batch["request_count"], "request"),
    }


def _notes(status: dict[str, Any]) -> list[str]:
    """The sentences of `grabient status`."""
    found = [
        one["overdue"] or f"Batch {one['batch_id']}: {one['error']}"
        for one in status["open_batches"]
        if one["overdue"] or one["error"]
    ]
    found += [*status["put_off"], *(one["why"] for one in status["held"]), *status["held_versions"]]
    if status["withheld"]:
        what = counted(len(status["withheld"]), "palette")
        found.append(f"A check keeps {what} from refinement: {status['withheld'][0]['why']}")
    return list(dict.fromkeys(found))


def _refinable(ask: Ask, connection: DuckDBPyConnection, version: str, left_usd: str | None) -> Refinable:
    settings, model, found = ask.settings, refiner(), refinable(connection, version)
    limit = max(1, min(ask.number("limit", LIMIT), len(found)))
    if not found:
        return Refinable(0, limit, model.id, None, None, "Nothing waits to be refined.", None)
    if model.provider not in usable_providers(settings):
        return Refinable(len(found), limit, model.id, None, None, why_not_usable(settings, model.provider), None)
    # A live page asks every few seconds, and the plan takes as long as all the rest of it.
    chosen = tuple(found[:limit])
    key = (version, chosen, ask.now.replace(second=0, microsecond=0))
    planned = ask.studio.kept_plan(key, lambda: _plan(ask, connection, version, chosen))
    price, requests = planned.sending.usd, planned.sending.requests
    each = float(price.expected) / requests if price and requests else None
    budget = None
    if left_usd is not None and price is not None and float(price.high) > float(left_usd):
        budget = f"The month's budget leaves {usd(left_usd)} USD. What it does not cover waits until there is money."
    return Refinable(len(found), limit, model.id, each, price, planned.cannot, budget)


def _plan(ask: Ask, connection: DuckDBPyConnection, version: str, chosen: Sequence[str]) -> PlannedModel:
    return plan_refinements(
        connection,
        version,
        chosen,
        answers_from(ask.settings),
        ask.now.date(),
        measured_tokens(connection),
        by_url=images_by_url(ask.settings),
    )


def ask_to_refine(ask: Ask) -> Done:
    """Ask for the refinement of as many palettes as the limit says. It is written down; nothing is sent here."""
    text = ask.text("limit")
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"The limit is {text!r}; it must be a whole number from 1 on.")
    settings, version = ask.settings, chosen_prompt_version(None)
    if refiner().provider not in usable_providers(settings):
        raise UsageError(why_not_usable(settings, refiner().provider))
    seeds: list[str] = []
    if ask.warehouse.exists():
        with ask.warehouse.read() as connection:
            seeds = refinable(connection, version)[: int(text)]
    if not seeds:
        return Done("/", "No palette waits to be refined: nothing was asked.", {"asked": 0, "seeds": []})
    with ask.warehouse.write() as connection:
        release(connection, ask.now)
    chosen = [SubjectVersion(version, seed) for seed in seeds]
    ask_for_refinement(chosen, answers_from(settings), ask.warehouse, ask.now)
    notice = f"Asked for the refinement of {counted(len(seeds), 'palette')}. {sender(settings, ask.now)['sentence']}"
    return Done("/", notice, {"asked": len(seeds), "seeds": seeds})


ROUTES: Routes = [
    Page("/", "dashboard.html", dashboard, label="Dashboard", live_seconds=3),
    Form("/refinements", ask_to_refine),
]
