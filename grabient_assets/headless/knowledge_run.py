"""Carrying one workflow to its end without a daemon, by the sensors of knowledge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from grabient_assets.errors import UsageError
from grabient_assets.groups.knowledge.purpose import EXTRACTION
from grabient_assets.groups.knowledge.tables import Workflow, workflows
from grabient_assets.groups.knowledge.workflows import Status, statuses
from grabient_assets.headless.carrying import any_paused, follow
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.ledger.asks import set_terms
from grabient_assets.ledger.money import SpendingCap
from grabient_assets.settings import Settings
from grabient_assets.sortable_ids import sortable_id
from grabient_assets.warehouse.connection import Warehouse

if TYPE_CHECKING:
    from grabient_assets.headless.driver import FinishedRun

SENSORS = ("sources_due", "extraction_due", "batches_ended", "entries_changed")


@dataclass(frozen=True, slots=True)
class KnowledgeOutcome:
    """How the workflow stands at the end, whether the time sufficed, and why what is left waits."""

    status: Status
    finished: bool
    waiting: tuple[str, ...]


def give_money(warehouse: Warehouse, workflow: Workflow, usd: Decimal, answers_from: str, now: datetime) -> None:
    """Let the questions of the workflow that are open cost so many dollars from now on, whatever their cap was. Raises
    SettingsError when the folder holds answers of the other mode."""
    cap = SpendingCap(f"knowledge-{workflow.workflow_id}-{sortable_id('', now)[-8:]}", usd)
    with warehouse.write() as connection:
        begin_asking(connection, answers_from, now, cap)
        connection.execute(
            "UPDATE workflows SET cap_id = $1 WHERE workflow_id = $2", [cap.cap_id, workflow.workflow_id]
        )
        open_asks = """
            SELECT subject, prompt_version, $cap AS cap_id FROM asks
            WHERE purpose = $purpose AND prompt_version = $version AND state = 'open'
              AND split_part(subject, '|', 1) IN (
                  SELECT source_id FROM workflow_sources WHERE workflow_id = $workflow)
        """
        values = {"purpose": EXTRACTION.name, "version": workflow.prompt_version, "workflow": workflow.workflow_id}
        set_terms(connection, EXTRACTION.name, open_asks, ("cap_id",), {**values, "cap": cap.cap_id}, open_only=True)


def follow_workflow(
    workflow_id: str,
    warehouse: Warehouse,
    settings: Settings,
    timeout: float,
    seen: Callable[[FinishedRun | None, Status], None] = lambda *_: None,
) -> KnowledgeOutcome:
    """Drive until the workflow is completed or failed, or nothing moves any more. A source that is to be tried again
    later, an open batch, and vectors that Cloudflare does not show yet are waited for. Raises UsageError when the
    workflow was deleted."""
    with warehouse.read() as connection:
        workflow = workflows(connection, [workflow_id]).get(workflow_id)
    asked = {one.provider for one in workflow.extractors} if workflow else set[str]()

    def status() -> Status:
        with warehouse.read() as connection:
            found = statuses(connection, [workflow_id])
        if not found:
            raise UsageError(f"The workflow {workflow_id} was deleted.")
        return found[0]

    carried = follow(
        SENSORS,
        warehouse,
        settings,
        timeout,
        is_settled=lambda: status().at_rest,
        is_awaited=lambda: _is_awaited(workflow_id, warehouse) or any_paused(asked, warehouse),
        report=lambda finished: seen(finished, status()),
    )
    found = status()
    left = tuple(carried.waiting[name] for name in SENSORS if name in carried.waiting)
    return KnowledgeOutcome(found, carried.finished, () if found.at_rest else left)


def _is_awaited(workflow_id: str, warehouse: Warehouse) -> bool:
    """Whether something is to come by itself: a source is queued or being fetched, a batch about its sources or about
    texts is with a provider, or Cloudflare does not show yet what it was sent."""
    with warehouse.read() as connection:
        row = connection.execute(
            """
            SELECT EXISTS (
                SELECT 1 FROM fetch_states s JOIN workflow_sources m USING (source_id)
                WHERE m.workflow_id = $1 AND s.status IN ('queued', 'leased')
            ) OR EXISTS (
                SELECT 1 FROM batches b JOIN batch_requests r USING (batch_id)
                JOIN workflow_sources m ON m.source_id = split_part(r.subject, '|', 1)
                WHERE m.workflow_id = $1 AND b.purpose = 'extraction' AND b.status IN ('intended', 'submitted')
            ) OR EXISTS (
                SELECT 1 FROM batches WHERE purpose = 'embedding' AND status IN ('intended', 'submitted')
            ) OR EXISTS (
                SELECT 1 FROM index_mutations
                WHERE index_name = 'knowledge' AND visible_at IS NULL AND error IS NULL
            )
            """,
            [workflow_id],
        ).fetchone()
    return row is not None and row[0]
