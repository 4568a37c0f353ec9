"""The pages of a run: a palette file in, the price of what would be asked, `grabient run` started and stopped."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from grabient_assets.errors import GrabientError, UsageError, WarehouseLockedError
from grabient_assets.groups.tagging.purpose import taggers
from grabient_assets.headless.plan_document import finishing_sentence, plan_document, plan_sentences
from grabient_assets.headless.planning import Plan, make_plan
from grabient_assets.headless.run_goal import UNTIL, Until, chosen_prompt_version, chosen_until, make_goal
from grabient_assets.headless.status import Progress, progress
from grabient_assets.resources.modes import usable_providers
from grabient_assets.settings import ANALYSES, parse_analyses, parse_dollars, prompts_dir
from grabient_assets.studio.pages import Ask, Done, Form, MissingError, Page, Routes
from grabient_assets.studio.palette_upload import MOST_BYTES, load_upload, seeds_of_upload, upload_of
from grabient_assets.studio.rendering import usd
from grabient_assets.studio.run_process import (
    RunNow,
    RunRecord,
    end_of_log,
    log_file,
    other_followers,
    recent_runs,
    run_now,
    seeds_of_run,
    start_run,
    stop_run,
    why_not_start,
)
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

STAGES: Mapping[str, str] = {
    "indexed": "found by search",
    "refined": "refined",
    "consensus": "consensus",
    "tags": "tags alone",
}
"""How far a run goes, as people call it."""
_STEPS = {"consensus": "consensus", "refined": "refined", "found by search": "indexed"}
SHOWN_REJECTED = 50


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose, as it was typed."""

    prompt_version: str
    analyses: str
    until: str
    limit: str
    adaptive: bool
    max_usd: str
    file: str

    @property
    def query(self) -> str:
        """The choice in an address."""
        values = {name: value for name, value in asdict(self).items() if value not in ("", False)}
        return urlencode({**values, **({"adaptive": "yes"} if self.adaptive else {})})


@dataclass(frozen=True, slots=True)
class Options:
    """The choice, checked: what `grabient plan` and `grabient run` get."""

    prompt_version: str
    analyses: int
    until: Until
    among: tuple[str, ...] | None
    limit: int | None
    adaptive: bool
    max_usd: Decimal | None


def read_choice(ask: Ask) -> Choice:
    """What the address or the form says."""
    settings = ask.settings
    return Choice(
        ask.text("prompt_version") or settings.prompt_version,
        ask.text("analyses") or str(settings.analyses),
        ask.text("until") or "indexed",
        ask.text("limit"),
        ask.text("adaptive") in ("yes", "on", "true", "1"),
        ask.text("max_usd"),
        ask.text("file"),
    )


def checked(choice: Choice, settings: Settings) -> Options:
    """The options of these words. Raises GrabientError with the sentence for the person who typed them."""
    if choice.limit and not (choice.limit.isascii() and choice.limit.isdigit() and int(choice.limit) > 0):
        raise UsageError(f"At most {choice.limit!r} palettes: it must be a whole number from 1 on, or be left empty.")
    return Options(
        chosen_prompt_version(choice.prompt_version),
        parse_analyses(choice.analyses, "Analyses"),
        chosen_until(choice.until),
        tuple(seeds_of_upload(settings, choice.file)) if choice.file else None,
        int(choice.limit) if choice.limit else None,
        choice.adaptive,
        parse_dollars(choice.max_usd, "The cap", "Leave it empty to run without one") if choice.max_usd else None,
    )


def planned(warehouse: Warehouse, settings: Settings, options: Options, now: datetime) -> Plan:
    """The plan of a run with these options, as `grabient plan` makes it."""
    return make_plan(
        warehouse,
        settings,
        options.prompt_version,
        options.analyses,
        options.among,
        options.limit,
        now,
        adaptive=options.adaptive,
        until=options.until,
        max_usd=options.max_usd,
    )


def new_run(ask: Ask) -> dict[str, Any]:
    """The form and, once something was chosen, its price. `plan` is the document of `grabient plan --json`."""
    from grabient_assets.prompting.load import load_prompt_versions

    settings, choice = ask.settings, read_choice(ask)
    plan, error = None, None
    if ask.text("price"):
        try:
            plan = planned(ask.warehouse, settings, checked(choice, settings), ask.now)
        except GrabientError as mistake:
            if isinstance(mistake, WarehouseLockedError):
                raise
            error = settings.without_secrets(str(mistake))
    with ask.warehouse.read() as connection:
        row = connection.execute("SELECT count(*) FROM palettes").fetchone()
    upload = upload_of(settings, choice.file) if choice.file else None
    finishing = None
    if plan is not None and plan.finishing is not None:
        finishing = finishing_sentence(plan.finishing, plan.needing)
    return {
        "choice": choice,
        "query": choice.query,
        "versions": load_prompt_versions(prompts_dir()),
        "stages": [{"name": name, "title": STAGES[name]} for name in reversed(UNTIL)],
        "most_analyses": ANALYSES[-1],
        "panel": [{"provider": one.provider, "model": one.id} for one in taggers(usable_providers(settings))],
        "palettes": row[0] if row else 0,
        "upload": None if upload is None else _upload_document(upload),
        "most_bytes": MOST_BYTES,
        "plan": None if plan is None else plan_document(plan, settings.mode),
        "seen": None if plan is None else _seen(plan),
        "finishing": finishing,
        "sentences": [] if plan is None else [one for one in _sentences(plan) if one != finishing],
        "error": error,
        "why_not": why_not_start(settings),
        "others": [{"pid": one.pid, "since": one.since} for one in other_followers(settings)],
        "runs": [run_document(one) for one in recent_runs(settings)],
    }


def _sentences(plan: Plan) -> list[str]:
    return list(dict.fromkeys([*plan_sentences(plan), *plan.warnings, *plan.refused]))


def _seen(plan: Plan) -> str:
    """What a person has seen of a plan before they start it: palettes, requests and the high end of its price."""
    return f"{plan.needing} {plan.total.requests} {plan.usd.high:.4f}"


def _upload_document(upload: Any) -> dict[str, Any]:
    return {**asdict(upload), "more": max(0, upload.rejected_lines - SHOWN_REJECTED), "sentence": upload.sentence}


def give_file(ask: Ask) -> Done:
    """Load the palettes of a file, and go on with the run over them."""
    file, sixteen = ask.file("palettes"), ask.text("sixteen")
    if file is None:
        return Done("/runs/new", "No file was given: choose one first.", status=400)
    try:
        chosen = "preset" if sixteen == "preset" else "modifiers" if sixteen == "modifiers" else None
        upload = load_upload(file.file, file.filename or "", chosen, ask.warehouse, ask.settings, ask.now)
    except UsageError as error:
        return Done("/runs/new", str(error), {"error": str(error)}, status=400)
    return Done(f"/runs/new?file={upload.upload_id}", upload.sentence, asdict(upload))


def start(ask: Ask) -> Done:
    """Start a run with these options, when it is still what its price was shown for."""
    settings, choice = ask.settings, read_choice(ask)
    back = f"/runs/new?{choice.query}&price=yes"
    if why := why_not_start(settings):
        return Done(back, f"Nothing was started. {why}", {"started": None}, 409)
    try:
        options = checked(choice, settings)
        plan = planned(ask.warehouse, settings, options, ask.now)
        if plan.palettes == 0 or not plan.needing:
            return Done(back, "Nothing was started: no palette needs work.", {"started": None}, 409)
        if ask.text("seen") and ask.text("seen") != _seen(plan):
            return Done(back, "Nothing was started: the price has changed. Look at it again.", {"started": None}, 409)
        goal = make_goal(
            ask.warehouse,
            settings,
            options.prompt_version,
            options.analyses,
            options.until,
            options.among,
            options.limit,
            today=ask.now.date(),
            adaptive=options.adaptive,
        )
    except GrabientError as error:
        if isinstance(error, WarehouseLockedError):
            raise
        sentence = f"Nothing was started. {settings.without_secrets(str(error))}"
        return Done(back, sentence, {"started": None}, 400)
    given = {"analyses": str(options.analyses), "until": options.until}
    given |= {"adaptive": "yes"} if options.adaptive else {}
    given |= {"max-usd": f"{options.max_usd:f}"} if options.max_usd is not None else {}
    started = start_run(settings, goal.seeds, options.prompt_version, given, ask.now)
    if isinstance(started, str):
        return Done(back, f"Nothing was started. {started}", {"started": None}, 409)
    sentence = f"Started: {counted(len(goal.needing), 'palette')} under {options.prompt_version}."
    return Done(f"/runs/{started.run_id}", sentence, {"started": started.run_id}, 201)


_figures: OrderedDict[tuple[str, str], tuple[datetime, Progress]] = OrderedDict()
"""The latest progress of runs by data folder and id. A run holds the database most of the time, and how the process
stands is to be seen all the same."""
KEPT_FIGURES = 16


def one_run(ask: Ask) -> dict[str, Any]:
    """A run: how it stands, how far its palettes are, and the end of its log."""
    settings, found = ask.settings, _found(ask)
    record = found.record
    at, now = _latest(ask, record)
    return {
        **run_document(found),
        "seconds": round((ask.now - record.started_at).total_seconds(), 1) if found.state != "ended" else None,
        "figures_at": at,
        "figures_note": "" if at == ask.now else _of_when(at),
        "stages": stages(now),
        "cost_usd": now.cost_usd,
        "cost_shown": f"{usd(now.cost_usd)} USD",
        "waves": [asdict(one) for one in now.waves],
        "log": end_of_log(settings, record.run_id),
        "log_file": str(log_file(settings, record.run_id)),
    }


def _latest(ask: Ask, record: RunRecord) -> tuple[datetime | None, Progress]:
    """How far the run is, and when that was read; None and nothing while it was never to be read."""
    key = (str(ask.settings.data_dir), record.run_id)
    try:
        with ask.warehouse.read() as connection:
            seeds = seeds_of_run(ask.settings, record.run_id)
            _figures[key] = ask.now, progress(connection, seeds, record.prompt_version, record.started_at)
    except WarehouseLockedError:
        return _figures.get(key, (None, Progress(record.palettes, 0, (), 0, 0, Decimal(0))))
    _figures.move_to_end(key)
    while len(_figures) > KEPT_FIGURES:
        _figures.popitem(last=False)
    return _figures[key]


def _of_when(at: datetime | None) -> str:
    if at is None:
        return "A run is writing to the database: the figures come in a moment."
    return f"A run is writing to the database: these are the figures of {at:%H:%M:%S} UTC."


def stages(now: Progress) -> list[dict[str, Any]]:
    """How far each step is: the lines that `grabient run` prints."""
    found = [("pictures", now.pictures, now.palettes)]
    found += [(one.provider, one.answered, one.wanted) for one in now.providers]
    found += [(name, getattr(now, key), now.palettes) for name, key in _STEPS.items()]
    sent = {one.provider: one.sent for one in now.providers}
    return [
        {
            "name": name,
            "done": done,
            "of": of,
            "sent": sent.get(name),
            "share": done / of if of else 0.0,
            "shown": f"{done:,} of {of:,}" + (f", {sent[name]:,} sent" if sent.get(name, done) > done else ""),
        }
        for name, done, of in found
    ]


def run_document(one: RunNow) -> dict[str, Any]:
    """A run as JSON, without its progress."""
    record = one.record
    return {
        "run_id": record.run_id,
        "state": one.state,
        "sentence": one.sentence,
        "exit_code": one.exit_code,
        "started_at": record.started_at,
        "prompt_version": record.prompt_version,
        "palettes": record.palettes,
        "options": dict(record.options),
        "stops": list(record.stops),
        "live": one.state != "ended",
        "stop_label": "Stop at once" if one.state == "stopping" else "Stop",
    }


def stop(ask: Ask) -> Done:
    """Stop a run: as Ctrl-C does, and at once when it was pressed before."""
    found = stop_run(ask.settings, _found(ask).record.run_id, ask.now)
    assert found is not None
    return Done(f"/runs/{found.record.run_id}", "", run_document(found))  # the page says how it stands, and goes on


def _found(ask: Ask) -> RunNow:
    found = run_now(ask.settings, ask.path["run_id"])
    if found is None:
        raise MissingError(f"There is no run {ask.path['run_id'][:40]} here. /runs/new lists those of the studio.")
    return found


ROUTES: Routes = [
    Page("/runs/new", "new_run.html", new_run, label="New run"),
    Form("/runs/palettes", give_file, max_bytes=MOST_BYTES),
    Form("/runs", start),
    Page("/runs/{run_id}", "run.html", one_run, below="/runs/new", live_seconds=3),
    Form("/runs/{run_id}/stop", stop),
]
