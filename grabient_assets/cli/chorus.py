"""`grabient chorus`: several artists answer one prompt, one brush paints what they write, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import output, print_json, print_note, print_output
from grabient_assets.cli.options import AsJson, Yes, one_of, open_warehouse, opened_as_it_is
from grabient_assets.cli.stopping import go_on_by
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_assets.groups.chorus.asking import Planned
    from grabient_assets.groups.chorus.runs import ChorusRun
    from grabient_assets.groups.chorus.tables import ChorusGroup
    from grabient_assets.headless.driver import FinishedRun
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

chorus = typer.Typer(
    help="Artists side by side: new, list, show, retry, cancel, vote, export.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Group = Annotated[str, typer.Argument(metavar="GROUP", help="A group, the beginning of its id, or `latest`.")]
Timeout = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="With --run: stop waiting after so long.")]
DAY = 25 * 3600
CHOICES = ("left", "right", "tie")


@chorus.command(epilog="Example: grabient chorus new --iterations 2 --seed SEED --max-usd 1 --run")
def new(
    prompt_version: Annotated[
        str | None, typer.Option("--prompt-version", metavar="V", help="Of prompts/chorus/; default: the newest.")
    ] = None,
    artists: Annotated[
        str | None, typer.Option(metavar="A,B", help="Models of role artist; default: the panel.")
    ] = None,
    brush: Annotated[str | None, typer.Option(metavar="B", help="A model of role brush; default: the panel's.")] = None,
    iterations: Annotated[int, typer.Option(metavar="N", help="How often each artist is asked, 1 to 20.")] = 1,
    seed: Annotated[str | None, typer.Option(metavar="SEED", help="A loaded palette as the muse.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Default: 1024x1024.")] = None,
    quality: Annotated[str | None, typer.Option(metavar="Q", help="A quality of the brush; default: medium.")] = None,
    now: Annotated[
        bool, typer.Option("--now", help="Ask at once, at the standard price, instead of in batches at half of it.")
    ] = False,
    max_usd: Annotated[
        str | None, typer.Option("--max-usd", metavar="X", help="Ask nothing when the group may cost more.")
    ] = None,
    run: Annotated[bool, typer.Option("--run", help="Carry the group to its end here, without a daemon.")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Show the group and its price; nothing is written.")] = False,
    timeout: Timeout = DAY,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Ask several artists with one prompt, and one brush for each answer. Shows the price before anything is sent."""
    from datetime import UTC, datetime

    from grabient_assets.cli.plan import agree_to_spend
    from grabient_assets.groups.chorus.asking import Wish, ask_chorus, plan_group
    from grabient_assets.resources.modes import answers_from, usable_providers
    from grabient_assets.settings import load_settings, parse_cap

    settings = load_settings()
    cap = parse_cap(max_usd)
    named = tuple(name.strip() for name in (artists or "").split(",") if name.strip())
    delivery = "direct" if now else "batch"
    wish = Wish(prompt_version, named, brush, iterations, seed, size, quality, delivery)
    with opened_as_it_is(settings) as looked_at, looked_at.read() as connection:
        planned = plan_group(connection, wish, usable_providers(settings), datetime.now(UTC))
    if not as_json:
        _show_plan(planned, settings)
    if cap is not None and planned.usd.high > cap:
        print_note(f"That may be more than --max-usd {cap}.")
    if plan:
        if as_json:
            print_json(_plan_document(planned))
        return
    limit = settings.budget_usd if cap is None else cap
    requests = 2 * len(planned.models) * iterations
    agree_to_spend(planned.usd, requests, settings, limit, None, yes=yes)
    warehouse = open_warehouse(settings)
    group = ask_chorus(warehouse, planned, cap, settings.budget_usd, answers_from(settings))
    if run:
        _follow(group, warehouse, settings, timeout, as_json=as_json)
    elif as_json:
        print_json(_document(group, warehouse))
    else:
        print_output(f"{group.group_id} is asked. The sensor chorus_due sends it, or: grabient chorus run latest")


@chorus.command("run", epilog="Example: grabient chorus run latest")
def run_group(group: Group = "latest", timeout: Timeout = DAY, as_json: AsJson = False) -> None:
    """Carry a group to its end here, without a daemon."""
    warehouse, settings, found = _opened(group)
    _follow(found, warehouse, settings, timeout, as_json=as_json)


@chorus.command("list", epilog="Example: grabient chorus list --json")
def list_groups(as_json: AsJson = False) -> None:
    """List the groups, the newest first."""
    from grabient_assets.groups.chorus.runs import counts_of, runs_of
    from grabient_assets.groups.chorus.tables import groups
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    found: dict[str, ChorusGroup] = {}
    runs: list[ChorusRun] = []
    if warehouse.exists():
        with warehouse.read() as connection:
            found, runs = groups(connection), runs_of(connection)
    rows: list[dict[str, Any]] = []
    for group_id, group in found.items():
        mine = [run for run in runs if run.group_id == group_id]
        rows.append(
            {
                "group": group_id,
                "prompt_version": group.prompt_version,
                "brush": group.brush,
                "artists": [artist.model for artist in group.artists],
                "iterations": group.iterations,
                "seed": group.seed,
                "made_at": group.made_at.isoformat(),
                "counts": counts_of(mine),
                "cost_usd": float(sum(run.cost_usd for run in mine)),
            }
        )
    if as_json:
        print_json({"groups": rows})
        return
    for row in rows:
        counts = ", ".join(f"{count} {status}" for status, count in row["counts"].items() if count)
        print_output(f"{row['group']}  {row['prompt_version']}, {row['brush']}: {counts}; {row['cost_usd']:.4f} USD")
    if not rows:
        print_note("There is no chorus yet. Make one: grabient chorus new --run")


@chorus.command(epilog="Example: grabient chorus show latest --json")
def show(group: Group = "latest", as_json: AsJson = False) -> None:
    """Show the runs of a group: how each stands, why one failed, and what it cost. Exit 1 while a run is failed."""
    warehouse, _, found = _opened(group)
    _show(found, warehouse, as_json=as_json)


@chorus.command(epilog="Example: grabient chorus retry latest --run")
def retry(
    group: Group = "latest",
    run: Annotated[bool, typer.Option("--run", help="Carry the group to its end here, without a daemon.")] = False,
    timeout: Timeout = DAY,
    as_json: AsJson = False,
) -> None:
    """Ask again for exactly what failed or was cancelled. What is done stays as it is."""
    from datetime import UTC, datetime

    from grabient_assets.groups.chorus.runs import retry_runs, runs_of
    from grabient_assets.ledger.asking import begin_asking
    from grabient_assets.resources.modes import answers_from

    warehouse, settings, found = _opened(group)
    with warehouse.write() as connection:
        asked_from = answers_from(settings)
        now = begin_asking(connection, asked_from, datetime.now(UTC))
        before = runs_of(connection, [found.group_id])
        again = retry_runs(connection, before, asked_from, now)
    print_note(f"{counted(len(again), 'run')} asked again.")
    if left := sum(one.status in ("failed", "cancelled") for one in before) - len(again):
        print_note(f"{counted(left, 'run')} left out: the image prompt was refused, and would be refused again.")
    if run and again:
        _follow(found, warehouse, settings, timeout, as_json=as_json)
    elif as_json:
        print_json({"group": found.group_id, "asked_again": [one.run_id for one in again]})


@chorus.command(epilog="Example: grabient chorus cancel latest")
def cancel(group: Group, as_json: AsJson = False) -> None:
    """Stop what is asked for a group and not sent, and stop its batches at their providers. What came is kept."""
    from datetime import UTC, datetime

    from grabient_assets.groups.chorus.runs import cancel_group
    from grabient_assets.headless.cancelling import cancel as cancel_batch
    from grabient_assets.ledger.clock import ledger_time

    warehouse, settings, found = _opened(group)
    with warehouse.write() as connection:
        batches = cancel_group(connection, found, ledger_time(connection, datetime.now(UTC)))
    for batch_id in batches:
        cancel_batch(batch_id, warehouse, settings, 1800, print_note, give_up=False)
    document = _document(found, warehouse)
    with warehouse.read() as connection:
        shared = connection.execute(
            "SELECT DISTINCT b.batch_id FROM batches b JOIN batch_requests r USING (batch_id) "
            "WHERE b.status IN ('intended', 'submitted') AND left(r.subject, 29) = $1 ORDER BY 1",
            [found.group_id],
        ).fetchall()
    for (batch_id,) in shared:
        print_note(
            f"{batch_id} holds another group too, so it goes on. `grabient cancel {batch_id}` stops it for both."
        )
    if as_json:
        print_json(document)
    else:
        print_output(_counted(document))


@chorus.command(epilog="Example: grabient chorus vote latest LEFT_RUN RIGHT_RUN left")
def vote(
    group: Group,
    left: Annotated[str, typer.Argument(metavar="LEFT", help="A run_id.")],
    right: Annotated[str, typer.Argument(metavar="RIGHT", help="Another one of the group.")],
    choice: Annotated[str, typer.Argument(metavar="left|right|tie", help="The work that is preferred.")],
    rater: Annotated[str, typer.Option(metavar="NAME", help="Who votes.")] = "cli",
) -> None:
    """Record which of two works is preferred. The page of the group in `grabient studio` asks blindly."""
    from datetime import UTC, datetime

    from grabient_assets.groups.comparisons.votes import vote as record_vote
    from grabient_assets.ledger.clock import ledger_time

    warehouse, _, found = _opened(group)
    chosen: Any = one_of(choice, CHOICES, "The choice")
    with warehouse.write() as connection:
        now = ledger_time(connection, datetime.now(UTC))
        record_vote(connection, found, left, right, chosen, now, blind=False, rater=rater)
    print_note("Recorded. The ratings follow with the next comparison of the group.")


@chorus.command(epilog="Example: grabient chorus export latest --out chorus")
def export(
    group: Group,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder; it is made, and files in it are replaced.")],
) -> None:
    """Write a group as a folder: its images, runs.json, and sheet.png with all of them side by side."""
    from grabient_assets.groups.comparisons.documents import export_group
    from grabient_assets.resources.objects import open_store

    warehouse, settings, found = _opened(group)
    written = export_group(found, warehouse, open_store(settings), out)
    print_output(f"{counted(written, 'image')}, runs.json and sheet.png are in {out}")


def _opened(name: str) -> tuple[Warehouse, Settings, ChorusGroup]:
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.chorus.tables import named_group
    from grabient_assets.settings import load_settings

    if not name.strip():
        raise UsageError("The group is empty. Name one, the beginning of its id, or `latest`.")
    settings = load_settings()
    warehouse = open_warehouse(settings)
    if not warehouse.exists():
        raise UsageError("There is no chorus yet. Make one: grabient chorus new --run")
    with warehouse.read() as connection:
        return warehouse, settings, named_group(connection, name)


def _plan_document(planned: Planned) -> dict[str, Any]:
    group, usd = planned.group, planned.usd
    return {
        "group": None,
        "prompt_version": group.prompt_version,
        "prompt_digest": group.prompt_digest,
        "artists": [artist.model for artist in group.artists],
        "brush": group.brush,
        "size": group.size,
        "quality": group.quality,
        "iterations": group.iterations,
        "runs": len(group.artists) * group.iterations,
        "delivery": group.delivery,
        "usd": {"low": float(usd.low), "expected": float(usd.expected), "high": float(usd.high)},
    }


def _show_plan(planned: Planned, settings: Settings) -> None:
    group, usd = planned.group, planned.usd
    artists, times = counted(len(group.artists), "artist"), counted(group.iterations, "iteration")
    quality = f", {group.quality}" if group.quality else ""
    price = f"about {usd.expected:.4f} USD ({usd.low:.4f} to {usd.high:.4f})"
    how = "in batches" if group.delivery == "batch" else "at once"
    emulated = " (emulated)" if settings.mode == "emulator" else ""
    print_note(
        f"{group.prompt_version}: {artists} x {times}, painted by {group.brush} at {group.size}{quality}, {how}: "
        f"{price}{emulated}."
    )


def _follow(group: ChorusGroup, warehouse: Warehouse, settings: Settings, timeout: float, *, as_json: bool) -> None:
    from grabient_assets.groups.chorus.runs import counts_of
    from grabient_assets.headless.chorus_run import follow_chorus

    shown = ""

    def seen(finished: FinishedRun | None, runs: Sequence[ChorusRun]) -> None:
        nonlocal shown
        counts = ", ".join(f"{count} {status}" for status, count in counts_of(runs).items() if count)
        if counts != shown:
            print_note(counts)
            shown = counts
        if finished is not None and not finished.success and finished.job != "report_chorus":
            print_note(f"{finished.job}: {finished.failure}")

    onward = f"grabient chorus run {group.group_id}"
    go_on_by(onward)
    print_note(f"{group.group_id} is asked. If this is stopped, `{onward}` goes on.")
    outcome = follow_chorus(group.group_id, warehouse, settings, timeout, seen)
    for sentence in outcome.waiting:
        print_note(sentence)
    _show(group, warehouse, as_json=as_json, ended=True)


def _document(group: ChorusGroup, warehouse: Warehouse) -> dict[str, Any]:
    from grabient_assets.groups.chorus.runs import runs_of
    from grabient_assets.groups.comparisons.documents import group_document, possible_costs

    with warehouse.read() as connection:
        runs, possible = runs_of(connection, [group.group_id]), possible_costs(connection, group.group_id)
    return group_document(group, runs, possible)


def _counted(document: dict[str, Any]) -> str:
    from grabient_assets.groups.comparisons.documents import possible_sentence

    counts = ", ".join(f"{count} {status}" for status, count in document["counts"].items() if count)
    return f"{document['group']}: {counts}; {document['cost_usd']:.4f} USD{possible_sentence(document['possible'])}"


def _show(group: ChorusGroup, warehouse: Warehouse, *, as_json: bool, ended: bool = False) -> None:
    document = _document(group, warehouse)
    if as_json:
        print_json(document)
    else:
        console = output()
        for run in document["runs"]:
            console.print(
                f"{run['run_id']}  {run['status']}  {run['cost_usd']:.4f} USD", highlight=False, soft_wrap=True
            )
            words = run["error"] if run["status"] == "failed" else run["statement"]
            if words:
                console.print(f"  {one_line(words)[:160]}", style="dim", highlight=False, markup=False, soft_wrap=True)
        print_output(_counted(document))
    counts = document["counts"]
    if counts["failed"] or (ended and counts["done"] < len(document["runs"])):
        raise typer.Exit(1)
