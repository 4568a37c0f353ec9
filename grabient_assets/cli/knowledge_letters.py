"""`grabient knowledge dead` and `redrive`: the sources that could not be fetched or read, and trying them again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import print_json, print_note
from grabient_assets.cli.knowledge_parts import DAY, NONE_YET, Run, Timeout, follow_workflows, opened
from grabient_assets.cli.options import AsJson, open_warehouse
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_assets.groups.fetching.queue import DeadLetter
    from grabient_assets.settings import Settings

DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what the present code reads from the stored bytes; nothing is fetched.")
]


def dead(
    workflow: Annotated[str | None, typer.Argument(metavar="[WORKFLOW]", help="Only of this workflow.")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """List the sources that could not be fetched or read and are not tried again by themselves."""
    from grabient_assets.groups.fetching.queue import dead_letters
    from grabient_assets.settings import load_settings

    settings = load_settings()
    found = None if workflow is None else opened(workflow)[2]
    warehouse = open_warehouse(settings)
    letters: list[DeadLetter] = []
    if warehouse.exists():
        with warehouse.read() as connection:
            letters = dead_letters(connection, found.workflow_id if found else None)
    _show_letters(letters, settings, dry_run=dry_run, as_json=as_json)


def redrive(
    what: Annotated[
        str,
        typer.Argument(metavar="ITEM|CLASS|WORKFLOW", help="An item or source, a class such as http_5xx, a workflow."),
    ],
    dry_run: DryRun = False,
    run: Run = False,
    timeout: Timeout = DAY,
    as_json: AsJson = False,
) -> None:
    """Fetch dead sources again; of a workflow, also ask again for the cells whose reading failed."""
    from datetime import UTC, datetime

    from grabient_assets.errors import UsageError
    from grabient_assets.groups.fetching.queue import dead_letters, named_letters
    from grabient_assets.groups.fetching.queue import redrive as fetch_again
    from grabient_assets.groups.knowledge.tables import named_workflow, workflows
    from grabient_assets.groups.knowledge.workflows import ask_failed_again
    from grabient_assets.headless.knowledge_documents import workflows_with
    from grabient_assets.ledger.asking import begin_asking
    from grabient_assets.resources.modes import answers_from
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    if not what.strip() or not warehouse.exists():
        raise UsageError(NONE_YET if what.strip() else "What is to be re-driven is empty. Name an item or a workflow.")
    asked: list[str] = []
    with warehouse.read() as connection:
        known = workflows(connection).values()
        meant = any(what in ("latest", one.name) or one.workflow_id.startswith(what) for one in known)
        found = named_workflow(connection, what) if meant else None
        letters = dead_letters(connection, found.workflow_id) if found else named_letters(connection, what, None)
    if dry_run:
        _show_letters(letters, settings, dry_run=True, as_json=as_json)
        return
    with warehouse.write() as connection:
        now = begin_asking(connection, answers_from(settings), datetime.now(UTC))
        if found is None:
            fetched = fetch_again(connection, letters, now)
        else:
            fetched, asked = ask_failed_again(connection, found, answers_from(settings), now)
        concerned = [found] if found else workflows_with(connection, fetched)
    for sources, doing in ((fetched, "queued again"), (asked, "asked about again")):
        if sources:
            print_note(f"{counted(len(sources), 'source')} {doing}.")
    if not fetched and not asked:
        print_note("There is nothing to re-drive.")
    about = {"fetched_again": fetched, "asked_again": asked}
    if run and (fetched or asked):
        follow_workflows(concerned, warehouse, settings, timeout, as_json=as_json, about=about)
    elif as_json:
        print_json(about)


def _show_letters(letters: Sequence[DeadLetter], settings: Settings, *, dry_run: bool, as_json: bool) -> None:
    from grabient_assets.cli.knowledge_tables import show_dead
    from grabient_assets.headless.knowledge_documents import letter_row, what_a_redrive_reads
    from grabient_assets.resources.objects import open_store

    store = open_store(settings)
    rows = [letter_row(one, what_a_redrive_reads(one, store) if dry_run else None) for one in letters]
    if as_json:
        print_json({"dead": rows})
    elif rows:
        show_dead(rows)
    else:
        print_note("There are no dead letters.")
