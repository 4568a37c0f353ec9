"""`grabient knowledge search`: asking, and showing each hit with its quote marked in its passage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grabient_assets.cli.console import output, print_json
from grabient_assets.cli.knowledge_tables import clock
from grabient_assets.cli.options import one_of, open_warehouse
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from grabient_assets.groups.retrieval.hits import KnowledgeHit
    from grabient_assets.groups.retrieval.searching import KnowledgeFound, KnowledgeSearch
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

AROUND = 160
"""Characters of the passage that are shown before and behind the quote."""


def search_entries(
    query: str,
    areas: str | None,
    types: str | None,
    workflow: str | None,
    limit: int,
    threshold: float | None,
    *,
    remote: bool,
    as_json: bool,
) -> None:
    """Search, and print what was found."""
    from grabient_assets.groups.knowledge.areas import read_areas
    from grabient_assets.groups.knowledge.entries import TYPES
    from grabient_assets.groups.retrieval.searching import found_document, knowledge_query
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    named = [one_of(one.strip(), TYPES, "--types") for one in (types or "").split(",") if one.strip()]
    wanted = () if areas is None else read_areas(areas)
    checked = knowledge_query(query, wanted, named, _workflow_id(workflow, warehouse), limit, threshold)
    found = search_of(settings, warehouse, remote=remote).find(checked)
    if as_json:
        print_json(found_document(found))
    else:
        show_found(found, output())


def search_passages(query: str, workflow: str | None, limit: int, threshold: float | None, *, as_json: bool) -> None:
    """Search the chunks of the texts, and print what was found."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from grabient_assets.groups.embedding.queries import query_embedder
    from grabient_assets.groups.retrieval.entry_index import embedder_and_build
    from grabient_assets.groups.retrieval.passages import nearest_passages
    from grabient_assets.groups.retrieval.searching import knowledge_query
    from grabient_assets.settings import load_settings

    settings = load_settings()
    warehouse = open_warehouse(settings)
    checked = knowledge_query(query, workflow=_workflow_id(workflow, warehouse), limit=limit, threshold=threshold)
    model, build = embedder_and_build(settings, warehouse)
    vectors_of = query_embedder(settings, warehouse, lambda: datetime.now(UTC))
    [vector] = vectors_of([checked.text], model.id, build.dimensions)
    with warehouse.read() as connection:
        found = nearest_passages(connection, vector, model.id, limit, checked.workflow, threshold)
    if as_json:
        print_json({"query": checked.text, "passages": [asdict(one) for one in found]})
        return
    console = output()
    for one in found:
        place = "" if one.t_start is None else f", at {clock(one.t_start)}"
        console.print(f"{one.score:.3f}  {one_line(one.title or one.source_id)}{place}", style="bold", markup=False)
        console.print(f"  {one_line(one.text)}", markup=False, highlight=False, soft_wrap=not console.is_terminal)
        console.print(f"  {one_line(one.url or '')}", style="dim", markup=False, highlight=False, soft_wrap=True)
    console.print(f"{counted(len(found), 'passage')}.", style="dim", highlight=False)


def search_of(settings: Settings, warehouse: Warehouse, *, remote: bool = False) -> KnowledgeSearch:
    """Search as the settings say; with `remote`, at Cloudflare or at the emulator in its place, whatever the mode."""
    from datetime import UTC, datetime
    from functools import partial

    from grabient_assets.groups.embedding.queries import query_embedder
    from grabient_assets.groups.retrieval.searching import KnowledgeSearch, knowledge_search
    from grabient_assets.resources.modes import open_vectorize

    def clock() -> datetime:
        return datetime.now(UTC)

    if not remote:
        return knowledge_search(settings, warehouse, clock)
    return KnowledgeSearch(warehouse, query_embedder(settings, warehouse, clock), partial(open_vectorize, settings))


def _workflow_id(name: str | None, warehouse: Warehouse) -> str | None:
    from grabient_assets.groups.knowledge.tables import named_workflow

    if name is None or not warehouse.exists():
        return None
    with warehouse.read() as connection:
        return named_workflow(connection, name).workflow_id


def show_found(found: KnowledgeFound, console: Console) -> None:
    """The hits, the best first."""
    for hit in found.hits:
        show_hit(hit, console)
    if not found.hits:
        console.print("No entry meets these conditions.")
    console.print(
        f"{counted(len(found.hits), 'hit')} of index knowledge version {found.version} ({found.embedder}), "
        f"{found.elapsed_ms:.0f} ms.",
        style="dim",
        highlight=False,
        soft_wrap=not console.is_terminal,
    )


def show_hit(hit: KnowledgeHit, console: Console) -> None:
    """Score, area and type, what it says, the passage with the quote marked, its address and its request."""
    from rich.padding import Padding
    from rich.text import Text

    from grabient_assets.groups.knowledge.areas import AREAS

    wrapped = not console.is_terminal
    heading = Text(f"{hit.score:.3f}  ").append(one_line(hit.content), style="bold")
    console.print(heading, soft_wrap=wrapped)
    place = "" if hit.t_start is None else f", at {clock(hit.t_start)}"
    title = one_line(hit.title or hit.source_id)
    kind = f"{hit.focus_area} {AREAS[hit.focus_area - 1].name}, {hit.type}: {title}{place}"
    console.print(f"  {kind}", style="dim", highlight=False, soft_wrap=wrapped)
    passage = marked_quote(hit, colours=console.is_terminal and not console.no_color)
    console.print(
        Padding(passage, (0, 0, 0, 2)) if console.is_terminal else Text("  ").append_text(passage), soft_wrap=wrapped
    )
    request = "; its entry is about to be replaced" if hit.custom_id is None else f"; request {hit.custom_id}"
    console.print(f"  {one_line(hit.url or '')}{request}", style="dim", highlight=False, soft_wrap=True)


def marked_quote(hit: KnowledgeHit, *, colours: bool) -> Text:
    """The quote in its passage: underlined, and without colours between >> and <<. Words beside it are whole."""
    from rich.text import Text

    before, behind = hit.passage[: hit.quote_start], hit.passage[hit.quote_end :]
    first = 0 if len(before) <= AROUND else before.find(" ", len(before) - AROUND) + 1
    last = len(behind) if len(behind) <= AROUND else max(0, behind.rfind(" ", 0, AROUND))
    marks = ("", "") if colours else (">> ", " <<")
    found = Text("... " if first else "")
    if words := one_line(before[first:]):
        found.append(f"{words} ")
    found.append(f"{marks[0]}{one_line(hit.passage[hit.quote_start : hit.quote_end])}{marks[1]}", "bold underline")
    if words := one_line(behind[:last]):
        found.append(f"{'' if words[0] in '.,;:!?' else ' '}{words}")
    return found.append(" ..." if last < len(behind) else "")
