"""The shared parts of the commands of `grabient knowledge`: naming a workflow, following one, and how it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import print_json, print_note
from grabient_assets.cli.options import open_warehouse
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_assets.groups.knowledge.tables import Workflow
    from grabient_assets.groups.knowledge.workflows import Status
    from grabient_assets.headless.driver import FinishedRun
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

WorkflowName = Annotated[
    str, typer.Argument(metavar="WORKFLOW", help="A workflow: its id or a beginning of it, its name, or `latest`.")
]
Run = Annotated[bool, typer.Option("--run", help="Carry the workflow to its end here, without a daemon.")]
Timeout = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Stop waiting after so long.")]
DAY = 25 * 3600
NONE_YET = "There is no workflow yet. Make one: grabient knowledge new NAME SOURCE... --run"

QUIET_JOBS = ("report_knowledge",)
"""Runs that fail only to show in Dagster what is counted here anyway."""


def opened(name: str) -> tuple[Warehouse, Settings, Workflow]:
    """The warehouse, the settings, and the workflow that is named. Raises UsageError."""
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.knowledge.tables import named_workflow
    from grabient_assets.settings import load_settings

    if not name.strip():
        raise UsageError("The workflow is empty. Name one, the beginning of its id, or `latest`.")
    settings = load_settings()
    warehouse = open_warehouse(settings)
    if not warehouse.exists():
        raise UsageError(NONE_YET)
    with warehouse.read() as connection:
        return warehouse, settings, named_workflow(connection, name)


def status_rows(chosen: Sequence[Workflow], warehouse: Warehouse) -> list[dict[str, Any]]:
    """How these workflows stand, in this order."""
    from grabient_assets.groups.knowledge.workflows import statuses
    from grabient_assets.headless.knowledge_documents import status_row

    with warehouse.read() as connection:
        found = {one.workflow_id: one for one in statuses(connection, [one.workflow_id for one in chosen])}
        return [status_row(connection, found[one.workflow_id]) for one in chosen]


def show_status(
    chosen: Sequence[Workflow],
    warehouse: Warehouse,
    *,
    as_json: bool,
    ended: bool = False,
    about: dict[str, Any] | None = None,
) -> None:
    """Print how they stand; of several, JSON is a list. Exits with 1 when one failed, when a source or a cell of one
    did, or when one that has `ended` is not complete."""
    from grabient_assets.cli.knowledge_tables import show_workflow

    rows = status_rows(chosen, warehouse)
    if as_json:
        print_json({**(about or {}), **(rows[0] if len(rows) == 1 else {"workflows": rows})})
    else:
        for row in rows:
            show_workflow(row)
    if any(_is_short(row) or (ended and row["status"] != "completed") for row in rows):
        raise typer.Exit(1)


def _is_short(row: dict[str, Any]) -> bool:
    return row["status"] in ("failed", "completed_with_dead") or row["dead"] > 0


def follow_workflows(
    chosen: Sequence[Workflow],
    warehouse: Warehouse,
    settings: Settings,
    timeout: float,
    *,
    as_json: bool,
    about: dict[str, Any] | None = None,
) -> None:
    """Carry these workflows to their ends, one after the other, and show them."""
    from grabient_assets.headless.knowledge_run import follow_workflow

    shown = ""

    def seen(finished: FinishedRun | None, status: Status) -> None:
        nonlocal shown
        line = (
            f"{status.status}, {status.progress} %: {status.content_processed} of "
            f"{counted(status.total_content, 'source')}, {counted(status.entries, 'entry', 'entries')}"
        )
        if line != shown:
            print_note(line)
            shown = line
        if finished is not None and not finished.success and finished.job not in QUIET_JOBS:
            print_note(f"{finished.job}: {one_line(finished.failure or '')}")

    for workflow in chosen:
        print_note(f"If this is stopped, `grabient knowledge run {workflow.workflow_id}` goes on.")
        outcome = follow_workflow(workflow.workflow_id, warehouse, settings, timeout, seen)
        for sentence in outcome.waiting:
            print_note(sentence)
    show_status(chosen, warehouse, as_json=as_json, ended=True, about=about)
