"""`grabient knowledge`: talks and documents become entries that one can search, each with its place in the source."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_assets.cli.console import print_json, print_note, print_output
from grabient_assets.cli.knowledge_letters import dead, redrive
from grabient_assets.cli.knowledge_parts import (
    DAY,
    NONE_YET,
    Run,
    Timeout,
    WorkflowName,
    follow_workflows,
    opened,
    show_status,
    status_rows,
)
from grabient_assets.cli.options import AsJson, Yes, one_of, open_warehouse, opened_as_it_is
from grabient_assets.errors import UsageError
from grabient_assets.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_assets.groups.knowledge.workflows import Planned
    from grabient_assets.settings import Settings

knowledge = typer.Typer(
    help="Talks and documents as knowledge: new, add, status, run, search, coverage, dead, redrive, export, delete.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE...", help="YouTube videos, files (PDF, text, HTML, VTT, SRT, JSON), addresses."),
]
ListFile = Annotated[
    Path | None, typer.Option("--list", metavar="FILE", help="Sources, one a line; # begins a comment.")
]
Areas = Annotated[str | None, typer.Option(metavar="1,4", help="Numbers of focus areas, 1-9; default: all.")]
TYPES = ("youtube", "documents", "urls", "mixed")


@knowledge.command(epilog="Example: grabient knowledge new talks talk.json https://youtu.be/ID --areas 4,7 --run")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the workflow is called.")],
    sources: Sources = None,
    type: Annotated[str, typer.Option(metavar="T", help="youtube, documents, urls or mixed.")] = "mixed",
    list_file: ListFile = None,
    chunk_size: Annotated[int, typer.Option(metavar="N", help="Characters of a chunk.")] = 1_000,
    overlap: Annotated[int, typer.Option(metavar="N", help="Characters that neighbours share at most.")] = 100,
    areas: Areas = None,
    extractors: Annotated[
        str | None, typer.Option(metavar="A,B", help="Models of role extractor; default: the panel's first.")
    ] = None,
    embedder: Annotated[str | None, typer.Option(metavar="E", help="Default: GRABIENT_EMBEDDER.")] = None,
    store: Annotated[
        str | None,
        typer.Option(metavar="S", help="local or vectorize; default: as VECTORIZE_KNOWLEDGE_INDEX says."),
    ] = None,
    prompt_version: Annotated[
        str | None, typer.Option("--prompt-version", metavar="V", help="Of prompts/knowledge/; default: the newest.")
    ] = None,
    skip_hopeless: Annotated[
        bool, typer.Option("--skip-hopeless", help="Ask nothing where no word of an area stands in a source.")
    ] = False,
    max_usd: Annotated[
        str | None, typer.Option("--max-usd", metavar="X", help="The most that reading the workflow may cost.")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show the workflow and its price; nothing is written.")] = False,
    run: Run = False,
    timeout: Timeout = DAY,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Make a workflow: its sources are fetched, read in every area, and found by search. The price is shown first."""
    from datetime import UTC, datetime

    from grabient_assets.cli.plan import agree_to_spend
    from grabient_assets.groups.knowledge.areas import read_areas
    from grabient_assets.groups.knowledge.workflows import Wish, make_workflow, plan_workflow
    from grabient_assets.headless.knowledge_documents import planned_document
    from grabient_assets.resources.modes import answers_from, usable_providers
    from grabient_assets.settings import load_settings, parse_cap

    settings, cap, moment = load_settings(), parse_cap(max_usd), datetime.now(UTC)
    wish = Wish(
        name=name,
        sources=_named(sources, list_file),
        type=one_of(type, TYPES, "--type"),
        areas=read_areas(areas),
        chunk_size=chunk_size,
        overlap=overlap,
        prompt_version=prompt_version,
        extractors=tuple(one.strip() for one in (extractors or "").split(",") if one.strip()),
        embedder=embedder,
        store=store,
        skip_hopeless=skip_hopeless,
    )
    with opened_as_it_is(settings) as warehouse, warehouse.read() as connection:
        planned = plan_workflow(connection, wish, usable_providers(settings), settings, moment)
    document = planned_document(planned)
    for sentence in planned.refused:
        print_note(sentence)
    if not as_json:
        _show_plan(planned, settings)
    if cap is not None and planned.usd.high > cap:
        print_note(f"That may be more than --max-usd {cap}. What has no money waits.")
    if plan:
        if as_json:
            print_json({**document, "workflow_id": None})
        return
    limit = settings.budget_usd if cap is None else cap
    requests = len(planned.references) * len(planned.workflow.areas) * len(planned.workflow.extractors)
    agree_to_spend(planned.usd, requests, settings, limit, None, yes=yes)
    warehouse = open_warehouse(settings)
    workflow = make_workflow(warehouse, planned, cap, answers_from(settings), moment)
    if run:
        follow_workflows([workflow], warehouse, settings, timeout, as_json=as_json, about=document)
    elif as_json:
        print_json({**document, **status_rows([workflow], warehouse)[0]})
    else:
        print_output(
            f"{workflow.workflow_id} is made, with {counted(len(planned.references), 'source')}. The sensor "
            "sources_due fetches them, or: grabient knowledge run latest"
        )


@knowledge.command(epilog="Example: grabient knowledge add latest talk.vtt --run")
def add(
    workflow: WorkflowName,
    sources: Sources = None,
    list_file: ListFile = None,
    run: Run = False,
    timeout: Timeout = DAY,
    as_json: AsJson = False,
) -> None:
    """Add sources to a workflow. Those that are in it stay as they are."""
    from datetime import UTC, datetime

    from grabient_assets.errors import UsageError
    from grabient_assets.groups.knowledge.workflows import add_sources, read_references
    from grabient_assets.resources.modes import answers_from

    warehouse, settings, found = opened(workflow)
    references, refused = read_references(_named(sources, list_file), found.type)
    if not references:
        raise UsageError(" ".join(refused) or "No source is named.")
    for sentence in refused:
        print_note(sentence)
    added = add_sources(warehouse, found, references, answers_from(settings), datetime.now(UTC))
    about = {"added": added, "refused": list(refused)}
    if run:
        follow_workflows([found], warehouse, settings, timeout, as_json=as_json, about=about)
    elif as_json:
        print_json({**about, **status_rows([found], warehouse)[0]})
    else:
        print_output(f"{counted(len(added), 'source')} added to {found.name!r} ({found.workflow_id}).")


@knowledge.command(epilog="Example: grabient knowledge status latest")
def status(
    workflow: Annotated[
        str | None, typer.Argument(metavar="[WORKFLOW]", help="One of them, with its last five entries.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how workflows stand. With a workflow, exit 1 when it failed, or when a source or a cell of it did."""
    if workflow is not None:
        warehouse, _, found = opened(workflow)
        show_status([found], warehouse, as_json=as_json)
        return
    from grabient_assets.cli.knowledge_tables import show_workflows
    from grabient_assets.groups.knowledge.workflows import statuses
    from grabient_assets.headless.knowledge_documents import status_row
    from grabient_assets.settings import load_settings

    warehouse = open_warehouse(load_settings())
    rows: list[dict[str, Any]] = []
    if warehouse.exists():
        with warehouse.read() as connection:
            rows = [status_row(connection, one) for one in statuses(connection)]
    if as_json:
        print_json({"workflows": rows})
    elif rows:
        show_workflows(rows)
    else:
        print_note(NONE_YET)


@knowledge.command("run", epilog="Example: grabient knowledge run latest")
def run_workflow(
    workflow: WorkflowName = "latest",
    max_usd: Annotated[
        str | None, typer.Option("--max-usd", metavar="X", help="Let what waits for money cost so much from now on.")
    ] = None,
    timeout: Timeout = DAY,
    as_json: AsJson = False,
) -> None:
    """Carry a workflow to its end here, without a daemon."""
    from datetime import UTC, datetime

    from grabient_assets.headless.knowledge_run import give_money
    from grabient_assets.resources.modes import answers_from
    from grabient_assets.settings import parse_cap

    warehouse, settings, found = opened(workflow)
    if (cap := parse_cap(max_usd)) is not None:
        give_money(warehouse, found, cap, answers_from(settings), datetime.now(UTC))
    follow_workflows([found], warehouse, settings, timeout, as_json=as_json)


@knowledge.command(epilog="Example: grabient knowledge search 'it is too expensive' --areas 4,7")
def search(
    query: Annotated[str, typer.Argument(help="A question or words, such as 'they want to think about it'.")],
    areas: Areas = None,
    types: Annotated[
        str | None, typer.Option(metavar="A,B", help="technique, mindset, sales_phrase, example; default: all.")
    ] = None,
    workflow: Annotated[str | None, typer.Option(metavar="W", help="Only this workflow; default: all.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", help="So many entries.")] = 10,
    threshold: Annotated[
        float | None, typer.Option(metavar="S", help="Only hits of this score or a higher one.")
    ] = None,
    remote: Annotated[
        bool, typer.Option("--remote", help="Ask the index at Cloudflare Vectorize; in emulator mode the emulator's.")
    ] = False,
    passages: Annotated[
        bool, typer.Option("--passages", help="Find places in the texts themselves, for what no entry answers.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Find entries by meaning: what is said, by whom, where in the source, and the request that made it."""
    from grabient_assets.cli.knowledge_search import search_entries, search_passages

    if passages:
        if areas or types or remote:
            raise UsageError(
                "Texts have no areas or types and are searched here. Leave out --areas, --types, --remote."
            )
        search_passages(query, workflow, limit, threshold, as_json=as_json)
        return
    search_entries(query, areas, types, workflow, limit, threshold, remote=remote, as_json=as_json)


@knowledge.command(epilog="Example: grabient knowledge coverage latest --svg coverage.svg")
def coverage(
    workflow: WorkflowName = "latest",
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Write the picture of all cells to this file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what every source says in every focus area, as far as it was read."""
    from grabient_assets.cli.knowledge_tables import show_coverage
    from grabient_assets.groups.exports.files import sayable
    from grabient_assets.groups.knowledge.coverage import read_coverage
    from grabient_assets.groups.knowledge.coverage_picture import coverage_picture

    warehouse, _, found = opened(workflow)
    with warehouse.read() as connection:
        covered = read_coverage(connection, found.workflow_id)
    if svg is not None:
        with sayable(svg):
            svg.write_text(coverage_picture(covered), encoding="utf-8")
        print_note(f"The picture is in {svg}")
    if as_json:
        print_json({"workflow_id": found.workflow_id, **covered.document()})
    else:
        show_coverage(covered)


knowledge.command(epilog="Example: grabient knowledge dead --dry-run")(dead)
knowledge.command(epilog="Example: grabient knowledge redrive http_5xx --run")(redrive)


@knowledge.command(epilog="Example: grabient knowledge delete talks --yes")
def delete(
    workflow: WorkflowName,
    yes: Annotated[bool, typer.Option("--yes", help="Needed: what is deleted does not come back.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a workflow and its vectors. Embeddings, answers and the sources of other workflows stay."""
    from datetime import UTC, datetime

    from grabient_assets.errors import UsageError
    from grabient_assets.groups.knowledge.workflows import delete_workflow
    from grabient_assets.groups.retrieval.entry_index import sync_knowledge
    from grabient_assets.headless.knowledge_documents import vectors_left

    warehouse, settings, found = opened(workflow)
    [row] = status_rows([found], warehouse)
    if not yes:
        raise UsageError(
            f"{found.name!r} ({found.workflow_id}) has {counted(row['total_content'], 'source')} and "
            f"{counted(row['entries'], 'entry', 'entries')}. Deleting it needs --yes."
        )
    delete_workflow(warehouse, found, datetime.now(UTC))
    sync_knowledge(settings, warehouse, lambda: datetime.now(UTC))
    with warehouse.read() as connection:
        left = vectors_left(connection, found.workflow_id)
    if left:
        print_note(
            f"{counted(left, 'vector')} leave the index with its next rounds; the sensor entries_changed does them."
        )
    if as_json:
        print_json({"workflow_id": found.workflow_id, "name": found.name, "vectors_left": left})
    else:
        print_output(f"{found.name!r} ({found.workflow_id}) is deleted.")


@knowledge.command(epilog="Example: grabient knowledge export latest --format csv --out entries.csv")
def export(
    workflow: WorkflowName,
    form: Annotated[str, typer.Option("--format", metavar="F", help="jsonl, csv or parquet.")] = "jsonl",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Write this file, whole or not at all; default: stdout."),
    ] = None,
) -> None:
    """Export the entries of a workflow: each with its source, area, quote, second, address and request."""
    from grabient_assets.cli.export import check_place
    from grabient_assets.headless.knowledge_documents import FORMATS, write_entries

    warehouse, settings, found = opened(workflow)
    chosen = one_of(form, FORMATS, "--format")
    check_place(out, chosen, settings)
    written, size = write_entries(warehouse, found, chosen, out, sys.stdout.buffer)
    emulated = " (emulated)" if settings.mode == "emulator" else ""
    print_note(
        f"Exported {counted(written, 'entry', 'entries')} of {found.name!r} as {chosen}{f' to {out}' if out else ''} "
        f"({size:,} bytes){emulated}."
    )


def _named(sources: Sequence[str] | None, list_file: Path | None) -> tuple[str, ...]:
    from grabient_assets.sources.reference import read_list

    return (*(sources or ()), *(read_list(list_file) if list_file else ()))


def _show_plan(planned: Planned, settings: Settings) -> None:
    workflow, usd = planned.workflow, planned.usd
    emulated = " (emulated)" if settings.mode == "emulator" else ""
    sources, areas = counted(len(planned.references), "source"), counted(len(workflow.areas), "area")
    models = ", ".join(one.model for one in workflow.extractors)
    print_note(
        f"{workflow.prompt_version}: {sources} x {areas}, read by {models}, in batches: about {usd.expected:.4f} USD "
        f"({usd.low:.4f} to {usd.high:.4f}){emulated}. What is not fetched yet is taken for an hour of talk."
    )
