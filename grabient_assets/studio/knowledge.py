"""The pages of knowledge: the workflows, one workflow, what one source says, and asking again for what failed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from grabient_assets.errors import GrabientError, UsageError
from grabient_assets.groups.fetching.queue import DeadLetter, dead_letters, named_letters, redrive
from grabient_assets.groups.fetching.tables import sources
from grabient_assets.groups.knowledge.areas import AREAS
from grabient_assets.groups.knowledge.coverage import Coverage, read_coverage
from grabient_assets.groups.knowledge.coverage_picture import LOOKS, MEANINGS
from grabient_assets.groups.knowledge.purpose import EXTRACTION
from grabient_assets.groups.knowledge.tables import Workflow, workflows
from grabient_assets.groups.knowledge.workflows import Status, ask_failed_again, statuses
from grabient_assets.groups.retrieval.hits import source_url
from grabient_assets.ledger.asking import begin_asking
from grabient_assets.ledger.quotes import Ordered, quote
from grabient_assets.registry.load import load_registry
from grabient_assets.studio.knowledge_search import link, search_page
from grabient_assets.studio.new_workflow import MOST_BYTES, form_document, new_workflow, who_carries_on
from grabient_assets.studio.pages import Answer, Ask, Done, Form, MissingError, Page, Routes
from grabient_assets.studio.rendering import age, plain
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WORDS = {"completed_with_dead": "completed, some sources are dead", "scraping": "fetching", "extracting": "reading"}
"""Status as people read it, where its name says it badly."""
TIMES = ("processing_time", "time_shown")


def knowledge(ask: Ask) -> dict[str, Any]:
    """The workflows, the newest first, and the form for a new one, with its price once it was asked for."""
    return overview(ask, form_document(ask))


def overview(ask: Ask, form: dict[str, Any]) -> dict[str, Any]:
    """The page with this form."""
    with ask.warehouse.read() as connection:
        made, found, costs = workflows(connection), statuses(connection), _costs(connection)
    listed = [
        {**_status(one), "made_at": made[one.workflow_id].made_at, **_cost(costs, one.workflow_id)} for one in found
    ]
    return {"workflows": listed, "version": _version(listed), **form}


def _status(one: Status) -> dict[str, Any]:
    return {
        **{name: value for name, value in asdict(one).items() if name != "latest_entries"},
        "shown": WORDS.get(one.status, one.status),
        "time_shown": age(one.processing_time),
        "at_rest": one.at_rest,
    }


def _version(documents: Sequence[dict[str, Any]]) -> str:
    """What is shown, in short: the page is taken anew when it changes. Time passes without a change."""
    lasting = [{name: value for name, value in one.items() if name not in TIMES} for one in documents]
    return hashlib.sha256(json.dumps(plain(lasting), sort_keys=True).encode()).hexdigest()[:16]


def _costs(connection: DuckDBPyConnection) -> dict[str, tuple[Decimal, int, int]]:
    """What reading their cells has cost, by workflow: dollars, requests, and those whose cost is not known. A cell that
    two workflows want counts for both."""
    rows = connection.execute(
        """
        SELECT r.workflow_id, sum(c.cost_usd), count(*), count(*) FILTER (c.cost_basis = 'unknown')
        FROM (SELECT *, 'fa' || focus_area AS area FROM cell_readings) r
        JOIN cost_by_request c ON c.purpose = 'extraction' AND c.prompt_version = r.prompt_version
            AND c.provider = r.provider AND c.model = r.model
            AND split_part(c.subject, '|', 1) = r.source_id AND split_part(c.subject, '|', 2) = r.area
        GROUP BY ALL
        """
    ).fetchall()
    return {row[0]: (row[1] or Decimal(0), row[2], row[3]) for row in rows}


def _cost(costs: dict[str, tuple[Decimal, int, int]], workflow_id: str) -> dict[str, Any]:
    usd, requests, unknown = costs.get(workflow_id, (Decimal(0), 0, 0))
    return {"cost_usd": usd, "requests": requests, "unknown": unknown}


def _found(connection: DuckDBPyConnection, ask: Ask) -> Workflow:
    name = ask.path["workflow"]
    found = workflows(connection, [name]).get(name)
    if found is None:
        raise MissingError(f"There is no workflow {name[:40]!r}. The page Knowledge lists all.")
    return found


def workflow_page(ask: Ask) -> dict[str, Any]:
    """One workflow: how it stands, what is dead, what every cell says, its last entries, and what it costs."""
    with ask.warehouse.read() as connection:
        workflow = _found(connection, ask)
        [status] = statuses(connection, [workflow.workflow_id])
        coverage = read_coverage(connection, workflow.workflow_id)
        letters = dead_letters(connection, workflow.workflow_id)
        latest = [one["source_id"] for one in status.latest_entries]
        known = sources(connection, [*latest, *(one.source_id for one in letters)])
        costs = _costs(connection)
        cap = connection.execute("SELECT usd FROM spending_caps WHERE cap_id = $1", [workflow.cap_id]).fetchone()
        again = _again(connection, ask, workflow, coverage, letters)
    document: dict[str, Any] = {
        **_status(status),
        **_parameters(workflow),
        **_cost(costs, workflow.workflow_id),
        "max_usd": cap[0] if cap else None,
        "coverage": {**coverage.figures, "sources": len(coverage.rows)},
        "rows": _rows(coverage, workflow),
        "dead_letters": [
            {**asdict(one), "title": known[one.source_id].title, "link": link(one.locator)} for one in letters
        ],
        "dead_classes": _classes(letters),
        "failed_readings": _failed_readings(coverage, letters),
        "redrive": again,
        "sender": None if status.at_rest else who_carries_on(ask.settings, ask.now, workflow.workflow_id),
        "latest_entries": [
            {
                **one,
                "area": AREAS[one["focus_area"] - 1].name,
                "title": known[one["source_id"]].title,
                "link": link(source_url(one["source_id"], known[one["source_id"]].locator, one["t_start"])),
            }
            for one in status.latest_entries
        ],
    }
    return {**document, "version": _version([document])}


def _parameters(workflow: Workflow) -> dict[str, Any]:
    return {
        "prompt_version": workflow.prompt_version,
        "areas": [{"number": number, "name": AREAS[number - 1].name} for number in workflow.areas],
        "extractors": [one.model for one in workflow.extractors],
        "chunk_size": workflow.chunk_size,
        "overlap": workflow.overlap,
        "embedder": workflow.embedder,
        "store": workflow.store,
        "skip_hopeless": workflow.skip_hopeless,
        "made_at": workflow.made_at,
        "completed_at": workflow.completed_at,
    }


def _rows(coverage: Coverage, workflow: Workflow) -> list[dict[str, Any]]:
    """The table of coverage: a row for each source, a cell for each area of the workflow."""
    return [
        {
            "source_id": source_id,
            "title": title,
            "cells": [
                {
                    "focus_area": area,
                    "state": cell.state,
                    "entries": cell.entries,
                    "error": cell.error,
                    "shown": str(cell.entries) if cell.state == "ok" else LOOKS[cell.state][2],
                    "meaning": counted(cell.entries, "entry", "entries")
                    if cell.state == "ok"
                    else MEANINGS[cell.state],
                }
                for area in workflow.areas
                for cell in [cells[area]]
            ],
        }
        for (source_id, title), cells in coverage.rows.items()
    ]


def _classes(letters: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    return [
        {"error_class": name, "letters": number}
        for name, number in Counter(one.error_class for one in letters).most_common()
    ]


def _failed_readings(coverage: Coverage, letters: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    """Why cells of sources that were fetched are without an answer."""
    dead = {one.source_id for one in letters}
    failed = [cell for cell in coverage.cells if cell.state == "failed" and cell.source_id not in dead]
    found = Counter(cell.error or "The reason was not kept." for cell in failed)
    return [{"error": error, "cells": number} for error, number in found.most_common()]


def _again(
    connection: DuckDBPyConnection, ask: Ask, workflow: Workflow, coverage: Coverage, letters: Sequence[DeadLetter]
) -> dict[str, Any]:
    """What asking again for everything that failed does: sources are fetched, cells asked, at about so many dollars;
    None when nobody knows the price."""
    cells = sum(one["cells"] for one in _failed_readings(coverage, letters))
    try:
        models = [load_registry().model(one.provider, one.model) for one in workflow.extractors]
        orders = [Ordered(EXTRACTION, model, workflow.prompt_version, cells) for model in models]
        usd = quote(connection, orders, ask.now.date(), "batch").expected
    except GrabientError:
        usd = None
    return {"sources": len(letters), "cells": cells, "usd": usd}


def source_page(ask: Ask) -> dict[str, Any]:
    """What one source says: its entries by area, those that are kept and those that are quarantined."""
    with ask.warehouse.read() as connection:
        workflow = _found(connection, ask)
        name = ask.path["source"]
        cells = [one for one in read_coverage(connection, workflow.workflow_id).cells if one.source_id == name]
        source = sources(connection, [name]).get(name)
        if source is None or not cells:
            raise MissingError(f"The workflow {workflow.name!r} has no source {name[:40]!r}. Its page lists them.")
        cursor = connection.execute(
            """
            SELECT e.entry_id, e.focus_area, e.type, e.content, e.speaker_perspective, e.notes, e.quote, e.t_start,
                   e.state, e.reason, e.model, e.custom_id, e.batch_id
            FROM cell_readings r JOIN extractions x USING (source_id, focus_area, prompt_version, provider, model)
            JOIN knowledge_entries e ON e.custom_id = x.custom_id
            WHERE r.workflow_id = $1 AND r.source_id = $2
            ORDER BY e.focus_area, e.state, e.quote_start NULLS LAST, e.entry_id
            """,
            [workflow.workflow_id, name],
        )
        columns = [one[0] for one in cursor.description or ()]
        entries = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
    for one in entries:
        one["link"] = link(source_url(name, source.locator, one["t_start"])) if one["t_start"] is not None else None
    return {
        "workflow_id": workflow.workflow_id,
        "workflow": workflow.name,
        "source": source,
        "link": link(source.locator),
        "areas": [
            {
                "number": cell.focus_area,
                "name": AREAS[cell.focus_area - 1].name,
                "state": cell.state,
                "meaning": MEANINGS[cell.state],
                "error": cell.error,
                "entries": [one for one in entries if one["focus_area"] == cell.focus_area],
            }
            for cell in cells
        ],
    }


def _new(ask: Ask) -> Done | Answer:
    made = new_workflow(ask)
    if isinstance(made, Done):
        return made
    form, status = made
    return Answer("knowledge.html", overview(ask, form), status, "/knowledge")


def ask_again(ask: Ask) -> Done:
    """Fetch dead sources again: one by its item, those of a class, or all of a workflow, whose cells that failed are
    asked for again too. What is under way is left alone."""
    from grabient_assets.resources.modes import answers_from

    item, kind, name = ask.text("item"), ask.text("class"), ask.text("workflow")
    if not (item or kind or name):
        raise UsageError("Say what to fetch again: an item, a class or a workflow.")
    fetched: list[str] = []
    asked: list[str] = []
    with ask.warehouse.write() as connection:
        workflow = workflows(connection, [name]).get(name) if name else None
        if name and workflow is None:
            raise MissingError(f"There is no workflow {name[:40]!r}. The page Knowledge lists all.")
        mode = answers_from(ask.settings)
        at = begin_asking(connection, mode, ask.now)
        if item or kind:
            letters = named_letters(connection, item or kind, None)
            own = {one.item_id for one in dead_letters(connection, name)} if name else None
            fetched = redrive(connection, [one for one in letters if own is None or one.item_id in own], at)
        elif workflow:
            fetched, asked = ask_failed_again(connection, workflow, mode, at)
    parts = [f"{counted(len(fetched), 'source')} queued again."] if fetched else []
    parts += [f"{counted(len(asked), 'source')} asked again where reading failed."] if asked else []
    if parts:
        parts.append(who_carries_on(ask.settings, ask.now, workflow.workflow_id if workflow else "NAME")["sentence"])
    notice = " ".join(parts) or "Nothing was dead there, or it is under way already."
    to = f"/knowledge/{workflow.workflow_id}" if workflow else "/knowledge"
    return Done(to, notice, {"redriven": fetched, "asked": asked})


ROUTES: Routes = [
    Page("/knowledge", "knowledge.html", knowledge, label="Knowledge", live_seconds=5),
    Page("/knowledge/search", "knowledge_search.html", search_page, below="/knowledge"),
    Page("/knowledge/{workflow}", "knowledge_workflow.html", workflow_page, below="/knowledge", live_seconds=3),
    Page("/knowledge/{workflow}/{source}", "knowledge_source.html", source_page, below="/knowledge"),
    Form("/knowledge", _new, max_bytes=MOST_BYTES),
    Form("/knowledge/redrive", ask_again),
]
