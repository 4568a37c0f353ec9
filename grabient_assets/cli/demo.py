"""`grabient demo`: everything once, offline, with the bundled palettes and talks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_assets.cli.console import (
    half_blocks,
    output,
    print_json,
    print_note,
    shown_colours,
    shows_colours,
    typed_program,
)
from grabient_assets.cli.options import open_warehouse
from grabient_assets.wording import counted, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.text import Text

    from grabient_assets.cli.progress import Followed
    from grabient_assets.groups.chorus.runs import ChorusRun
    from grabient_assets.groups.chorus.tables import ChorusGroup
    from grabient_assets.groups.edits.tables import Edit, EditMeasures
    from grabient_assets.groups.retrieval.searching import KnowledgeFound
    from grabient_assets.groups.search.searching import Found
    from grabient_assets.headless.chorus_run import ChorusOutcome
    from grabient_assets.headless.knowledge_run import KnowledgeOutcome
    from grabient_assets.headless.showcase import Showcase, Shown
    from grabient_assets.settings import Settings
    from grabient_assets.warehouse.connection import Warehouse

DEMO_TIMEOUT = 1800.0
SHOWN_PALETTES = 4
"""The number of palettes with which the end of the demo fits a terminal's window."""
SEARCHES = ("deep ocean at night", "sweet cotton candy", "winter ice")
HITS = 2
ARTISTS = ("claude-haiku-5-5", "gpt-6-luna", "openai/gpt-oss-120b", "gemini-3.5-flash-lite")
"""One of each provider."""
EDIT, REGION = "a full moon, and its light on what lies below", (0.55, 0.1, 0.35, 0.4)
"""What is changed of the first work, and where: left, top, width and height in fractions."""
PICTURE_COLUMNS = 28
WORKFLOW, QUESTION = "bundled talks", "they say that our price is too high"
LISTED = ("mood", "style", "dominant_colors", "associations")
INDENT = 2
WIDEST = 100
"""Lines longer than this are hard to read."""


@dataclass(frozen=True, slots=True)
class Edited:
    """The edit, its measures, the bytes of the image before it and after it, and why it waits."""

    edit: Edit
    measures: EditMeasures | None
    before: bytes
    after: bytes | None
    waiting: tuple[str, ...]


def demo(
    as_json: Annotated[bool, typer.Option("--json", help="Palettes and costs as JSON on stdout.")] = False,
) -> None:
    """Tag, refine and find palettes, let four artists paint, edit one work, ask talks something. Free, offline."""
    from datetime import UTC, datetime

    from grabient_assets.cli.load import store
    from grabient_assets.cli.progress import follow
    from grabient_assets.errors import UsageError
    from grabient_assets.groups.palettes.palette_file import SAMPLES, read_palette_file
    from grabient_assets.headless.run_goal import chosen_prompt_version, make_goal, record_goal
    from grabient_assets.headless.showcase import showcase
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import load_settings
    from grabient_assets.store.objects import check_store

    settings = load_settings()
    if settings.mode != "emulator":
        raise UsageError("The demo never spends money: unset GRABIENT_MODE, or set it to emulator, and run it again.")
    warehouse, samples = open_warehouse(settings), read_palette_file(SAMPLES)
    store(samples, "bundled samples")
    check_store(open_store(settings))
    seeds = [row.palette.canonical for row in samples.rows]
    version = chosen_prompt_version(None)
    now = datetime.now(UTC)
    goal = make_goal(warehouse, settings, version, settings.analyses, "indexed", seeds, today=now.date())
    record_goal(goal, warehouse, settings, now)
    followed = follow(goal, warehouse, settings, DEMO_TIMEOUT)
    shown = showcase(warehouse, version, seeds)
    found = _searches(warehouse, settings) if followed.outcome.progress.indexed else []
    painted = _chorus(warehouse, settings, shown.palettes[0].seed) if followed.outcome.finished else None
    edited = _edit(warehouse, settings, painted[1].runs) if painted else None
    learned = _knowledge(warehouse, settings) if followed.outcome.finished else None
    if as_json:
        _print_document(shown, found, followed, painted, edited, learned)
    else:
        _show(shown, found, followed, settings, painted, edited, learned)
    problems = [
        *followed.outcome.problems,
        *(edited.waiting if edited else ()),
        *(learned[0].waiting if learned else ()),
    ]
    for problem in problems:
        print_note(problem)
    if problems or not followed.outcome.finished:
        raise typer.Exit(1)


def _searches(warehouse: Warehouse, settings: Settings) -> list[Found]:
    """The first hits of three searches by meaning."""
    from datetime import UTC, datetime

    from grabient_assets.groups.embedding.queries import query_embedder
    from grabient_assets.groups.search.searching import checked_query, search

    vectors_of = query_embedder(settings, warehouse, lambda: datetime.now(UTC))
    return [search(checked_query(query, HITS), warehouse, vectors_of) for query in SEARCHES]


def _chorus(warehouse: Warehouse, settings: Settings, muse: str) -> tuple[ChorusGroup, ChorusOutcome]:
    """Four artists answer one prompt about the first palette, one brush paints. The newest chorus of an earlier demo is
    kept: it stands for the same question."""
    from datetime import UTC, datetime

    from grabient_assets.groups.chorus.asking import Wish, ask_chorus, plan_group
    from grabient_assets.groups.chorus.tables import groups
    from grabient_assets.headless.chorus_run import follow_chorus
    from grabient_assets.settings import PROVIDERS

    with warehouse.read() as connection:
        known = [group for group in groups(connection).values() if group.seed == muse]
        planned = plan_group(connection, Wish(artists=ARTISTS, seed=muse), PROVIDERS, datetime.now(UTC))
    group = known[0] if known else ask_chorus(warehouse, planned, None, settings.budget_usd, "emulator")
    return group, follow_chorus(group.group_id, warehouse, settings, DEMO_TIMEOUT)


def _edit(warehouse: Warehouse, settings: Settings, runs: Sequence[ChorusRun]) -> Edited | None:
    """One region of the first work is changed. The edit of an earlier demo is kept."""
    from datetime import UTC, datetime

    from grabient_assets.groups.edits.asking import Wish, ask_edit, plan_edit
    from grabient_assets.groups.edits.tables import EditMeasures, edits_of, rows_by_edit
    from grabient_assets.groups.images.images import contents_of, images_by_id
    from grabient_assets.headless.edit_run import follow_edit
    from grabient_assets.resources.objects import open_store
    from grabient_assets.settings import PROVIDERS

    store = open_store(settings)
    with warehouse.read() as connection:
        images = images_by_id(connection, [run.image_id for run in runs if run.image_id])
        image = next((run.image_id for run in runs if run.image_id in images), None)
        if image is None:
            return None
        known = [edit for edit in edits_of(connection, root=image) if edit.prompt == EDIT and edit.depth == 1]
        wish = Wish(image, "prompt", prompt=EDIT, mask=REGION)
        planned = None if known else plan_edit(connection, store, wish, PROVIDERS, datetime.now(UTC))
    asked = known[0] if planned is None else ask_edit(warehouse, store, planned, None, settings.budget_usd, "emulator")
    outcome = follow_edit(asked.edit_id, warehouse, settings, DEMO_TIMEOUT)
    edit = outcome.edit
    with warehouse.read() as connection:
        images |= images_by_id(connection, [edit.image_id] if edit.image_id else [])
        measures = rows_by_edit(connection, EditMeasures, [edit.edit_id]).get(edit.edit_id)
    shown = contents_of(store, {one: images[one] for one in (image, edit.image_id) if one in images})
    return Edited(edit, measures, shown[image], shown.get(edit.image_id or ""), outcome.waiting)


def _knowledge(warehouse: Warehouse, settings: Settings) -> tuple[KnowledgeOutcome, KnowledgeFound | None]:
    """Three talks are read in nine areas, and one question is asked. The workflow of an earlier demo is kept."""
    from datetime import UTC, datetime

    from grabient_assets.cli.knowledge_search import search_of
    from grabient_assets.groups.knowledge.tables import workflows
    from grabient_assets.groups.knowledge.workflows import Wish, make_workflow, plan_workflow
    from grabient_assets.groups.retrieval.searching import knowledge_query
    from grabient_assets.headless.knowledge_run import follow_workflow
    from grabient_assets.headless.showcase import TALKS
    from grabient_assets.settings import PROVIDERS

    now = datetime.now(UTC)
    with warehouse.read() as connection:
        known = [one for one in workflows(connection).values() if one.name == WORKFLOW]
        wish = Wish(WORKFLOW, tuple(str(path) for path in sorted(TALKS.glob("*.json"))), "documents")
        planned = plan_workflow(connection, wish, PROVIDERS, settings, now)
    workflow = known[0] if known else make_workflow(warehouse, planned, None, "emulator", now)
    outcome = follow_workflow(workflow.workflow_id, warehouse, settings, DEMO_TIMEOUT)
    if outcome.status.status != "completed":
        return outcome, None
    query = knowledge_query(QUESTION, workflow=workflow.workflow_id, limit=1)
    return outcome, search_of(settings, warehouse).find(query)


def _print_document(
    shown: Showcase,
    found: Sequence[Found],
    followed: Followed,
    painted: tuple[ChorusGroup, ChorusOutcome] | None,
    edited: Edited | None,
    learned: tuple[KnowledgeOutcome, KnowledgeFound | None] | None,
) -> None:
    from grabient_assets.cli.search import search_document
    from grabient_assets.groups.comparisons.documents import group_document
    from grabient_assets.groups.retrieval.searching import found_document
    from grabient_assets.headless.edit_documents import edit_document

    print_json(
        {
            "palettes": [asdict(one) for one in shown.palettes],
            "searches": [search_document(one) for one in found],
            "chorus": group_document(painted[0], painted[1].runs) if painted else None,
            "edit": edit_document(edited.edit, measures=edited.measures) if edited else None,
            "knowledge": asdict(learned[0].status) if learned else None,
            "question": found_document(learned[1]) if learned and learned[1] else None,
            "live_cost_usd": {f"{one.provider} {one.purpose}": float(one.cost_usd) for one in shown.spent},
            "elapsed_seconds": round(followed.seconds, 1),
        }
    )


def _show(
    shown: Showcase,
    found: Sequence[Found],
    followed: Followed,
    settings: Settings,
    painted: tuple[ChorusGroup, ChorusOutcome] | None,
    edited: Edited | None,
    learned: tuple[KnowledgeOutcome, KnowledgeFound | None] | None,
) -> None:
    from grabient_assets.cli.knowledge_search import show_hit
    from grabient_assets.resources.objects import open_store

    console = output()
    _draw_cards(console, shown.palettes[:SHOWN_PALETTES])
    progress = followed.outcome.progress
    costs = ", ".join(f"{one.provider} {one.purpose} {one.cost_usd:.4f}" for one in shown.spent)
    where = settings.objects_dir if settings.r2 is None else open_store(settings).name
    for line in (
        f"These are {min(SHOWN_PALETTES, len(shown.palettes))} of {counted(progress.palettes, 'palette')}: "
        f"{progress.consensus:,} tagged, {progress.refined:,} refined, {progress.indexed:,} found by search, in "
        f"{followed.seconds:.1f} s.",
        f"It was free. In live mode these answers would have cost {shown.cost_usd:.4f} USD ({costs}).",
        f"Pictures:  {where}/palettes",
        f"Database:  {settings.warehouse}",
        "",
    ):
        console.print(line, soft_wrap=not console.is_terminal)
    for one in found:
        _draw_hits(console, one)
    if painted:
        group, runs = painted[0], painted[1].runs
        done = (
            f"{sum(run.status == 'done' for run in runs)} of {counted(len(runs), 'artist')}, painted by {group.brush}:"
        )
        console.print(f"{typed_program()} chorus show", style="bold", highlight=False, end="  ")
        console.print(done, soft_wrap=True)
        for run in runs:
            console.print(f"  {run.artist}: {one_line(run.statement or run.error or '')[:60]}...", soft_wrap=True)
        console.print()
    if edited:
        _draw_edit(console, edited)
    if learned and learned[1]:
        status = learned[0].status
        console.print(f'{typed_program()} knowledge search "{QUESTION}"', style="bold", highlight=False, end="  ")
        console.print(
            f"{counted(status.entries, 'entry', 'entries')} of {counted(status.total_content, 'talk')}:", soft_wrap=True
        )
        for hit in learned[1].hits:
            show_hit(hit, console)
        console.print()
    for line in (
        "Next:",
        f"  {typed_program()} explain {shown.palettes[0].seed}",
        "      how one palette came to its tags",
        f"  {typed_program()} dev",
        "      the same in Dagster's UI, http://127.0.0.1:3000, and the works side by side, http://127.0.0.1:3700/chorus",
        f"  {typed_program()} load FILE",
        "      your own palettes; `grabient plan` then says what they would cost",
    ):
        console.print(line, soft_wrap=not console.is_terminal)


def _draw_edit(console: Console, edited: Edited) -> None:
    """The image before and after, where colours are shown, and what was measured."""
    edit, measures = edited.edit, edited.measures
    console.print(f"{typed_program()} edits list {edit.root_image[:12]}", style="bold", highlight=False, end="  ")
    console.print(f"v1, and {edit.label} by {edit.model}: {one_line(edit.prompt or '')}", soft_wrap=True)
    if edited.after is not None and shows_colours(console):
        pictures = (half_blocks(content, PICTURE_COLUMNS) for content in (edited.before, edited.after))
        for before, after in zip(*pictures, strict=True):
            console.print(before.append("  ").append_text(after))
    said = edit.status if edit.error is None else one_line(edit.error)
    if measures is not None and measures.leak_raw is not None and measures.leak_final is not None:
        said = (
            f"{edit.label}: the editor changed {100 * measures.leak_raw:.1f} % of what it should have left alone "
            f"(leak_raw); stitched, {100 * measures.leak_final:.1f} % of that is left (leak_final)"
        )
    console.print(f"  {said}; {edit.cost_usd:.4f} USD in live mode", soft_wrap=not console.is_terminal)
    console.print()


def _draw_hits(console: Console, found: Found) -> None:
    """The query as it is typed, and under it the colours, score and name of each hit."""
    console.print(f'{typed_program()} search "{found.query}"', style="bold", highlight=False, soft_wrap=True)
    for hit in found.hits:
        line = shown_colours(console, hit.hex, 3)
        console.print(line.append(f"  {hit.score:.3f}  {one_line(hit.name or hit.seed)}"), soft_wrap=True)
    console.print()


def _draw_cards(console: Console, palettes: Sequence[Shown]) -> None:
    """Each palette with its name and colours, its refined tags and the text it is found by."""
    from rich.padding import Padding

    for shown in palettes:
        console.print(_named_bar(console, shown))
        for line in (_facts(shown.refined), _tags(shown.refined), shown.embed_text):
            if line:
                console.print(Padding(line, (0, 0, 0, INDENT)), width=min(console.width, WIDEST))
        console.print()


def _named_bar(console: Console, shown: Shown) -> Text:
    from rich.text import Text

    named = Text(f"{one_line(shown.name or '') or shown.seed}  ", style="bold")
    return named.append_text(shown_colours(console, shown.hex, 3))


def _facts(fields: dict[str, list[str]]) -> str:
    named = {
        name: fields[name][0] for name in ("temperature", "contrast", "brightness", "saturation") if name in fields
    }
    return ", ".join(f"{value} contrast" if name == "contrast" else value for name, value in named.items())


def _tags(fields: dict[str, list[str]]) -> str:
    return "; ".join(", ".join(fields[name]) for name in LISTED if fields.get(name))
